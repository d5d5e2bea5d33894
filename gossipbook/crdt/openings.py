"""The first ops of newcomers' lives, in the order in which blocks may take them no longer."""

from collections.abc import Collection, Iterator

from sortedcontainers import SortedDict

from gossipbook.crdt.op import Op
from gossipbook.ids import OpId


class Openings:
    """Those that a pool holds and which begin a main chain."""

    def __init__(self) -> None:
        self._by_expiry: SortedDict[tuple[int, OpId], Op] = SortedDict()  # ms of block time
        self._named: dict[OpId, Op] = {}  # past, but blocks that may yet become final name them

    def add(self, op: Op) -> None:
        """Note an op of an author who is not in the table."""
        self._by_expiry[op.expiry_ms, op.id] = op

    def forget(self, op: Op) -> None:
        """Follow that an op is dropped."""
        self._by_expiry.pop((op.expiry_ms, op.id), None)
        self._named.pop(op.id, None)

    def unname(self) -> None:
        """Look again at those that blocks named: they may do so no longer."""
        for op in self._named.values():
            self.add(op)
        self._named.clear()

    def past(self, time_ms: int) -> Iterator[Op]:
        """Those that no block of a time may take any more. They stay."""
        for (expiry_ms, _), op in self._by_expiry.items():
            if expiry_ms >= time_ms:
                return
            yield op

    def take_past(self, time_ms: int, named: Collection[OpId]) -> Iterator[Op]:
        """Take out the same, but for those that are ``named``."""
        while self._by_expiry and self._by_expiry.peekitem(0)[0][0] < time_ms:
            _, op = self._by_expiry.popitem(0)
            if op.id in named:
                self._named[op.id] = op
            else:
                yield op
