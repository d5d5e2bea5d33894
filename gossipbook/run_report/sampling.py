"""Series and samples that never outgrow their caps."""

from typing import Generic, TypeVar

from gossipbook.run_report.recording import Spread

V = TypeVar("V")

SPREADS_CAP = 2_048
STEPS_CAP = 4_096


class Steps(Generic[V]):
    """A value that stays until it changes; beyond the cap every second change is forgotten, the last one never."""

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
    """A uniform sample of items by id: those whose first 32 bits are low, of ever fewer as more come."""

    def __init__(self, cap: int = SPREADS_CAP) -> None:
        self._cap = cap
        self._below = 2**32
        self._items: dict[bytes, Spread] = {}
        self.left_out = 0

    def born(self, item: bytes, at_us: int, origin: int) -> None:
        """A first peer has it, or sends it."""
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
        """A peer has it, in whatever way."""
        spread = self._items.get(item)
        if spread is not None and peer != spread.origin:
            spread.arrivals.setdefault(peer, at_us - spread.born_us)

    def copied(self, item: bytes, peer: int) -> None:
        """A peer was handed a copy by another."""
        spread = self._items.get(item)
        if spread is not None:
            spread.copies[peer] = spread.copies.get(peer, 0) + 1

    def all(self) -> tuple[Spread, ...]:
        return tuple(self._items.values())

    def _wanted(self, item: bytes) -> bool:
        return int.from_bytes(item[:4], "big") < self._below


def percentile(values: list[int], share: float) -> int:
    """The nearest-rank percentile of sorted values; 0 of none."""
    if not values:
        return 0
    return values[min(len(values) - 1, max(0, -(-len(values) * round(share * 1_000) // 1_000) - 1))]
