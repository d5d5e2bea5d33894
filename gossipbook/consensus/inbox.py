"""What a member does with each kind of message before its rules are applied.

Nothing here decides: a message that is not genuine is held against its sender and changes nothing else, and what
any other one tells is filed.
"""

from gossipbook.consensus.block import decode_block
from gossipbook.consensus.certificate import Certificate
from gossipbook.consensus.genuine import flaw_of
from gossipbook.consensus.member import Member
from gossipbook.consensus.messages import (
    DUE_IDS_CAP,
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
from gossipbook.effects import Blame, Lane, Now
from gossipbook.ids import PeerId


class Inbox:
    """Files messages into a member."""

    def __init__(self, member: Member, proposing: Proposing, pacing: Pacing) -> None:
        self._member = member
        self._proposing = proposing
        self._pacing = pacing

    def take(self, sender: PeerId, message: ConsensusMessage, now: Now) -> bool:
        """File one message; False if it told nothing that a rule could act on."""
        member = self._member
        if member.halted:
            return False
        flaw = flaw_of(message, member.committee, member.verifier, member.worth_checking)
        if flaw is not None:
            member.outbox.put(Blame(sender, flaw.value))
            return False
        if isinstance(message, CastVote):
            return self._on_vote(sender, message, now)
        if isinstance(message, Proof):
            return self._on_proof(sender, message)
        if isinstance(message, Status):
            self._on_status(sender, message, now)
            return False
        self._dispatch(sender, message, now)
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

    # -- voting -------------------------------------------------------------------------------------

    def _on_propose(self, sender: PeerId, m: Propose, now: Now) -> None:
        member = self._member
        # The TC need not be the one by which this member entered the term: each valid one is as good.
        for certificate in (m.fc, m.tc):
            if certificate is not None:
                member.certificates.learn(certificate, sender, member.ballot.term)
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
            if m.height <= member.fin + 2 * member.committee.depth:
                self._proposing.offer(decode_block(m.block), m.term, m.tc)

    def _expect(self, sender: PeerId, m: Propose, now: Now) -> None:
        """A proposal above what may be in flight shows that its sender has finalized more."""
        member = self._member
        depth = member.committee.depth
        above = m.height - member.fin - depth
        if above > 1 or (above == 1 and m.fc is None):
            member.catch_up.heights.shows(sender, m.height - depth)
            member.outbox.extend(member.catch_up.sync(member.fin, now, sender))

    def _on_proof(self, sender: PeerId, m: Proof) -> bool:
        member = self._member
        seat = member.committee.seat_of_peer(sender)
        if seat is not None and isinstance(m.certificate, Certificate):
            member.relaying.sent(seat, m.certificate)
        if not member.certificates.news(m.certificate, member.ballot.term):
            return False
        member.certificates.learn(m.certificate, sender, member.ballot.term)
        return True

    def _on_vote(self, sender: PeerId, m: CastVote, now: Now) -> bool:
        member, vote = self._member, m.vote
        depth = member.committee.depth
        if vote.height <= member.fin:  # Its signature was not looked at; but whose link it is, is known.
            if member.committee.seat_of_peer(sender) == vote.seat:
                member.relaying.voted(vote)
            if vote.height <= member.fin - depth:
                self._help(sender, vote.height - 1, vote.term, now)
            return False
        member.relaying.voted(vote)
        if vote.height > member.fin + depth + 1:
            member.catch_up.heights.shows(sender, vote.height - depth)
            member.outbox.extend(member.catch_up.sync(member.fin, now, sender))
        return member.certificates.count(vote)

    def _on_give_up(self, sender: PeerId, m: GiveUp, now: Now) -> None:
        member, timeout = self._member, m.timeout
        member.certificates.timeouts.add(m)
        for certificate in (m.fc, m.nc):
            if certificate is not None:
                member.certificates.learn(certificate, sender, member.ballot.term)
        if timeout.fin < member.fin or timeout.term < member.ballot.term:
            self._help(sender, timeout.fin, timeout.term, now)
        if timeout.term > member.ballot.term or timeout.fin > member.fin:
            self._ask(sender, timeout.fin, now)
        mine = member.ballot
        if mine.timed_out and timeout.term == mine.term and member.catch_up.help(sender, now):
            member.outbox.send((sender,), mine.give_up(()))
        if timeout.term == mine.term and timeout.seat == member.committee.seat_of_peer(sender):
            _, missing = member.ops.resolve(
                m.due[:DUE_IDS_CAP]
            )  # They are not signed: nobody but the signer answers for them.
            member.outbox.extend(member.catch_up.want_due(missing, sender, timeout.seat))

    # -- catching up --------------------------------------------------------------------------------

    def _on_status(self, sender: PeerId, m: Status, now: Now) -> None:
        member = self._member
        seat = member.committee.seat_of_peer(sender)
        said = member.catch_up.heights.said(sender)
        comes_on = seat is None and said is not None and said < m.height
        follows = comes_on and m.height + member.config.sync_batch_blocks >= member.fin  # What it lacks is on its way.
        member.catch_up.heights.says(sender, m.height)
        if seat is not None:
            member.relaying.finalized(seat, m.height)
        if m.height > member.fin:
            self._ask(sender, m.height, now)
        elif (m.height < member.fin and not follows) or m.term < member.ballot.term:
            self._help(sender, m.height, m.term, now)
        if m.term > member.ballot.term and member.ballot.seat is not None and member.catch_up.help(sender, now):
            member.outbox.send((sender,), member.status(bytes(32)))
        stuck_ms = now.timer_ms - max(member.last_progress_ms, member.term_started_ms)
        stuck = member.voting and stuck_ms > member.manifest.timing.timeout_base_ms and member.has_work()
        if stuck and seat is not None and member.catch_up.help(sender, now):
            self._pacing.retransmit((sender,))

    def _on_final(self, sender: PeerId, m: FinalizedBlock, now: Now) -> None:
        member = self._member
        block = decode_block(m.block)
        member.certificates.learn(m.fc, sender, member.ballot.term)
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
            member.catch_up.heights.shows(sender, height)
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
            if vote is not None and vote.seat == ballot.seat and ballot.lacks(vote, member.fin):
                member.demote("another member holds a vote of this key that the journal lacks")
                return
        member.answered[seat] = None
        if len(member.answered) >= member.committee.quorum.q - 1:
            member.settled = True
