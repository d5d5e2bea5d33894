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

A block that only forgotten votes are for is not offered any more, nor a child of it. Whoever could prepare it could
have cast such a vote, or has prepared nothing but its ancestors in that term; were there two of them, no vote for it
would be hopeless. So no certificate can come of it, and of a single vote only that its member can vote for less.

**Why no violation is lost.** Two blocks are final at one height if two FCs can be formed; each needs q - 1 honest
COMMITs, which are forgotten only once they have made it, when the two are compared at once, or never can. All other
laws compare a message with earlier ones of its sender. Those that were forgotten are made up for by two laws of merged
states: no step takes a standing back (:func:`~gossipbook.explorer.laws.unsteady`), and no message is one that the
standing before it does not allow (:func:`~gossipbook.explorer.laws.disallowed`). "Can never" above rests on them too:
a member that broke them would be found at that step, whatever was forgotten before.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from gossipbook.consensus.committee import COMMIT, PREPARE
from gossipbook.explorer.configuration import FAULTY, SEATS, Configuration
from gossipbook.explorer.laws import QUORUM, disagreement, unprepared
from gossipbook.explorer.table import StateTable
from gossipbook.explorer.vocabulary import (
    GENESIS,
    NO_BLOCK,
    Cast,
    Crashed,
    Fact,
    GaveUp,
    Offer,
    Standing,
    descends,
    height_of,
)

Triple = tuple[int, int, int]
Judgement = Callable[[Standing, Fact], bool]

assert (SEATS, FAULTY, QUORUM) == (4, 1, 3)  # Two honest votes of three make a certificate with the liar's.


def _one_of(x: int, y: int, z: int) -> int:
    return x | y | z


def _two_of(x: int, y: int, z: int) -> int:
    return x & y | x & z | y & z


class Face(NamedTuple):
    """What there is to merge of a local state. Sets of facts are numbers, with a bit for each fact."""

    facts: int
    counted: int  # facts that are kept until nobody needs them: votes, TIMEOUTs and proposals
    votes: int
    standing: int
    named: int  # the blocks of the votes and of the standing
    crashes: int


class Situation(NamedTuple):
    """What can happen follows from this much of what was sent. ``named`` is a number with a bit for each block."""

    known: int
    offers: int
    given_up: Triple
    named: int
    crashes: int


class Merging:
    """Finds what to forget in a global state."""

    def __init__(self, table: StateTable) -> None:
        self._table = table
        self._configuration: Configuration = table.configuration
        self.facts: list[Fact] = []  # by bit
        self._bits: dict[Fact, int] = {}
        self._blocks: list[str] = []  # by bit
        self._block_bits: dict[str, int] = {}
        self._votes = self._commits = self._timeouts = self._offers = 0
        self._standings: list[Standing] = []
        self._standing_numbers: dict[Standing, int] = {}
        self._faces: list[Face] = []
        self._known_numbers: dict[int, int] = {0: 0}
        self._knowns: list[int] = [0]
        self._twins: dict[int, int] = {}
        self._without: dict[tuple[int, int], int] = {}
        self._breaches: dict[tuple[int, int], str | None] = {}
        self._enough = _two_of if table.objects.q == QUORUM else _one_of  # The core's quorum may be weakened.
        # By standing: which facts may still be cast by, and which still count for, one who has come so far.
        self._may_cast = _Masks(self._may_cast_too)
        self._counting = _Masks(self._counts)

    def merge(self, places: Triple, known: int) -> tuple[Triple, int, str | None]:
        """Return the state without what decides nothing, and the law that is broken."""
        faces, size = self._faces, len(self._table.keys)
        if len(faces) < size:
            self._face_all(size)
        a, b, c = places
        fa, fb, fc = faces[a], faces[b], faces[c]
        x, y, z = fa.votes, fb.votes, fc.votes
        votes = x | y | z
        formed = self._knowns[known] | self._enough(x, y, z)
        breach = self._breach(votes & self._commits, formed) if votes & self._commits or formed else None
        p, q, r = fa.standing, fb.standing, fc.standing
        may, counting, total, standings = self._may_cast, self._counting, len(self.facts), self._standings
        for number in (p, q, r):
            if may.sizes[number] < total:
                may.extend(number, standings[number], self.facts)
                counting.extend(number, standings[number], self.facts)
        x, y, z = x | may.masks[p], y | may.masks[q], z | may.masks[r]
        counts = counting.masks[p] | counting.masks[q] | counting.masks[r]
        over = votes & (formed | ~self._enough(x, y, z)) | (fa.counted | fb.counted | fc.counted) & ~counts & ~votes
        if over:
            places = self._forget(a, fa, over), self._forget(b, fb, over), self._forget(c, fc, over)
        return places, self._known_number(formed & counts), breach

    def situation(self, places: Triple, known: int) -> Situation:
        """Return what decides which actions are possible in a merged state."""
        faces, size = self._faces, len(self._table.keys)
        if len(faces) < size:
            self._face_all(size)
        fa, fb, fc = faces[places[0]], faces[places[1]], faces[places[2]]
        timeouts = self._timeouts
        given_up = fa.facts & timeouts, fb.facts & timeouts, fc.facts & timeouts
        offers = (fa.facts | fb.facts | fc.facts) & self._offers
        crashes = fa.crashes + fb.crashes + fc.crashes
        return Situation(known, offers, given_up, fa.named | fb.named | fc.named, crashes)

    def of_bits(self, bits: int) -> list[Fact]:
        """Return the facts of a number."""
        return [self.facts[bit] for bit in _bits_of(bits)]

    def blocks_of(self, bits: int) -> list[str]:
        return [self._blocks[bit] for bit in _bits_of(bits)]

    def known(self, number: int) -> list[Cast]:
        """Return the certificates of a number."""
        return [fact for fact in self.of_bits(self._knowns[number]) if isinstance(fact, Cast)]

    def twin(self, known: int) -> int:
        """Return the number of the same certificates with o1 and o2 exchanged."""
        twin = self._twins.get(known)
        if twin is None:
            bits = 0
            for cast in self.known(known):
                bits |= 1 << self._bit(self._table.objects.twin(cast))
            twin = self._known_number(bits)
            self._twins[known], self._twins[twin] = twin, known
        return twin

    # -- numbers ------------------------------------------------------------------------------------

    def _known_number(self, bits: int) -> int:
        number = self._known_numbers.get(bits)
        if number is None:
            number = self._known_numbers[bits] = len(self._knowns)
            self._knowns.append(bits)
        return number

    def _bit(self, fact: Fact) -> int:
        bit = self._bits.get(fact)
        if bit is None:
            bit = self._bits[fact] = len(self.facts)
            self.facts.append(fact)
            if isinstance(fact, Cast):
                self._votes |= 1 << bit
                self._commits |= (fact.kind == COMMIT) << bit
            self._timeouts |= isinstance(fact, GaveUp) << bit
            self._offers |= isinstance(fact, Offer) << bit
        return bit

    def _block_bit(self, block: str) -> int:
        bit = self._block_bits.setdefault(block, len(self._blocks))
        if bit == len(self._blocks):
            self._blocks.append(block)
        return bit

    def _face_all(self, size: int) -> None:
        table = self._table
        for state in range(len(self._faces), size):
            sent, standing = table.sents[table.sent[state]], table.standing(state)
            number = self._standing_numbers.setdefault(standing, len(self._standings))
            if number == len(self._standings):
                self._standings.append(standing)
                self._may_cast.add()
                self._counting.add()
            facts = named = 0
            for fact in sent:
                facts |= 1 << self._bit(fact)
            blocks = {fact.block for fact in sent if isinstance(fact, Cast)}
            for block in sorted((blocks | {standing.tip, standing.last, standing.lock}) - {GENESIS, NO_BLOCK}):
                named |= 1 << self._block_bit(block)
            counted = facts & (self._votes | self._timeouts | self._offers)
            crashes = sum(isinstance(fact, Crashed) for fact in sent)
            self._faces.append(Face(facts, counted, facts & self._votes, number, named, crashes))

    def _forget(self, state: int, face: Face, over: int) -> int:
        bits = face.facts & over
        if not bits:
            return state
        key = state, bits
        left = self._without.get(key)
        if left is None:
            left = self._without[key] = self._table.without(state, frozenset(self.of_bits(bits)))
            self._table.twin(left)
        return left

    # -- judgements ---------------------------------------------------------------------------------

    def _breach(self, commits: int, formed: int) -> str | None:
        key = commits, formed
        if key not in self._breaches:
            certificates = [fact for fact in self.of_bits(formed) if isinstance(fact, Cast)]
            breach = disagreement([], certificates)
            if breach is None and not self._configuration.agreement_only:
                breach = unprepared([self.of_bits(commits)], certificates, is_deep=True)
            self._breaches[key] = breach
        return self._breaches[key]

    def _may_cast_too(self, standing: Standing, fact: Fact) -> bool:
        return isinstance(fact, Cast) and may_cast(standing, fact)

    def _counts(self, standing: Standing, fact: Fact) -> bool:
        """Return whether something that others sent, or a certificate, can still change what a member does.

        Of a vote it is asked as of its certificate.
        """
        match fact:
            case GaveUp(term, _):
                return self._may_change(standing, term)
            case Offer():
                return may_cast(standing, Cast(PREPARE, fact.term, fact.height, fact.block))
            case Cast(kind, term, height, block):
                if any(self._may_change(standing, of) for of in range(term, self._configuration.terms - 1)):
                    return True
                if kind == COMMIT:
                    return standing.fin < height
                heights = range(standing.fin + 1, height + 1)
                return any(may_cast(standing, Cast(COMMIT, term, each, block)) for each in heights)
            case _:
                return True

    def _may_change(self, standing: Standing, term: int) -> bool:
        """Return whether a TC of a term can still change what a member does."""
        if term >= self._configuration.terms - 1:
            return False
        if standing.term <= term:
            return True
        return self._configuration.liar == term + 1 == standing.term and not standing.timed_out


class _Masks:
    """By standing, a bit for each fact that something is so of; extended as facts are met."""

    def __init__(self, judgement: Judgement) -> None:
        self._judgement = judgement
        self.masks: list[int] = []
        self.sizes: list[int] = []

    def add(self) -> None:
        self.masks.append(0)
        self.sizes.append(0)

    def extend(self, number: int, standing: Standing, facts: list[Fact]) -> None:
        for bit in range(self.sizes[number], len(facts)):
            if self._judgement(standing, facts[bit]):
                self.masks[number] |= 1 << bit
        self.sizes[number] = len(facts)


def _bits_of(number: int) -> Iterator[int]:
    while number:
        low = number & -number
        yield low.bit_length() - 1
        number ^= low


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
