"""The native stream: subscriptions, own orders and fills, and orders over one socket."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from gossipbook.errors import GossipbookError
from gossipbook.gateway.access import Denied
from gossipbook.gateway.account_feed import AccountFeed, AccountStep
from gossipbook.gateway.accounts import ApiKey, Scope
from gossipbook.gateway.clock import now_ms
from gossipbook.gateway.desk import Desk
from gossipbook.gateway.gateway import Gateway
from gossipbook.gateway.guard import address_of, problem_json
from gossipbook.gateway.live_candle import LiveCandle
from gossipbook.gateway.native import actions, reads
from gossipbook.gateway.native.channels import MARKET_CHANNELS, Channel, Told, text
from gossipbook.gateway.native.pending import NotFinal, Pending, Prepared
from gossipbook.gateway.native.requests import READ_REQUESTS, Subscribe
from gossipbook.gateway.problems import Problem, problem_of
from gossipbook.gateway.rows import fill_json, order_json
from gossipbook.gateway.settings import HEARTBEAT_S, ID_CHARS_CAP, SOCKET_ORDERS_CAP, SUBSCRIPTIONS_CAP
from gossipbook.gateway.socket_task import Sender, sending
from gossipbook.trade.peer_link import MALFORMED_ANSWER

STATUS_S: Final = 2.0
NOT_FINAL: Final[dict[str, type[NotFinal]]] = {"pending": Pending, "prepared": Prepared}
log = logging.getLogger("gossipbook.gateway")
ChannelKey = tuple[str, str, str]


class Channels:
    """The channels that somebody has subscribed to, each made once."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._channels: dict[ChannelKey, Channel] = {}
        self._not_final: dict[tuple[str, str], NotFinal] = {}  # no more than two a pair

    def not_final(self, channel: str, symbol: str) -> NotFinal:
        """What is on its way in a pair, or what is prepared."""
        key = channel, symbol
        if key not in self._not_final:
            self._not_final[key] = NOT_FINAL[channel](self._gateway, symbol)
        return self._not_final[key]

    async def join(self, key: ChannelKey, who: object, put: Callable[[str], None]) -> Channel:
        """Subscribe somebody, who is sent a snapshot at once."""
        name, symbol, width = key
        market = self._gateway.markets.get(symbol)
        await market.ready()
        candle = await LiveCandle.load(market, width) if name == "candles" and key not in self._channels else None
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = Channel(market, name, width, candle)
        put(channel.snapshot())
        channel.subscribers[who] = put
        return channel

    def leave(self, key: ChannelKey, who: object) -> None:
        """Unsubscribe somebody; a channel that nobody is left in goes."""
        channel = self._channels.get(key)
        if channel is not None:
            channel.subscribers.pop(who, None)
            if not channel.subscribers:
                channel.close()
                del self._channels[key]


class Feed:
    """One channel at one socket. ``muted``: a snapshot is on its way, and nothing from before it is to follow."""

    def __init__(self, put: Callable[[str], None]) -> None:
        self._put = put
        self.muted = False
        self.channel: Channel

    def put(self, message: str) -> None:
        """A message of the channel."""
        if not self.muted:
            self._put(message)


class Stream:
    """One socket."""

    def __init__(self, gateway: Gateway, channels: Channels, socket: WebSocket) -> None:
        self._gateway = gateway
        self._channels = channels
        self._socket = socket
        self._address = address_of(socket.scope)
        self._key: ApiKey | None = None
        self._joined: dict[ChannelKey, Feed] = {}
        self._not_final: dict[tuple[str, str], None] = {}
        self._own: dict[str, tuple[AccountFeed, Callable[[AccountStep], None]]] = {}
        self._doing: set[asyncio.Task[None]] = set()
        self._watching_status = False
        self._sender: Sender

    async def run(self) -> None:
        """Serve the socket until it ends."""
        header = self._socket.headers.get("authorization")
        if header is not None:
            self._key = self._gateway.door.by_bearer(header, self._address)
        await self._socket.accept()
        async with sending(self._socket, self._on_lag) as self._sender:
            beating = asyncio.create_task(self._beat())
            try:
                async for message in self._socket.iter_text():
                    self._take(message)
                    await self._sender.room()
            finally:
                beating.cancel()
                for task in self._doing:
                    task.cancel()
                for key in [*self._joined]:
                    self._leave(key)
                for channel, symbol in [*self._not_final]:
                    self._leave_not_final(channel, symbol)
                for symbol in [*self._own]:
                    self._leave_account(symbol)

    # -- requests -----------------------------------------------------------------------------------

    def _take(self, message: str) -> None:
        """Begin what a message asks for; answers may come in another order."""
        number: Any = None
        try:
            asked = json.loads(message)
            if not isinstance(asked, dict):
                raise Problem(400, "bad-request", "expected an object")
            number = _checked_id(asked.pop("id", None))
            if len(self._doing) >= SOCKET_ORDERS_CAP:
                raise Problem(429, "too-many-requests", f"{SOCKET_ORDERS_CAP} requests wait for their answers already")
            what = asked.pop("do", None)
            self._count()
            task = asyncio.create_task(self._do(number, what, asked))
            self._doing.add(task)
            task.add_done_callback(self._doing.discard)
        except (ValueError, RecursionError):
            self._refuse(number, Problem(400, "bad-request", "not JSON"))
        except (Problem, Denied) as error:
            self._refuse(number, problem_of(error))

    def _count(self) -> None:
        if self._key is None:
            self._gateway.door.count(self._address)
        else:
            self._key = self._gateway.door.again(self._key)

    async def _do(self, number: Any, what: Any, asked: Told) -> None:
        try:
            result = await self._act(what, asked)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            self._refuse(number, Problem(422, "invalid", f"{where}: {first['msg']}"[:500], parameter=where[:64]))
        except WebSocketDisconnect:
            return
        except (Problem, Denied, GossipbookError) as error:
            self._refuse(number, problem_of(error))
        except Exception:
            log.exception("a request over a socket met a fault of the gateway")
            self._refuse(number, Problem(500, "fault", "a fault of the gateway, which noted it"))
        else:
            self._sender.answer(text({"id": number, "ok": True, "result": result}))

    def _refuse(self, number: Any, problem: Problem) -> None:
        self._sender.answer(text({"id": number, "ok": False, "problem": problem_json(problem)}))

    async def _act(self, what: Any, asked: Told) -> Any:
        if what == "login":
            for symbol in [*self._own]:
                self._leave_account(symbol)  # They may be another account's.
            self._key = self._gateway.door.by_token(str(asked.get("token", "")), self._address)
            return {"account": self._key.account, "scopes": sorted(self._key.scopes)}
        if what in ("subscribe", "unsubscribe"):
            wanted = Subscribe.model_validate(asked)
            return await (self._subscribe(wanted) if what == "subscribe" else self._unsubscribe(wanted))
        if what == "ping":
            return {"time_ms": now_ms()}
        if isinstance(what, str) and what in actions.ACTIONS:
            model, scope, act = actions.ACTIONS[what]
            request = model.model_validate(asked)
            return await act(self._gateway, await self._desk(scope), request)
        if isinstance(what, str) and what in READ_REQUESTS:
            reading, read = READ_REQUESTS[what]
            return await read(self._gateway, await self._desk(Scope.READ), reading.model_validate(asked))
        known = ["login", "ping", "subscribe", "unsubscribe", *actions.ACTIONS, *READ_REQUESTS]
        raise Problem(400, "bad-request", f"do: one of {', '.join(known)}")

    async def _desk(self, scope: Scope) -> Desk:
        if self._key is None:
            raise Denied("no-key")
        return await self._gateway.desk(self._gateway.door.still(self._key), scope)

    # -- channels -----------------------------------------------------------------------------------

    async def _subscribe(self, wanted: Subscribe) -> Told:
        if len(self._joined) + len(self._own) + len(self._not_final) >= SUBSCRIPTIONS_CAP:
            raise Problem(429, "too-many-subscriptions", f"a socket has at most {SUBSCRIPTIONS_CAP} channels")
        if wanted.channel == "status":
            self._watching_status = True
        elif wanted.channel == "account":
            await self._join_account(wanted.pair)
        elif wanted.channel in NOT_FINAL:
            self._channels.not_final(wanted.channel, wanted.pair).join(self, self._sender.put)
            self._not_final[wanted.channel, wanted.pair] = None
        else:
            key = _key(wanted)
            if key not in self._joined:
                feed = Feed(self._sender.put)
                feed.channel = await self._channels.join(key, self, feed.put)
                self._joined[key] = feed
        return wanted.model_dump(exclude_none=True)

    async def _unsubscribe(self, wanted: Subscribe) -> Told:
        if wanted.channel == "status":
            self._watching_status = False
        elif wanted.channel == "account":
            self._leave_account(wanted.pair)
        elif wanted.channel in NOT_FINAL:
            self._leave_not_final(wanted.channel, wanted.pair)
        else:
            self._leave(_key(wanted))
        return wanted.model_dump(exclude_none=True)

    def _leave_not_final(self, channel: str, symbol: str) -> None:
        if (channel, symbol) in self._not_final:
            del self._not_final[channel, symbol]
            self._channels.not_final(channel, symbol).leave(self)

    def _leave(self, key: ChannelKey) -> None:
        if self._joined.pop(key, None) is not None:
            self._channels.leave(key, self)

    async def _join_account(self, symbol: str) -> None:
        desk = await self._desk(Scope.READ)
        feed = await desk.feed(symbol)
        if symbol not in self._own:
            listener = partial(self._on_own, symbol)
            self._own[symbol] = feed, listener
            self._sender.put(self._own_snapshot(feed))
            feed.listeners.append(listener)

    def _leave_account(self, symbol: str) -> None:
        if (own := self._own.pop(symbol, None)) is not None:
            feed, listener = own
            with contextlib.suppress(ValueError):
                feed.listeners.remove(listener)

    def _own_snapshot(self, feed: AccountFeed) -> str:
        spec = self._gateway.manifest.pair(feed.symbol)
        told: Told = {"channel": "account", "type": "snapshot", "pair": feed.symbol, "height": feed.height}
        told["orders"] = [order_json(spec, row) for row in feed.own.open]
        return text(told)

    def _on_own(self, symbol: str, step: AccountStep) -> None:
        try:
            if self._key is not None:
                self._gateway.door.still(self._key)
        except Denied as denied:
            self._leave_account(symbol)
            self._refuse(None, problem_of(denied))
            return
        spec = self._gateway.manifest.pair(symbol)
        reports = [
            {"event": report.event, "number": report.number, "order": order_json(spec, report.order)}
            | ({} if report.fill is None else {"fill": fill_json(spec, report.fill)})
            for report in step.reports
        ]
        told = {"channel": "account", "type": "restart" if step.restarted else "update", "pair": symbol}
        self._sender.put(text(told | {"height": step.height, "time_ms": step.time_ms, "events": reports}))

    # -- time ---------------------------------------------------------------------------------------

    async def _on_lag(self, missed: int) -> None:
        """The subscriber was slow: say so, and have it start anew, channel by channel, at its own pace."""
        for feed in self._joined.values():
            feed.muted = True
        await self._sender.send(text({"type": "lagged", "missed": missed}))
        for feed in [*self._joined.values()]:
            snapshot = feed.channel.snapshot()
            feed.muted = False  # What changes from here on follows the snapshot.
            await self._sender.send(snapshot)
        for own, _ in [*self._own.values()]:
            await self._sender.send(self._own_snapshot(own))

    async def _beat(self) -> None:
        """Say that the gateway lives, and how the network fares to who wants to know."""
        beats = 0
        while True:
            await asyncio.sleep(STATUS_S if self._watching_status else HEARTBEAT_S)
            beats += 1
            self._sender.put(text({"type": "heartbeat", "time_ms": now_ms()}))
            if self._watching_status:
                told = await _told_or_trouble(reads.status(self._gateway))
                peers = await _told_or_trouble(reads.peers(self._gateway))
                self._sender.put(text({"channel": "status", "type": "update", "status": told, "peers": peers}))


async def _told_or_trouble(reading: Awaitable[Any]) -> Any:
    try:
        return await reading
    except (Problem, GossipbookError, *MALFORMED_ANSWER) as error:
        known = error if isinstance(error, Problem | GossipbookError) else Problem(502, "bad-answer", "a peer's answer")
        return problem_json(problem_of(known))


def _checked_id(number: Any) -> Any:
    """A request's id: what is short enough to be told back."""
    if number is None or (isinstance(number, int | float | str) and len(str(number)) <= ID_CHARS_CAP):
        return number
    raise Problem(400, "bad-request", f"id: expected a number, or text of up to {ID_CHARS_CAP} characters")


def _key(wanted: Subscribe) -> ChannelKey:
    if wanted.channel not in MARKET_CHANNELS:
        raise Problem(400, "bad-request", f"channel: one of {', '.join(MARKET_CHANNELS)}, pending, account, status")
    return wanted.channel, wanted.pair, (wanted.width or "1m") if wanted.channel == "candles" else ""
