"""Which members are sent a certificate that I have: those who do not show in time that they have it too.

Votes go to everybody, so as a rule all members make the same certificates within a message delay of one another. A
COMMIT shows its signer's NC; a STATUS, or a vote so far up that it may be cast only above it, its FC; and once all
members' COMMITs were here, those of the honest ones are everywhere, which are enough for an FC. Who has shown nothing
after a while, because a liar did not vote to it or a link stands still, is sent the certificate once.
"""

from dataclasses import dataclass

from gossipbook.consensus.certificate import Certificate, Vote
from gossipbook.consensus.committee import COMMIT, PREPARE, Committee
from gossipbook.ids import PeerId
from gossipbook.ordered import BoundedDict

RELAYED_CAP = 64
PENDING_CAP = 64
COMMITTED_CAP = 64  # heights of which is remembered who committed

Stage = tuple[int, int, int]
"""Of a certificate: its kind, term and height; of an FC without the term."""


@dataclass(slots=True)
class _Shown:
    """What a member showed that it has: what is finalized, and the NC of the highest (term, height)."""

    fin: int = 0
    notarized: tuple[int, int] = (-1, 0)


def _stage(certificate: Certificate) -> Stage:
    term = certificate.term if certificate.kind == PREPARE else 0
    return certificate.kind, term, certificate.height


class Relaying:
    """Rule 10 for certificates of blocks. ``seat`` is my own, None for who never relays."""

    def __init__(self, committee: Committee, seat: int | None, after_ms: int) -> None:
        self._others = [number for number in range(len(committee.seats)) if number != seat]
        self._peers = {number: committee.seats[number].peer_id for number in self._others}
        self._depth = committee.depth
        self._after_ms = after_ms
        self._shown = {seat: _Shown() for seat in self._others}
        self._committed: BoundedDict[int, frozenset[int]] = BoundedDict(COMMITTED_CAP)  # seats, by height
        self._relayed: BoundedDict[Stage, None] = BoundedDict(RELAYED_CAP)
        self._pending: BoundedDict[Stage, tuple[int, Certificate]] = BoundedDict(PENDING_CAP)  # when, and what

    def obtained(self, certificate: Certificate, timer_ms: int) -> None:
        """Relay a certificate in a while, if it is the first one of its kind, term and height."""
        stage = _stage(certificate)
        if stage in self._relayed:
            return
        self._relayed[stage] = None
        if certificate.kind == COMMIT:  # Whoever gets it has no use for the NC any more.
            for other in [other for other in self._pending if other[0] == PREPARE and other[2] == certificate.height]:
                self._pending.pop(other)
        self._pending[stage] = timer_ms + self._after_ms, certificate

    def voted(self, vote: Vote) -> None:
        """Note what a member's vote shows that it has."""
        shown = self._shown.get(vote.seat)
        if shown is None:
            return
        shown.fin = max(shown.fin, vote.height - self._depth)
        if vote.kind == COMMIT:
            shown.notarized = max(shown.notarized, (vote.term, vote.height))
            self._committed[vote.height] = (self._committed.get(vote.height) or frozenset()) | {vote.seat}

    def finalized(self, seat: int, height: int) -> None:
        """Note what a member says that it has finalized."""
        if seat in self._shown:
            self._shown[seat].fin = max(self._shown[seat].fin, height)

    def sent(self, seat: int, certificate: Certificate) -> None:
        """Note a certificate that a member sent."""
        if certificate.kind == COMMIT:
            self.finalized(seat, certificate.height)
        elif seat in self._shown:
            shown = self._shown[seat]
            shown.notarized = max(shown.notarized, (certificate.term, certificate.height))

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
        kind, term, height = stage
        if kind == COMMIT and len(self._committed.get(height) or ()) == len(self._others):
            return ()
        lacking = [seat for seat in self._others if self._shown[seat].fin < height]
        if kind == PREPARE:
            lacking = [seat for seat in lacking if self._shown[seat].notarized < (term, height)]
        return tuple(self._peers[seat] for seat in lacking)
