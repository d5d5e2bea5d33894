"""Series and samples of bounded size."""

from typing import Generic, TypeVar

from gossipbook.run_report.recording import Spread

V = TypeVar("V")

SPREADS_CAP = 2_048
STEPS_CAP = 4_096


class Steps(Generic[V]):
    """A series of a value's changes; beyond the cap every second one is dropped, the last one never."""

    def __init__(self, cap: int = STEPS_CAP) -> None:
        self._cap = cap
        self.steps: list[tuple[int, V]] = []

    def note(self, at_us: int, value: V) -> None:
        if self.steps and self.steps[-1][1] == value:
            return
        if len(self.steps) >= self._cap:
            self.steps = self.steps[::2]
        self.steps.append((at_us, value))


class Spreads:
    """A uniform sample of ops or blocks: those with the lowest ids, of ever fewer as more come."""

    def __init__(self, cap: int = SPREADS_CAP) -> None:
        self._cap = cap
        self._below = 2**32
        self._items: dict[bytes, Spread] = {}
        self.left_out = 0

    def born(self, item: bytes, at_us: int, origin: int) -> None:
        """Note that a first peer has or sends an item."""
        if item in self._items or not self._wanted(item):
            return
        if len(self._items) >= self._cap:
            self._below //= 2
            kept = {key: spread for key, spread in self._items.items() if self._wanted(key)}
            self.left_out += len(self._items) - len(kept)
            self._items = kept
            if not self._wanted(item):
                return
        self._items[item] = Spread(at_us, origin)

    def arrived(self, item: bytes, at_us: int, peer: int) -> None:
        """Note that a peer has an item, in whatever way."""
        spread = self._items.get(item)
        if spread is not None and peer != spread.origin:
            spread.arrivals.setdefault(peer, at_us - spread.born_us)

    def copied(self, item: bytes, peer: int) -> None:
        """Note that a peer got a copy from another one."""
        spread = self._items.get(item)
        if spread is not None:
            spread.copies[peer] = spread.copies.get(peer, 0) + 1

    def all(self) -> tuple[Spread, ...]:
        return tuple(self._items.values())

    def _wanted(self, item: bytes) -> bool:
        return int.from_bytes(item[:4], "big") < self._below


def percentile(values: list[int], share: float) -> int:
    """Return the nearest-rank percentile of sorted values; 0 if there are none."""
    if not values:
        return 0
    return values[min(len(values) - 1, max(0, -(-len(values) * round(share * 1_000) // 1_000) - 1))]
