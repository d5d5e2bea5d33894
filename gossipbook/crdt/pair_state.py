"""What may be asked of a pair's state between two blocks, whether they are certified or executed ahead of that."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

from gossipbook.crdt.op import GENESIS_PREV, Evidence, Op, life_of
from gossipbook.crdt.stays import STAYS_SINCE, TIME_TOLD_MS, Stays, begins_life
from gossipbook.ids import Digest, OpId, PublicKey
from gossipbook.manifest import Manifest

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


class Authors(Protocol):
    """The author table, to be read."""

    def __contains__(self, author: object, /) -> bool: ...

    def __len__(self) -> int: ...

    def get(self, author: PublicKey, /) -> AuthorState | None: ...


class Terms:
    """What a manifest says of a pair's authors; it never changes."""

    def __init__(self, manifest: Manifest) -> None:
        self.rules = manifest.rules_version
        self.admission = manifest.admission
        self.limits = limits = manifest.limits
        self.max_newcomers = limits.max_newcomers_per_block if self.rules >= STAYS_SINCE else limits.max_block_ops
        listed = (*manifest.wardens, *(manifest.admission or ()), *(m.public_key for m in manifest.matchers))
        self.settling_ms = manifest.timing.inclusion_age_ms  # in which whatever waits comes into a block, as a rule
        self.listed = frozenset(listed if self.rules >= STAYS_SINCE else ())  # who never leave, and need no place

    def is_table_crowded(self, seated: int) -> bool:
        """Whether a table with so many authors is so full that some are to leave."""
        return 4 * seated > 3 * self.limits.max_authors_per_pair

    def are_crowded(self, seated: int, open_orders: int) -> bool:
        """Whether a table with so many authors is, or a book with so many orders."""
        return self.is_table_crowded(seated) or 4 * open_orders > 3 * self.limits.max_open_orders_per_pair


class PairState:
    """The state after some block: the author table, its stays, and what the next block begins with.

    ``seated``: authors of the table who have a place in it. ``next_expiry_ms``: above which block time the next order
    lapses, ``next_lease_ms``: until when the lease holds that ends next; 0 if there is none. ``left_over``: the next
    block begins with work of this one. ``open_orders``: how many there are.
    """

    authors: Authors
    stays: Stays
    time_ms: int
    events_digest: Digest
    seated: int
    open_orders: int
    next_expiry_ms: int
    next_lease_ms: int
    left_over: bool

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.rules = terms.rules
        self.max_newcomers = terms.max_newcomers
        self.settling_ms = terms.settling_ms

    def author(self, public_key: PublicKey) -> AuthorState:
        return self.authors.get(public_key) or NEW_AUTHOR

    def is_newcomer(self, public_key: PublicKey) -> bool:
        """Whether an author may begin a life now, by rules that know lives."""
        return self.rules >= STAYS_SINCE and public_key not in self.authors

    def needs_place(self, public_key: PublicKey) -> bool:
        """Whether an author is not in the table, and is let in only if it has a place."""
        return public_key not in self.authors and public_key not in self.terms.listed

    def admitted(self, public_key: PublicKey) -> bool:
        return self.terms.admission is None or public_key in self.terms.admission

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
            newcomers += is_new and author not in self.terms.listed
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
        return max(0, self.terms.limits.max_authors_per_pair - self.seated)

    @property
    def newcomers_allowed(self) -> int:
        """How many authors who need a place the next block may let in."""
        return min(self.max_newcomers, self.places)

    def may_leave(self, author: PublicKey, time_ms: int) -> bool:
        """Whether an author who does nothing until a time may leave the table then, as it and the book are now."""
        if self.rules < STAYS_SINCE:
            return False
        return self.stays.is_long_bare(author, time_ms) or (
            self.stays.is_long_idle(author, time_ms) and self.terms.are_crowded(self.seated, self.open_orders)
        )

    def may_part(self, time_ms: int) -> bool:
        """Whether somebody may leave with a block at a time."""
        if self.rules < STAYS_SINCE:
            return False
        is_crowded = self.terms.are_crowded(self.seated, self.open_orders)
        idle = self.stays.long_idle(time_ms, ()) if is_crowded else iter(self.stays.leaving(time_ms, ()))
        return next(idle, None) is not None

    def due(self, time_ms: int) -> bool:
        """Whether a block at this time has something to do without any op: a lease to end, or what was left over."""
        return self.left_over or 0 < self.next_lease_ms < time_ms

    def may_be_empty(self, time_ms: int) -> bool:
        """Whether a block at this time may be without ops.

        Where work is bounded, orders that lapse may fill it, so that no op fits; no block is needed for them alone.
        """
        lapses = self.rules >= STAYS_SINCE and 0 < self.next_expiry_ms < time_ms
        return lapses or self.due(time_ms) or self.may_tell_time(time_ms)

    def may_tell_time(self, time_ms: int) -> bool:
        """Whether a block may be there for its time alone, so that all agree on whose life's first op came too late."""
        return self.rules >= STAYS_SINCE and time_ms >= self.time_ms + TIME_TOLD_MS
