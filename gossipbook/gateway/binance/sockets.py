"""The dialect over sockets: ``/ws`` and ``/stream`` for streams, ``/ws-api/v3`` for requests and the user stream."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from starlette.websockets import WebSocket

from gossipbook.errors import GossipbookError
from gossipbook.gateway.access import Denied
from gossipbook.gateway.accounts import ApiKey
from gossipbook.gateway.binance import errors as e
from gossipbook.gateway.binance.call import Dialect
from gossipbook.gateway.binance.rest import Rest, refused_of
from gossipbook.gateway.binance.table import METHODS, TABLE
from gossipbook.gateway.binance.topics import AllTickers, Teller, Who, read_topic
from gossipbook.gateway.binance.user import UserStream
from gossipbook.gateway.clock import now_ms
from gossipbook.gateway.guard import address_of
from gossipbook.gateway.live_candle import LiveCandle
from gossipbook.gateway.problems import Problem
from gossipbook.gateway.settings import ID_CHARS_CAP, SOCKET_ORDERS_CAP, SUBSCRIPTIONS_CAP, USER_STREAMS_CAP
from gossipbook.gateway.socket_task import TOO_SLOW, Sender, sending

Told = dict[str, Any]
TICK_S: Final = 0.05
ALL: Final = {"!ticker@arr": False, "!miniTicker@arr": True}
log = logging.getLogger("gossipbook.gateway")


class Tellers:
    """The streams that somebody has subscribed to, each made once; a task tells what they gather."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._tellers: dict[str, Teller | AllTickers] = {}
        self._pairs = {name.lower(): symbol for name, symbol in dialect.symbols.pairs.items()}
        self._task: asyncio.Task[None] | None = None

    def knows(self, name: str) -> bool:
        """Whether a name is a stream's."""
        return name in ALL or read_topic(name, self._pairs) is not None

    async def join(self, name: str, who: Who, put: Callable[[str], None]) -> None:
        """Subscribe somebody to a stream that there is; nothing is left behind if that fails.

        Raises:
            Problem: it cannot be made now.
        """
        made = None if name in self._tellers else await self._make(name)
        teller = self._tellers.get(name)
        if teller is None:
            assert made is not None, "whoever made it holds it until somebody else does"
            teller = self._tellers[name] = made
            teller.begin()
        teller.subscribers[who] = put
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def _make(self, name: str) -> Teller | AllTickers:
        markets, symbols = self._dialect.gateway.markets, self._dialect.symbols
        if name in ALL:
            followed = {symbol: markets.get(pair) for symbol, pair in symbols.pairs.items()}
            for market in followed.values():
                await market.ready()
            return AllTickers(followed, name, mini=ALL[name])
        topic = read_topic(name, self._pairs)
        assert topic is not None, "the caller has asked whether there is one"
        market = markets.get(topic.symbol)
        await market.ready()
        candle = await LiveCandle.load(market, topic.width) if topic.width else None
        return Teller(market, name, symbols.of_pair[topic.symbol], topic, candle)

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


class Streams:
    """One socket of ``/ws`` or ``/stream``."""

    def __init__(self, dialect: Dialect, tellers: Tellers, socket: WebSocket, *, combined: bool) -> None:
        self._dialect = dialect
        self._tellers = tellers
        self._socket = socket
        self._combined = combined
        self._address = address_of(socket.scope)
        self._joined: dict[str, bool] = {}  # by name, whether it was joined as one of several
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
            number = _checked_id(asked.get("id"))
            self._dialect.gateway.door.count(self._address)
            result = await self._act(str(asked.get("method")), asked.get("params"))
            self._sender.answer(_text({"result": result, "id": number}))
        except (ValueError, RecursionError):
            self._sender.answer(_text({"error": {"code": 3, "msg": "Invalid JSON"}, "id": number}))
        except (e.Refused, Denied, Problem, GossipbookError) as error:
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
        if not self._tellers.knows(name):
            return await self._join_user(name)
        await self._tellers.join(name, (self, self._combined), self._sender.put)
        self._joined[name] = self._combined
        return True

    def _leave(self, name: str) -> None:
        if (combined := self._joined.pop(name, None)) is not None:
            self._tellers.leave(name, (self, combined))
        if (user := self._users.pop(name, None)) is not None:
            user.end()

    async def _join_user(self, name: str) -> bool:
        found = self._dialect.listen_keys.get(name)
        if found is None or found[1] < time.monotonic():
            return False
        if name not in self._users:
            if len(self._users) >= USER_STREAMS_CAP:
                raise e.Refused(2, f"Invalid request: at most {USER_STREAMS_CAP} streams of accounts a socket")
            user = UserStream(self._dialect, found[0], partial(self._put_user, name), self._sender.end)
            await user.begin()
            self._users[name] = user
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
        number: Any = None
        try:
            asked = json.loads(message, parse_float=str)  # A signature is over the digits as they were sent.
            number = _checked_id(asked.get("id"))
            method, params = str(asked["method"]), asked.get("params") or {}
            given = {str(name): _shown(value) for name, value in params.items()}
        except e.Refused as error:
            self._sender.answer(_text({"id": None, "status": 400, "error": error.told()}))
            return
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            refused = e.Refused(-1100, "Illegal request: expected an object with id, method and params.")
            self._sender.answer(_text({"id": number, "status": 400, "error": refused.told()}))
            return
        if len(self._doing) >= SOCKET_ORDERS_CAP:
            refused = e.Refused(e.TOO_MANY_REQUESTS, "Too many requests wait for their answers already.", 429)
            self._sender.answer(_text({"id": number, "status": 429, "error": refused.told()}))
            return
        task = asyncio.create_task(self._do(number, method, given))
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    async def _do(self, number: Any, method: str, params: dict[str, str]) -> None:
        try:
            result = await self._act(method, params)
            told: Told = {"id": number, "status": 200, "result": result}
        except (e.Refused, Denied, Problem, GossipbookError) as error:
            refused = refused_of(error)
            told = {"id": number, "status": refused.status, "error": refused.told()}
        except Exception:
            log.exception("%s over a socket met a fault of the gateway", method[:64])
            fault = e.Refused(e.UNKNOWN, "A fault of the gateway, which noted it.", 500)
            told = {"id": number, "status": fault.status, "error": fault.told()}
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
        if len(self._users) >= USER_STREAMS_CAP:
            raise e.Refused(e.TOO_MANY_REQUESTS, f"At most {USER_STREAMS_CAP} user streams a socket.", 429)
        number, self._next_user = self._next_user, self._next_user + 1
        user = UserStream(self._dialect, key, partial(self._put_user, number), self._sender.end)
        await user.begin()
        self._users[number] = user
        return {"subscriptionId": number}

    async def _unsubscribe(self, params: dict[str, str]) -> Told:
        wanted = params.get("subscriptionId")
        for number in [*self._users]:
            if wanted in (None, str(number)):
                self._users.pop(number).end()
        return {}

    def _put_user(self, number: int, told: Told) -> None:
        self._sender.put(_text({"subscriptionId": number, "event": told}))


def _checked_id(number: Any) -> Any:
    """A request's id: what is short enough to be told back.

    Raises:
        Refused: it is not.
    """
    if number is None or (isinstance(number, int | str) and len(str(number)) <= ID_CHARS_CAP):
        return number
    raise e.Refused(-1100, f"Illegal id: expected a number, or text of up to {ID_CHARS_CAP} characters.")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def _text(told: Told) -> str:
    return json.dumps(told, separators=(",", ":"))
