"""What a pool keeps of one author."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gossipbook.crdt.interpretation import Item
from gossipbook.crdt.op import Evidence, Op
from gossipbook.crdt.stays import begins_life
from gossipbook.ids import OpId, PublicKey


@dataclass(slots=True)
class AuthorLog:
    """One author's pending ops. ``by_seq`` holds them all; ``main`` and ``fork_seq`` follow from it.

    ``since_ms``: of each op in ``main``, since when (timer clock) it and all before it are held.
    """

    by_seq: dict[int, dict[OpId, Op]] = field(default_factory=dict)
    main: list[Op] = field(default_factory=list)
    since_ms: list[int] = field(default_factory=list)
    fork_seq: int | None = None
    evidence: Evidence | None = None
    held: int = 0
    evidence_since_ms: int = 0  # timer clock; when the evidence came

    def next_items(self) -> Sequence[Item]:
        """What blocks can take of the author's, in order."""
        return self.main if self.evidence is None else (self.evidence,)

    def place_of(self, op: Op) -> int | None:
        """Where in ``main`` an op is; None if it is not there."""
        place = op.seq - self.main[0].seq if self.main else -1
        return place if 0 <= place < len(self.main) and self.main[place].id == op.id else None

    def first_life(self, time_ms: int) -> int:
        """Where the lowest life begins that a block of a time may take; 0 if none."""
        found = (
            seq
            for seq, ops in self.by_seq.items()
            if any(begins_life(op) and op.expiry_ms >= time_ms for op in ops.values())
        )
        return min(found, default=0)

    def held_since_ms(self, place: int) -> int:
        """Since when one of :meth:`next_items` and all before it are held."""
        return self.since_ms[place] if self.evidence is None else self.evidence_since_ms


@dataclass(frozen=True, slots=True)
class FrontierEntry:
    """How far one author's pending chain reaches here: one above its last main op, and that op's id.

    ``forked``: there is evidence against the author; seq and head are then zero, for nothing of theirs counts.
    """

    author: PublicKey
    seq: int
    head: OpId
    forked: bool
