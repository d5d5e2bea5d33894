"""Serves a gateway over HTTP until it is told to stop: uvicorn, with what it does not bound bounded here."""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gossipbook.errors import Unavailable
from gossipbook.gateway.application import application
from gossipbook.gateway.clock import now_ms
from gossipbook.gateway.gateway import running
from gossipbook.gateway.settings import (
    CONNECTIONS_CAP,
    CONNECTIONS_OF_ADDRESS_CAP,
    HEAD_CAP,
    HEADERS_S,
    SEND_BUFFER_BYTES,
    SOCKET_MESSAGE_CAP,
    STALLED_S,
    GatewaySettings,
)
from gossipbook.net.address import is_loopback

STOP_S = 5
PING_S, PONG_S = 20.0, 20.0

log = logging.getLogger("gossipbook.gateway")


class Crowd:
    """The connections of this process, and whose they are: there are so many at most."""

    def __init__(self) -> None:
        self._count = 0
        self._by_address: dict[str, int] = {}

    def enter(self, address: str) -> bool:
        """Count a connection; False if it is one too many."""
        cap = CONNECTIONS_CAP if is_loopback(address) else CONNECTIONS_OF_ADDRESS_CAP
        mine = self._by_address.get(address, 0)
        self._count += 1
        self._by_address[address] = mine + 1
        return self._count <= CONNECTIONS_CAP and mine < cap

    def leave(self, address: str) -> None:
        """A connection has ended."""
        self._count -= 1
        left = self._by_address.pop(address, 1) - 1
        if left > 0:
            self._by_address[address] = left


CROWD = Crowd()


class Read(asyncio.Protocol):
    """A connection that is cut off when what was sent has not been taken for too long.

    A close by the program would wait for that as well, for ever.
    """

    transport: asyncio.Transport
    stalled: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """The system takes no more: it has so long to go on."""
        super().pause_writing()
        self.stalled = asyncio.get_running_loop().call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        """All was taken."""
        self._go_on()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._go_on()
        super().connection_lost(exc)

    def _go_on(self) -> None:
        if self.stalled is not None:
            self.stalled.cancel()
            self.stalled = None


class Connection(Read, HttpToolsProtocol):
    """A connection that is closed if it does not make a request in time, or is one too many; heads have a bound."""

    address = ""
    waiting: asyncio.TimerHandle | None = None
    in_head = True
    head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse it."""
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        transport.set_write_buffer_limits(high=0)
        self.address = str((transport.get_extra_info("peername") or ("",))[0])
        self._wait(HEADERS_S if CROWD.enter(self.address) else 0)

    def data_received(self, data: bytes) -> None:
        """Take some bytes. A head that begins has so long to be there, and may be so long."""
        if self.in_head:
            if self.waiting is None:
                self._wait(HEADERS_S)
            self.head_bytes += len(data)
        super().data_received(data)
        if self.in_head and self.head_bytes > HEAD_CAP:
            self.transport.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; too many of them are no request."""
        if sum(len(each) + len(held) for each, held in self.headers) > HEAD_CAP:
            raise ValueError("the head of a request is too long")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A request has begun: its body and its answer have bounds of their own."""
        self._stop_waiting()
        self.in_head, self.head_bytes = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next bytes are another request's."""
        self.in_head = True
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._stop_waiting()
        CROWD.leave(self.address)
        super().connection_lost(exc)

    def _wait(self, for_s: float) -> None:
        self._stop_waiting()
        self.waiting = asyncio.get_running_loop().call_later(for_s, self.transport.close)

    def _stop_waiting(self) -> None:
        if self.waiting is not None:
            self.waiting.cancel()
            self.waiting = None


class SocketConnection(Read, WebSocketsSansIOProtocol):
    """What a connection becomes that is upgraded to a socket: the same one of the crowd."""

    address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Go on with a connection."""
        super().connection_made(transport)
        self.address = str((transport.get_extra_info("peername") or ("",))[0])

    def send_keepalive_ping(self) -> None:
        """Ask whether the other side lives, in text: the time, as programs of the Binance dialect expect it."""
        self.ping_timer = None
        if self.close_sent or self.transport.is_closing():
            return
        self.pending_ping_payload = str(now_ms()).encode()
        self.ping_sent_at = self.loop.time()
        self.conn.send_ping(self.pending_ping_payload)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.pong_timer = self.loop.call_later(PONG_S, self.keepalive_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        CROWD.leave(self.address)
        super().connection_lost(exc)


class Server(uvicorn.Server):
    """uvicorn's server, whose signals are its caller's business."""

    on_started: Callable[[], None]

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs this."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, and say so."""
        await super().startup(sockets)
        self.on_started()


async def serve(settings: GatewaySettings, on_ready: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set. ``on_ready`` is told the address, as ``http://host:port``.

    Raises:
        ConfigError: a setting is none, or the address is in use.
    """
    host, port = settings.address
    try:
        listening = socket.create_server((host, port), backlog=1_024, family=_family(host))
    except OSError as error:
        raise Unavailable(f"cannot listen at {settings.listen}: {error.strerror}") from None
    port = listening.getsockname()[1]
    hosts = _hosts(host, port, settings)
    scheme = "http" if settings.certificate is None else "https"
    async with running(settings) as gateway:
        server = Server(_config(application(gateway, hosts), settings))
        server.on_started = partial(on_ready, f"{scheme}://{_shown(host)}:{port}")
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        server.should_exit = True
        await serving


def _config(app: Any, settings: GatewaySettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Connection,
        ws=SocketConnection,
        loop="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws_max_size=SOCKET_MESSAGE_CAP,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PONG_S,
        timeout_keep_alive=int(HEADERS_S),
        timeout_graceful_shutdown=STOP_S,
        h11_max_incomplete_event_size=None,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
    )


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _hosts(host: str, port: int, settings: GatewaySettings) -> list[str]:
    """What browsers and programs may call this gateway."""
    names = {_shown(host), "localhost", "127.0.0.1", "[::1]"} if is_loopback(host) else {_shown(host)}
    usual = port == (80 if settings.certificate is None else 443)
    own = [f"{name}:{port}" for name in sorted(names)] + (sorted(names) if usual else [])
    return own + [name if ":" in name else f"{name}:{port}" for name in settings.hosts] + list(settings.hosts)
