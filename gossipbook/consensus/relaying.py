"""Which members are sent a certificate that I have: those who do not show in time that they have it too.

Votes go to everybody, so as a rule all members make the same certificates within a message delay of one another. A
COMMIT shows its signer's NC, a vote or STATUS further up its FC. Who has shown nothing after a while, because a liar
did not vote to it or a link stands still, is sent the certificate once.
"""

from gossipbook.consensus.certificate import Certificate, Vote
from gossipbook.consensus.committee import COMMIT, PREPARE, Committee
from gossipbook.ids import PeerId
from gossipbook.ordered import BoundedDict

RELAYED_CAP = 64
PENDING_CAP = 64

Stage = tuple[int, int, int]
"""How far a member is: height, kind of certificate held there (0 for none), its term."""


def _stage(certificate: Certificate) -> Stage:
    return certificate.height, certificate.kind, certificate.term


class Relaying:
    """Rule 10 for certificates of blocks. ``seat`` is my own, None for who never relays."""

    def __init__(self, committee: Committee, seat: int | None, after_ms: int) -> None:
        self._others = [number for number in range(len(committee.seats)) if number != seat]
        self._peers = {number: committee.seats[number].peer_id for number in self._others}
        self._after_ms = after_ms
        self._stages: dict[int, Stage] = dict.fromkeys(self._others, (0, 0, 0))
        self._relayed: BoundedDict[Stage, None] = BoundedDict(RELAYED_CAP)
        self._pending: BoundedDict[Stage, tuple[int, Certificate]] = BoundedDict(PENDING_CAP)  # when, and what

    def obtained(self, certificate: Certificate, timer_ms: int) -> None:
        """Relay a certificate in a while, if it is the first one of its kind, term and height."""
        stage = _stage(certificate)
        if stage in self._relayed:
            return
        self._relayed[stage] = None
        if certificate.kind == COMMIT:  # Whoever gets it has no use for the NC any more.
            for other in [other for other in self._pending if other[:2] == (certificate.height, PREPARE)]:
                self._pending.pop(other)
        self._pending[stage] = timer_ms + self._after_ms, certificate

    def voted(self, vote: Vote) -> None:
        """Note what a member's genuine vote shows that it has."""
        self._reached(vote.seat, (vote.height, PREPARE, vote.term) if vote.kind == COMMIT else (vote.height, 0, 0))

    def finalized(self, seat: int, height: int) -> None:
        """Note what a member says that it has finalized."""
        self._reached(seat, (height + 1, 0, 0))

    def sent(self, seat: int, certificate: Certificate) -> None:
        """Note a certificate that a member sent."""
        self._reached(seat, _stage(certificate))

    def wait_ms(self, timer_ms: int) -> int | None:
        """How long until something may have to be relayed; None if nothing has."""
        for stage in list(self._pending):
            if not self._lacking(stage):
                self._pending.pop(stage)
        return min((max(due_ms - timer_ms, 1) for due_ms, _ in self._pending.values()), default=None)

    def take(self, timer_ms: int) -> list[tuple[tuple[PeerId, ...], Certificate]]:
        """Take what is to be relayed now, and to whom."""
        due = [(stage, certificate) for stage, (due_ms, certificate) in self._pending.items() if due_ms <= timer_ms]
        for stage, _ in due:
            self._pending.pop(stage)
        return [(to, certificate) for stage, certificate in due if (to := self._lacking(stage))]

    def _lacking(self, stage: Stage) -> tuple[PeerId, ...]:
        return tuple(self._peers[seat] for seat in self._others if self._stages[seat] < stage)

    def _reached(self, seat: int, stage: Stage) -> None:
        if stage > self._stages.get(seat, stage):
            self._stages[seat] = stage
