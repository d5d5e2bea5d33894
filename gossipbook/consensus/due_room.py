"""Room in a pool for what members' TIMEOUTs name.

A member that gives up a term says for which ops. Whoever lacks one of them cannot take it into a block, and what fills
a pool may be anybody's: so what a TIMEOUT names enters a pool that is full. How much, is bounded for each seat by
itself, so that a lying member uses up nothing but its own room.
"""

from collections.abc import Container

from gossipbook.crdt.op import Op
from gossipbook.ids import OpId

DUE_OPS_PER_SEAT_CAP = 256
DUE_BYTES_PER_SEAT_CAP = 2**20


class DueRoom:
    """What each seat's TIMEOUTs have brought into the pool and is in it still."""

    def __init__(self) -> None:
        self._brought: dict[int, dict[OpId, int]] = {}  # sizes, by seat and op

    def take(self, seat: int, op: Op, held: Container[OpId]) -> bool:
        """Whether a seat has room for an op; if so, it takes some of it. ``held`` is the pool."""
        brought = self._brought.setdefault(seat, {})
        if not self._fits(brought, op):
            brought = self._brought[seat] = {op_id: size for op_id, size in brought.items() if op_id in held}
        fits = self._fits(brought, op)
        if fits:
            brought[op.id] = op.size
        return fits

    def _fits(self, brought: dict[OpId, int], op: Op) -> bool:
        return len(brought) < DUE_OPS_PER_SEAT_CAP and sum(brought.values()) + op.size <= DUE_BYTES_PER_SEAT_CAP
