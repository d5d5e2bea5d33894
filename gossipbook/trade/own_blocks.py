"""The blocks of a peer of one's own, final and prepared: without proof, since nobody is in between."""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

from gossipbook.consensus.records import Finalized, Prepared
from gossipbook.matching.events import name_event
from gossipbook.trade.author_driver import AuthorDriver
from gossipbook.trade.block_stream import BlockReading, CertifiedBlock
from gossipbook.trade.blocks import CheckedBlock
from gossipbook.trade.outcome import ProofKind
from gossipbook.trade.prepared_blocks import PreparedStream


class OwnBlocks:
    """Everybody in this program who follows blocks. ``drivers``: whose ops may be in them."""

    def __init__(self, drivers: Callable[[], Collection[AuthorDriver]]) -> None:
        self._drivers = drivers
        self._readings: dict[str, list[BlockReading[CertifiedBlock]]] = {}
        self._prepared: dict[str, PreparedStream] = {}  # of the pairs in which somebody wants them

    @asynccontextmanager
    async def reader(self, pair: str) -> AsyncIterator[BlockReading[CertifiedBlock]]:
        """Finalized blocks for the length of the context."""
        reading: BlockReading[CertifiedBlock] = BlockReading(pair)
        self._readings.setdefault(pair, []).append(reading)
        try:
            yield reading
        finally:
            self._readings[pair].remove(reading)

    def want_prepared(self, pair: str) -> PreparedStream:
        """Have a pair's prepared blocks told from now on."""
        return self._prepared.setdefault(pair, PreparedStream(pair))

    def on_event(self, event: object) -> None:
        """Take what the peer tells its subscribers."""
        if isinstance(event, Finalized):
            self._on_final(event)
        elif isinstance(event, Prepared) and event.pair in self._prepared:
            events = tuple(map(name_event, event.events))
            checked = CheckedBlock(event.pair, event.block, event.nc.term, events, ProofKind.OWN_PEER)
            for told in self._prepared[event.pair].take(checked):
                for driver in self._drivers():
                    driver.prepared(told.op_ids, taken_back=told.taken_back)

    def _on_final(self, event: Finalized) -> None:
        pair, block = event.pair, event.block
        readings = self._readings.get(pair)
        if readings:
            events = tuple(map(name_event, event.events))
            for reading in readings:
                reading.offer(CertifiedBlock(pair, block.height, block.id, block.time_ms, events))
        if pair in self._prepared:
            for told in self._prepared[pair].final(block.height, block.id):
                for driver in self._drivers():
                    driver.prepared(told.op_ids, taken_back=True)

    def end(self) -> None:
        """End all iterations: the peer was closed."""
        for readings in self._readings.values():
            for reading in readings:
                reading.end()
        for stream in self._prepared.values():
            stream.end()
