"""One seat's voting: every signature of a member is made here, and nothing else decides whether it may be.

The state behind it (:class:`~gossipbook.consensus.records.VoteState`) must be durable before a signature made
here leaves the peer; ``dirty`` says that it changed since it was last recorded.
"""

from gossipbook.consensus.certificate import Certificate, TermChange, Timeout, Vote
from gossipbook.consensus.committee import COMMIT, PREPARE, Committee
from gossipbook.consensus.messages import GiveUp, Propose
from gossipbook.consensus.records import VoteState
from gossipbook.identity import DOMAIN_PROPOSE, DOMAIN_TIMEOUT, DOMAIN_VOTE, Identity
from gossipbook.ids import ZERO_DIGEST, BlockId, OpId


class Ballot:
    """The voting rules of one seat in one epoch. ``seat`` None is an observer, who follows terms but never signs."""

    def __init__(self, committee: Committee, seat: int | None, identity: Identity, state: VoteState | None) -> None:
        self.committee = committee
        self.seat = seat
        self.state = state or VoteState()
        self.dirty = False
        self._identity = identity

    @property
    def term(self) -> int:
        return self.state.term

    @property
    def timed_out(self) -> bool:
        return self.state.timed_out

    @property
    def lock(self) -> Certificate | None:
        return self.state.lock

    def leads(self) -> bool:
        return self.seat is not None and self.committee.leader(self.term) == self.seat

    # -- may I --------------------------------------------------------------------------------------

    def may_propose(self, height: int) -> bool:
        proposed = self.state.proposed
        again = proposed is not None and proposed[:2] == (self.term, height)
        return self.leads() and not self.timed_out and not again

    def may_prepare(self, height: int) -> bool:
        prepared = self.state.prepared
        again = prepared is not None and (prepared.term, prepared.height) == (self.term, height)
        return self.seat is not None and not self.timed_out and not again

    def may_commit(self) -> bool:
        """Only on a lock of this very term."""
        lock, committed = self.state.lock, self.state.committed
        if self.seat is None or self.timed_out or lock is None or lock.term != self.term:
            return False
        return committed is None or (committed.term, committed.height) != (lock.term, lock.height)

    # -- signing ------------------------------------------------------------------------------------

    def propose(self, height: int, block_id: BlockId) -> None:
        assert self.may_propose(height)
        body = self.committee.propose_body(self.term, height, block_id)
        signature = self._identity.sign(DOMAIN_PROPOSE, self.committee.chain_id, body)
        self.state.proposed = (self.term, height, block_id, signature)
        self.dirty = True

    def proposal(self, block: bytes, parent_fc: Certificate | None) -> Propose:
        """My proposal as a message: after a restart too, with the identical signature."""
        assert self.state.proposed is not None
        term, height, _, signature = self.state.proposed
        c = self.committee
        return Propose(c.symbol, c.epoch, term, height, block, self.state.high_tc, parent_fc, signature)

    def prepare(self, height: int, block_id: BlockId) -> Vote:
        assert self.may_prepare(height)
        self.state.prepared = self._vote(PREPARE, height, block_id)
        return self.state.prepared

    def commit(self) -> Vote:
        assert self.may_commit()
        assert self.state.lock is not None
        self.state.committed = self._vote(COMMIT, self.state.lock.height, self.state.lock.block_id)
        return self.state.committed

    def time_out(self, fin: int, fin_id: BlockId, fin_fc: Certificate | None) -> None:
        """Give up the term: after this no PREPARE or COMMIT in it or before it, ever."""
        assert self.seat is not None
        assert not self.timed_out
        state, c = self.state, self.committee
        lock_term, lock_id = (None, ZERO_DIGEST) if state.lock is None else (state.lock.term, state.lock.block_id)
        body = c.timeout_body(self.term, fin, fin_id, lock_term, lock_id)
        signature = self._identity.sign(DOMAIN_TIMEOUT, c.chain_id, body)
        state.timed_out = True
        state.timeout = Timeout(self.term, fin, fin_id, lock_term, lock_id, self.seat, signature)
        state.timeout_fc, state.timeout_nc = fin_fc, state.lock
        self.dirty = True

    def give_up(self, due: tuple[OpId, ...]) -> GiveUp:
        """My TIMEOUT as a message; what is signed stays identical."""
        state, c = self.state, self.committee
        assert state.timeout is not None
        return GiveUp(c.symbol, c.epoch, state.timeout, state.timeout_fc, state.timeout_nc, due)

    def _vote(self, kind: int, height: int, block_id: BlockId) -> Vote:
        assert self.seat is not None
        body = self.committee.vote_body(kind, self.term, height, block_id)
        signature = self._identity.sign(DOMAIN_VOTE, self.committee.chain_id, body)
        self.dirty = True
        return Vote(kind, self.term, height, block_id, self.seat, signature)

    # -- following ----------------------------------------------------------------------------------

    def take_lock(self, nc: Certificate) -> bool:
        """Lock on a notarized block of a later term than the present lock's; True if the lock changed."""
        if self.state.lock is not None and nc.term <= self.state.lock.term:
            return False
        self.state.lock = nc
        self.dirty = True
        return True

    def enter(self, tc: TermChange) -> None:
        """Enter the term after the one that the TC ended."""
        assert tc.term >= self.term
        state = self.state
        state.term = tc.term + 1
        state.timed_out = False
        state.timeout = state.timeout_fc = state.timeout_nc = None
        state.high_tc = tc
        self.dirty = True

    def finalized(self) -> None:
        """A height was finalized: a lock below it binds nobody."""
        if self.state.lock is not None:
            self.state.lock = None
            self.dirty = True

    def lacks(self, vote: Vote | Timeout, fin: int) -> bool:
        """Whether a vote of my own key, shown to me by another, is one that my state does not account for."""
        state = self.state
        if isinstance(vote, Timeout):
            return vote.term > state.term or (vote.term == state.term and not state.timed_out)
        if vote.height <= fin:
            return False
        mine = state.prepared if vote.kind == PREPARE else state.committed
        if mine is None or (mine.term, mine.height) < (vote.term, vote.height):
            return True
        return (mine.term, mine.height) == (vote.term, vote.height) and mine.block_id != vote.block_id

    def cast(self, fin: int) -> list[Vote]:
        """My newest votes that still matter above ``fin``."""
        return [v for v in (self.state.prepared, self.state.committed) if v is not None and v.height == fin + 1]
