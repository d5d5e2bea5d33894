"""Votes and timeouts counted towards certificates; bounded whatever the voters do."""

from gossipbook.consensus.certificate import Certificate, TermChange, Vote
from gossipbook.consensus.committee import Committee
from gossipbook.consensus.messages import GiveUp
from gossipbook.ids import BlockId
from gossipbook.limits import DEPTH_CAP
from gossipbook.manifest import Quorum
from gossipbook.ordered import BoundedDict

VOTES_PER_SEAT_CAP = 8 * DEPTH_CAP  # of each kind at as many heights as are counted, in two terms

Choice = tuple[int, int, int, BlockId]  # kind, term, height, block id


class VoteTally:
    """PREPAREs and COMMITs, at most one a seat for each (kind, term, height)."""

    def __init__(self, quorum: Quorum) -> None:
        self._quorum = quorum
        self._by_seat: dict[int, BoundedDict[tuple[int, int, int], Vote]] = {}

    def add(self, vote: Vote) -> Certificate | None:
        """Count a vote whose signature is good; the certificate, when it is the one that completes it."""
        votes = self._by_seat.setdefault(vote.seat, BoundedDict(VOTES_PER_SEAT_CAP))
        slot = (vote.kind, vote.term, vote.height)
        if slot in votes:
            return None
        votes[slot] = vote
        signers = []
        for seat in sorted(self._by_seat):
            cast = self._by_seat[seat].get(slot)
            if cast is not None and cast.block_id == vote.block_id:
                signers.append((seat, cast.signature))
        if len(signers) < self._quorum.q:
            return None
        return Certificate(vote.kind, vote.term, vote.height, vote.block_id, tuple(signers))

    def newest(self, seat: int) -> tuple[Vote, ...]:
        """A seat's newest PREPARE and COMMIT that were counted here."""
        best: dict[int, Vote] = {}
        cast = self._by_seat.get(seat)
        for vote in () if cast is None else cast.values():
            held = best.get(vote.kind)
            if held is None or (vote.term, vote.height) > (held.term, held.height):
                best[vote.kind] = vote
        return tuple(best[kind] for kind in sorted(best))


class TimeoutTally:
    """Each seat's TIMEOUT of the highest term."""

    def __init__(self, committee: Committee) -> None:
        self._committee = committee
        self._by_seat: dict[int, GiveUp] = {}

    def add(self, message: GiveUp) -> None:
        held = self._by_seat.get(message.timeout.seat)
        if held is None or held.timeout.term < message.timeout.term:
            self._by_seat[message.timeout.seat] = message

    def count(self, term: int) -> int:
        """How many seats have given up exactly this term."""
        return sum(1 for message in self._by_seat.values() if message.timeout.term == term)

    def of_seat(self, seat: int) -> GiveUp | None:
        return self._by_seat.get(seat)

    def certificate(self, term: int) -> TermChange | None:
        """The TC of a term, if q seats have given it up, with the FC and the NC that bind its successor."""
        if self.count(term) < self._committee.quorum.q:
            return None
        there = sorted(
            (message for message in self._by_seat.values() if message.timeout.term == term),
            key=lambda message: message.timeout.seat,
        )
        bare = TermChange(term, tuple(message.timeout for message in there), None, None)
        fc = next(message.fc for message in there if message.timeout == bare.top)
        lock = bare.high_lock(self._committee)
        nc = next((message.nc for message in there if message.timeout == lock), None)
        return TermChange(term, bare.timeouts, fc, nc)
