"""What a member does with each kind of message before its rules are applied.

Nothing here decides; it checks that a message is genuine and files what it tells. A sender's misbehaviour
is counted under its reason in ``member.faults`` and changes nothing else.
"""

from gossipbook.consensus.block import decode_block
from gossipbook.consensus.certificate import TermChange, proves_fin, proves_lock
from gossipbook.consensus.committee import COMMIT
from gossipbook.consensus.member import Member
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
from gossipbook.consensus.pacing import Pacing
from gossipbook.consensus.proposing import Proposing
from gossipbook.effects import Lane, Now
from gossipbook.errors import DecodeError
from gossipbook.ids import PeerId


class Inbox:
    """Files messages into a member."""

    def __init__(self, member: Member, proposing: Proposing, pacing: Pacing) -> None:
        self._member = member
        self._proposing = proposing
        self._pacing = pacing

    def take(self, sender: PeerId, message: ConsensusMessage, now: Now) -> bool:
        """File one message; False if it told nothing that a rule could act on.

        Malformed parts are the sender's fault and change nothing.
        """
        if self._member.halted:
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
                member = self._member
                member.outbox.extend(member.catch_up.serve(sender, message.first, member.fin))
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
        self._member.faults[reason] += 1

    # -- voting -------------------------------------------------------------------------------------

    def _on_propose(self, sender: PeerId, m: Propose, now: Now) -> None:
        member = self._member
        block = decode_block(m.block)
        check = member.committee.propose_check(m.term, m.height, block.id, m.signature)
        if not member.verifier.good(check) or block.height != m.height:
            self._blame("forged proposal")
            return
        if m.fc is not None and not member.certificates.learn(m.fc, sender, member.ballot.term):
            self._blame("invalid certificate")
        if m.tc is not None and not self._learn_binding(sender, m.tc):
            self._blame("invalid certificate")
            return
        if m.height <= member.fin:
            self._help(sender, m.height - 1, m.term, now)
            return
        # Either I am at the term and height already, or the attached certificates are about to take me there.
        term = member.ballot.term
        if member.certificates.tc is not None:
            term = max(term, member.certificates.tc.term + 1)
        if m.term < term:
            self._help(sender, m.height - 1, m.term, now)
        elif m.term == term:
            self._expect(sender, m, now)
            if m.height <= member.fin + 2:
                self._proposing.offer(block, m.term, m.tc)

    def _learn_binding(self, sender: PeerId, tc: TermChange) -> bool:
        """Take the TC that a leader shows; False if it is not valid.

        It need not be the one by which this member entered the term: each valid one is as good.
        """
        member = self._member
        if tc == member.ballot.state.high_tc:
            return True
        if member.certificates.news(tc, member.ballot.term):
            return member.certificates.learn(tc, sender, member.ballot.term)
        return tc.valid(member.committee, member.verifier)

    def _expect(self, sender: PeerId, m: Propose, now: Now) -> None:
        """A proposal above the next height shows that its sender has finalized more."""
        member = self._member
        if m.height > member.fin + 2 or (m.height == member.fin + 2 and m.fc is None):
            member.catch_up.saw_height(sender, m.height - 1)
            member.outbox.extend(member.catch_up.sync(member.fin, now, sender))

    def _on_proof(self, sender: PeerId, m: Proof) -> bool:
        member = self._member
        if not member.certificates.news(m.certificate, member.ballot.term):
            return False
        if not member.certificates.learn(m.certificate, sender, member.ballot.term):
            self._blame("invalid certificate")
        return True

    def _on_vote(self, sender: PeerId, m: CastVote, now: Now) -> bool:
        member, vote = self._member, m.vote
        if vote.height <= member.fin:
            if vote.height < member.fin:
                self._help(sender, vote.height - 1, vote.term, now)
            return False
        if vote.seat >= len(member.committee.seats) or not member.verifier.good(vote.check(member.committee)):
            self._blame("forged vote")
            return False
        if vote.height > member.fin + 2:
            member.catch_up.saw_height(sender, vote.height - 1)
            member.outbox.extend(member.catch_up.sync(member.fin, now, sender))
        return member.certificates.count(vote)

    def _on_give_up(self, sender: PeerId, m: GiveUp, now: Now) -> None:
        member, timeout = self._member, m.timeout
        committee, verifier = member.committee, member.verifier
        genuine = timeout.seat < len(committee.seats) and verifier.good(timeout.check(committee))
        backed = genuine and proves_fin(m.fc, timeout, committee, verifier)
        if not backed or not proves_lock(m.nc, timeout, committee, verifier):
            self._blame("forged timeout")
            return
        member.certificates.timeouts.add(m)
        if m.fc is not None:
            member.certificates.learn(m.fc, sender, member.ballot.term)
        if m.nc is not None:
            member.certificates.learn(m.nc, sender, member.ballot.term)
        if timeout.fin < member.fin or timeout.term < member.ballot.term:
            self._help(sender, timeout.fin, timeout.term, now)
        if timeout.term > member.ballot.term or timeout.fin > member.fin:
            self._ask(sender, timeout.fin, now)
        mine = member.ballot
        if mine.timed_out and timeout.term == mine.term and member.catch_up.help(sender, now):
            member.outbox.send((sender,), mine.give_up(()))
        _, missing = member.ops.resolve(m.due)
        if missing:
            member.outbox.extend(member.catch_up.want(missing, sender, now, named_by_block=False))

    # -- catching up --------------------------------------------------------------------------------

    def _on_status(self, sender: PeerId, m: Status, now: Now) -> None:
        member = self._member
        member.catch_up.says_height(sender, m.height)
        if m.height > member.fin:
            self._ask(sender, m.height, now)
        elif m.height < member.fin or m.term < member.ballot.term:
            self._help(sender, m.height, m.term, now)
        if m.term > member.ballot.term and member.ballot.seat is not None and member.catch_up.help(sender, now):
            member.outbox.send((sender,), member.status(bytes(32)))
        stuck_ms = now.timer_ms - max(member.last_progress_ms, member.term_started_ms)
        if member.voting and stuck_ms > member.manifest.timing.timeout_base_ms and member.has_work():
            seat = member.committee.seat_of_peer(sender)
            if seat is not None and member.catch_up.help(sender, now):
                self._pacing.retransmit((sender,))

    def _on_final(self, sender: PeerId, m: FinalizedBlock, now: Now) -> None:
        member = self._member
        block = decode_block(m.block)
        if m.fc.kind != COMMIT or (m.fc.height, m.fc.block_id) != (block.height, block.id):
            self._blame("certificate of another block")
            return
        if not member.certificates.learn(m.fc, sender, member.ballot.term):
            self._blame("invalid certificate")
            return
        if member.halted or block.height <= member.fin:
            return
        member.hold(block)
        if block.height > member.fin + 1:
            member.outbox.extend(member.catch_up.sync(member.fin, now, sender))

    def _on_fetch_block(self, sender: PeerId, m: FetchBlock) -> None:
        member = self._member
        block = member.chain.block(m.block_id)
        if block is not None:
            member.outbox.send((sender,), BlockBody(m.pair, m.epoch, block.raw), Lane.SYNC)
        elif member.tip == m.block_id:
            member.outbox.extend(member.catch_up.serve(sender, member.fin, member.fin))

    def _on_block_body(self, m: BlockBody) -> None:
        block = decode_block(m.block)
        if self._member.catch_up.wants_block(block.id):  # else it is late: another one answered first
            self._member.hold(block)

    def _ask(self, sender: PeerId, height: int, now: Now) -> None:
        member = self._member
        if height > member.fin:
            member.catch_up.saw_height(sender, height)
            member.outbox.extend(member.catch_up.sync(member.fin, now, sender))
        elif member.catch_up.help(sender, now):
            member.outbox.send((sender,), member.status(bytes(32)))

    def _help(self, sender: PeerId, fin: int, term: int, now: Now) -> None:
        """Answer a message that shows a lower height or term with blocks, FC and TC."""
        member = self._member
        if not member.catch_up.help(sender, now):
            return
        member.outbox.extend(member.catch_up.serve(sender, fin + 1, member.fin))
        tc = member.ballot.state.high_tc
        if tc is not None and term < member.ballot.term:
            member.outbox.send((sender,), Proof(member.committee.symbol, member.committee.epoch, tc))

    # -- own votes, seen by others ------------------------------------------------------------------

    def _on_ask_votes(self, sender: PeerId) -> None:
        member = self._member
        seat = member.committee.seat_of_peer(sender)
        if seat is None:
            return
        given_up = member.certificates.timeouts.of_seat(seat)
        votes = member.certificates.votes.newest(seat)
        symbol, epoch = member.committee.symbol, member.committee.epoch
        member.outbox.send((sender,), OwnVotes(symbol, epoch, votes, None if given_up is None else given_up.timeout))

    def _on_own_votes(self, sender: PeerId, m: OwnVotes) -> None:
        member = self._member
        seat, ballot = member.committee.seat_of_peer(sender), member.ballot
        if seat is None or ballot.seat is None or member.settled:
            return
        for vote in (*m.votes, m.timeout):
            if vote is None or vote.seat != ballot.seat or not member.verifier.good(vote.check(member.committee)):
                continue
            if ballot.lacks(vote, member.fin):
                member.demote("another member holds a vote of this key that the journal lacks")
                return
        member.answered[seat] = None
        if len(member.answered) >= member.committee.quorum.q - 1:
            member.settled = True
