"""A pair's finalized blocks as an endless iteration: proven, in order, without a gap, over whichever links."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import trio

from gossipbook.client_messages import AskBlock
from gossipbook.effects import Lane
from gossipbook.errors import GossipbookError, LinkClosed
from gossipbook.ids import BlockId
from gossipbook.matching.events import Event
from gossipbook.trade.blocks import CheckedBlock
from gossipbook.trade.connections import CLOSED, Connections
from gossipbook.trade.peer_link import PeerLink

BLOCKS_QUEUED_CAP = 1_024
"""Blocks that wait for one reader."""
GAP_CAP = 256
"""Blocks that are fetched when some were missed; beyond that they are left out, and the next one says so."""
FETCH_S = 1.0
Told = TypeVar("Told")


class Lagged(GossipbookError):
    """A reader of blocks was too slow; it has missed some. Read the book anew."""


@dataclass(frozen=True, slots=True)
class CertifiedBlock:
    """One finalized block of a pair: its numbered events, in order.

    ``time_ms`` is the block's time. ``missed`` blocks right before it are left out of the iteration.
    """

    pair: str
    height: int
    block_id: BlockId
    time_ms: int
    events: tuple[Event, ...]
    missed: int = 0


class BlockStream:
    """The blocks of one pair at one client."""

    def __init__(self, pair: str, connections: Connections) -> None:
        self._pair = pair
        self._connections = connections
        self._next: int | None = None  # the height that readers get next
        self._waiting: dict[int, CheckedBlock] = {}
        self.readers: Readers[CertifiedBlock] = Readers(pair)
        self._probing: PeerLink | None = None  # asked for block after block until it has no more
        self._gap = trio.Event()

    def take(self, checked: CheckedBlock) -> None:
        """Take a checked block; every link sends it, and only the first copy counts."""
        height = checked.block.height
        if self._next is None:
            self._next = height
        if not self.readers:
            self._next = max(self._next, height + 1)
            self._waiting.clear()
            return
        if height >= self._next:
            self._waiting[height] = checked
            self._release()
            if self._probing is not None:
                self.probe(self._probing)

    def probe(self, link: PeerLink) -> None:
        """Ask a new link for the next block: what was finalized while nobody was linked, one after the other."""
        self._probing = None
        if self.readers and self._next is not None and not link.closed_reason:
            self._probing = link
            link.send(AskBlock(self._pair, self._next), Lane.SYNC)

    def _release(self) -> None:
        assert self._next is not None
        missed = 0
        if max(self._waiting) - self._next > GAP_CAP:
            first = min(self._waiting)
            missed, self._next = first - self._next, first
        while (checked := self._waiting.pop(self._next, None)) is not None:
            block = checked.block
            told = CertifiedBlock(self._pair, block.height, block.id, block.time_ms, checked.events, missed)
            missed = 0
            self._next += 1
            self.readers.offer(told)
        if self._waiting:
            self._gap.set()

    async def run(self) -> None:
        """Ask for missing blocks until cancelled."""
        while True:
            await self._gap.wait()
            self._gap = trio.Event()
            while self._waiting and self.readers:
                assert self._next is not None
                link = self._connections.next()
                for height in range(self._next, min(self._waiting)):
                    if link is not None:
                        link.send(AskBlock(self._pair, height), Lane.SYNC)
                await trio.sleep(FETCH_S)


class BlockReading(Generic[Told]):
    """One reader's blocks. Iterate over it once."""

    def __init__(self, pair: str) -> None:
        self._pair = pair
        self._send, self._receive = trio.open_memory_channel[Told](BLOCKS_QUEUED_CAP)
        self._lagged = False
        self._closed = False

    def end(self) -> None:
        """End the iteration: whoever the blocks come from was closed."""
        self._closed = True
        self._send.close()

    def offer(self, block: Told) -> None:
        """Hand over a block; never waits."""
        if not (self._lagged or self._closed):
            try:
                self._send.send_nowait(block)
            except trio.WouldBlock:
                self._lagged = True
                self._send.close()

    def __aiter__(self) -> "BlockReading[Told]":
        return self

    async def __anext__(self) -> Told:
        """The next block.

        Raises:
            Lagged: the reader fell too far behind. LinkClosed: the client or peer was closed.
        """
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            if self._closed:
                raise LinkClosed(CLOSED) from None
            raise Lagged(
                f"the reader of {self._pair} fell {BLOCKS_QUEUED_CAP} blocks behind; read the book anew"
            ) from None


class Readers(Generic[Told]):
    """All who read one pair's blocks of one kind."""

    def __init__(self, pair: str) -> None:
        self._pair = pair
        self._readings: list[BlockReading[Told]] = []

    def __len__(self) -> int:
        return len(self._readings)

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[BlockReading[Told]]:
        """Read for the length of the block."""
        reading: BlockReading[Told] = BlockReading(self._pair)
        self._readings.append(reading)
        try:
            yield reading
        finally:
            self._readings.remove(reading)

    def offer(self, block: Told) -> None:
        """Hand a block to everybody; never waits."""
        for reading in self._readings:
            reading.offer(block)

    def end(self) -> None:
        """End all iterations: whoever the blocks come from was closed."""
        for reading in self._readings:
            reading.end()
