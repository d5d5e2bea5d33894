"""Rules 8 and 9: giving up a term with others, and entering the next one; and what ends a pair for good."""

from gossipbook.consensus.member import Member
from gossipbook.consensus.messages import Proof
from gossipbook.consensus.pacing import Pacing
from gossipbook.consensus.proposing import Proposing
from gossipbook.consensus.records import TermChanged
from gossipbook.consensus.words import Halt
from gossipbook.effects import Emit, Now


class TermRules:
    """Takes a member from term to term. Each rule returns whether it acted."""

    def __init__(self, member: Member, proposing: Proposing, pacing: Pacing) -> None:
        self._member = member
        self._proposing = proposing
        self._pacing = pacing

    def freeze(self) -> bool:
        """Two final certificates at one height: never tie-break."""
        member = self._member
        if member.certificates.conflict:
            member.halt(Halt.FROZEN, member.certificates.conflict)
        return bool(member.certificates.conflict)

    def join(self, now: Now) -> bool:
        """Rule 8, and the TC that q TIMEOUTs make; of the leader one is enough, since it proposes nothing any more."""
        member = self._member
        term, known = member.ballot.term, member.certificates
        if known.tc is None or known.tc.term < term:
            certificate = known.timeouts.certificate(term)
            if certificate is not None:
                known.tc = certificate
                return True
        if not member.voting or member.ballot.timed_out:
            return False
        if member.ballot.proposes_anew:
            return member.time_out("its leader came back, and may have proposed something before")
        if known.timeouts.count(term) >= member.committee.quorum.blocking:
            return member.time_out("enough others gave it up")
        leader = known.timeouts.of_seat(member.committee.leader(term)) if member.committee.is_deep else None
        if leader is not None and leader.timeout.term == term and member.may_give_up_early(now):
            return member.time_out("its leader gave it up")
        return False

    def hand_over(self) -> None:
        """Give up a term that this member leads, before it stops: the others need not find out that it did."""
        member = self._member
        if member.voting and member.ballot.leads() and not member.ballot.timed_out and member.committee.quorum.n > 1:
            member.time_out("its leader stops")

    def enter(self, now: Now) -> bool:
        """Rule 9."""
        member = self._member
        tc = member.certificates.tc
        if tc is None or tc.term < member.ballot.term:
            return False
        member.ballot.enter(tc)
        member.takeovers += 1
        member.proposed = {}
        self._proposing.entered_term()
        member.failed_terms += 1
        member.term_started_ms = member.entered_ms = now.timer_ms
        self._pacing.restart()
        member.outbox.send(member.peers, Proof(member.committee.symbol, member.committee.epoch, tc))
        why, member.gave_up = member.gave_up or "the others gave it up", ""
        member.outbox.put(Emit(TermChanged(member.committee.symbol, member.ballot.term, why)))
        return True
