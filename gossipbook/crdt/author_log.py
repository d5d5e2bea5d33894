"""What a pool keeps of one author."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gossipbook.crdt.interpretation import Item
from gossipbook.crdt.op import LIFE, Evidence, Op, life_of
from gossipbook.crdt.stays import begins_life
from gossipbook.ids import OpId, PublicKey

NEVER_MS = -(10**12)
"""Before any time of a timer clock."""


@dataclass(slots=True)
class AuthorLog:
    """One author's pending ops. ``by_seq`` holds them all; ``main`` and ``forks`` follow from it.

    ``since_ms``: of each op in ``main``, since when (timer clock) it and all before it are held. ``forks``: sequence
    numbers of which there is more than one op. ``evidence`` is only what a block may take now; of an author who is in
    no table there is none yet, and ``fork_seq`` says where the life that may begin next is forked. ``cut_since_ms``:
    as ``since_ms``, of what forks cut off. ``served_ms``: when a block last took an op of theirs (timer clock).
    """

    by_seq: dict[int, dict[OpId, Op]] = field(default_factory=dict)
    main: list[Op] = field(default_factory=list)
    since_ms: list[int] = field(default_factory=list)
    forks: dict[int, None] = field(default_factory=dict)
    fork_seq: int | None = None
    evidence: Evidence | None = None
    held: int = 0
    evidence_since_ms: int = 0  # timer clock; when the evidence came
    cut_since_ms: dict[OpId, int] = field(default_factory=dict)
    served_ms: int = NEVER_MS

    def hold(self, op: Op) -> None:
        """Add an op."""
        there = self.by_seq.setdefault(op.seq, {})
        there[op.id] = op
        if len(there) > 1:
            self.forks[op.seq] = None
        self.held += 1

    def forget(self, op: Op) -> None:
        """Take an op out; it is not in ``main``."""
        there = self.by_seq[op.seq]
        del there[op.id]
        if len(there) < 2:
            self.forks.pop(op.seq, None)
        if not there:
            del self.by_seq[op.seq]
        self.held -= 1

    @property
    def evidence_seq(self) -> int | None:
        """The number of the two ops that the evidence holds."""
        return None if self.evidence is None else self.evidence.first.seq

    @property
    def forked(self) -> bool:
        """Whether the author is known to have signed two ops with one number."""
        return self.evidence is not None or self.fork_seq is not None

    def proof(self) -> Evidence | None:
        """What proves that, whether a block may take it or not."""
        if self.evidence is None and self.fork_seq is not None:
            return self.evidence_at(self.fork_seq)
        return self.evidence

    def evidence_at(self, seq: int) -> Evidence:
        """Evidence of a fork: of its ops the two with the smallest ids."""
        first, second = sorted(self.by_seq[seq].values(), key=lambda op: op.id)[:2]
        return Evidence(first, second)

    def over_with(self, first: Op) -> list[Op]:
        """What no block can take any more once a life's first op is past: the life, if it has no other first op."""
        if any(other is not first and begins_life(other) for other in self.by_seq[first.seq].values()):
            return [first]
        return self.of_life(life_of(first.seq))

    def of_life(self, life: int) -> list[Op]:
        """All ops of a life."""
        return [op for seq, ops in self.by_seq.items() if life_of(seq) == life for op in ops.values()]

    def may_begin(self, life: int) -> bool:
        """Whether there is an op that begins a life."""
        return any(map(begins_life, self.by_seq.get(life * LIFE, {}).values()))

    def first_fork(self, life: int) -> int | None:
        """Where a life is forked first; None if it is not."""
        return min((seq for seq in self.forks if life_of(seq) == life), default=None)

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

    ``forked``: the author is known to equivocate. Where there is evidence that a block may take, seq and head are zero,
    for nothing of theirs counts; where a life's first op is forked, seq is its number.
    """

    author: PublicKey
    seq: int
    head: OpId
    forked: bool
