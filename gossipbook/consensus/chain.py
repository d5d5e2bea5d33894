"""The finalized chain's end, and the blocks above it that a proposal, a lock or a certificate names."""

from collections.abc import Iterable

from gossipbook.consensus.block import Block
from gossipbook.consensus.certificate import Certificate
from gossipbook.ids import BlockId
from gossipbook.ordered import BoundedDict

BLOCKS_CAP = 32  # unfinalized blocks held: proposals, locks, and certified ones that wait for bodies
CHAIN_IDS_CAP = 4_096  # finalized ids remembered to tell a conflicting certificate by


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
