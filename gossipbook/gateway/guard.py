"""What stands in front of every request: names and origins that are allowed, sizes, times, and how many at once."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from gossipbook.gateway.access import Denied
from gossipbook.gateway.door import Door
from gossipbook.gateway.problems import Problem, problem_of
from gossipbook.gateway.settings import BODY_CAP, BODY_S

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("gossipbook.gateway")

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
"""Of every answer; the page adds its own."""


class Guard:
    """An ASGI application around another one.

    ``hosts``: what a ``Host`` header may say, lower-case, with the port if there is one; it is how a page of another
    site that names this machine by a name of its own is kept out. ``origins``: further pages that may use the gateway.
    """

    def __init__(self, app: Application, door: Door, hosts: Iterable[str], origins: Iterable[str]) -> None:
        self._app = app
        self._door = door
        self.hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        try:
            origin = self._check(scope, headers)
        except (Denied, Problem) as error:
            await _refuse(scope, send, problem_of(error))
            return
        sending = _with_headers(send, origin)
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif origin and scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await _preflight(sending)
        else:
            await self._http(scope, receive, sending, headers)

    def _check(self, scope: Scope, headers: dict[bytes, str]) -> str:
        """Return the origin that is to be told that it may read the answer; empty if there is none to be told."""
        host = headers.get(b"host", "").lower()
        if self.hosts and host not in self.hosts:
            raise Problem(421, "unknown-host", f"this gateway is not called {host[:64]!r}; its operator may allow it")
        origin = headers.get(b"origin", "")
        own = origin.partition("://")[2].lower() == host
        if origin and not own and origin not in self._origins:
            raise Problem(403, "unknown-origin", f"pages of {origin[:64]!r} may not use this gateway")
        token = headers.get(b"authorization", "").partition(" ")[2].partition(".")[0].strip()
        if not self._door.knows(token or headers.get(b"x-mbx-apikey", "")):
            self._door.count(address_of(scope))
        if scope["type"] == "http" and int(_number(headers.get(b"content-length", "0"))) > BODY_CAP:
            raise Problem(413, "too-large", f"a request has at most {BODY_CAP:,} bytes")
        return "" if own else origin

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except (Denied, Problem) as error:
            await _refuse(scope, send, problem_of(error))

    async def _http(self, scope: Scope, receive: Receive, send: Send, headers: dict[bytes, str]) -> None:
        begun = False

        async def noting(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, _bounded(receive), noting)
        except (Denied, Problem) as error:
            if begun:
                raise
            await _refuse(scope, send, problem_of(error))
        except Exception as error:
            log.exception("a request of %s met a fault of the gateway", scope["path"][:128])
            if begun:
                raise
            told = f"a fault of the gateway, which noted it: {type(error).__name__}"
            await _refuse(scope, send, Problem(500, "fault", told))


def _bounded(receive: Receive) -> Receive:
    """Take no more of a body than it may have, and for no longer than it may take."""
    taken = 0
    deadline: float | None = None

    async def bounded() -> MutableMapping[str, Any]:
        nonlocal taken, deadline
        if deadline is None:
            deadline = asyncio.get_running_loop().time() + BODY_S
        if deadline < 0:
            return await receive()  # The body is there: what comes is the end of the connection.
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise Problem(408, "too-slow", f"a request's body arrives within {BODY_S:g} s") from None
        taken += len(message.get("body", b""))
        if taken > BODY_CAP:
            raise Problem(413, "too-large", f"a request has at most {BODY_CAP:,} bytes")
        if not message.get("more_body", False):
            deadline = -1.0
        return message

    return bounded


def _with_headers(send: Send, origin: str) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            given = {name for name, _ in message["headers"]}
            more = [each for each in HEADERS if each[0] not in given]
            if origin:
                more += [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"origin")]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return sending


async def _preflight(send: Send) -> None:
    allowed = [
        (b"access-control-allow-methods", b"GET, POST, PATCH, PUT, DELETE"),
        (b"access-control-allow-headers", b"authorization, content-type, x-mbx-apikey"),
        (b"access-control-max-age", b"600"),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": allowed})
    await send({"type": "http.response.body", "body": b""})


async def _refuse(scope: Scope, send: Send, problem: Problem) -> None:
    status, headers, body = problem_answer(problem, scope.get("path", ""))
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": problem.code})
        return
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def problem_answer(problem: Problem, path: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body that tell a problem, in the words of the dialect that a path belongs to."""
    if path.startswith(("/api/", "/sapi/", "/fapi/", "/dapi/", "/eapi/")):
        content = {"code": _BINANCE.get(problem.code, -1000), "msg": problem.detail}
        kind = b"application/json"
    else:
        content = problem_json(problem)
        kind = b"application/problem+json"
    body = json.dumps(content).encode()
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    if problem.again_s:
        headers.append((b"retry-after", str(problem.again_s).encode()))
    return problem.status, headers, body


_BINANCE = {"too-many-requests": -1003, "too-many-guesses": -1003, "too-slow": -1007, "unknown-origin": -1002}


def problem_json(problem: Problem) -> dict[str, Any]:
    """A problem by RFC 9457."""
    told: dict[str, Any] = {"type": "about:blank", "title": problem.code, "status": problem.status}
    told |= {"code": problem.code, "detail": problem.detail}
    if problem.parameter:
        told["parameter"] = problem.parameter
    return told


def address_of(scope: Scope) -> str:
    """Who sent a request, as the socket says."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else BODY_CAP + 1
