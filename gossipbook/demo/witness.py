"""Sees what a network makes of a recorded flow, to compare it with the recording."""

from collections.abc import AsyncIterator, Mapping

import trio

from gossipbook.flow import ReplayAudit
from gossipbook.matching.events import raw_event
from gossipbook.trade.block_stream import CertifiedBlock, Lagged


class Witness:
    """Tells a flow's audit the events of a pair, from the blocks that a client proved.

    ``authors``: the flow's index of each key. Events of others do not count.
    """

    def __init__(self, blocks: AsyncIterator[CertifiedBlock], audit: ReplayAudit, authors: Mapping[bytes, int]) -> None:
        self.audit = audit
        self._blocks, self._authors = blocks, authors
        self._height = 0
        self._missed = False
        self._changed = trio.Event()

    async def run(self) -> None:
        """Take blocks until this is cancelled, or falls too far behind."""
        try:
            async for block in self._blocks:
                self._missed = self._missed or bool(block.missed)
                for event in block.events:
                    self.audit.saw(raw_event(event), self._authors)
                self._height = block.height
                self._wake()
        except Lagged:
            self._missed = True
            self._wake()

    async def saw_all(self, height: int, patience_s: float) -> bool:
        """Wait for the events of a block; return whether they came, and all those before them."""
        with trio.move_on_after(patience_s):
            while self._height < height and not self._missed:
                await self._changed.wait()
        return self._height >= height and not self._missed

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
