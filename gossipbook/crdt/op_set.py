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
from gossipbook.crdt.interpretation import Interpretation, Item
from gossipbook.crdt.newcomers import Newcomers
from gossipbook.crdt.op import Evidence, Op, life_of
from gossipbook.crdt.pair_state import PairState
from gossipbook.crdt.parked import ParkedOps
from gossipbook.crdt.pool_room import (
    OPENING_SLACK_MS,
    is_barred,
    is_full_for,
    is_hopeless,
    is_too_large,
)
from gossipbook.crdt.stays import STAYS_SINCE, begins_life
from gossipbook.crdt.succession import Succession
from gossipbook.effects import LinkId
from gossipbook.ids import Digest, OpId, PublicKey
from gossipbook.limits import Limits
from gossipbook.ordered import BoundedDict

NAMED_EVIDENCE_CAP = 1_024
"""Evidence that blocks name which may yet become final: as many as a block may have items."""


class OpSet:
    """The pending ops of one pair, on top of its certified state."""

    def __init__(self, certified: Interpretation, limits: Limits) -> None:
        self._certified = certified
        self._limits = limits
        self._follows = Succession(certified)
        self.logs: dict[PublicKey, AuthorLog] = {}
        self.bodies: dict[OpId, Op] = {}
        self.evidence: dict[OpId, Evidence] = {}
        self.bytes = 0
        self.in_chains = 0  # ops in main chains; the rest is parked, or named by a block
        self.parked = ParkedOps()
        self._joined: list[Op] = []  # what joined main chains though nothing was inserted there
        self.wall_ms = 0  # the time of the last event
        self._ready: dict[PublicKey, None] = {}  # authors of the table with a main chain, or evidence against them
        self.newcomers = Newcomers(certified)  # and others
        self.frontier = FrontierTable()
        self._pinned: frozenset[OpId] = frozenset()
        self._named: BoundedDict[OpId, Evidence] = BoundedDict(NAMED_EVIDENCE_CAP)

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

        ``solicited``: a block or a TIMEOUT names it, so local caps do not apply. Returns what became of it, and what
        joined its author's main chain because of it, in order.
        """
        if op.id in self.bodies:
            return Inserted.DUPLICATE, []
        refused = self.refusal(op, solicited=solicited)
        if refused is not None:
            return refused, []
        log = self.logs.get(op.author)
        if log is None:
            log = self.logs[op.author] = AuthorLog()
        spare = sorted(op_id for op_id in log.by_seq.get(op.seq, {}) if op_id not in self._pinned)
        if len(spare) >= 2 and not solicited:
            if op.id > spare[-1]:
                return Inserted.FORKED, []
            self._forget(log, self.bodies[spare[-1]])
        comes_before = self._follows.comes_before(op, log)
        log.hold(op)
        self.bodies[op.id] = op
        self.bytes += op.size
        if self._certified.is_newcomer(op.author) and begins_life(op):  # The lowest goes first, whatever came first.
            self.newcomers.openings.add(op)
            if comes_before and log.main:
                self._cut(log, log.main[0].seq, timer_ms)
        outcome, grown = Inserted.FORKED, []
        if op.seq in log.forks:
            self._end_at_fork(log, op.seq, timer_ms)
        else:
            grown = self._grow(log, op.author, timer_ms)
            outcome = Inserted.ACCEPTED if op in grown else Inserted.PARKED
        if outcome is not Inserted.ACCEPTED:
            self._park(op, link, timer_ms)
        self._mind(op.author)
        return outcome, grown

    def expire(self, timer_ms: int) -> None:
        """Drop what waited for too long for the ops before it, and lives that can begin by no clock any more."""
        if self._certified.rules >= STAYS_SINCE:
            self._drop_past(self.block_ms - OPENING_SLACK_MS, timer_ms)
        gone = self.parked.expire(timer_ms, lambda op: self._follows.is_open_fork(op, self.logs[op.author]))
        self._drop_loose(gone, timer_ms)

    def add_evidence(self, evidence: Evidence, timer_ms: int, *, solicited: bool = False) -> bool:
        """Take evidence whose signatures are good, if a block may take it; True if there was none against the author.

        Of all evidence against one author that was offered, the same is kept everywhere: that of the lowest sequence
        number, and then of the smallest ids. ``solicited``: a block names it, so that no local cap applies, and it is
        there for this block whether the present state takes it or not.
        """
        certified, author = self._certified, evidence.author
        optional = not solicited or certified.rules >= 3  # Then any smaller evidence does, and there is some.
        if optional and any(is_too_large(op, self._limits) for op in (evidence.first, evidence.second)):
            return False
        if is_hopeless(author, certified, self._limits):
            return False
        if solicited:
            self._named[evidence.id] = evidence
        if not certified.takes_evidence(evidence):
            return False
        log = self.logs.get(author)
        fresh = log is None or log.evidence is None
        if log is None:
            if len(self.logs) >= pool_room.POOL_AUTHORS_CAP and not solicited:
                return False
            log = self.logs[evidence.author] = AuthorLog()
        self._keep_evidence(log, evidence, timer_ms)
        self._mind(author)
        return fresh

    def take_joined(self) -> list[Op]:
        """Take out what joined main chains because something else went, in order: nobody was told of it yet."""
        joined, self._joined = self._joined, []
        return [op for op in joined if self.in_main(op)]

    def pin_also(self, ids: Iterable[OpId]) -> None:
        """Keep these ops, too, until the next :meth:`pin`."""
        for op_id in (named := list(ids)):
            self.parked.remove(op_id)
        self._pinned |= frozenset(named)

    def pin(self, ids: Iterable[OpId], timer_ms: int) -> None:
        """Keep these ops whatever happens: blocks that may yet become final name them. Replaces the last call's.

        What is kept no more, and no block can take, goes.
        """
        before, self._pinned = self._pinned, frozenset()
        self.pin_also(ids)
        for op_id in [op_id for op_id in self._named if op_id not in self._pinned]:
            self._named.pop(op_id)
        self.newcomers.openings.unname()
        self._drop_loose(self._loose(sorted(before - self._pinned)), timer_ms)

    def advance(self, author: PublicKey, timer_ms: int) -> list[Op]:
        """Follow the certified state of an author after a block changed it; what joined their main chain by that."""
        log, state = self.logs.get(author), self._certified.author(author)
        if log is None:
            return []
        if state.frozen:
            self._drop_all(author)
            return []
        if author not in self._certified.authors:
            return []  # What follows from that they left is for :meth:`drop_hopeless`.
        for seq in sorted(log.forks):  # They are evidence now, if they were not before.
            self._end_at_fork(log, seq, timer_ms)
        life = life_of(state.next_seq)
        for seq in [seq for seq in log.by_seq if seq < state.next_seq or life_of(seq) != life]:
            for op in list(log.by_seq[seq].values()):
                self._forget(log, op)
        before = log.main
        covered = sum(1 for op in before if op.seq < state.next_seq)
        log.served_ms = timer_ms if covered else log.served_ms
        follows = not covered or before[covered - 1].id == state.head
        self._set_main(log, before[covered:] if follows else [], covered)
        grown = self._grow(log, author, timer_ms)
        self._tidy(author)
        return grown

    def drop_hopeless(self, left: Iterable[PublicKey], timer_ms: int) -> list[Op]:
        """Drop what no block can name any more, now that a block is certified and some authors ``left`` with it.

        That are lives that are over; by rules without lives, newcomers once the author table is full. It depends on
        certified state alone, so that all replicas at one tip drop alike.
        """
        certified = self._certified
        if certified.rules < STAYS_SINCE:
            hopeless = [author for author in self.logs if is_barred(author, certified, self._limits)]
            return [op for author in hopeless for op in self._drop_all(author)]
        dropped = [op for author in left for op in self._drop_all(author)]
        return dropped + self._drop_past(certified.time_ms, timer_ms)

    def _drop_past(self, time_ms: int, timer_ms: int) -> list[Op]:
        """Drop lives of newcomers whose first op may not be taken after a time."""
        dropped: list[Op] = []
        for op in self.newcomers.openings.take_past(time_ms, self._pinned):
            if not self._certified.is_newcomer(op.author):
                continue
            log = self.logs[op.author]
            over = log.over_with(op)
            if op in log.main[:1]:
                self._set_main(log, [])
            self._drop_loose(over, timer_ms)
            dropped += over
        return dropped

    def _drop_all(self, author: PublicKey) -> list[Op]:
        """Forget all of an author."""
        log = self.logs.get(author)
        if log is None:
            return []
        self._set_main(log, [])
        dropped = [op for ops in log.by_seq.values() for op in ops.values()]
        for op in dropped:
            self._forget(log, op)
        if log.evidence is not None:
            del self.evidence[log.evidence.id]
        del self.logs[author]
        self._mind(author)
        return dropped

    def _tidy(self, author: PublicKey) -> None:
        log = self.logs[author]
        if not log.held and log.evidence is None:
            del self.logs[author]
        self._mind(author)

    # -- questions ----------------------------------------------------------------------------------

    def eligible(self, time_ms: int | None = None) -> Iterator[tuple[PublicKey, AuthorLog]]:
        """Authors with something that a block of a time may take, by default one of now: ops, or evidence."""
        time_ms = self.block_ms if time_ms is None else time_ms
        for author in self._ready:
            yield author, self.logs[author]
        yield from self.newcomers.eligible(self.logs, time_ms)

    def has_place_for(self, author: PublicKey) -> bool:
        """Whether the author table is sure to have a place for an author when their next op is taken."""
        return self.newcomers.has_place_for(author, self.block_ms)

    def awaits_time(self, state: PairState, time_ms: int) -> bool:
        """Whether newcomers wait for a block on top of a state whose time is all that it tells."""
        return self.newcomers.await_time(self.logs, state, time_ms)

    def with_something(self) -> Iterator[PublicKey]:
        """Authors of whom a block may take ops, or evidence against them, were there place and time."""
        yield from self._ready
        yield from self.newcomers.authors

    def is_of_newcomer(self, author: PublicKey) -> bool:
        """Whether an author may begin a life now, by certified state."""
        return self._certified.is_newcomer(author)

    def has_eligible(self) -> bool:
        return any(True for _ in self.eligible())

    def resolve(self, ids: Iterable[OpId]) -> tuple[list[Item], list[OpId]]:
        """The items that a block names, and the ids of those that are not held."""
        wanted = list(ids)
        held = [self.bodies.get(op_id) or self.evidence.get(op_id) or self._named.get(op_id) for op_id in wanted]
        missing = [op_id for op_id, item in zip(wanted, held, strict=True) if item is None]
        return [item for item in held if item is not None], missing

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

    def refusal(self, op: Op, *, solicited: bool = False) -> Inserted | None:
        """Why an op would not be taken now; None if it would."""
        log = self.logs.get(op.author) or AuthorLog()
        refused = pool_room.refusal(op, self._certified, self._limits, None if solicited else self.block_ms)
        if refused is not None or solicited:
            return refused
        follows = (op.seq, op.prev) == self._follows.next_of(log, op.author)
        if not follows and not self._follows.comes_before(op, log):
            return None  # It will be parked, which has a budget of its own.
        held, size = len(self.bodies) - len(self.parked), self.bytes - self.parked.bytes
        return Inserted.POOL_FULL if is_full_for(op, self._certified, held, size, self.newcomers.authors) else None

    def _grow(self, log: AuthorLog, author: PublicKey, timer_ms: int) -> list[Op]:
        """Extend the main chain by what follows it; returns the extension."""
        main = log.main
        grown: list[Op] = []
        seq, head = self._follows.next_of(log, author)
        while seq != log.evidence_seq and len(there := log.by_seq.get(seq, {})) == 1:
            (op,) = there.values()
            if op.prev != head:
                break
            main.append(op)
            log.since_ms.append(log.cut_since_ms.pop(op.id, timer_ms))
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
        """Keep evidence that a block may take, or what it gives with what there is; the main chain ends there."""
        if log.evidence is None:
            log.evidence_since_ms = timer_ms
        kept = evidence if log.evidence is None else log.evidence.joined(evidence)
        log.evidence = self.evidence[kept.id] = kept
        self._cut(log, evidence.first.seq, timer_ms)

    def _end_at_fork(self, log: AuthorLog, seq: int, timer_ms: int) -> None:
        """End the main chain at a fork, and keep evidence of it if a block may take it."""
        evidence = log.evidence_at(seq).by_rules(self._certified.rules)
        self._cut(log, seq, timer_ms)
        if self._certified.takes_evidence(evidence):
            self._keep_evidence(log, evidence, timer_ms)

    def _cut(self, log: AuthorLog, seq: int, timer_ms: int) -> None:
        """End the main chain before a number. What a newcomer has beyond is parked: it holds no room of others."""
        place = seq - log.main[0].seq if log.main else -1
        if 0 <= place < len(log.main):
            cut = log.main[place:]
            log.cut_since_ms = {op_id: ms for op_id, ms in log.cut_since_ms.items() if op_id in self.bodies}
            log.cut_since_ms |= zip((op.id for op in cut), log.since_ms[place:], strict=True)
            self._set_main(log, log.main[:place])
            if self._certified.is_newcomer(cut[0].author):
                for op in reversed(cut):  # The first are kept longest.
                    self._park(op, b"", timer_ms, but=op.author)

    def _park(self, op: Op, link: LinkId, timer_ms: int, but: PublicKey = b"") -> None:
        """Put an op that no block can take yet under the budget of such; a block's is kept whatever the budget."""
        if op.id not in self._pinned:
            self._drop_loose(self.parked.add(op, link, timer_ms), timer_ms, but)

    def _loose(self, ids: list[OpId]) -> list[Op]:
        """Those of some ops that are neither parked nor in a main chain."""
        held = [self.bodies[op_id] for op_id in ids if op_id in self.bodies]
        return [op for op in held if op.id not in self.parked and not self.in_main(op)]

    def _drop_loose(self, gone: list[Op], timer_ms: int, but: PublicKey = b"") -> None:
        """Drop ops that are in no main chain; what follows them may join another. Whoever calls sees to ``but``."""
        for op in gone:
            self._forget(self.logs[op.author], op)
        for author in dict.fromkeys(op.author for op in gone):
            log = self.logs[author]
            if author == but:
                continue
            if log.held:
                self._joined += self._grow(log, author, timer_ms)
            self._tidy(author)

    def _mind(self, author: PublicKey) -> None:
        """Note whether an author has anything that a block may take, after something of theirs changed."""
        log = self.logs.get(author)
        here, there = self._ready, self.newcomers.authors
        if author not in self._certified.authors:
            here, there = there, here
        there.pop(author, None)
        if log is not None and self._certified.is_newcomer(author):
            seq = self._follows.next_of(log, author)[0]
            log.fork_seq = log.first_fork(life_of(seq)) if log.main or seq in log.by_seq else None
        elif log is not None:
            log.fork_seq = None
        if log is not None and (log.main or log.evidence is not None):
            here[author] = None
        else:
            here.pop(author, None)
        self.frontier.note(author, log)

    def _forget(self, log: AuthorLog, op: Op) -> None:
        self.parked.remove(op.id)
        self.newcomers.openings.forget(op)
        log.forget(op)
        del self.bodies[op.id]
        self.bytes -= op.size
