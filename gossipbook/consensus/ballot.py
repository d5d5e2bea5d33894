"""One seat's voting: every signature of a member is made here, and nothing else decides whether it may be.

The state behind it (:class:`~gossipbook.consensus.records.VoteState`) must be durable before a signature made
here leaves the peer; ``dirty`` says that it changed since it was last recorded.
"""

from collections.abc import Callable

from gossipbook.consensus.block import Block
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
        self._proposing: int | None = None  # the term in which this process proposes
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

    @property
    def last_prepared(self) -> Vote | None:
        """My newest PREPARE of the present term."""
        last = self.state.prepared[-1] if self.state.prepared else None
        return last if last is not None and last.term == self.term else None

    # -- may I --------------------------------------------------------------------------------------

    @property
    def proposes_anew(self) -> bool:
        """Whether I lead a term in which I may have proposed something before a restart: I do not know what."""
        alone = self.committee.quorum.n == 1  # Then nobody voted for it.
        return self.leads() and self.state.proposing == self.term != self._proposing and not alone

    def may_propose(self) -> bool:
        return self.leads() and not self.timed_out and not self.proposes_anew

    def may_prepare(self, height: int) -> bool:
        last = self.last_prepared
        return self.seat is not None and not self.timed_out and (last is None or last.height < height)

    def may_commit(self, height: int) -> bool:
        """Only what a lock of this very term is, or descends from."""
        lock = self.state.lock
        if self.seat is None or self.timed_out or lock is None or lock.term != self.term or height > lock.height:
            return False
        return not any((vote.term, vote.height) == (self.term, height) for vote in self.state.committed)

    # -- signing ------------------------------------------------------------------------------------

    def propose(self, height: int, block: Block, parent_fc: Certificate | None) -> Propose:
        """My proposal; :attr:`dirty` tells whether that I propose in this term must be durable first."""
        assert self.may_propose()
        c = self.committee
        body = c.propose_body(self.term, height, block.id)
        if self.state.proposing != self.term:
            self.state.proposing = self.term
            self.dirty = True
        self._proposing = self.term
        signature = self._identity.sign(DOMAIN_PROPOSE, c.chain_id, body)
        return Propose(c.symbol, c.epoch, self.term, height, block.raw, self.state.high_tc, parent_fc, signature)

    def prepare(self, height: int, block_id: BlockId) -> Vote:
        assert self.may_prepare(height)
        vote = self._vote(PREPARE, height, block_id)
        self.state.prepared = (*_of_term(self.state.prepared, self.term), vote)
        return vote

    def commit(self, height: int, block_id: BlockId) -> Vote:
        assert self.may_commit(height)
        vote = self._vote(COMMIT, height, block_id)
        self.state.committed = (*_of_term(self.state.committed, self.term), vote)
        return vote

    def time_out(self, fin: int, fin_id: BlockId, fin_fc: Certificate | None) -> None:
        """Give up the term: after this no PREPARE or COMMIT in it or before it, ever."""
        assert self.seat is not None
        assert not self.timed_out
        state, c, lock = self.state, self.committee, self.state.lock
        lock_term, lock_id = (None, ZERO_DIGEST) if lock is None else (lock.term, lock.block_id)
        lock_height = 0 if lock is None else lock.height
        body = c.timeout_body(self.term, fin, fin_id, lock_term, lock_id, lock_height)
        signature = self._identity.sign(DOMAIN_TIMEOUT, c.chain_id, body)
        state.timed_out = True
        state.timeout = Timeout(self.term, fin, fin_id, lock_term, lock_id, self.seat, signature, lock_height)
        state.timeout_fc, state.timeout_nc = fin_fc, lock
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
        """Lock on a notarized block of a higher (term, height) than the present lock's; True if the lock changed."""
        lock = self.state.lock
        if lock is not None and (nc.term, nc.height) <= (lock.term, lock.height):
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

    def finalized(self, fc: Certificate) -> None:
        """A height was finalized: a lock up to it, or of an earlier term, binds nobody."""
        state = self.state
        lock = state.lock
        if lock is not None and (lock.height <= fc.height or lock.term < fc.term):
            state.lock = None
            self.dirty = True
        state.prepared, state.committed = _binding(state.prepared, fc), _binding(state.committed, fc)

    def restored(self, final_id: Callable[[int], BlockId | None], fin: int) -> None:
        """Leave out of what the journal held what was outdated since."""
        state = self.state

        def is_final(votes: tuple[Vote, ...]) -> bool:
            """Whether the newest is, and with it all others; what is too far back to be known is taken for it."""
            newest = votes[-1] if votes else None
            return newest is not None and newest.height <= fin and final_id(newest.height) in (None, newest.block_id)

        if state.lock is not None and state.lock.height <= fin:
            state.lock = None
        state.prepared = () if is_final(state.prepared) else state.prepared
        state.committed = () if is_final(state.committed) else state.committed

    def lacks(self, vote: Vote | Timeout, fin: int) -> bool:
        """Whether a vote of my own key, shown to me by another, is one that my state does not account for."""
        state = self.state
        if isinstance(vote, Timeout):
            return vote.term > state.term or (vote.term == state.term and not state.timed_out)
        if vote.height <= fin:
            return False
        mine = state.prepared if vote.kind == PREPARE else state.committed
        if not mine or mine[-1].term < vote.term:
            return True
        return mine[-1].term == vote.term and not any(
            (cast.height, cast.block_id) == (vote.height, vote.block_id) for cast in mine
        )

    def cast(self, fin: int) -> list[Vote]:
        """My newest votes that still matter above ``fin``."""
        return [vote for vote in (*self.state.prepared, *self.state.committed) if vote.height > fin]


def _of_term(votes: tuple[Vote, ...], term: int) -> tuple[Vote, ...]:
    return votes if votes and votes[-1].term == term else ()


def _binding(votes: tuple[Vote, ...], fc: Certificate) -> tuple[Vote, ...]:
    """Votes without those that a final height outdated.

    The newest stays if it is not for what became final: the next one in its term must descend from it.
    """
    newest = votes[-1:]
    if newest and (newest[0].height, newest[0].block_id) == (fc.height, fc.block_id):
        return ()
    return (*(vote for vote in votes[:-1] if vote.height > fc.height), *newest)
