"""What a replica does with each kind of message before its rules are applied.

Nothing here decides; it checks that a message is genuine and files what it tells. A sender's misbehaviour
is counted under its reason in ``replica.faults`` and changes nothing else.
"""

from typing import TYPE_CHECKING

from gossipbook.consensus.block import decode_block
from gossipbook.consensus.certificate import TermChange, proves_fin, proves_lock
from gossipbook.consensus.committee import COMMIT
from gossipbook.consensus.messages import (
    AskVotes,
    BlockBody,
    Bodies,
    CastVote,
    ConsensusMessage,
    Fetch,
    FetchBlock,
    FinalizedBlock,
    GiveUp,
    OwnVotes,
    Proof,
    Propose,
    Status,
    Sync,
)
from gossipbook.effects import Lane, Now
from gossipbook.errors import DecodeError
from gossipbook.ids import PeerId

if TYPE_CHECKING:
    from gossipbook.consensus.replica import Replica


class Inbox:
    """Files messages into a replica."""

    def __init__(self, replica: "Replica") -> None:
        self._replica = replica

    def take(self, sender: PeerId, message: ConsensusMessage, now: Now) -> bool:
        """File one message; False if it told nothing that a rule could act on.

        Malformed parts are the sender's fault and change nothing.
        """
        if self._replica.halted:
            return False
        try:
            if isinstance(message, CastVote):
                return self._on_vote(sender, message, now)
            if isinstance(message, Proof):
                return self._on_proof(sender, message)
            if isinstance(message, Status):
                self._on_status(sender, message, now)
                return False
            self._dispatch(sender, message, now)
        except DecodeError:
            self._blame(f"malformed {type(message).__name__}")
        return True

    def _dispatch(self, sender: PeerId, message: ConsensusMessage, now: Now) -> None:
        match message:
            case Propose():
                self._on_propose(sender, message, now)
            case GiveUp():
                self._on_give_up(sender, message, now)
            case Sync():
                replica = self._replica
                replica.outbox.extend(replica.catch_up.serve(sender, message.first, replica.fin))
            case FinalizedBlock():
                self._on_final(sender, message, now)
            case FetchBlock():
                self._on_fetch_block(sender, message)
            case BlockBody():
                self._on_block_body(message)
            case AskVotes():
                self._on_ask_votes(sender)
            case OwnVotes():
                self._on_own_votes(sender, message)
            case CastVote() | Proof() | Status() | Fetch() | Bodies():
                raise AssertionError("taken above, or, the op bodies, by the pair's composition")

    def _blame(self, reason: str) -> None:
        self._replica.faults[reason] += 1

    # -- voting -------------------------------------------------------------------------------------

    def _on_propose(self, sender: PeerId, m: Propose, now: Now) -> None:
        replica = self._replica
        block = decode_block(m.block)
        check = replica.committee.propose_check(m.term, m.height, block.id, m.signature)
        if not replica.verifier.good(check) or block.height != m.height:
            self._blame("forged proposal")
            return
        if m.fc is not None and not replica.known.learn(m.fc, sender, replica.ballot.term):
            self._blame("invalid certificate")
        if m.tc is not None and not self._learn_binding(sender, m.tc):
            self._blame("invalid certificate")
            return
        if m.height <= replica.fin:
            self._help(sender, m.height - 1, m.term, now)
            return
        # Either I am at the term and height already, or the attached certificates are about to take me there.
        term = replica.ballot.term
        if replica.known.tc is not None:
            term = max(term, replica.known.tc.term + 1)
        if m.term < term:
            self._help(sender, m.height - 1, m.term, now)
        elif m.term == term:
            self._expect(sender, m, now)
            if m.height <= replica.fin + 2:
                replica.proposing.offer(block, m.term, m.tc)

    def _learn_binding(self, sender: PeerId, tc: TermChange) -> bool:
        """Take the TC that a leader shows; False if it is not valid.

        It need not be the one by which this member entered the term: each valid one is as good.
        """
        replica = self._replica
        if tc == replica.ballot.state.high_tc:
            return True
        if replica.known.news(tc, replica.ballot.term):
            return replica.known.learn(tc, sender, replica.ballot.term)
        return tc.valid(replica.committee, replica.verifier)

    def _expect(self, sender: PeerId, m: Propose, now: Now) -> None:
        """A proposal above the next height shows that its sender has finalized more."""
        replica = self._replica
        if m.height > replica.fin + 2 or (m.height == replica.fin + 2 and m.fc is None):
            replica.catch_up.saw_height(sender, m.height - 1)
            replica.outbox.extend(replica.catch_up.sync(replica.fin, now, sender))

    def _on_proof(self, sender: PeerId, m: Proof) -> bool:
        replica = self._replica
        if not replica.known.news(m.certificate, replica.ballot.term):
            return False
        if not replica.known.learn(m.certificate, sender, replica.ballot.term):
            self._blame("invalid certificate")
        return True

    def _on_vote(self, sender: PeerId, m: CastVote, now: Now) -> bool:
        replica, vote = self._replica, m.vote
        if vote.height <= replica.fin:
            if vote.height < replica.fin:
                self._help(sender, vote.height - 1, vote.term, now)
            return False
        if vote.seat >= len(replica.committee.seats) or not replica.verifier.good(vote.check(replica.committee)):
            self._blame("forged vote")
            return False
        if vote.height > replica.fin + 2:
            replica.catch_up.saw_height(sender, vote.height - 1)
            replica.outbox.extend(replica.catch_up.sync(replica.fin, now, sender))
        return replica.known.count(vote)

    def _on_give_up(self, sender: PeerId, m: GiveUp, now: Now) -> None:
        replica, timeout = self._replica, m.timeout
        committee, verifier = replica.committee, replica.verifier
        genuine = timeout.seat < len(committee.seats) and verifier.good(timeout.check(committee))
        backed = genuine and proves_fin(m.fc, timeout, committee, verifier)
        if not backed or not proves_lock(m.nc, timeout, committee, verifier):
            self._blame("forged timeout")
            return
        replica.known.timeouts.add(m)
        if m.fc is not None:
            replica.known.learn(m.fc, sender, replica.ballot.term)
        if m.nc is not None:
            replica.known.learn(m.nc, sender, replica.ballot.term)
        if timeout.fin < replica.fin or timeout.term < replica.ballot.term:
            self._help(sender, timeout.fin, timeout.term, now)
        if timeout.term > replica.ballot.term or timeout.fin > replica.fin:
            self._ask(sender, timeout.fin, now)
        mine = replica.ballot
        if mine.timed_out and timeout.term == mine.term and replica.catch_up.help(sender, now):
            replica.outbox.send((sender,), mine.give_up(()))
        _, missing = replica.ops.resolve(m.due)
        if missing:
            replica.outbox.extend(replica.catch_up.want(missing, sender, now, named_by_block=False))

    # -- catching up --------------------------------------------------------------------------------

    def _on_status(self, sender: PeerId, m: Status, now: Now) -> None:
        replica = self._replica
        replica.catch_up.says_height(sender, m.height)
        if m.height > replica.fin:
            self._ask(sender, m.height, now)
        elif m.height < replica.fin or m.term < replica.ballot.term:
            self._help(sender, m.height, m.term, now)
        if m.term > replica.ballot.term and replica.ballot.seat is not None and replica.catch_up.help(sender, now):
            replica.outbox.send((sender,), replica.status(bytes(32)))
        stuck_ms = now.timer_ms - max(replica.last_progress_ms, replica.term_started_ms)
        if replica.voting and stuck_ms > replica.manifest.timing.timeout_base_ms and replica.has_work():
            seat = replica.committee.seat_of_peer(sender)
            if seat is not None and replica.catch_up.help(sender, now):
                replica.pacing.retransmit((sender,))

    def _on_final(self, sender: PeerId, m: FinalizedBlock, now: Now) -> None:
        replica = self._replica
        block = decode_block(m.block)
        if m.fc.kind != COMMIT or (m.fc.height, m.fc.block_id) != (block.height, block.id):
            self._blame("certificate of another block")
            return
        if not replica.known.learn(m.fc, sender, replica.ballot.term):
            self._blame("invalid certificate")
            return
        if replica.halted or block.height <= replica.fin:
            return
        replica.hold(block)
        if block.height > replica.fin + 1:
            replica.outbox.extend(replica.catch_up.sync(replica.fin, now, sender))

    def _on_fetch_block(self, sender: PeerId, m: FetchBlock) -> None:
        replica = self._replica
        block = replica.chain.block(m.block_id)
        if block is not None:
            replica.outbox.send((sender,), BlockBody(m.pair, m.epoch, block.raw), Lane.SYNC)
        elif replica.tip == m.block_id:
            replica.outbox.extend(replica.catch_up.serve(sender, replica.fin, replica.fin))

    def _on_block_body(self, m: BlockBody) -> None:
        block = decode_block(m.block)
        if self._replica.catch_up.wants_block(block.id):  # else it is late: another one answered first
            self._replica.hold(block)

    def _ask(self, sender: PeerId, height: int, now: Now) -> None:
        replica = self._replica
        if height > replica.fin:
            replica.catch_up.saw_height(sender, height)
            replica.outbox.extend(replica.catch_up.sync(replica.fin, now, sender))
        elif replica.catch_up.help(sender, now):
            replica.outbox.send((sender,), replica.status(bytes(32)))

    def _help(self, sender: PeerId, fin: int, term: int, now: Now) -> None:
        """Answer a message that shows a lower height or term with blocks, FC and TC."""
        replica = self._replica
        if not replica.catch_up.help(sender, now):
            return
        replica.outbox.extend(replica.catch_up.serve(sender, fin + 1, replica.fin))
        tc = replica.ballot.state.high_tc
        if tc is not None and term < replica.ballot.term:
            replica.outbox.send((sender,), Proof(replica.committee.symbol, replica.committee.epoch, tc))

    # -- own votes, seen by others ------------------------------------------------------------------

    def _on_ask_votes(self, sender: PeerId) -> None:
        replica = self._replica
        seat = replica.committee.seat_of_peer(sender)
        if seat is None:
            return
        given_up = replica.known.timeouts.of_seat(seat)
        votes = replica.known.votes.newest(seat)
        symbol, epoch = replica.committee.symbol, replica.committee.epoch
        replica.outbox.send((sender,), OwnVotes(symbol, epoch, votes, None if given_up is None else given_up.timeout))

    def _on_own_votes(self, sender: PeerId, m: OwnVotes) -> None:
        replica = self._replica
        seat, ballot = replica.committee.seat_of_peer(sender), replica.ballot
        if seat is None or ballot.seat is None or replica.settled:
            return
        for vote in (*m.votes, m.timeout):
            if vote is None or vote.seat != ballot.seat or not replica.verifier.good(vote.check(replica.committee)):
                continue
            if ballot.lacks(vote, replica.fin):
                replica.demote("another member holds a vote of this key that the journal lacks")
                return
        replica.answered[seat] = None
        if len(replica.answered) >= replica.committee.quorum.q - 1:
            replica.settled = True
