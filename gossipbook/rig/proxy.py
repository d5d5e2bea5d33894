"""A TCP proxy between peer processes, with one port for each (dialler, listener) to know whose bytes it carries.

Bytes are not looked into. Each direction of a connection is a stretch of the :class:`~gossipbook.rig.wires.Wire`
between the two peers: what enters comes out in order and not before its time.

Upon a connection: forward it to the listener once both directions are passable, as no SYN and no answer to one would
get through before; a dialler who gave up by then was never there. Upon the end of a stream: pass the end on as bytes
are passed on, so during a cut nobody learns that the other side is gone. Upon a listener that is not there: close.
"""

from collections import deque
from functools import partial

import trio

from gossipbook.rig.wires import Wire, Wires

READ_BYTES = 16_384
STRETCH_BYTES_CAP = 256 * 1_024  # about what the kernel's buffers of one connection hold
GONE = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)
HOST = "127.0.0.1"


class Stretch:
    """Bytes on their way in one direction of one connection. An empty piece is the stream's end."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._pieces: deque[tuple[float, bytes]] = deque()
        self._bytes = 0
        self._last_s = 0.0
        self._changed = trio.Event()
        self.ended = False  # the sender has closed

    async def take_in(self, source: trio.SocketStream) -> None:
        """Read until the source ends; waits while the stretch is full."""
        raw: bytes | bytearray = b"-"
        while raw:
            while self._bytes >= STRETCH_BYTES_CAP:
                await self._changed.wait()
            try:
                raw = await source.receive_some(READ_BYTES)
            except GONE:
                raw = b""
            now_s = trio.current_time()
            self._last_s = max(self._last_s, self._wire.due_s(len(raw), now_s))  # TCP never reorders.
            self._pieces.append((self._last_s, bytes(raw)))
            self._bytes += len(raw)
            self._wake()
        self.ended = True

    async def give_out(self, sink: trio.SocketStream) -> None:
        """Write what is due, until the stream's end is passed on or nobody is there to take it."""
        while True:
            while not self._pieces:
                await self._changed.wait()
            due_s, raw = self._pieces[0]
            await trio.sleep_until(due_s)
            await self._wire.passable()
            try:
                if not raw:
                    await sink.send_eof()
                    return
                await sink.send_all(raw)
            except GONE:
                return
            self._pieces.popleft()
            self._bytes -= len(raw)
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


class Proxy:
    """The ports that peers dial one another at. ``listeners`` says where each peer really listens, once it does."""

    def __init__(self, wires: Wires) -> None:
        self.wires = wires
        self.listeners: dict[int, int] = {}
        self.ports: dict[tuple[int, int], int] = {}

    async def open(self, nursery: trio.Nursery) -> None:
        """Bind a port for each direction of dialling, and serve until the nursery ends."""
        peers = range(self.wires.peers)
        for dialler in peers:
            for listener in peers:
                if dialler == listener:
                    continue
                bound = await trio.open_tcp_listeners(0, host=HOST)
                self.ports[dialler, listener] = bound[0].socket.getsockname()[1]
                serve = partial(self._serve, dialler, listener)
                nursery.start_soon(partial(trio.serve_listeners, serve, bound))

    def address(self, dialler: int, listener: int) -> str:
        """Where one peer has to dial to get to another."""
        return f"ws://{HOST}:{self.ports[dialler, listener]}"

    async def _serve(self, dialler: int, listener: int, outer: trio.SocketStream) -> None:
        there, back = self.wires[dialler, listener], self.wires[listener, dialler]
        forth = Stretch(there)
        async with outer, trio.open_nursery() as nursery:
            nursery.start_soon(forth.take_in, outer)
            while there.is_cut or back.is_cut:
                await there.passable()
                await back.passable()
            inner = None if forth.ended else await self._reach(listener)
            if inner is not None:
                async with inner:
                    await _both_ways(forth, Stretch(back), outer, inner)
            nursery.cancel_scope.cancel()

    async def _reach(self, listener: int) -> trio.SocketStream | None:
        port = self.listeners.get(listener)
        if port is None:
            return None
        try:
            return await trio.open_tcp_stream(HOST, port)
        except OSError:
            return None


async def _both_ways(forth: Stretch, back: Stretch, outer: trio.SocketStream, inner: trio.SocketStream) -> None:
    async with trio.open_nursery() as reading:
        reading.start_soon(back.take_in, inner)
        async with trio.open_nursery() as writing:
            writing.start_soon(forth.give_out, inner)
            writing.start_soon(back.give_out, outer)
        reading.cancel_scope.cancel()
