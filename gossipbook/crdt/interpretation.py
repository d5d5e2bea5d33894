"""The deterministic interpretation of a pair's certified ops: its book, its authors, its events.

Everything that depends on the book or on earlier blocks is decided here, and equally on every peer. A
block is first executed speculatively; the certified author table moves only on :meth:`commit`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from gossipbook import cbor
from gossipbook.crdt.budget import budget_of
from gossipbook.crdt.merkle import chain_events_digest
from gossipbook.crdt.op import GENESIS_PREV, Evidence, Op, life_of
from gossipbook.crdt.stays import STAYS_SINCE, TIME_TOLD_MS, Stays, begins_life
from gossipbook.ids import ZERO_DIGEST, Digest, OpId, PublicKey, digest
from gossipbook.manifest import Manifest
from gossipbook.matching.engine import Engine
from gossipbook.matching.events import RawEvent
from gossipbook.matching.suspension import resume, suspend

Item: TypeAlias = Op | Evidence


class UnfitOps(StrEnum):
    """Why ops may not follow the certified ones."""

    FROZEN = "an op of a frozen author"
    NOT_ADMITTED = "an author who is not admitted"
    NOT_NEXT = "an op that does not follow its author's last"
    TABLE_FULL = "author-table-full"
    UNKNOWN_AUTHOR = "evidence against an author who is not in the table"
    NO_LIFE = "an op of an author who is not in the table, and begins no life"
    LIFE_OVER = "a life's first op that is past, or that is not to be taken yet"
    MANY_NEWCOMERS = "more new authors than a block may let in"


class AuthorState(NamedTuple):
    """What the chain says of an author: its next sequence number, its last op, whether it is frozen."""

    next_seq: int = 0
    head: OpId = GENESIS_PREV
    frozen: bool = False


NEW_AUTHOR = AuthorState()

DISPLACED_SHARE = 4
"""Making authors leave may take one in so many parts of a block's work, so that ops go on meanwhile."""


@dataclass(frozen=True, slots=True)
class Execution:
    """The outcome of one speculative block.

    ``ran``: how many of its items ran before it was full; a block may not have more. ``is_full``: none more would have.
    """

    time_ms: int
    ran: int
    is_full: bool
    events: tuple[RawEvent, ...]
    events_digest: Digest
    authors: dict[PublicKey, AuthorState]  # those that the block changed, as it leaves them
    left: tuple[PublicKey, ...] = ()  # who left the table
    bare: tuple[PublicKey, ...] = ()  # who has nothing open any more, of those whom the block touched
    holding: tuple[PublicKey, ...] = ()  # and who has


class Interpretation:
    """One pair's certified state."""

    def __init__(self, manifest: Manifest, symbol: str) -> None:
        self.engine = Engine(manifest.pair(symbol), manifest.limits, manifest.wardens, manifest.rules_version)
        self.authors: dict[PublicKey, AuthorState] = {}
        self.time_ms = 0  # the last block's time
        self.events_digest: Digest = ZERO_DIGEST
        self.rules = manifest.rules_version
        self._admission = manifest.admission
        self._limits = limits = manifest.limits
        self.max_newcomers = limits.max_newcomers_per_block if self.rules >= STAYS_SINCE else limits.max_block_ops
        listed = (*manifest.wardens, *(manifest.admission or ()), *(m.public_key for m in manifest.matchers))
        self._listed = frozenset(listed if self.rules >= STAYS_SINCE else ())  # who never leave, and need no place
        self._seated = 0  # authors of the table who have a place in it
        self.stays = Stays(limits.author_retention_ms, self._listed)
        self.settling_ms = manifest.timing.inclusion_age_ms  # in which whatever waits comes into a block, as a rule
        self._next_expiry_ms = 0  # above which block time the next order lapses; 0 if none does
        self.next_lease_ms = 0  # until when the lease holds that ends next; 0 if there is none
        self._left_over = False
        self._speculative: Execution | None = None
        self._aside = False  # the speculative block is set aside while somebody reads

    def author(self, public_key: PublicKey) -> AuthorState:
        return self.authors.get(public_key, NEW_AUTHOR)

    def is_newcomer(self, public_key: PublicKey) -> bool:
        """Whether an author may begin a life now, by rules that know lives."""
        return self.rules >= STAYS_SINCE and public_key not in self.authors

    def needs_place(self, public_key: PublicKey) -> bool:
        """Whether an author is not in the table, and is let in only if it has a place."""
        return public_key not in self.authors and public_key not in self._listed

    def admitted(self, public_key: PublicKey) -> bool:
        return self._admission is None or public_key in self._admission

    def refusal(self, items: Sequence[Item], time_ms: int) -> UnfitOps | None:
        """Why a block at a time may not have these ops, in this order; None if it may."""
        overlay: dict[PublicKey, AuthorState] = {}
        newcomers = 0
        for item in items:
            author = item.author
            state = overlay.get(author) or self.author(author)
            if state.frozen:
                return UnfitOps.FROZEN
            is_new = author not in self.authors and author not in overlay
            newcomers += is_new and author not in self._listed
            if not self.admitted(author):
                return UnfitOps.NOT_ADMITTED
            if isinstance(item, Evidence):
                if not self.takes_evidence(item):
                    return UnfitOps.UNKNOWN_AUTHOR
                overlay[author] = state._replace(frozen=True)
                continue
            if is_new and self.rules >= STAYS_SINCE:
                if not begins_life(item):
                    return UnfitOps.NO_LIFE
                if not self.may_begin(item, time_ms):
                    return UnfitOps.LIFE_OVER
            elif item.seq != state.next_seq or item.prev != state.head:
                return UnfitOps.NOT_NEXT
            overlay[author] = AuthorState(item.seq + 1, item.id)
        if newcomers > self.max_newcomers:
            return UnfitOps.MANY_NEWCOMERS
        if newcomers > self.places:
            return UnfitOps.TABLE_FULL
        return None

    def takes_evidence(self, evidence: Evidence) -> bool:
        """Whether a block may freeze an author: from rules version 3 on only one in the table, for ops of this life.

        A throwaway key whose first op is forked gets no op certified anyhow, and should not take a place either.
        """
        if self.rules < STAYS_SINCE:
            return True
        state = self.authors.get(evidence.author)
        return state is not None and life_of(state.next_seq) == life_of(evidence.first.seq)

    def may_begin(self, op: Op, time_ms: int) -> bool:
        """Whether a block at a time may begin a life with an op, as far as its expiry goes."""
        return self.rules < STAYS_SINCE or time_ms <= op.expiry_ms <= time_ms + self.stays.retention_ms

    @property
    def places(self) -> int:
        """How many places the author table has."""
        return max(0, self._limits.max_authors_per_pair - self._seated)

    @property
    def newcomers_allowed(self) -> int:
        """How many authors who need a place the next block may let in."""
        return min(self.max_newcomers, self.places)

    def may_leave(self, author: PublicKey, time_ms: int) -> bool:
        """Whether an author who does nothing until a time may leave the table then, as it and the book are now."""
        if self.rules < STAYS_SINCE:
            return False
        return self.stays.is_long_bare(author, time_ms) or (
            self.stays.is_long_idle(author, time_ms) and self._is_crowded(0)
        )

    def may_part(self, time_ms: int) -> bool:
        """Whether somebody may leave with a block at a time."""
        if self.rules < STAYS_SINCE:
            return False
        idle = self.stays.long_idle(time_ms, ()) if self._is_crowded(0) else iter(self.stays.leaving(time_ms, ()))
        return next(idle, None) is not None

    def due(self, time_ms: int) -> bool:
        """Whether a block at this time has something to do without any op: a lease to end, or what was left over."""
        return self._left_over or 0 < self.next_lease_ms < time_ms

    def may_be_empty(self, time_ms: int) -> bool:
        """Whether a block at this time may be without ops.

        Where work is bounded, orders that lapse may fill it, so that no op fits; no block is needed for them alone.
        """
        lapses = self.rules >= STAYS_SINCE and 0 < self._next_expiry_ms < time_ms
        return lapses or self.due(time_ms) or self.may_tell_time(time_ms)

    def may_tell_time(self, time_ms: int) -> bool:
        """Whether a block may be there for its time alone, so that all agree on whose life's first op came too late."""
        return self.rules >= STAYS_SINCE and time_ms >= self.time_ms + TIME_TOLD_MS

    def execute(self, time_ms: int, items: Sequence[Item]) -> Execution:
        """Run a block's ops, in the order given, on top of the certified state, until it is full.

        ``refusal`` must be None.
        """
        assert self._speculative is None
        engine = self.engine
        authors: dict[PublicKey, AuthorState] = {}
        engine.begin_block(time_ms)
        ran = 0
        for item in items:
            if engine.is_full:
                break
            ran += 1
            if isinstance(item, Evidence):
                engine.freeze(item.author)
                authors[item.author] = self.author(item.author)._replace(frozen=True)
            else:
                engine.run(item.author, item.commands, 0 < item.expiry_ms < time_ms, item.seq)
                authors[item.author] = AuthorState(item.seq + 1, item.id)
        is_full = engine.is_full
        written = engine.end_block()
        left = self._let_leave(time_ms, items)  # which is written there, too
        events = tuple(written)
        digest_after = chain_events_digest(self.events_digest, events)
        bare, holding = self._who_is_bare(authors, left)
        self._speculative = Execution(
            time_ms, ran, is_full, events, digest_after, authors, tuple(left), tuple(bare), tuple(holding)
        )
        return self._speculative

    def _let_leave(self, time_ms: int, items: Sequence[Item]) -> list[PublicKey]:
        """Let those leave who long have had nothing open, and while it is crowded those who long did nothing.

        Nobody leaves with a block that has no room for another op: theirs may be what was left out.
        """
        if self.rules < STAYS_SINCE or not budget_of(items, self._limits, self.rules).fits_any():
            return []
        engine, acting = self.engine, {item.author for item in items}
        left: dict[PublicKey, None] = {}
        for author in self.stays.leaving(time_ms, acting):
            if engine.is_full:
                return list(left)
            engine.leave(author)
            left[author] = None
        end = engine.event_number + -(-self._limits.max_block_work // DISPLACED_SHARE)
        for author in self.stays.long_idle(time_ms, acting):
            if engine.is_full or engine.event_number >= end or not self._is_crowded(len(left)):
                break
            if author not in left and (self._is_table_crowded(len(left)) or self._has_more_than_a_share(author)):
                engine.leave(author)
                left[author] = None
        return list(left)

    def _is_crowded(self, left: int) -> bool:
        orders = self.engine.book.open_count
        return self._is_table_crowded(left) or 4 * orders > 3 * self._limits.max_open_orders_per_pair

    def _is_table_crowded(self, left: int) -> bool:
        return 4 * (self._seated - left) > 3 * self._limits.max_authors_per_pair

    def _has_more_than_a_share(self, author: PublicKey) -> bool:
        """Whether an author has more open orders than everybody could have at once."""
        limits = self._limits
        return self.engine.orders_of(author) * limits.max_authors_per_pair > limits.max_open_orders_per_pair

    def _who_is_bare(
        self, changed: Mapping[PublicKey, AuthorState], left: Collection[PublicKey]
    ) -> tuple[list[PublicKey], list[PublicKey]]:
        """Of the authors whom the block touched, those who have nothing open now, and those who have; by key."""
        if self.rules < STAYS_SINCE:
            return [], []
        touched = {account.author for account in self.engine.book.emptied} | set(changed)
        bare: list[PublicKey] = []
        holding: list[PublicKey] = []
        for author in sorted(touched.difference(left)):
            frozen = changed[author].frozen if author in changed else self.author(author).frozen
            is_bare = not self.engine.orders_of(author) if frozen else self.engine.is_bare(author)
            (bare if is_bare else holding).append(author)
        return bare, holding

    def commit(self) -> Execution:
        """Make the speculative block part of the certified state."""
        execution = self._speculative
        assert execution is not None
        assert not self._aside
        self.engine.commit()
        self._next_expiry_ms = self.engine.next_expiry_ms()
        self.next_lease_ms = self.engine.next_lease_ms()
        self._left_over = self.engine.has_left_over()
        self._seated += sum(1 for author in execution.authors if self.needs_place(author))
        self.authors.update(execution.authors)
        if self.rules >= STAYS_SINCE:
            self._note_stays(execution)
        self.time_ms = execution.time_ms
        self.events_digest = execution.events_digest
        self._speculative = None
        return execution

    def _note_stays(self, execution: Execution) -> None:
        stays, time_ms = self.stays, execution.time_ms
        for author in execution.left:
            stays.left(author)
            del self.authors[author]
            self._seated -= 1
        for author in sorted(execution.authors):
            stays.acted(author, time_ms)
        for author in execution.bare:
            stays.settle(author, time_ms, bare=True)
        for author in execution.holding:
            stays.settle(author, time_ms, bare=False)

    def rollback(self) -> None:
        """Forget the speculative block, if there is one."""
        assert not self._aside
        if self._speculative is not None:
            self.engine.rollback()
            self._speculative = None

    @contextmanager
    def without_speculation(self) -> Iterator["Interpretation"]:
        """For the length of the block, the certified state alone; a speculative block is set aside, not executed again.

        To be read only, and not across anything that moves the state.
        """
        if self._speculative is None or self._aside:
            yield self
            return
        block = suspend(self.engine)
        self._aside = True
        try:
            yield self
        finally:
            self._aside = False
            resume(self.engine, block)

    def root(self) -> Digest:
        """Digest of the whole state: book with queue order, author table, band reference, counters, time."""
        authors = [[key, *self.authors[key]] for key in sorted(self.authors)]
        stays = self.stays.state() if self.rules >= STAYS_SINCE else []
        return digest(b"state", cbor.encode([self.engine.state(), authors, *stays, self.time_ms, self.events_digest]))
