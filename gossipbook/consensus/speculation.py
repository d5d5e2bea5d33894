"""Blocks executed ahead of their certificates, each on top of the one before, and what came of them."""

from gossipbook.consensus.block import Block
from gossipbook.crdt.interpretation import Execution, Interpretation, Item, Layer, PairState
from gossipbook.ids import BlockId

_UNNAMED: BlockId = b""


class Speculation:
    """The certified state with a stack of blocks on top."""

    def __init__(self, certified: Interpretation) -> None:
        self.certified = certified
        self._ids: list[BlockId] = []  # of the blocks of the certified state's layers

    def holds(self, block_id: BlockId) -> bool:
        """Whether a block is executed."""
        return block_id in self._ids

    def after(self, block_id: BlockId) -> PairState:
        """The state after a block that is executed; after any other the certified one, since it is the tip."""
        layers = self.certified.layers
        return layers[self._ids.index(block_id)] if block_id in self._ids else self.certified

    def layer(self, block_id: BlockId) -> Layer:
        """The state after a block that is executed."""
        return self.certified.layers[self._ids.index(block_id)]

    def try_out(self, parent: BlockId, time_ms: int, items: list[Item]) -> Execution:
        """Execute items as a block that has no id yet; name it with :meth:`name`, or try another one.

        ``parent`` is executed, or it is the tip; whatever else was executed on top of it is undone.
        """
        self.rollback_to(parent)
        execution = self.certified.execute(time_ms, items)
        self._ids.append(_UNNAMED)
        return execution

    def name(self, block_id: BlockId) -> None:
        """Give the block that was tried out its id."""
        assert self._ids[-1] == _UNNAMED
        self._ids[-1] = block_id

    def execute(self, block: Block, items: list[Item]) -> bool:
        """Run a block on its parent; whether it comes to the events that it states. If not, nothing is left of it."""
        if self.holds(block.id):
            return True
        execution = self.try_out(block.parent, block.time_ms, items)
        if execution.ran < len(items) or execution.events_digest != block.events_digest:
            self.rollback_to(block.parent)
            return False
        self.name(block.id)
        return True

    def commit(self, block_id: BlockId) -> Execution:
        """Make the oldest block, which is executed, part of the certified state."""
        assert self._ids[0] == block_id
        del self._ids[0]
        return self.certified.commit()

    def rollback_to(self, block_id: BlockId) -> None:
        """Undo what was executed on top of a block; of the tip, or of any that is not executed, all."""
        keep = self._ids.index(block_id) + 1 if block_id in self._ids else 0
        while len(self._ids) > keep:
            self._ids.pop()
            self.certified.rollback()

    def rollback(self) -> None:
        """Undo all."""
        self.rollback_to(_UNNAMED)
