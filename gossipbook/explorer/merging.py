"""Forget what decides nothing any more, so that states that differ only in it are one.

This is for the rules in which several heights may be in flight. Of a member alone,
:class:`~gossipbook.explorer.fingerprint.MergingFingerprint` leaves out what is over. What is over for all shows here,
from what all three honest members have sent and how far each has come (its
:class:`~gossipbook.explorer.vocabulary.Standing`):

* A vote *is spent* once its certificate can be formed. That there is the certificate is remembered instead, and not
  who voted: certificates count alike whoever signed them, and never go away.
* A vote *is hopeless* if fewer than q - 1 honest members have cast it or still may. Who may follows from standings: its
  term is not below the member's own, nor given up; its block is above the member's tip and descends from it; and it is
  above what the member prepared last in that term and descends from it, or is at a height at which it has not
  committed in it.
* A TIMEOUT is over once no TC of it can change anything: all are in later terms, and the term after it is not the
  liar's, or nobody can vote in that one any more. Of the last term no TC is delivered.
* An honest leader's proposal is over once nobody can prepare it or anything that takes its place.
* An NC or FC is over once no TC that may still count can show it, and every member has what it leads to: an FC's height
  is final for it, or it can commit to nothing under the NC.

**Why no violation is lost.** Two blocks are final at one height if two FCs can be formed; each needs q - 1 honest
COMMITs, which are forgotten only once they have made it, when the two are compared at once, or never can. All other
laws compare a message with earlier ones of its sender. Those that were forgotten are made up for by a law of merged
states, :func:`~gossipbook.explorer.laws.unsteady`: no step takes a standing back. A second vote, or one after a
TIMEOUT, would be one that the standing before it did not allow, and a TIMEOUT that hides a COMMIT one that lost the
lock. The same law is what "can never" rests on above.
"""

from collections.abc import Sequence
from typing import NamedTuple

from gossipbook.consensus.committee import COMMIT, PREPARE
from gossipbook.explorer.configuration import Configuration
from gossipbook.explorer.laws import QUORUM, disagreement, unprepared
from gossipbook.explorer.table import Sent, StateTable
from gossipbook.explorer.vocabulary import Cast, Fact, GaveUp, Offer, Standing, descends, height_of

Known = tuple[Cast, ...]
"""Certificates whose votes are forgotten, in order."""


class Merged(NamedTuple):
    """What remains: facts to be forgotten of each member, the certificates known instead, and the law that is broken."""

    forgotten: tuple[frozenset[Fact], ...]
    known: int
    breach: str | None


class Merging:
    """Finds what to forget in a global state."""

    def __init__(self, table: StateTable) -> None:
        self._table = table
        self._configuration: Configuration = table.configuration
        self._numbers: dict[Known, int] = {(): 0}
        self.knowns: list[Known] = [()]
        self._twins: dict[int, int] = {}
        self._faces: list[int] = []  # by local state
        self._face_numbers: dict[tuple[int, Standing], int] = {}
        self._merged: dict[tuple[int, int, int, int], Merged] = {}
        self._without: dict[tuple[int, frozenset[Fact]], int] = {}

    def merge(self, places: tuple[int, int, int], known: int) -> tuple[tuple[int, int, int], int, str | None]:
        """Return the state without what decides nothing, and the law that is broken."""
        a, b, c = places
        key = self.face(a), self.face(b), self.face(c), known
        merged = self._merged.get(key)
        if merged is None:
            merged = self._merged[key] = self._merge(places, self.knowns[known])
        x, y, z = merged.forgotten
        if x or y or z:
            places = self._forget(a, x), self._forget(b, y), self._forget(c, z)
        return places, merged.known, merged.breach

    def face(self, state: int) -> int:
        """Return a number for all of a local state that others, and what to forget, depend on."""
        faces = self._faces
        while len(faces) <= state:
            at = len(faces)
            key = self._table.sent[at], self._table.standing(at)
            faces.append(self._face_numbers.setdefault(key, len(self._face_numbers)))
        return faces[state]

    def twin(self, known: int) -> int:
        """Return the number of the same certificates with o1 and o2 exchanged."""
        twin = self._twins.get(known)
        if twin is None:
            twin = self._number(tuple(sorted(self._table.objects.twin(self.knowns[known]))))
            self._twins[known], self._twins[twin] = twin, known
        return twin

    def _number(self, known: Known) -> int:
        number = self._numbers.setdefault(known, len(self.knowns))
        if number == len(self.knowns):
            self.knowns.append(known)
        return number

    def _forget(self, state: int, facts: frozenset[Fact]) -> int:
        if not facts:
            return state
        key = state, facts
        left = self._without.get(key)
        if left is None:
            left = self._without[key] = self._table.without(state, facts)
            self._table.twin(left)
        return left

    def _merge(self, places: Sequence[int], known: Known) -> Merged:
        table = self._table
        sents = [table.sents[table.sent[state]] for state in places]
        standings = [table.standing(state) for state in places]
        voters: dict[Cast, list[int]] = {}
        for place, sent in enumerate(sents):
            for fact in sent:
                if isinstance(fact, Cast):
                    voters.setdefault(fact, []).append(place)
        formed = {*known, *(cast for cast, places in voters.items() if len(places) >= QUORUM - 1)}
        breach = disagreement(sents, formed)
        if breach is None and not self._configuration.agreement_only:
            breach = unprepared(sents, formed, is_deep=True)
        over: set[Cast] = {
            cast
            for cast, places in voters.items()
            if cast in formed
            or len(places) + sum(may_cast(s, cast) for at, s in enumerate(standings) if at not in places) < QUORUM - 1
        }
        kept = (cast for cast in formed if self._counts(cast, standings))
        forgotten = tuple(frozenset(fact for fact in sent if self._is_over(fact, over, standings)) for sent in sents)
        return Merged(forgotten, self._number(tuple(sorted(kept))), breach)

    def _is_over(self, fact: Fact, over: set[Cast], standings: Sequence[Standing]) -> bool:
        match fact:
            case Cast():
                return fact in over
            case GaveUp(term, _):
                return not self._may_change(term, standings)
            case Offer():
                return not any(may_cast(s, Cast(PREPARE, fact.term, fact.height, fact.block)) for s in standings)
            case _:
                return False

    def _may_change(self, term: int, standings: Sequence[Standing]) -> bool:
        """Return whether a TC of a term can still change anything."""
        if term >= self._configuration.terms - 1:
            return False
        if any(s.term <= term for s in standings):
            return True
        return self._configuration.liar == term + 1 and any(s.term == term + 1 and not s.timed_out for s in standings)

    def _counts(self, certificate: Cast, standings: Sequence[Standing]) -> bool:
        """Return whether an NC or FC can still change anything."""
        kind, term, height, block = certificate
        if any(self._may_change(of, standings) for of in range(term, self._configuration.terms - 1)):
            return True
        if kind == COMMIT:
            return any(s.fin < height for s in standings)
        return any(may_cast(s, Cast(COMMIT, term, h, block)) for s in standings for h in range(s.fin + 1, height + 1))


def may_cast(standing: Standing, vote: Cast) -> bool:
    """Return whether a member who has come so far, and has not cast a vote, may cast it at this or a later time.

    Of a COMMIT's block only the height counts where it may be for an ancestor of what has an NC.
    """
    if vote.term < standing.term or vote.height <= standing.fin:
        return False
    if not descends(vote.block, standing.tip):
        return False
    if vote.term > standing.term:
        return True
    if standing.timed_out:
        return False
    if vote.kind == COMMIT:
        return vote.height not in standing.committed
    last = standing.last
    return not last or (vote.height > height_of(last) and descends(vote.block, last))
