"""Which actions are possible given what was sent, and whether what was sent agrees.

The pool never shrinks: what was sent may be delivered at any later time, to anybody, any number of times. The liar
signs whatever helps: its vote is counted towards every certificate, its TIMEOUTs claim anything that can be
proven, and the terms that it leads it offers every block that might be believed.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, permutations, product
from typing import NamedTuple

from gossipbook.consensus.committee import COMMIT, PREPARE
from gossipbook.explorer.configuration import SEATS
from gossipbook.explorer.laws import disagreement, unprepared
from gossipbook.explorer.merging import Merging, Situation
from gossipbook.explorer.named_objects import Claims, Parts, Shown
from gossipbook.explorer.table import Sent, StateTable
from gossipbook.explorer.vocabulary import (
    GENESIS,
    NO_BLOCK,
    NONE,
    Action,
    Binding,
    Cast,
    Crash,
    Crashed,
    DeliverBody,
    DeliverFinality,
    DeliverNotarization,
    DeliverProposal,
    DeliverTermChange,
    GaveUp,
    Offer,
    RoundOver,
    TimeoutClaim,
    height_of,
)

TWIN_OFFERS = 2  # fresh blocks that a lying leader makes on one tip: one more would go nowhere that these do not

Casts = tuple[Cast, ...]
GivenUp = tuple[GaveUp, ...]
Options = tuple[tuple[TimeoutClaim, ...], ...]  # by seat: what it may be shown to have claimed in giving up one term


class Pool(NamedTuple):
    """The possible actions, by number, and the law that is broken, if any."""

    number: int  # the same for the same actions
    actions: tuple[int, ...]
    breach: str | None


class Pools:
    """Finds the pool for what each member has sent."""

    def __init__(self, table: StateTable) -> None:
        self._table = table
        self._objects = table.objects
        self._configuration = table.configuration
        self._numbers: dict[tuple[int, ...], int] = {}
        self._possible: dict[object, tuple[int, tuple[int, ...]]] = {}
        self._bindings: dict[tuple[int, Options, Casts], tuple[Binding, ...]] = {}

    def of(self, sents: Sequence[Sent]) -> Pool:
        """Return the pool for what the honest members have sent, in seat order."""
        formable = self._formable(sents)
        found = disagreement(sents, formable)
        if found is None and not self._configuration.agreement_only:
            found = unprepared(sents, formable, self._configuration.is_deep)
        # What may happen follows from this much of what was sent.
        offers = tuple(sorted({fact for sent in sents for fact in sent if isinstance(fact, Offer)}, key=repr))
        given_up = tuple(tuple(fact for fact in sent if isinstance(fact, GaveUp)) for sent in sents)
        voted = tuple(sorted({fact.block for sent in sents for fact in sent if isinstance(fact, Cast)}))
        crashes = sum(isinstance(fact, Crashed) for sent in sents for fact in sent)
        return Pool(*self._possible_after(formable, offers, given_up, voted, crashes), found)

    def of_merged(self, merging: Merging, situation: Situation) -> Pool:
        """Return the pool of a merged state, whose laws are checked where it is merged."""
        formable = tuple(sorted(merging.known(situation.known)))
        offers = [fact for fact in merging.of_bits(situation.offers) if isinstance(fact, Offer)]
        given_up = [[f for f in merging.of_bits(bits) if isinstance(f, GaveUp)] for bits in situation.given_up]
        named = {*merging.blocks_of(situation.named), *(cast.block for cast in formable)}
        possible = self._possible_after(
            formable,
            tuple(sorted(offers, key=repr)),
            tuple(tuple(sorted(timeouts, key=repr)) for timeouts in given_up),
            tuple(sorted(named)),
            situation.crashes,
        )
        return Pool(*possible, None)

    def _possible_after(
        self,
        formable: Casts,
        offers: tuple[Offer, ...],
        given_up: tuple[GivenUp, ...],
        voted: tuple[str, ...],
        crashes: int,
    ) -> tuple[int, tuple[int, ...]]:
        cap = self._configuration.restarts
        key = formable, offers, given_up, voted, cap is None or crashes < cap
        known = self._possible.get(key)
        if known is None:
            actions = tuple(self._table.action(action) for action in self._actions(*key))
            known = self._possible[key] = self._numbers.setdefault(actions, len(self._numbers)), actions
        return known

    def _formable(self, sents: Sequence[Sent]) -> Casts:
        """Return the NCs and FCs that q signatures make, with the liar's among them."""
        voters: dict[Cast, int] = {}
        for sent in sents:
            for fact in sent:
                if isinstance(fact, Cast):
                    voters[fact] = voters.get(fact, 0) + 1
        return tuple(sorted(cast for cast, count in voters.items() if count >= self._objects.q - 1))

    def _actions(
        self,
        formable: Casts,
        offers: tuple[Offer, ...],
        given_up: tuple[GivenUp, ...],
        voted: tuple[str, ...],
        may_crash: bool,
    ) -> Iterator[Action]:
        yield RoundOver()
        if may_crash:
            yield Crash()
        bindings = [b for term in range(self._configuration.terms - 1) for b in self._bound(term, given_up, formable)]
        yield from (DeliverTermChange(binding) for binding in bindings)
        yield from (DeliverProposal(offer) for offer in offers)
        named = {*voted, *(offer.block for offer in offers)}
        yield from (DeliverProposal(offer) for offer in self._lies(named, formable, bindings))
        for cast in formable:
            yield DeliverNotarization(cast) if cast.kind == PREPARE else DeliverFinality(cast)
        if not self._configuration.merges:
            certified = {cast.block for cast in formable}
            yield from (DeliverBody(name) for name in sorted(certified | self._missed(named)))

    def _missed(self, named: set[str]) -> set[str]:
        """Return the ancestors that a member may lack of what it was offered, where it may be ahead of them."""
        if not self._configuration.is_deep:
            return set()
        offered = {name for name, _ in self._blocks_to_offer(self._configuration.liar, named, ())}
        return {ancestor for name in offered for ancestor in self._objects.line(name)}

    def _with_line(self, name: str) -> list[str]:
        """Return a block, and its ancestors where it may be ahead of them."""
        return self._objects.line(name) if self._configuration.is_deep else [name]

    # -- term changes -------------------------------------------------------------------------------

    def _bound(self, term: int, given_up: Sequence[GivenUp], formable: Casts) -> Iterable[Binding]:
        """Return what the TCs of a term may bind to.

        A TC of more than q TIMEOUTs binds to nothing that q of them, the one with the highest claim among them,
        would not.
        """
        is_deep = self._configuration.is_deep
        options: list[tuple[TimeoutClaim, ...]] = [()] * SEATS
        for seat, timeouts in zip(self._configuration.honest, given_up, strict=True):
            claims = [timeout.claim for timeout in timeouts if timeout.term == term]
            options[seat] = tuple(claim._replace(fin_term=NONE) if is_deep else claim for claim in claims)
        if sum(map(bool, options)) < self._objects.q - 1:
            return ()
        options[self._configuration.liar] = tuple(_deep_provable(formable, term) if is_deep else _provable(formable))
        fcs = tuple(cast for cast in formable if cast.kind == COMMIT and cast.term <= term) if is_deep else ()
        key = term, tuple(options), fcs
        bindings = self._bindings.get(key)
        if bindings is None:
            made = (shown for claims in self._choices(options) for shown in self._backed(claims, fcs))
            found = {self._objects.bind(term, shown) for shown in made}
            bindings = self._bindings[key] = tuple(sorted(found, key=repr))
        return bindings

    def _backed(self, claims: Claims, fcs: Casts) -> Iterator[Shown]:
        """Yield some TIMEOUTs with each FC that proves the highest tip: whoever makes the TC chooses.

        Where one height is in flight, the term of the FC decides nothing.
        """
        top = max((claim for _, claim in claims), key=lambda claim: claim.fin)
        if not top.fin or not self._configuration.is_deep:
            yield Shown(claims, top.fin_term)
        for fc in fcs:
            if fc.block == top.tip and top.fin:
                yield Shown(claims, fc.term)

    def _choices(self, options: list[tuple[TimeoutClaim, ...]]) -> Iterator[Claims]:
        """Yield each way to choose q seats and a claim of each, for every seating of interchangeable members."""
        alike = self._configuration.honest[len(self._configuration.honest) - self._configuration.interchangeable :]
        for order in permutations(alike):
            seated = list(options)
            for seat, other in zip(alike, order, strict=True):
                seated[seat] = options[other]
            for seats in combinations([seat for seat in range(SEATS) if seated[seat]], self._objects.q):
                for claims in product(*(seated[seat] for seat in seats)):
                    yield tuple(zip(seats, claims, strict=True))

    # -- the liar's proposals -----------------------------------------------------------------------

    def _lies(self, named: set[str], formable: Casts, bindings: list[Binding]) -> Iterator[Offer]:
        term = self._configuration.liar
        if term >= self._configuration.terms:
            return
        for name, height in self._blocks_to_offer(term, named, formable):
            if term == 0:
                yield Offer(term, height, name, None)
            else:
                yield from (Offer(term, height, name, b) for b in bindings if b.term == term - 1)

    def _blocks_to_offer(self, term: int, named: set[str], formable: Casts) -> list[tuple[str, int]]:
        """Return fresh blocks on every possible tip, and every block that was voted for or proposed.

        Where several heights are in flight, on each of the latter too.
        """
        objects = self._objects
        names = {ancestor for name in named for ancestor in self._with_line(name)}
        tips = names if self._configuration.is_deep else {fc.block for fc in formable if fc.kind == COMMIT}
        for tip in [GENESIS, *sorted(tips)]:
            if height_of(tip) >= self._configuration.heights:
                continue
            used = {op for name in objects.line(tip) for op in objects.parts[name].ops}
            for op in [op for op in objects.ops if op not in used][:TWIN_OFFERS]:
                names.add(objects.name(Parts(term, (op,), tip)))
        made = [(name, height_of(name)) for name in sorted(names)]
        return [(name, height) for name, height in made if height <= self._configuration.heights]


def _provable(formable: Casts) -> Iterator[TimeoutClaim]:
    """Yield all that the liar may claim in a TIMEOUT: tips that an FC proves, and locks that an NC proves."""
    tips = [(0, GENESIS, NONE)]
    tips += [(cast.height, cast.block, cast.term) for cast in formable if cast.kind == COMMIT]
    for fin, tip, fin_term in tips:
        yield TimeoutClaim(fin, tip, fin_term, NONE, NO_BLOCK)
        for nc in formable:
            if nc.kind == PREPARE and nc.height == fin + 1:
                yield TimeoutClaim(fin, tip, fin_term, nc.term, nc.block)


def _deep_provable(formable: Casts, term: int) -> Iterator[TimeoutClaim]:
    """Yield what the liar may claim in a TIMEOUT of a term: certificates of later terms prove nothing in it."""
    certificates = [cast for cast in formable if cast.term <= term]
    tips = {(0, GENESIS), *((cast.height, cast.block) for cast in certificates if cast.kind == COMMIT)}
    for fin, tip in sorted(tips):
        yield TimeoutClaim(fin, tip, NONE, NONE, NO_BLOCK)
        for nc in certificates:
            if nc.kind == PREPARE and nc.height > fin:
                yield TimeoutClaim(fin, tip, NONE, nc.term, nc.block)
