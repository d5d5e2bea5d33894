"""A pair's prepared blocks as an endless iteration: what is about to be final, and what of it was taken back.

Each is proven by its prepare certificate, so that no single peer can tell of one that there is not. That it will be
final nothing proves: when its leader's term ends, another block may take its height, and it comes again as taken back.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import trio

from gossipbook.books.prepared import PreparedLine
from gossipbook.client_messages import PreparedPart
from gossipbook.consensus.committee import Committee
from gossipbook.errors import GossipbookError
from gossipbook.identity import Verifier
from gossipbook.ids import BlockId, OpId
from gossipbook.matching.events import Event
from gossipbook.trade.block_stream import Readers
from gossipbook.trade.blocks import BlockReader, CheckedBlock
from gossipbook.trade.connections import Connections
from gossipbook.trade.peer_link import PeerLink

MEMBERS_ASKED = 2
"""Members who tell of a pair's prepared blocks: when one goes silent the other is there."""


@dataclass(frozen=True, slots=True)
class PreparedBlock:
    """A block that a quorum prepared, and what it does if it becomes final: nothing may rest on it.

    ``taken_back``: it will not be final, and has done nothing; its ops wait for another block.
    """

    pair: str
    height: int
    block_id: BlockId
    time_ms: int
    op_ids: tuple[OpId, ...]
    events: tuple[Event, ...]
    taken_back: bool = False


class PreparedStream:
    """The prepared blocks of one pair, as its members tell them."""

    def __init__(self, pair: str) -> None:
        self._pair = pair
        self._line = PreparedLine()
        self._blocks: dict[BlockId, PreparedBlock] = {}  # as many as the line has
        self.readers: Readers[PreparedBlock] = Readers(pair)

    @property
    def standing(self) -> tuple[PreparedBlock, ...]:
        """The blocks that were prepared and are neither final nor taken back, the lowest first."""
        return tuple(self._blocks[block_id] for block_id in self._line.standing)

    def take(self, checked: CheckedBlock) -> list[PreparedBlock]:
        """Take a block that is proven to be prepared; what is news, what was taken back first."""
        block = checked.block
        is_news, gone = self._line.prepared(checked.term, block.height, block.id)
        told = self._taken_back(gone)
        if is_news:
            prepared = PreparedBlock(
                self._pair, block.height, block.id, block.time_ms, tuple(block.op_ids), checked.events
            )
            self._blocks[block.id] = prepared
            told.append(prepared)
        return self._tell(told)

    def final(self, height: int, block_id: BlockId) -> list[PreparedBlock]:
        """A block is final; what was taken back by that."""
        told = self._taken_back(self._line.final(height, block_id))
        standing = set(self._line.standing)
        self._blocks = {each: block for each, block in self._blocks.items() if each in standing}
        return self._tell(told)

    def _taken_back(self, gone: Iterable[BlockId]) -> list[PreparedBlock]:
        return [replace(self._blocks.pop(block_id), taken_back=True) for block_id in gone]

    def _tell(self, told: list[PreparedBlock]) -> list[PreparedBlock]:
        for block in told:
            self.readers.offer(block)
        return told


class PreparedStreams:
    """The prepared blocks of all pairs in which somebody wants them, from the members that a client is linked to."""

    def __init__(
        self,
        committees: dict[str, Committee],
        verifier: Verifier,
        connections: Connections,
        nursery: trio.Nursery,
        tell: Callable[[PreparedBlock], None],
    ) -> None:
        self._committees = committees
        self._verifier = verifier
        self._connections = connections
        self._nursery = nursery
        self._tell = tell
        self._streams: dict[str, PreparedStream] = {}
        self._asked: dict[str, dict[PeerLink, None]] = {}
        self._readers: dict[PeerLink, BlockReader] = {}

    def want(self, pair: str) -> PreparedStream:
        """Have a pair's prepared blocks told from now on."""
        if pair not in self._streams:
            self._streams[pair] = PreparedStream(pair)
            self._ask(pair)
        return self._streams[pair]

    def links_changed(self) -> None:
        """A link is up, or one ended: enough members are to be asked."""
        up = self._connections.up()
        self._readers = {link: reader for link, reader in self._readers.items() if link in up}
        for pair, asked in self._asked.items():
            self._asked[pair] = {link: None for link in asked if link in up}
            self._ask(pair)

    def take(self, link: PeerLink, message: PreparedPart) -> str:
        """Take a part of a block; what is wrong with it, or nothing."""
        stream = self._streams.get(message.pair)
        if stream is None:
            return ""
        reader = self._readers.get(link)
        if reader is None:
            reader = BlockReader(self._committees, self._verifier, own=link.own, prepared=True)
            self._readers[link] = reader
        checked = reader.take(message)
        if isinstance(checked, str):
            return checked
        if checked is not None:
            self._tell_all(stream.take(checked))
        return ""

    def final(self, pair: str, height: int, block_id: BlockId) -> None:
        """A block is proven to be final."""
        stream = self._streams.get(pair)
        if stream is not None:
            self._tell_all(stream.final(height, block_id))

    def end(self) -> None:
        """End all iterations: the client was closed."""
        for stream in self._streams.values():
            stream.readers.end()

    def _tell_all(self, blocks: list[PreparedBlock]) -> None:
        for block in blocks:
            self._tell(block)

    def _ask(self, pair: str) -> None:
        asked, committee = self._asked.setdefault(pair, {}), self._committees[pair]
        for link in self._connections.up():
            is_member = committee.seat_of(link.public_key) is not None
            if is_member and len(asked) < MEMBERS_ASKED and link not in asked:
                asked[link] = None
                self._nursery.start_soon(_ask, link, pair)


async def _ask(link: PeerLink, pair: str) -> None:
    """Have a member tell; one that does not know how is like one that nothing is prepared at."""
    try:
        await link.query("prepared", pair)
    except GossipbookError:
        return
