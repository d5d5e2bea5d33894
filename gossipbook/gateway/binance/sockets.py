"""The dialect over sockets: ``/ws`` and ``/stream`` for streams, ``/ws-api/v3`` for requests and the user stream."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from starlette.websockets import WebSocket

from gossipbook.gateway.account_feed import AccountStep
from gossipbook.gateway.accounts import ApiKey, Scope
from gossipbook.gateway.binance import errors as e
from gossipbook.gateway.binance.account import balances
from gossipbook.gateway.binance.call import Call, Dialect
from gossipbook.gateway.binance.market import now_ms
from gossipbook.gateway.binance.rest import Rest, refused_of
from gossipbook.gateway.binance.table import METHODS, TABLE
from gossipbook.gateway.binance.topics import Teller, Topic, Who, read_topic
from gossipbook.gateway.binance.user import execution_report, positions_told
from gossipbook.gateway.desk import Desk
from gossipbook.gateway.guard import address_of
from gossipbook.gateway.settings import SOCKET_ORDERS_CAP, SUBSCRIPTIONS_CAP
from gossipbook.gateway.socket_task import TOO_SLOW, Sender, sending

Told = dict[str, Any]
TICK_S: Final = 0.05
ALL: Final = {"!ticker@arr": "ticker", "!miniTicker@arr": "miniTicker"}


class Tellers:
    """The streams that somebody has subscribed to, each made once; a task tells what they gather."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._tellers: dict[str, Teller] = {}
        self._pairs = {name.lower(): symbol for name, symbol in dialect.symbols.pairs.items()}
        self._task: asyncio.Task[None] | None = None

    def topics(self, name: str) -> list[tuple[str, Topic]]:
        """The streams that a name stands for; none if it is no stream's."""
        if name in ALL:
            each = [f"{symbol.lower()}@{ALL[name]}" for symbol in self._dialect.symbols.pairs]
            return [(one, topic) for one in each if (topic := read_topic(one, self._pairs)) is not None]
        topic = read_topic(name, self._pairs)
        return [] if topic is None else [(name, topic)]

    async def join(self, name: str, topic: Topic, who: Who, put: Callable[[str], None]) -> None:
        """Subscribe somebody."""
        market = self._dialect.gateway.markets.get(topic.symbol)
        await market.ready()
        teller = self._tellers.get(name)
        if teller is None:
            symbol = self._dialect.symbols.of_pair[topic.symbol]
            teller = self._tellers[name] = Teller(market, name, symbol, topic)
            if topic.kind.startswith("kline_"):
                pair = await self._dialect.gateway.network.pair(topic.symbol)
                teller.load_candle((await pair.candles(topic.kind[6:], limit=1))["candles"])
        teller.subscribers[who] = put
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def leave(self, name: str, who: Who) -> None:
        """Unsubscribe somebody; a stream that nobody is left in goes."""
        teller = self._tellers.get(name)
        if teller is not None:
            teller.subscribers.pop(who, None)
            if not teller.subscribers:
                teller.close()
                del self._tellers[name]

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now = now_ms()
            for teller in [*self._tellers.values()]:
                teller.tick(now)


class UserStream:
    """Sends one account's events, in all pairs, to one socket."""

    def __init__(self, dialect: Dialect, desk: Desk, put: Callable[[Told], None]) -> None:
        self._dialect = dialect
        self._desk = desk
        self._put = put
        self._listeners: list[tuple[Any, Callable[[AccountStep], None]]] = []
        self._asking: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """Listen from now on."""
        for symbol in self._dialect.gateway.manifest.symbols():
            feed = await self._desk.feed(symbol)
            listener = partial(self._on_step, symbol)
            feed.listeners.append(listener)
            self._listeners.append((feed, listener))

    def end(self) -> None:
        """Listen no more."""
        for feed, listener in self._listeners:
            with contextlib.suppress(ValueError):
                feed.listeners.remove(listener)
        for task in self._asking:
            task.cancel()

    def _on_step(self, symbol: str, step: AccountStep) -> None:
        spec = self._dialect.gateway.manifest.pair(symbol)
        name = self._dialect.symbols.of_pair[symbol]
        for report in step.reports:
            self._put(execution_report(name, spec, step, report))
        if any(report.fill for report in step.reports):
            task = asyncio.create_task(self._tell_balances(step))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _tell_balances(self, step: AccountStep) -> None:
        call = Call(self._dialect, {})
        with contextlib.suppress(e.Refused):
            self._put(positions_told(await balances(call, self._desk), step.time_ms))


class Streams:
    """One socket of ``/ws`` or ``/stream``."""

    def __init__(self, dialect: Dialect, tellers: Tellers, socket: WebSocket, *, combined: bool) -> None:
        self._dialect = dialect
        self._tellers = tellers
        self._socket = socket
        self._combined = combined
        self._joined: dict[str, list[str]] = {}
        self._users: dict[str, UserStream] = {}
        self._sender: Sender

    async def run(self, names: list[str]) -> None:
        """Serve the socket until it ends. ``names`` are subscribed to at once, as far as there are such streams."""
        await self._socket.accept()
        async with sending(self._socket, self._on_lag) as self._sender:
            try:
                for name in names[:SUBSCRIPTIONS_CAP]:
                    await self._join(name)
                async for message in self._socket.iter_text():
                    await self._take(message)
                    await self._sender.room()
            finally:
                for name in [*self._joined]:
                    self._leave(name)
                for user in self._users.values():
                    user.end()

    async def _on_lag(self, missed: int) -> None:
        """Differences are lost, and nothing of the dialect says so: the program is to connect again."""
        await self._socket.close(TOO_SLOW, f"too slow: {missed} messages were lost")

    async def _take(self, message: str) -> None:
        number: Any = None
        try:
            asked = json.loads(message)
            if not isinstance(asked, dict):
                raise e.Refused(2, "Invalid request: request must be a JSON object")
            number = asked.get("id")
            result = await self._act(str(asked.get("method")), asked.get("params"))
            self._sender.answer(_text({"result": result, "id": number}))
        except ValueError:
            self._sender.answer(_text({"error": {"code": 3, "msg": "Invalid JSON"}, "id": number}))
        except Exception as error:  # noqa: BLE001 - a fault is raised again by refused_of
            self._sender.answer(_text({"error": refused_of(error).told(), "id": number}))

    async def _act(self, method: str, params: Any) -> Any:
        listed = params if isinstance(params, list) else []
        names = [each for each in listed if isinstance(each, str)]
        if method == "LIST_SUBSCRIPTIONS":
            return [*self._joined, *self._users]
        if method == "GET_PROPERTY" and names == ["combined"]:
            return self._combined
        if method == "SET_PROPERTY" and listed[:1] == ["combined"] and len(listed) == 2:
            await self._set_combined(bool(listed[1]))
            return None
        if method == "SUBSCRIBE":
            if len(self._joined) + len(names) > SUBSCRIPTIONS_CAP:
                raise e.Refused(2, f"Invalid request: at most {SUBSCRIPTIONS_CAP} streams a socket")
            for name in names:
                if not await self._join(name):
                    raise e.Refused(2, f"Invalid request: no stream {name[:64]}")
            return None
        if method == "UNSUBSCRIBE":
            for name in names:
                self._leave(name)
            return None
        raise e.Refused(2, "Invalid request: unknown method")

    async def _set_combined(self, combined: bool) -> None:
        names = [*self._joined]
        for name in names:
            self._leave(name)
        self._combined = combined
        for name in names:
            await self._join(name)

    async def _join(self, name: str) -> bool:
        if name in self._joined:
            return True
        topics = self._tellers.topics(name)
        for each, topic in topics:
            await self._tellers.join(each, topic, (self, self._combined), self._sender.put)
        if topics:
            self._joined[name] = [each for each, _ in topics]
            return True
        return await self._join_user(name)

    def _leave(self, name: str) -> None:
        for each in self._joined.pop(name, []):
            self._tellers.leave(each, (self, self._combined))
        if (user := self._users.pop(name, None)) is not None:
            user.end()

    async def _join_user(self, name: str) -> bool:
        found = self._dialect.listen_keys.get(name)
        if found is None or found[1] < time.monotonic():
            return False
        if name not in self._users:
            desk = await self._dialect.gateway.desk(found[0], Scope.READ)
            user = UserStream(self._dialect, desk, partial(self._put_user, name))
            self._users[name] = user
            await user.begin()
        return True

    def _put_user(self, name: str, told: Told) -> None:
        self._sender.put(_text({"stream": name, "data": told} if self._combined else told))


class Requests:
    """One socket of ``/ws-api/v3``."""

    def __init__(self, dialect: Dialect, rest: Rest, socket: WebSocket) -> None:
        self._dialect = dialect
        self._rest = rest
        self._socket = socket
        self._address = address_of(socket.scope)
        self._key: ApiKey | None = None
        self._users: dict[int, UserStream] = {}
        self._next_user = 0
        self._doing: set[asyncio.Task[None]] = set()
        self._sender: Sender

    async def run(self) -> None:
        """Serve the socket until it ends."""
        await self._socket.accept()
        async with sending(self._socket, self._on_lag) as self._sender:
            try:
                async for message in self._socket.iter_text():
                    self._take(message)
                    await self._sender.room()
            finally:
                for task in self._doing:
                    task.cancel()
                for user in self._users.values():
                    user.end()

    async def _on_lag(self, missed: int) -> None:
        """Events are lost, and nothing of the dialect says so: the program is to connect again."""
        await self._socket.close(TOO_SLOW, f"too slow: {missed} messages were lost")

    def _take(self, message: str) -> None:
        try:
            asked = json.loads(message, parse_float=str)  # A signature is over the digits as they were sent.
            method, params = str(asked["method"]), asked.get("params") or {}
            given = {str(name): _shown(value) for name, value in params.items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            refused = e.Refused(-1100, "Illegal request: expected an object with id, method and params.")
            self._sender.answer(_text({"id": None, "status": 400, "error": refused.told()}))
            return
        if len(self._doing) >= SOCKET_ORDERS_CAP:
            refused = e.Refused(e.TOO_MANY_REQUESTS, "Too many requests wait for their answers already.", 429)
            self._sender.answer(_text({"id": asked.get("id"), "status": 429, "error": refused.told()}))
            return
        task = asyncio.create_task(self._do(asked.get("id"), method, given))
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    async def _do(self, number: Any, method: str, params: dict[str, str]) -> None:
        try:
            result = await self._act(method, params)
            told: Told = {"id": number, "status": 200, "result": result}
        except Exception as error:  # noqa: BLE001 - a fault is raised again by refused_of
            refused = refused_of(error)
            told = {"id": number, "status": refused.status, "error": refused.told()}
        self._sender.answer(_text(told | {"rateLimits": []}))

    async def _act(self, method: str, params: dict[str, str]) -> Any:
        own: dict[str, Callable[[dict[str, str]], Coroutine[Any, Any, Any]]] = {
            "session.logon": self._log_on,
            "session.status": self._status,
            "session.logout": self._log_out,
            "userDataStream.subscribe": self._subscribe,
            "userDataStream.subscribe.signature": self._subscribe_signed,
            "userDataStream.unsubscribe": self._unsubscribe,
        }
        if method in own:
            return await own[method](params)
        if method not in METHODS:
            raise e.Refused(e.UNSUPPORTED, f"This network has no {method[:64]}: see the table in the gateway's docs.")
        entry = TABLE[METHODS[method]]
        return await entry.answer(self._rest.let_in_by_params(entry, params, self._key, self._address))

    # -- the session --------------------------------------------------------------------------------

    async def _log_on(self, params: dict[str, str]) -> Told:
        self._key = self._rest.key_of(params, self._address)
        return await self._status(params)

    async def _log_out(self, params: dict[str, str]) -> Told:
        self._key = None
        return await self._status(params)

    async def _status(self, _: dict[str, str]) -> Told:
        key = None if self._key is None else self._key.id
        return {"apiKey": key, "authorizedSince": None, "serverTime": now_ms(), "userDataStream": bool(self._users)}

    async def _subscribe(self, _: dict[str, str]) -> Told:
        if self._key is None:
            raise e.Refused(e.BAD_KEY_FORMAT, "Log on first.", 401)
        return await self._begin_user(self._key)

    async def _subscribe_signed(self, params: dict[str, str]) -> Told:
        return await self._begin_user(self._rest.key_of(params, self._address))

    async def _begin_user(self, key: ApiKey) -> Told:
        desk = await self._dialect.gateway.desk(key, Scope.READ)
        number, self._next_user = self._next_user, self._next_user + 1
        user = self._users[number] = UserStream(self._dialect, desk, partial(self._put_user, number))
        await user.begin()
        return {"subscriptionId": number}

    async def _unsubscribe(self, params: dict[str, str]) -> Told:
        wanted = params.get("subscriptionId")
        for number in [*self._users]:
            if wanted in (None, str(number)):
                self._users.pop(number).end()
        return {}

    def _put_user(self, number: int, told: Told) -> None:
        self._sender.put(_text({"subscriptionId": number, "event": told}))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def _text(told: Told) -> str:
    return json.dumps(told, separators=(",", ":"))
