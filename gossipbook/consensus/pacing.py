"""When a member loses patience, and what it says again: rules 6 and 11."""

from gossipbook.consensus.config import round_ms
from gossipbook.consensus.events import RelayTimer, RetryTimer, RoundTimer, WakeTimer
from gossipbook.consensus.member import Member
from gossipbook.consensus.messages import DUE_IDS_CAP, AskVotes, CastVote, Proof
from gossipbook.consensus.selection import due_ids
from gossipbook.effects import SetTimer
from gossipbook.ids import PeerId


class Pacing:
    """The round timer, which runs exactly while there is work; the retry timer, while something is asked for; one for
    the end of the next lease, which is work too; and one while a member may lack a certificate that I have."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._round_on = False
        self._generation = 0  # a timer of an earlier one is stale
        self._retry_on = False
        self._relay_on = False
        self._lease_ms = 0  # the lease whose end a timer waits for
        self._began_ms: int | None = None  # when the round began, if one is on
        self._down: dict[PeerId, None] = {}  # members to whom the link is gone

    def restart(self) -> None:
        """A height was finalized or a term entered: the round begins anew."""
        self._round_on, self._began_ms = False, None

    def woken(self) -> None:
        """A timer went off that may have waited for a lease; by a clock that was set back it has not ended yet."""
        self._lease_ms = 0

    def retry_over(self) -> None:
        self._retry_on = False

    def relay(self) -> None:
        """Send certificates to the members who have not shown in time that they have them."""
        self._relay_on = False
        member = self._member
        for to, certificate in member.relaying.take(member.timer_ms):
            member.outbox.send(to, Proof(member.committee.symbol, member.committee.epoch, certificate))

    def is_over(self, timer: RoundTimer) -> bool:
        """Whether a timer has no meaning any more: its round ended by itself."""
        return timer.generation != self._generation or not self._round_on

    def round_over(self, timer: RoundTimer) -> None:
        """The term went on for long enough: give it up, or say again what was said."""
        member = self._member
        if self.is_over(timer):
            return
        self._round_on, self._began_ms = False, None
        if not member.voting or not member.has_work():
            return
        if member.ballot.timed_out:
            self.retransmit(member.peers)
        else:
            member.time_out("nothing was certified in time")

    def mind(self) -> None:
        """Set the timers that should run and do not."""
        member = self._member
        symbol = member.committee.symbol
        work = member.voting and member.has_work()
        if work and not self._round_on:
            self._generation += 1
            self._began_ms = member.timer_ms if self._began_ms is None else self._began_ms
            member.outbox.put(SetTimer(self._left_ms(self._began_ms), RoundTimer(symbol, self._generation)))
        elif not work:
            self._began_ms = None
        self._round_on = work
        lease_ms = member.certified.next_lease_ms
        if member.voting and member.wall_ms <= lease_ms != self._lease_ms:
            self._lease_ms = lease_ms
            member.outbox.put(SetTimer(lease_ms - member.wall_ms + 1, WakeTimer(symbol)))
        if not self._relay_on and (wait_ms := member.relaying.wait_ms(member.timer_ms)) is not None:
            self._relay_on = True
            member.outbox.put(SetTimer(wait_ms, RelayTimer(symbol)))
        if not self._retry_on and member.catch_up.busy(member.fin):
            self._retry_on = True
            member.outbox.put(SetTimer(member.config.fetch_retry_ms, RetryTimer(symbol)))

    def _left_ms(self, began_ms: int) -> int:
        """How much longer the present term may go on without a final block, in a round that began at a time.

        A leader whose link is gone has as long only as terms must be apart: what a link does makes them no shorter.
        """
        member = self._member
        whole_ms = round_ms(member.manifest.timing, member.failed_terms)
        until_ms = began_ms + whole_ms
        leader = member.committee.seats[member.committee.leader(member.ballot.term)].peer_id
        if leader in self._down and not member.ballot.timed_out:
            apart_ms = member.timer_ms if member.entered_ms is None else member.entered_ms + whole_ms
            until_ms = min(until_ms, max(member.timer_ms + member.config.leader_gone_ms, apart_ms))
        return max(until_ms - member.timer_ms, 1)

    def retransmit(self, to: tuple[PeerId, ...]) -> None:
        """The identical bytes of my latest votes."""
        member = self._member
        c, ballot, outbox = member.committee, member.ballot, member.outbox
        for height in sorted(member.proposed):
            outbox.send(to, member.proposed[height][1])
        for vote in ballot.cast(member.fin):
            outbox.send(to, CastVote(c.symbol, c.epoch, vote))
        if ballot.lock is not None:
            outbox.send(to, Proof(c.symbol, c.epoch, ballot.lock))
        if ballot.timed_out:
            outbox.send(to, ballot.give_up(due_ids(member.ops, DUE_IDS_CAP)))

    def member_down(self, peer: PeerId) -> None:
        """The link to a member is gone. If it leads, the round begins anew, and is shorter."""
        member = self._member
        self._down[peer] = None
        if peer == member.committee.seats[member.committee.leader(member.ballot.term)].peer_id:
            self._round_on = False

    def member_up(self, peer: PeerId) -> None:
        """There is a link to a member: what it may have missed, and what it may know of my own votes."""
        member = self._member
        if peer in self._down:
            del self._down[peer]
            self._round_on = False
        if member.ballot.seat is None or member.halted:
            return
        c = member.committee
        if not member.settled:
            member.outbox.send((peer,), AskVotes(c.symbol, c.epoch))
        if member.ballot.state.high_tc is not None:
            member.outbox.send((peer,), Proof(c.symbol, c.epoch, member.ballot.state.high_tc))
        self.retransmit((peer,))
