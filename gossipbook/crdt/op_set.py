"""The grow-only set of a pair's ops that are not in the certified chain yet.

What the set *means* is a function of which ops it holds, whatever the order they came in: each author's main
chain (contiguous from the certified head, linked by ``prev``) is what blocks are made of; ops beyond a
gap are parked; two different ops with one sequence number are a fork, which ends the main chain there and is
evidence against the author. Of a fork the two smallest ids are kept, plus any that a block named.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from gossipbook import cbor
from gossipbook.crdt.interpretation import AuthorState, Interpretation, Item
from gossipbook.crdt.op import Evidence, Op, evidence_id
from gossipbook.crdt.parked import ParkedOps
from gossipbook.effects import LinkId
from gossipbook.ids import ZERO_DIGEST, Digest, OpId, PublicKey, digest
from gossipbook.limits import Limits

POOL_OPS_CAP = 65_536
POOL_BYTES_CAP = 64 * 2**20
POOL_AUTHORS_CAP = 20_000
NEWCOMERS_SHARE = 2
"""Authors who are not certified yet may fill one in so many parts of the pool: their keys are free."""
CANCELS_SHARE = 8
"""Cancels of certified authors have such a part of the pool beyond its caps: who has orders can take them out."""


class Inserted(Enum):
    """What became of an op that was offered to the set."""

    ACCEPTED = "accepted"
    PARKED = "parked"
    FORKED = "equivocation"
    DUPLICATE = "duplicate"
    STALE = "stale"
    FROZEN = "author-frozen"
    NOT_ADMITTED = "author-not-admitted"
    WINDOW = "author-window-full"
    POOL_FULL = "pool-full"
    TABLE_FULL = "author-table-full"
    TOO_LARGE = "op-too-large"


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


class OpSet:
    """The pending ops of one pair, on top of its certified state."""

    def __init__(self, certified: Interpretation, limits: Limits) -> None:
        self._certified = certified
        self._limits = limits
        self.logs: dict[PublicKey, AuthorLog] = {}
        self.bodies: dict[OpId, Op] = {}
        self.evidence: dict[OpId, Evidence] = {}
        self.bytes = 0
        self.in_chains = 0  # ops in main chains; the rest is parked, or named by a block
        self.parked = ParkedOps()
        self._ready: dict[PublicKey, None] = {}  # authors with a main chain, or evidence against them
        self._digest: Digest | None = None
        self._pinned: frozenset[OpId] = frozenset()

    def __len__(self) -> int:
        return len(self.bodies)

    # -- changing the set ---------------------------------------------------------------------------

    def insert(
        self, op: Op, timer_ms: int, *, solicited: bool = False, link: LinkId = b""
    ) -> tuple[Inserted, list[Op]]:
        """Offer an op whose signature is good, and which came over ``link``.

        ``solicited``: a block names it, so local caps do not apply. Returns what became of it, and
        the ops that joined the main chain because of it, in order.
        """
        if op.id in self.bodies:
            return Inserted.DUPLICATE, []
        state = self._certified.author(op.author)
        refused = self._refuse(op, state, solicited)
        if refused is not None:
            return refused, []
        log = self.logs.get(op.author)
        if log is None:
            log = self.logs[op.author] = AuthorLog()
        others = log.by_seq.setdefault(op.seq, {})
        spare = sorted(op_id for op_id in others if op_id not in self._pinned)
        if len(others) >= 2 and len(spare) >= 2 and not solicited:
            if op.id > spare[-1]:
                return Inserted.FORKED, []
            self._forget(log, others[spare[-1]])
        others[op.id] = op
        self.bodies[op.id] = op
        self.bytes += op.size
        log.held += 1
        if len(others) > 1:
            self._note_fork(log, op.seq, timer_ms)
            self._park(op, link, timer_ms, solicited=solicited)
            self._mind(op.author)
            return Inserted.FORKED, []
        grown = self._grow(log, state, timer_ms)
        if op not in grown:
            self._park(op, link, timer_ms, solicited=solicited)
        self._mind(op.author)
        return (Inserted.ACCEPTED, grown) if op in grown else (Inserted.PARKED, grown)

    def expire(self, timer_ms: int) -> None:
        """Drop what waited for too long for the ops before it."""
        for op in self.parked.expire(timer_ms):
            self._drop_parked(op)

    def add_evidence(self, evidence: Evidence, timer_ms: int, *, solicited: bool = False) -> bool:
        """Take evidence whose signatures are good; True if the author was not known to equivocate.

        Of all evidence against one author that was offered, the same is kept everywhere: that of the lowest sequence
        number, and then of the smallest ids. ``solicited``: a block names it, so that no local cap applies.
        """
        certified, author = self._certified, evidence.author
        optional = not solicited or certified.rules >= 3  # Then any smaller evidence does, and there is some.
        if optional and any(self._is_too_large(op) for op in (evidence.first, evidence.second)):
            return False
        if certified.author(author).frozen or not certified.admitted(author) or not certified.has_room_for(author):
            return False
        log = self.logs.get(evidence.author)
        fresh = log is None or log.evidence is None
        if log is None:
            if len(self.logs) >= POOL_AUTHORS_CAP and not solicited:
                return False
            log = self.logs[evidence.author] = AuthorLog()
        self._keep_evidence(log, evidence, timer_ms)
        self._mind(author)
        for op in (evidence.first, evidence.second):
            self.insert(op, timer_ms)  # Refused or not: the evidence holds both.
        return fresh

    def pin(self, ids: Iterable[OpId]) -> None:
        """Keep these ops whatever happens: blocks that may yet become final name them. Replaces the last call's."""
        self._pinned = frozenset(ids)

    def advance(self, author: PublicKey, timer_ms: int) -> list[Op]:
        """Follow the certified state of an author after a block changed it.

        Returns the ops that joined the main chain because the block filled a gap in it.
        """
        log = self.logs.get(author)
        if log is None:
            return []
        state = self._certified.author(author)
        if state.frozen:
            self._set_main(log, [])
            for op in [op for ops in log.by_seq.values() for op in ops.values()]:
                self._forget(log, op)
            del self.logs[author]
            self.evidence.pop(evidence_id(author), None)
            self._mind(author)
            return []
        for seq in [seq for seq in log.by_seq if seq < state.next_seq]:
            for op in list(log.by_seq[seq].values()):
                self._forget(log, op)
        log.fork_seq = min((seq for seq, ops in log.by_seq.items() if len(ops) > 1), default=None)
        before = log.main
        covered = sum(1 for op in before if op.seq < state.next_seq)
        follows = not covered or before[covered - 1].id == state.head
        self._set_main(log, before[covered:] if follows else [], covered)
        grown = self._grow(log, state, timer_ms)
        if not log.held and log.evidence is None:
            del self.logs[author]
        self._mind(author)
        return grown

    def drop_barred(self) -> list[Op]:
        """Drop the ops of newcomers once the author table is full: no block can ever name them.

        It depends on certified state alone, so that all replicas at one tip drop alike.
        """
        if not self._certified.table_full:
            return []
        dropped: list[Op] = []
        for author in [author for author in self.logs if not self._certified.has_room_for(author)]:
            log = self.logs.pop(author)
            self._set_main(log, [])
            for op in [op for ops in log.by_seq.values() for op in ops.values()]:
                self._forget(log, op)
                dropped.append(op)
            self.evidence.pop(evidence_id(author), None)
            self._mind(author)
        return dropped

    # -- questions ----------------------------------------------------------------------------------

    def eligible(self) -> Iterator[tuple[PublicKey, AuthorLog]]:
        """Authors with something that a block may take now: a main chain, or evidence against them."""
        for author in self._ready:
            log = self.logs[author]
            ready = self._certified.takes_evidence(author) if log.evidence is not None else bool(log.main)
            if ready and self._certified.has_room_for(author):
                yield author, log

    def has_eligible(self) -> bool:
        return next(self.eligible(), None) is not None

    def resolve(self, ids: Iterable[OpId]) -> tuple[list[Item], list[OpId]]:
        """The items that a block names, and the ids of those that are not held."""
        items: list[Item] = []
        missing: list[OpId] = []
        for op_id in ids:
            item = self.bodies.get(op_id) or self.evidence.get(op_id)
            if item is None:
                missing.append(op_id)
            else:
                items.append(item)
        return items, missing

    def pending(self, author: PublicKey) -> list[Op]:
        """The author's main chain, in order of seq."""
        log = self.logs.get(author)
        return [] if log is None else log.main

    def in_main(self, op: Op) -> bool:
        """Whether an op and all its ancestors are held, unforked."""
        log = self.logs.get(op.author)
        if log is None or not log.main:
            return False
        place = op.seq - log.main[0].seq
        return 0 <= place < len(log.main) and log.main[place].id == op.id

    def frontier(self) -> list[FrontierEntry]:
        """One entry an author with anything pending, ordered by author."""
        entries = []
        for author in sorted(self._ready):
            log = self.logs[author]
            if log.evidence is not None:
                entries.append(FrontierEntry(author, 0, ZERO_DIGEST, True))  # The fork, and all that descends from it.
            elif log.main:
                entries.append(FrontierEntry(author, log.main[-1].seq + 1, log.main[-1].id, False))
        return entries

    def digest(self) -> Digest:
        """Equal on two replicas with equal certified state exactly when their frontiers are."""
        if self._digest is None:
            rows = [[entry.author, entry.seq, entry.head, entry.forked] for entry in self.frontier()]
            self._digest = digest(b"pending", cbor.encode(rows))
        return self._digest

    # -- parts --------------------------------------------------------------------------------------

    def _refuse(self, op: Op, state: AuthorState, solicited: bool) -> Inserted | None:
        if self._is_too_large(op):
            return Inserted.TOO_LARGE
        if state.frozen:
            return Inserted.FROZEN
        if op.seq < state.next_seq:
            return Inserted.STALE
        if not self._certified.admitted(op.author):
            return Inserted.NOT_ADMITTED
        if not self._certified.has_room_for(op.author):
            return Inserted.TABLE_FULL  # For good, since a certified author is never evicted.
        if solicited:
            return None
        if op.seq >= state.next_seq + self._limits.author_window:
            return Inserted.WINDOW
        log = self.logs.get(op.author)
        main = log.main if log is not None else []
        if op.seq != state.next_seq + len(main) or op.prev != (main[-1].id if main else state.head):
            return None  # It will be parked, which has a budget of its own.
        return Inserted.POOL_FULL if self._is_full(op) else None

    def _is_full(self, op: Op) -> bool:
        """Whether there is no room for an op that a block could take."""
        ops_cap, bytes_cap = POOL_OPS_CAP, POOL_BYTES_CAP
        if op.author not in self._certified.authors:
            ops_cap, bytes_cap = ops_cap // NEWCOMERS_SHARE, bytes_cap // NEWCOMERS_SHARE
            if op.author not in self._ready and len(self._ready) >= POOL_AUTHORS_CAP // NEWCOMERS_SHARE:
                return True
        elif op.priority_class == 0:
            ops_cap, bytes_cap = ops_cap + ops_cap // CANCELS_SHARE, bytes_cap + bytes_cap // CANCELS_SHARE
        held, size = len(self.bodies) - len(self.parked), self.bytes - self.parked.bytes
        return held >= ops_cap or size + op.size > bytes_cap

    def _grow(self, log: AuthorLog, state: AuthorState, timer_ms: int) -> list[Op]:
        """Extend the main chain by what follows it; returns the extension."""
        main = log.main
        grown: list[Op] = []
        head = main[-1].id if main else state.head
        seq = state.next_seq + len(main)
        while seq != log.fork_seq and (there := log.by_seq.get(seq)):
            (op,) = there.values()
            if op.prev != head:
                break
            main.append(op)
            log.since_ms.append(timer_ms)
            self.in_chains += 1
            self.parked.remove(op.id)
            grown.append(op)
            head = op.id
            seq += 1
        return grown

    def _set_main(self, log: AuthorLog, main: list[Op], first: int = 0) -> None:
        """Cut the main chain down to ``main``, which begins at its place ``first``."""
        self.in_chains += len(main) - len(log.main)
        log.main = main
        log.since_ms = log.since_ms[first : first + len(main)]

    def _is_too_large(self, op: Op) -> bool:
        return len(op.signed) > self._limits.max_op_bytes or len(op.commands) > self._limits.max_commands_per_op

    def _keep_evidence(self, log: AuthorLog, evidence: Evidence, timer_ms: int) -> None:
        if log.evidence is None:
            log.evidence_since_ms = timer_ms
        if log.evidence is None or evidence.rank() < log.evidence.rank():
            log.evidence = self.evidence[evidence.id] = evidence

    def _note_fork(self, log: AuthorLog, seq: int, timer_ms: int) -> None:
        """End the main chain at the lowest fork and keep evidence of it."""
        if log.fork_seq is None or seq < log.fork_seq:
            log.fork_seq = seq
            self._set_main(log, [op for op in log.main if op.seq < seq])
        first, second = sorted(log.by_seq[seq].values(), key=lambda op: op.id)[:2]
        self._keep_evidence(log, Evidence(first, second), timer_ms)

    def _park(self, op: Op, link: LinkId, timer_ms: int, *, solicited: bool) -> None:
        """Put an op that no block can take yet under the budget of such; a block's is kept whatever the budget."""
        if not solicited and op.id not in self._pinned:
            for gone in self.parked.add(op, link, timer_ms):
                self._drop_parked(gone)

    def _drop_parked(self, op: Op) -> None:
        log = self.logs[op.author]
        self._forget(log, op)
        if not log.held and (log.evidence is None or not self._certified.takes_evidence(op.author)):
            del self.logs[op.author]
            self.evidence.pop(evidence_id(op.author), None)
        self._mind(op.author)

    def _mind(self, author: PublicKey) -> None:
        """Note whether an author has anything that a block may take, after something of theirs changed."""
        log = self.logs.get(author)
        if log is not None and (log.main or log.evidence is not None):
            self._ready[author] = None
        else:
            self._ready.pop(author, None)
        self._digest = None

    def _forget(self, log: AuthorLog, op: Op) -> None:
        self.parked.remove(op.id)
        there = log.by_seq[op.seq]
        del there[op.id]
        if not there:
            del log.by_seq[op.seq]
        del self.bodies[op.id]
        self.bytes -= op.size
        log.held -= 1
