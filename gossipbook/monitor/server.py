"""Serves ``/livez``, ``/readyz`` and ``/metrics`` from a thread of its own."""

import logging
import queue
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import trio
from prometheus_client.exposition import choose_encoder

from gossipbook.errors import ConfigError
from gossipbook.monitor.figures import Figures
from gossipbook.monitor.health import troubles
from gossipbook.net.address import is_loopback, parse_host_port
from gossipbook.net.runtime import Runtime

ANSWER_S: Final = 2.0
"""How long the loop has to answer; one that does not is not alive."""
REQUEST_S: Final = 5.0
CONNECTIONS_CAP: Final = 32

log = logging.getLogger("gossipbook.peer")


class Silent(Exception):
    """The loop did not answer in time."""


class Monitor:
    """One peer's. Until :meth:`watch` it answers for a peer that is starting."""

    def __init__(self, listen: str) -> None:
        """
        Raises:
            ConfigError: the address is none, or others can reach it.
        """
        host, port = parse_host_port(listen)
        if not is_loopback(host):
            raise ConfigError(f"monitor: {listen} can be reached from elsewhere; a loopback address is wanted")
        self.address = ""
        self.progress = "starting"
        self._figures: Figures | None = None
        self._runtime: Runtime | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._server: ThreadingHTTPServer | None = None
        self._host, self._port = host, port

    def start(self) -> None:
        """Serve from now on. A port that is taken is told, and is no reason for the peer not to run."""
        try:
            self._server = _Server((self._host, self._port), self)
        except OSError as error:
            log.warning("no metrics and no health checks: %s:%d: %s", self._host, self._port, error.strerror)
            return
        port = self._server.server_address[1]
        self.address = f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{port}"
        threading.Thread(target=self._server.serve_forever, name="monitor", daemon=True).start()

    def watch(self, runtime: Runtime) -> None:
        """Answer for a running peer from now on. In the loop's thread."""
        self._token = trio.lowlevel.current_trio_token()
        self._figures = Figures(runtime, self._in_loop)
        self._runtime = runtime

    def close(self) -> None:
        """Serve no more."""
        self._runtime = None
        self.progress = "stopping"
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    # -- answers, in the server's threads -----------------------------------------------------------

    def answer(self, path: str, accept: str) -> tuple[int, str, bytes]:
        """Status, content type and body."""
        if path == "/livez":
            return self._told(self._live)
        if path == "/readyz":
            return self._told(self._ready)
        if path == "/metrics":
            return self._metrics(accept)
        return 404, "text/plain; charset=utf-8", b"/livez, /readyz, /metrics\n"

    def _told(self, look: Callable[[], list[str]]) -> tuple[int, str, bytes]:
        try:
            wrong = look()
        except Silent:
            wrong = [f"the peer's loop did not answer within {ANSWER_S:g} s"]
        lines = ["not ok", *(f"- {text}" for text in wrong)] if wrong else ["ok"]
        return 503 if wrong else 200, "text/plain; charset=utf-8", "\n".join([*lines, ""]).encode()

    def _live(self) -> list[str]:
        if self._runtime is not None:
            self._in_loop(lambda: None)
        return []

    def _ready(self) -> list[str]:
        runtime = self._runtime
        if runtime is None:
            return [self.progress]
        found: list[str] = self._in_loop(lambda: troubles(runtime))
        return found

    def _metrics(self, accept: str) -> tuple[int, str, bytes]:
        if self._figures is None:
            return 503, "text/plain; charset=utf-8", f"{self.progress}\n".encode()
        encode, kind = choose_encoder(accept)
        try:
            return 200, kind, encode(self._figures.registry)
        except Silent:
            return 503, "text/plain; charset=utf-8", b"the peer's loop did not answer\n"

    def _in_loop(self, work: Callable[[], Any]) -> Any:
        """Do something between two of the core's turns."""
        assert self._token is not None
        answers: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

        def do() -> None:
            try:
                answers.put((work(), None))
            except Exception as error:  # noqa: BLE001 - raised where it was asked for
                answers.put((None, error))

        try:
            self._token.run_sync_soon(do, idempotent=False)
            value, error = answers.get(timeout=ANSWER_S)
        except (queue.Empty, trio.RunFinishedError):
            raise Silent from None
        if error is not None:
            raise error
        return value


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], monitor: Monitor) -> None:
        self.monitor = monitor
        self._free = threading.BoundedSemaphore(CONNECTIONS_CAP)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a monitor's request ended", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    timeout = REQUEST_S
    protocol_version = "HTTP/1.0"  # one request a connection
    server_version, sys_version = "gossipbook", ""

    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        status, kind, body = self.server.monitor.answer(self.path.partition("?")[0], self.headers.get("accept", ""))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *arguments: object) -> None:
        log.debug(format, *arguments)
