"""Containers with a defined order and a cap.

Cores never iterate a set of bytes, whose order differs between processes, and never keep a table that
can grow without bound. These two serve where a plain ``dict`` does not already do both.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class OrderedSet(Generic[K]):
    """A set that iterates in insertion order."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[K] = ()) -> None:
        self._items: dict[K, None] = dict.fromkeys(items)

    def add(self, item: K) -> bool:
        """Insert; True if it was not there."""
        if item in self._items:
            return False
        self._items[item] = None
        return True

    def discard(self, item: K) -> None:
        self._items.pop(item, None)

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


class BoundedDict(Generic[K, V]):
    """A mapping of at most ``cap`` entries; a new entry pushes out the oldest-written one."""

    __slots__ = ("_items", "cap", "evicted")

    def __init__(self, cap: int) -> None:
        assert cap > 0
        self.cap = cap
        self.evicted = 0
        self._items: dict[K, V] = {}

    def __setitem__(self, key: K, value: V) -> None:
        self._items.pop(key, None)
        self._items[key] = value
        if len(self._items) > self.cap:
            del self._items[next(iter(self._items))]
            self.evicted += 1

    def get(self, key: K) -> V | None:
        return self._items.get(key)

    def pop(self, key: K) -> V | None:
        return self._items.pop(key, None)

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)

    def items(self) -> Iterable[tuple[K, V]]:
        return self._items.items()

    def values(self) -> Iterable[V]:
        return self._items.values()

    def __len__(self) -> int:
        return len(self._items)


class BoundedCounter(Counter[str]):
    """Counts by reason, for reasons that a remote may word: beyond the cap all further ones count as one."""

    CAP = 256
    OTHERS = "(others)"

    def __setitem__(self, key: str, value: int) -> None:
        if key not in self and len(self) >= self.CAP:
            key, value = self.OTHERS, self[self.OTHERS] + 1
        super().__setitem__(key, value)
