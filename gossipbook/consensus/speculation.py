"""At most one block executed ahead of its certificate, and what came of it."""

from gossipbook.consensus.block import Block
from gossipbook.crdt.interpretation import Execution, Interpretation, Item
from gossipbook.ids import BlockId, PublicKey


class Speculation:
    """The certified state with one block on top, or none."""

    def __init__(self, certified: Interpretation) -> None:
        self.certified = certified
        self._block_id: BlockId | None = None
        self._execution: Execution | None = None

    def holds(self, block_id: BlockId) -> bool:
        return self._block_id == block_id

    @property
    def is_full(self) -> bool:
        """Whether the block on top has done all the work that a block may do."""
        return self._execution is not None and self._execution.is_full

    @property
    def left(self) -> tuple[PublicKey, ...]:
        """Who leaves the author table with the block on top."""
        return () if self._execution is None else self._execution.left

    def try_out(self, time_ms: int, items: list[Item]) -> Execution:
        """Execute items as a block that has no id yet; name it with :meth:`name` or roll it back."""
        self.rollback()
        self._execution = self.certified.execute(time_ms, items)
        return self._execution

    def name(self, block_id: BlockId) -> None:
        self._block_id = block_id

    def execute(self, block: Block, items: list[Item]) -> bool:
        """Run a block; whether it comes to the events that it states. If not, nothing is left of it."""
        if self.holds(block.id):
            return True
        execution = self.try_out(block.time_ms, items)
        if execution.ran < len(items) or execution.events_digest != block.events_digest:
            self.rollback()
            return False
        self.name(block.id)
        return True

    def commit(self) -> Execution:
        """Make the block part of the certified state."""
        assert self._block_id is not None
        self._block_id = self._execution = None
        return self.certified.commit()

    def rollback(self) -> None:
        if self._execution is not None:
            self.certified.rollback()
            self._block_id = self._execution = None
