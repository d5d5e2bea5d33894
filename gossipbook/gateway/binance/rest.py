"""The dialect over HTTP: reads a request, lets its sender in, and tells answers and errors as programs expect them."""

import json
import time
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from gossipbook.errors import GossipbookError
from gossipbook.gateway.access import Denied
from gossipbook.gateway.accounts import ApiKey
from gossipbook.gateway.binance import errors as e
from gossipbook.gateway.binance.call import Call, Dialect
from gossipbook.gateway.binance.market import WEIGHT_PER_MINUTE
from gossipbook.gateway.binance.table import TABLE, Entry
from gossipbook.gateway.clock import now_ms
from gossipbook.gateway.guard import address_of
from gossipbook.gateway.problems import Problem, problem_of
from gossipbook.ordered import BoundedDict

RECV_WINDOW_MS: Final = 5_000
RECV_WINDOW_CAP_MS: Final = 60_000
AHEAD_MS: Final = 1_000
ADDRESSES_CAP: Final = 4_096
PARAMETERS_CAP: Final = 64


class Weights:
    """What each address has used in the minute at hand."""

    def __init__(self) -> None:
        self._used: BoundedDict[str, tuple[int, int]] = BoundedDict(ADDRESSES_CAP)

    def spend(self, address: str, weight: int) -> int:
        """Count a request; the minute's weight with it.

        Raises:
            Refused: it is too much.
        """
        minute = int(time.time() // 60)
        before, used = self._used.get(address) or (minute, 0)
        used = weight if before != minute else used + weight
        self._used[address] = minute, used
        if used > WEIGHT_PER_MINUTE:
            text = f"Too much request weight used; current limit is {WEIGHT_PER_MINUTE} request weight per 1 MINUTE."
            raise e.Refused(e.TOO_MANY_REQUESTS, text, 429)
        return used


class Rest:
    """Answers one request after another."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._weights = Weights()

    async def answer(self, request: Request) -> Response:
        """The answer to a request."""
        path, address = request.url.path, address_of(request.scope)
        headers: dict[str, str] = {}
        try:
            entry = TABLE.get((request.method, path))
            if entry is None:
                raise _no_such(request.method, path)
            headers["x-mbx-used-weight-1m"] = str(self._weights.spend(address, entry.weight))
            query, body = str(request.url.query), (await request.body()).decode("utf-8", "replace")
            call = self.let_in(entry, query, body, request.headers.get("x-mbx-apikey", ""), address)
            return _json(await entry.answer(call), 200, headers)
        except Exception as error:  # noqa: BLE001 - a fault is raised again by refused_of
            refused = refused_of(error)
            if refused.status == 429:
                headers["retry-after"] = "60"
            return _json(refused.told(), refused.status, headers)

    def let_in(self, entry: Entry, query: str, body: str, key_id: str, address: str) -> Call:
        """A request as a call of whoever made it.

        Raises:
            Refused, Denied: they are not let in.
        """
        params = read_parameters(query, body)
        if entry.access == "none":
            return Call(self._dialect, params)
        if not key_id:
            raise e.Refused(e.BAD_KEY_FORMAT, "API-key format invalid.", 401)
        door = self._dialect.gateway.door
        if entry.access == "key":
            return Call(self._dialect, params, door.by_id(key_id, address))
        signature = params.get("signature", "")
        if not signature:
            raise e.missing("signature")
        check_time(params)
        payload = _unsigned(query) + _unsigned(body)
        key = door.by_signature(key_id, payload.encode(), signature, address)
        return Call(self._dialect, params, key)

    def let_in_by_params(self, entry: Entry, params: dict[str, str], known: ApiKey | None, address: str) -> Call:
        """As :meth:`let_in`, over a socket: the signature is over the parameters in alphabetical order.

        Raises:
            Refused, Denied: they are not let in.
        """
        self._weights.spend(address, entry.weight)
        door = self._dialect.gateway.door
        if known is not None and "signature" not in params:
            return Call(self._dialect, params, door.again(known))
        if entry.access == "none":
            door.count(address)
            return Call(self._dialect, params)
        return Call(self._dialect, params, self.key_of(params, address, signed=entry.access == "signed"))

    def key_of(self, params: dict[str, str], address: str, *, signed: bool = True) -> ApiKey:
        """Who sent parameters over a socket.

        Raises:
            Refused, Denied: nobody.
        """
        door, key_id = self._dialect.gateway.door, params.get("apiKey", "")
        if not key_id:
            raise e.missing("apiKey")
        if not signed:
            return door.by_id(key_id, address)
        check_time(params)
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")
        return door.by_signature(key_id, payload.encode(), params.get("signature", ""), address)


def read_parameters(query: str, body: str) -> dict[str, str]:
    """The parameters of a request, out of its query and its form.

    Raises:
        Refused: they are too many.
    """
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=PARAMETERS_CAP)
        pairs += parse_qsl(body, keep_blank_values=True, max_num_fields=PARAMETERS_CAP)
    except ValueError:
        raise e.Refused(e.TOO_MANY_PARAMETERS, "Too many parameters sent for this endpoint.") from None
    return dict(pairs)


def check_time(params: dict[str, str]) -> None:
    """Raises :class:`Refused` unless a request was made just now."""
    text, window = params.get("timestamp", ""), params.get("recvWindow", "") or str(RECV_WINDOW_MS)
    if not (text.isascii() and text.isdigit() and len(text) < 18):
        raise e.missing("timestamp")
    try:
        window_ms = float(window)
    except ValueError:
        raise e.missing("recvWindow") from None
    if not 0 < window_ms <= RECV_WINDOW_CAP_MS:
        raise e.Refused(-1131, f"recvWindow must be less than {RECV_WINDOW_CAP_MS}")
    now, sent = now_ms(), int(text)
    sent = sent // 1_000 if sent > 10**15 else sent  # microseconds
    if sent > now + AHEAD_MS:
        raise e.Refused(e.TIMESTAMP, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now - sent > window_ms:
        raise e.Refused(e.TIMESTAMP, "Timestamp for this request is outside of the recvWindow.")


def _unsigned(text: str) -> str:
    return "&".join(part for part in text.split("&") if not part.startswith("signature="))


def refused_of(error: Exception) -> e.Refused:
    """What any error is in the dialect; a fault of ours is raised again."""
    if isinstance(error, e.Refused):
        return error
    if isinstance(error, Denied | Problem | GossipbookError):
        return e.refused_by(problem_of(error))
    raise error


def _no_such(method: str, path: str) -> e.Refused:
    if any(known == path for _, known in TABLE):
        return e.Refused(e.UNSUPPORTED, f"{method} is not for {path}.", 405)
    return e.Refused(e.UNSUPPORTED, f"This network has no {path[:64]}: see the table in the gateway's docs.", 404)


def _json(told: Any, status: int, headers: dict[str, str]) -> Response:
    body = json.dumps(told, separators=(",", ":"))
    return Response(body, status, headers, media_type="application/json")
