"""How long authors stay in a pair's table, in block time, and how they come back (from rules version 3 on).

The table is bounded, and keys are free, so an author with nothing open leaves it after the retention time, and is then
as unknown as any other key. What they signed before must not count again. So each stay is a *life*, numbered by the
author: the ops of life n are numbered from n · :data:`~gossipbook.crdt.op.LIFE` on, and none is the successor of an op
of another life. A life's first op carries an expiry of at most the retention time after the block that takes it, and no
block takes it later: when an author leaves, at least the retention time after their last op, the first op of the life
is past, and with it all that follow it by hash. Two ops are a fork only if they have one number, so of one life: who
begins a new life without having left, or the reverse, is mistaken, but no cheat.

A client order id names an order within a life.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final, Protocol

from gossipbook.crdt.op import GENESIS_PREV, LIFE, LIVES_SINCE, Op
from gossipbook.ids import PublicKey

LEAVES_PER_BLOCK: Final = 256
"""Authors who leave in one block because they have nothing open."""
TIME_TOLD_MS: Final = 1_000
"""So long after its parent a block may be without ops: where nobody else trades, it tells that a life is over."""
STAYS_SINCE: Final = LIVES_SINCE
"""The rules version since when authors leave."""


def begins_life(op: Op) -> bool:
    """Whether an op is a life's first."""
    return op.seq % LIFE == 0 and op.prev == GENESIS_PREV


def opening_expiry_ms(now_ms: int, retention_ms: int) -> int:
    """Until when a life's first op that is signed now may be taken: enough for delays, and for clocks that differ."""
    return now_ms + retention_ms // 2


class Since(Protocol):
    """Since when something is so, by author; the longest first."""

    def get(self, author: PublicKey, /) -> int | None: ...

    def items(self) -> Iterable[tuple[PublicKey, int]]: ...

    def put(self, author: PublicKey, time_ms: int) -> None:
        """Note it of an author from a time on, which is no earlier than any that was noted."""

    def drop(self, author: PublicKey) -> None:
        """It is not so any more."""


class SinceTable(dict[PublicKey, int]):
    """A table of certified state."""

    def put(self, author: PublicKey, time_ms: int) -> None:
        self.pop(author, None)
        self[author] = time_ms

    def drop(self, author: PublicKey) -> None:
        self.pop(author, None)


class SinceLayer:
    """What a block executed ahead changes in a table, on top of it."""

    def __init__(self, below: Since) -> None:
        self._below = below
        self._changed: dict[PublicKey, int | None] = {}

    def get(self, author: PublicKey, /) -> int | None:
        return self._changed[author] if author in self._changed else self._below.get(author)

    def items(self) -> Iterator[tuple[PublicKey, int]]:
        changed = self._changed
        yield from (entry for entry in self._below.items() if entry[0] not in changed)
        yield from ((author, time_ms) for author, time_ms in changed.items() if time_ms is not None)

    def put(self, author: PublicKey, time_ms: int) -> None:
        self._changed.pop(author, None)
        self._changed[author] = time_ms

    def drop(self, author: PublicKey) -> None:
        self._changed[author] = None


class Stays:
    """Since when each author of the table has done nothing, and has had nothing open. Times in ms of block time."""

    def __init__(self, retention_ms: int, listed: Collection[PublicKey], idle: Since, bare: Since) -> None:
        """``listed``: whom the manifest names, and who therefore never leave.

        ``idle``: since their last op; ``bare``: since they have nothing open any more.
        """
        self.retention_ms, self._listed, self.idle, self.bare = retention_ms, listed, idle, bare

    def with_block_on_top(self) -> "Stays":
        """As they are, to be changed by a block that is executed ahead, which leaves these as they are."""
        return Stays(self.retention_ms, self._listed, SinceLayer(self.idle), SinceLayer(self.bare))

    def leaving(self, time_ms: int, staying: Collection[PublicKey]) -> list[PublicKey]:
        """Who leaves at a block's time, but for those who act in it: they long have had nothing open."""
        found: list[PublicKey] = []
        for author, since_ms in self.bare.items():
            if time_ms <= since_ms + self.retention_ms or len(found) == LEAVES_PER_BLOCK:
                break
            if author not in staying:
                found.append(author)
        return found

    def long_idle(self, time_ms: int, staying: Collection[PublicKey]) -> Iterator[PublicKey]:
        """Who may be made to leave, the longest idle first."""
        for author, since_ms in self.idle.items():
            if time_ms <= since_ms + self.retention_ms:
                return
            if author not in staying:
                yield author

    def is_long_bare(self, author: PublicKey, time_ms: int) -> bool:
        """Whether an author has had nothing open for so long, at a time, that they leave."""
        since_ms = self.bare.get(author)
        return since_ms is not None and time_ms > since_ms + self.retention_ms

    def is_long_idle(self, author: PublicKey, time_ms: int) -> bool:
        """Whether an author who does nothing until a time may leave then, or have left before."""
        since_ms = self.idle.get(author)
        return since_ms is not None and time_ms > since_ms + self.retention_ms

    def acted(self, author: PublicKey, time_ms: int) -> None:
        """Note that a block took an op of an author's."""
        if author not in self._listed:
            self.idle.put(author, time_ms)

    def settle(self, author: PublicKey, time_ms: int, *, bare: bool) -> None:
        """Note whether an author has anything open, after something of theirs changed."""
        if bare and author not in self._listed:
            self.bare.put(author, time_ms)
        else:
            self.bare.drop(author)

    def left(self, author: PublicKey) -> None:
        """Forget an author."""
        self.idle.drop(author)
        self.bare.drop(author)

    def state(self) -> list[Any]:
        """All of it, in order."""
        return [[list(entry) for entry in table.items()] for table in (self.idle, self.bare)]
