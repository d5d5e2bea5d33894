"""What a lying member can have others pass on: one signature of each slot, of heights and terms that are near."""

from dataclasses import replace
from itertools import count

import pytest
from consensus.kit import SYMBOL, Bench

from gossipbook.consensus.committee import COMMIT, PREPARE
from gossipbook.consensus.messages import CastVote, GiveUp
from gossipbook.peer.relays import NOT_RELAYED, Relays
from gossipbook.refusals import Scope

FRESH = count()


def vote(bench: Bench, kind: int, seat: str, term: int, height: int) -> CastVote:
    """A seat's vote for some block, another one each time."""
    name = f"B{next(FRESH)}"
    bench.block(name, [], time_ms=next(FRESH) + 1)
    return CastVote(SYMBOL, 0, replace(bench.vote(kind, name, term, seat), height=height))


@pytest.mark.parametrize("kind", [PREPARE, COMMIT])
def test_one_vote_of_a_slot(kind: int) -> None:
    bench = Bench("b")
    relays = Relays(bench.replica.member)
    assert [relays.take(vote(bench, kind, "a", 0, 1)) for _ in range(3)] == [True, False, False]
    assert relays.take(vote(bench, kind, "c", 0, 1)), "another seat has its own"
    assert relays.take(vote(bench, kind, "a", 1, 1))
    assert bench.replica.member.refusals.of(Scope.MESSAGE)[NOT_RELAYED] == 2


def test_terms_beyond_the_next() -> None:
    bench = Bench("b")
    relays = Relays(bench.replica.member)
    assert [relays.take(vote(bench, PREPARE, "a", term, 1)) for term in range(5)] == [True, True, False, False, False]
    gave_up = [GiveUp(SYMBOL, 0, bench.timeout(term, "a").timeout, None, None, ()) for term in range(5)]
    assert [relays.take(message) for message in gave_up] == [True, True, False, False, False]


def test_heights_beyond_those_in_flight() -> None:
    bench = Bench("b")
    relays = Relays(bench.replica.member)
    taken = [relays.take(vote(bench, PREPARE, "a", 0, height)) for height in range(1, 6)]
    assert taken == [True, True, False, False, False]


def test_one_proposal_of_a_slot() -> None:
    bench = Bench("b")
    relays = Relays(bench.replica.member)
    for number in range(3):
        bench.block(f"P{number}", [], time_ms=number + 1)
    assert [relays.take(bench.proposal(f"P{number}", 0)) for number in range(3)] == [True, False, False]
    assert [relays.take(bench.proposal("P0", term, seat="a")) for term in (1, 4)] == [True, False]
