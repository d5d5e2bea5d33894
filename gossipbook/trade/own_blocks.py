"""The blocks of a peer of one's own, final and prepared: without proof, since nobody is in between."""

from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager

from gossipbook.consensus.records import Finalized, Prepared
from gossipbook.matching.events import name_event
from gossipbook.trade.author_driver import AuthorDriver
from gossipbook.trade.block_stream import BlockReading, CertifiedBlock, Readers
from gossipbook.trade.blocks import CheckedBlock
from gossipbook.trade.outcome import ProofKind
from gossipbook.trade.prepared_blocks import PreparedBlock, PreparedStream


class OwnBlocks:
    """Everybody in this program who follows blocks. ``drivers``: whose ops may be in them."""

    def __init__(self, drivers: Callable[[], Collection[AuthorDriver]]) -> None:
        self._drivers = drivers
        self._readers: dict[str, Readers[CertifiedBlock]] = {}
        self._prepared: dict[str, PreparedStream] = {}  # of the pairs in which somebody wants them

    def reader(self, pair: str) -> AbstractAsyncContextManager[BlockReading[CertifiedBlock]]:
        """Finalized blocks for the length of the context."""
        return self._readers.setdefault(pair, Readers(pair)).reader()

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
            self._tell(self._prepared[event.pair].take(checked))

    def _on_final(self, event: Finalized) -> None:
        pair, block = event.pair, event.block
        readers = self._readers.get(pair)
        if readers:
            events = tuple(map(name_event, event.events))
            readers.offer(CertifiedBlock(pair, block.height, block.id, block.time_ms, events))
        if pair in self._prepared:
            self._tell(self._prepared[pair].final(block.height, block.id))

    def _tell(self, blocks: Iterable[PreparedBlock]) -> None:
        for block in blocks:
            for driver in self._drivers():
                driver.prepared(block.op_ids, taken_back=block.taken_back)

    def end(self) -> None:
        """End all iterations: the peer was closed."""
        for readers in self._readers.values():
            readers.end()
        for stream in self._prepared.values():
            stream.readers.end()
