"""What is asked of the oracle's market beside orders: leases, groups, and a warden's states."""

from gossipbook.audit.oracle_codes import (
    AUCTION,
    CANCEL_ONLY,
    GROUPED,
    HALTED,
    LEASE_CAP_MS,
    LEASE_ENDED,
    LEASED,
    LEFT,
    OPEN,
    PAIR_STATE,
    POST_ONLY_STATE,
    Cause,
    Refusal,
)
from gossipbook.audit.oracle_market import OracleMarket


class OracleControls(OracleMarket):
    """A market with its switches."""

    def __init__(self) -> None:
        super().__init__()
        self.wardens: tuple[bytes, ...] = ()
        self.lease_ends: dict[bytes, int] = {}
        self.last_ids: dict[bytes, int] = {}
        self.time_ms = 0

    def _lease(self, author: bytes, for_ms: int, *, void: bool) -> Refusal:
        if for_ms > LEASE_CAP_MS:
            return Refusal.INVALID_COMBINATION
        if void:
            return Refusal.OP_EXPIRED
        if for_ms:
            self.lease_ends[author] = self.time_ms + for_ms
        else:
            self.lease_ends.pop(author, None)
        self._emit(LEASED, author, self.lease_ends.get(author, 0))
        return Refusal.NONE

    def _end_lease(self, author: bytes) -> None:
        del self.lease_ends[author]
        self._emit(LEASE_ENDED, author)
        self._cancel_own(author, 0, Cause.LEASE)

    def has_orders(self, author: bytes) -> bool:
        return bool(self._own(author))

    def is_bare(self, author: bytes) -> bool:
        """Whether an author has nothing here: no open order, no lease, no group."""
        joined, admitted = self.groups.ties(author)
        return not (self._own(author) or author in self.lease_ends or joined or admitted)

    def leave(self, author: bytes) -> None:
        """An author leaves the table, and whatever they have goes."""
        self._cancel_own(author, 0, Cause.DISPLACED)
        if self.lease_ends.pop(author, None) is not None:
            self._emit(LEASED, author, 0)
        joined, admitted = self.groups.ties(author)
        if joined:
            self.groups.leave(author)
            self._emit(GROUPED, author, b"", 0)
        for member in admitted:
            self.groups.expel(author, member)
            self._emit(GROUPED, member, author, self.groups.holds(member, author))
        self._emit(LEFT, author)
        self.last_ids.pop(author, None)

    def _refuse_group(self, void: bool) -> Refusal:
        if void:
            return Refusal.OP_EXPIRED
        if self.pair_state == HALTED:
            return Refusal.PAIR_HALTED
        return Refusal.PAIR_IN_AUCTION if self.pair_state == AUCTION else Refusal.NONE

    def _join_group(self, author: bytes, owner: bytes, *, void: bool) -> Refusal:
        refusal = self._refuse_group(void)
        if refusal:
            return refusal
        if self.groups.has_admitted(owner, author) and self._would_nest(author, owner):
            return Refusal.INVALID_COMBINATION
        if owner in (b"", author):
            self.groups.leave(author)
            self._emit(GROUPED, author, b"", 0)
        else:
            self.groups.join(author, owner)
            self._emit(GROUPED, author, owner, self.groups.holds(author, owner))
        return Refusal.NONE

    def _admit_to_group(self, author: bytes, member: bytes, admit: int, *, void: bool) -> Refusal:
        refusal = self._refuse_group(void)
        if refusal:
            return refusal
        if admit and (member == author or (self.groups.wants(member, author) and self._would_nest(member, author))):
            return Refusal.INVALID_COMBINATION
        if admit and self.groups.is_full_for(author, member):
            return Refusal.GROUP_FULL
        if admit:
            self.groups.admit(author, member)
        else:
            self.groups.expel(author, member)
        self._emit(GROUPED, member, author, self.groups.holds(member, author))
        return Refusal.NONE

    def _would_nest(self, member: bytes, owner: bytes) -> bool:
        """Who has members is in nobody's group, and who is in a group has no members."""
        return self.groups.has_members(member) or self.groups.of(owner) != owner

    def _set_state(self, author: bytes, state: int) -> Refusal:
        if author not in self.wardens:
            return Refusal.NOT_A_WARDEN
        self.pair_state = state
        self._emit(PAIR_STATE, author, state)
        if state in (OPEN, POST_ONLY_STATE, CANCEL_ONLY):
            self._uncross()
        return Refusal.NONE
