"""The grow-only set of a pair's ops that are not in the certified chain yet.

What the set *means* is a function of which ops it holds, whatever the order they came in: each author's main
chain (contiguous from the certified head, linked by ``prev``) is what blocks are made of; ops beyond a
gap are parked; two different ops with one sequence number are a fork, which ends the main chain there and is
evidence against the author. Of a fork the two smallest ids are kept, plus any that a block named.
"""

from collections.abc import Iterable, Iterator

from gossipbook.crdt import pool_room
from gossipbook.crdt.author_log import AuthorLog
from gossipbook.crdt.frontier import FrontierTable
from gossipbook.crdt.inserted import Inserted
from gossipbook.crdt.interpretation import AuthorState, Interpretation, Item
from gossipbook.crdt.op import GENESIS_PREV, Evidence, Op, evidence_id
from gossipbook.crdt.openings import Openings
from gossipbook.crdt.parked import ParkedOps
from gossipbook.crdt.pool_room import is_barred, is_full_for, is_too_large
from gossipbook.crdt.stays import LIFE, STAYS_SINCE, begins_life
from gossipbook.effects import LinkId
from gossipbook.ids import Digest, OpId, PublicKey
from gossipbook.limits import Limits

OPENING_SLACK_MS = 60_000
"""By how much clocks may differ for a life's first op to be kept until a block can take it; a guess."""


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
        self.wall_ms = 0  # the time of the last event
        self._ready: dict[PublicKey, None] = {}  # authors of the table with a main chain, or evidence against them
        self._new: dict[PublicKey, None] = {}  # and others
        self._openings = Openings()
        self.frontier = FrontierTable()
        self._pinned: frozenset[OpId] = frozenset()

    def __len__(self) -> int:
        return len(self.bodies)

    @property
    def block_ms(self) -> int:
        """The time that a block would have which was made now."""
        return max(self.wall_ms, self._certified.time_ms + 1)

    # -- changing the set ---------------------------------------------------------------------------

    def insert(
        self, op: Op, timer_ms: int, *, solicited: bool = False, link: LinkId = b""
    ) -> tuple[Inserted, list[Op]]:
        """Offer an op whose signature is good, and which came over ``link``.

        ``solicited``: a block names it, so local caps do not apply. Returns what became of it, and what joined the
        main chain because of it, in order.
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
        grown = self._grow(log, op.author, timer_ms)
        if op not in grown:
            self._park(op, link, timer_ms, solicited=solicited)
        self._mind(op.author)
        return (Inserted.ACCEPTED, grown) if op in grown else (Inserted.PARKED, grown)

    def expire(self, timer_ms: int) -> None:
        """Drop what waited for too long for the ops before it, and lives that can begin by no clock any more."""
        if self._certified.rules >= STAYS_SINCE:
            self._drop_past(self.block_ms - OPENING_SLACK_MS)
        for op in self.parked.expire(timer_ms):
            self._drop_parked(op)

    def add_evidence(self, evidence: Evidence, timer_ms: int, *, solicited: bool = False) -> bool:
        """Take evidence whose signatures are good; True if the author was not known to equivocate.

        Of all evidence against one author that was offered, the same is kept everywhere: that of the lowest sequence
        number, and then of the smallest ids. ``solicited``: a block names it, so that no local cap applies.
        """
        certified, author = self._certified, evidence.author
        optional = not solicited or certified.rules >= 3  # Then any smaller evidence does, and there is some.
        if optional and any(is_too_large(op, self._limits) for op in (evidence.first, evidence.second)):
            return False
        if certified.author(author).frozen or not certified.admitted(author) or self._is_barred(author):
            return False
        if author in certified.authors and not certified.takes_evidence(evidence):
            return False  # Of another life than this one.
        log = self.logs.get(author)
        fresh = log is None or log.evidence is None
        if log is None:
            if len(self.logs) >= pool_room.POOL_AUTHORS_CAP and not solicited:
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
        self._openings.unname()

    def advance(self, author: PublicKey, timer_ms: int) -> list[Op]:
        """Follow the certified state of an author after a block changed it, or let them leave the table.

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
        if author not in self._certified.authors:
            return []  # What it is to that they left is for :meth:`left`.
        for seq in [seq for seq in log.by_seq if seq < state.next_seq]:
            for op in list(log.by_seq[seq].values()):
                self._forget(log, op)
        log.fork_seq = min((seq for seq, ops in log.by_seq.items() if len(ops) > 1), default=None)
        before = log.main
        covered = sum(1 for op in before if op.seq < state.next_seq)
        follows = not covered or before[covered - 1].id == state.head
        self._set_main(log, before[covered:] if follows else [], covered)
        grown = self._grow(log, author, timer_ms)
        self._tidy(author)
        return grown

    def awaits_time(self) -> bool:
        """Whether a newcomer's first op is past, and no block yet says so: till then its author waits."""
        if not self._certified.may_tell_time(self.block_ms):
            return False
        return any(op.author not in self._certified.authors for op in self._openings.past(self.block_ms))

    def drop_hopeless(self, left: Iterable[PublicKey]) -> list[Op]:
        """Drop what no block can name any more, now that a block is certified and some authors ``left`` with it.

        That are lives that are over; by rules without lives, newcomers once the author table is full. It depends on
        certified state alone, so that all replicas at one tip drop alike.
        """
        certified = self._certified
        if certified.rules < STAYS_SINCE:
            hopeless = [author for author in self.logs if self._is_barred(author)]
            return [op for author in hopeless for op in self._drop_all(author)]
        dropped = [op for author in left for op in self._drop_all(author)]
        return dropped + self._drop_past(certified.time_ms)

    def _drop_past(self, time_ms: int) -> list[Op]:
        """Drop lives of newcomers whose first op may not be taken after a time."""
        dropped: list[Op] = []
        for op in self._openings.take_past(time_ms, self._pinned):
            if op.author in self._certified.authors:
                continue
            log = self.logs[op.author]
            over = list(log.main) if op in log.main else [op]
            self._set_main(log, [one for one in log.main if one not in over])
            for one in over:
                self._forget(log, one)
            dropped += over
            self._grow(log, op.author, 0)
            self._tidy(op.author)
        return dropped

    def _drop_all(self, author: PublicKey) -> list[Op]:
        """Forget an author, but for what blocks may need."""
        log = self.logs.get(author)
        if log is None:
            return []
        self._set_main(log, [])
        dropped = [op for ops in log.by_seq.values() for op in ops.values()]
        for op in dropped:
            self._forget(log, op)
        del self.logs[author]
        self.evidence.pop(evidence_id(author), None)
        self._mind(author)
        return dropped

    def _tidy(self, author: PublicKey) -> None:
        log = self.logs[author]
        if not log.held and log.evidence is None:
            del self.logs[author]
        self._mind(author)

    # -- questions ----------------------------------------------------------------------------------

    def eligible(self) -> Iterator[tuple[PublicKey, AuthorLog]]:
        """Authors with something that a block may take now: a main chain, or evidence against them."""
        certified = self._certified
        for author in self._ready:
            log = self.logs[author]
            if log.main if log.evidence is None else certified.takes_evidence(log.evidence):
                yield author, log
        if not self._new or not certified.newcomers_allowed(self.block_ms):
            return
        for author in self._new:
            log = self.logs[author]
            if log.evidence is not None:
                ready = certified.takes_evidence(log.evidence)
            else:
                ready = bool(log.main) and certified.may_begin(log.main[0], self.block_ms)
            if ready:
                yield author, log

    def has_eligible(self) -> bool:
        return any(True for _ in self.eligible())

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
        return log is not None and log.place_of(op) is not None

    def digest(self) -> Digest:
        """Equal on two replicas with equal certified state exactly when their frontiers are."""
        return self.frontier.digest()

    # -- parts --------------------------------------------------------------------------------------

    def _refuse(self, op: Op, state: AuthorState, solicited: bool) -> Inserted | None:
        if is_too_large(op, self._limits):
            return Inserted.TOO_LARGE
        if state.frozen:
            return Inserted.FROZEN
        if op.seq < state.next_seq:
            return Inserted.STALE
        if not self._certified.admitted(op.author):
            return Inserted.NOT_ADMITTED
        if self._is_barred(op.author):
            return Inserted.TABLE_FULL  # For good, since by these rules nobody leaves it.
        if solicited:
            return None
        has_lives = self._certified.rules >= STAYS_SINCE and op.author not in self._certified.authors
        if (op.seq % LIFE if has_lives else op.seq - state.next_seq) >= self._limits.author_window:
            return Inserted.WINDOW
        if has_lives and begins_life(op):
            if op.expiry_ms < self._certified.time_ms:  # And no block up to there took it.
                return Inserted.LIFE_OVER
            if op.expiry_ms > self.block_ms + self._limits.author_retention_ms + OPENING_SLACK_MS:
                return Inserted.LIFE_TOO_EARLY
        log = self.logs.get(op.author) or AuthorLog()
        follows = (op.seq, op.prev) == self._next_of(log, op.author)
        if not follows and not (has_lives and not log.main and begins_life(op)):
            return None  # It will be parked, which has a budget of its own.
        held, size = len(self.bodies) - len(self.parked), self.bytes - self.parked.bytes
        return Inserted.POOL_FULL if is_full_for(op, self._certified, held, size, self._new) else None

    def _is_barred(self, author: PublicKey) -> bool:
        return is_barred(author, self._certified, self._limits)

    def _next_of(self, log: AuthorLog, author: PublicKey) -> tuple[int, OpId]:
        """The number of the op that follows the main chain, and the id that it names."""
        if log.main:
            return log.main[-1].seq + 1, log.main[-1].id
        certified = self._certified
        state = certified.author(author)
        if certified.rules < STAYS_SINCE or author in certified.authors:
            return state.next_seq, state.head
        return log.first_life(certified.time_ms), GENESIS_PREV

    def _grow(self, log: AuthorLog, author: PublicKey, timer_ms: int) -> list[Op]:
        """Extend the main chain by what follows it; returns the extension."""
        main = log.main
        grown: list[Op] = []
        seq, head = self._next_of(log, author)
        while seq != log.fork_seq and (there := log.by_seq.get(seq)):
            (op,) = there.values()
            if op.prev != head:
                break
            if not main and author not in self._certified.authors:
                self._openings.add(op)
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
        if not log.held and (log.evidence is None or not self._certified.takes_evidence(log.evidence)):
            del self.logs[op.author]
            self.evidence.pop(evidence_id(op.author), None)
        self._mind(op.author)

    def _mind(self, author: PublicKey) -> None:
        """Note whether an author has anything that a block may take, after something of theirs changed."""
        log = self.logs.get(author)
        here, there = self._ready, self._new
        if author not in self._certified.authors:
            here, there = there, here
        there.pop(author, None)
        if log is not None and (log.main or log.evidence is not None):
            here[author] = None
        else:
            here.pop(author, None)
        self.frontier.note(author, log)

    def _forget(self, log: AuthorLog, op: Op) -> None:
        self.parked.remove(op.id)
        self._openings.forget(op)
        there = log.by_seq[op.seq]
        del there[op.id]
        if not there:
            del log.by_seq[op.seq]
        del self.bodies[op.id]
        self.bytes -= op.size
        log.held -= 1
