"""The finalized chain's end, and the blocks above it that a proposal, a lock or a certificate names."""

from collections.abc import Iterable
from typing import NamedTuple

from gossipbook.consensus.block import Block
from gossipbook.consensus.certificate import Certificate
from gossipbook.ids import BlockId
from gossipbook.ordered import BoundedDict

BLOCKS_CAP = 64  # unfinalized blocks held: proposals, locks, and certified ones that wait for bodies
CHAIN_IDS_CAP = 4_096  # finalized ids remembered to tell a conflicting certificate by


class Line(NamedTuple):
    """A block's unfinalized ancestors and itself, the lowest first, as far as they are held.

    ``missing``: the block that is not held, and that all of them descend from. ``is_on_tip``: none is missing, and the
    lowest is a child of the tip.
    """

    blocks: list[Block]
    missing: BlockId | None
    is_on_tip: bool


class Chain:
    """``fin`` is the finalized height, ``tip`` its block's id, ``fc`` its certificate."""

    def __init__(self, genesis: BlockId) -> None:
        self.fin = 0
        self.tip = genesis
        self.fc: Certificate | None = None
        self._ids: BoundedDict[int, BlockId] = BoundedDict(CHAIN_IDS_CAP)
        self._blocks: dict[BlockId, Block] = {}

    def append(self, block: Block, fc: Certificate) -> None:
        """The next height is final. Blocks at it and below are no longer held."""
        assert block.height == self.fin + 1
        self.fin, self.tip, self.fc = block.height, block.id, fc
        self._ids[block.height] = block.id
        self._blocks = {key: held for key, held in self._blocks.items() if held.height > self.fin}

    def final_id(self, height: int) -> BlockId | None:
        """The id finalized at a height, if that is remembered."""
        return self._ids.get(height)

    def block(self, block_id: BlockId) -> Block | None:
        return self._blocks.get(block_id)

    def line(self, block_id: BlockId) -> Line:
        """What is held of a block and its unfinalized ancestors; empty, and on the tip, for the tip itself."""
        blocks: list[Block] = []
        at, height = block_id, None
        while at != self.tip:
            block = self._blocks.get(at)
            if block is None:
                return Line(blocks[::-1], at, False)
            if height not in (None, block.height) or block.height <= self.fin:
                break
            blocks.append(block)
            at, height = block.parent, block.height - 1
        return Line(blocks[::-1], None, at == self.tip and height in (None, self.fin))

    def id_at(self, line: Line, height: int) -> BlockId | None:
        """The id of a line's block at a height, of the finalized chain's up to its tip; None if it is not known."""
        if height <= self.fin:
            return self.tip if height == self.fin else self._ids.get(height)
        at = height - self.fin - 1
        return line.blocks[at].id if line.is_on_tip and at < len(line.blocks) else None

    def hold(self, block: Block, keep: Iterable[BlockId]) -> None:
        """Hold a block; at the cap the oldest goes that is not to be kept."""
        self._blocks[block.id] = block
        if len(self._blocks) > BLOCKS_CAP:
            kept = {block.id, *keep}
            oldest = next((key for key in self._blocks if key not in kept), None)
            if oldest is not None:
                del self._blocks[oldest]

    def held(self) -> list[Block]:
        """All unfinalized blocks held."""
        return list(self._blocks.values())
