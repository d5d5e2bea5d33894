"""With several heights in flight: the real core is exhausted without a finding, and the weakenings are found."""

import pytest
from consensus.deep_mutants import DEEP_MUTANTS

from gossipbook.explorer import Configuration, Search, SearchResult, trace
from gossipbook.explorer.fingerprint import MergingFingerprint
from gossipbook.explorer.member import ExploredMember

from .test_explorer import _rare_collections

__all__ = ["_rare_collections"]


def explored(configuration: Configuration) -> SearchResult:
    outcome = Search(configuration).run()
    print(configuration.describe(), outcome.figures, outcome.figures.transitions)
    return outcome


# -- the real core (the spaces that are exhausted are in test_explorer) -----------------------------------


def test_blocks_that_come_late_break_no_law() -> None:
    """Nothing merged, and each block that was asked for comes when the search lets it: all paths of six steps."""
    outcome = explored(Configuration(terms=1, heights=2, depth=2, depth_cap=6, merging=False))
    assert outcome.finding is None
    assert outcome.figures.states == 7_367
    assert outcome.figures.actions["body"]


def test_two_heights_in_flight_in_two_terms_break_no_law() -> None:
    outcome = explored(Configuration(heights=2, depth=2, depth_cap=7))
    assert outcome.finding is None
    assert outcome.figures.states == 8_475


# -- merging ----------------------------------------------------------------------------------------------


def folded(whole: Search, merged: Search) -> set[tuple[int, ...]]:
    """The merged states that the states of a search without merging count as."""
    found = set()
    states: dict[int, int] = {}
    fingerprint = MergingFingerprint(whole.table.objects)

    def merged_state(state: int) -> int:
        if state not in states:
            value, sent = whole.table.keys[state]
            member = whole.table._bring(value)
            seat, _ = whole.table._values[value]
            known = merged.table._value(seat, member._merged_value(fingerprint), None)
            states[state] = merged.table.state(known, whole.table.sents[sent])
            merged.table.twin(states[state])
        return states[state]

    for at in range(len(whole._order)):
        a, b, c, _ = whole._whole(at)
        reached, breach = merged._reached((merged_state(a), merged_state(b), merged_state(c), 0))
        assert breach is None
        found.add(reached)
    return found


@pytest.mark.parametrize(
    "bounds",
    [
        {"terms": 1, "restarts": 0},
        {"terms": 1, "liar": 1},
        {"terms": 1, "heights": 2, "depth": 2, "depth_cap": 5},
        {"terms": 2, "depth_cap": 6, "restarts": 1},
        {"terms": 2, "liar": 1, "depth_cap": 6},
        {"terms": 2, "heights": 2, "depth": 2, "depth_cap": 5},
        {"terms": 3, "liar": 3, "depth_cap": 5, "restarts": 0},
    ],
    ids=str,
)
def test_merging_loses_no_state(bounds: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is reached without merging, each block coming when it is asked for, counts as exactly what merging finds."""
    merged = Search(Configuration(**{"depth": 1, **bounds}))
    outcome = merged.run()
    found = {merged._whole(at) for at in range(len(merged._order))}
    whole = Search(Configuration(**{"depth": 1, **bounds}, merging=False))

    honest = ExploredMember._get_blocks

    def get_blocks(self: ExploredMember) -> None:
        self._merges = True
        honest(self)

    monkeypatch.setattr(ExploredMember, "_get_blocks", get_blocks)
    result = whole.run()
    states = result.figures.states
    print(bounds, states, "count as", outcome.figures.states)
    assert (result.finding, outcome.finding) == (None, None)
    assert folded(whole, merged) == found
    assert states > outcome.figures.states


@pytest.mark.parametrize(
    "bounds", [{"terms": 1, "heights": 2, "depth": 2, "depth_cap": 8}, {"terms": 2, "liar": 1, "depth_cap": 6}]
)
def test_symmetry_loses_no_state(bounds: dict[str, int]) -> None:
    reduced = Search(Configuration(**{"depth": 1, **bounds}))
    states = reduced.run().figures.states
    whole = Search(Configuration(**{"depth": 1, **bounds}, symmetry=False)).run().figures.states
    assert reduced.orbits() == whole
    assert states < whole


# -- mutants ----------------------------------------------------------------------------------------------

ONE_TERM = {"terms": 1, "heights": 2, "depth": 2}
TWO_HEIGHTS = {"terms": 2, "heights": 2, "depth": 2, "restarts": 0}
# The bounds, the law that each breaks first, and in how many steps at least.
FOUND: dict[str, tuple[dict[str, int], str, int]] = {
    "quorum one too small": ({"terms": 1, "depth": 1}, "two final blocks at height 1", 4),
    "parent unchecked": (ONE_TERM, "a PREPARE of t0:o1/t0:o2 in term 0 after one of t0:o1", 3),
    "PREPARE lost on restart": (ONE_TERM, "a PREPARE of t0:o1 in term 0 is forgotten", 2),
    "COMMIT after TIMEOUT": (ONE_TERM, "a COMMIT in term 0 after a TIMEOUT", 4),
    "lock left out of TIMEOUT": (ONE_TERM, "shows fin 0 and no lock after a COMMIT", 4),
    "fin left out of TIMEOUT": (ONE_TERM, "shows fin 0 and no lock of one at t0:o1", 6),
    "first vote of a term not bound by the TC": (
        {"liar": 1, "terms": 2, "depth": 1, "restarts": 0},
        "a PREPARE of t1:o1 where the TC begins the term on t0:o1+o2",
        4,
    ),
    "COMMIT on an old-term lock": ({"terms": 2, "depth": 1}, "in term 1 without 3 PREPAREs of that term", 5),
    "lock lost on restart": (ONE_TERM, "the lock on t0:o1 of term 0 is lost", 4),
    "only H* + 1 bound by L*": ({"liar": 1, **TWO_HEIGHTS}, "where the TC begins the term on t0:o3+o4/t0:o1+o2", 4),
    "locks compared by term, the lower height kept": ({"liar": 2, **TWO_HEIGHTS}, "a PREPARE of t0:o1+o2 where", 6),
    "L* only where fin = H*": ({"liar": 2, **TWO_HEIGHTS}, "a PREPARE of t1:o3+o4/t0:o1+o2 where", 6),
    "any finalization clears the lock": (ONE_TERM, "the lock on t0:o2/t0:o1 of term 0 is lost", 6),
    "locks compared by height only": (
        {"liar": 2, "terms": 3, "depth": 1, "restarts": 0, "last_term_ends": False},
        "a PREPARE of t0:o1+o2 where the TC begins the term on t1:o1+o2",
        9,
    ),
    "any lock instead of the highest": ({"liar": 2, **TWO_HEIGHTS}, "a PREPARE of t0:o1+o2 where", 6),
    "proposals wait for no record": (
        {"terms": 2, "heights": 2, "depth": 2},
        "proposals of t1:o1+o2 and t0:o1 in term 1",
        6,
    ),
    "proposed again height by height": ({"liar": 2, **TWO_HEIGHTS}, "a PREPARE of t0:o1+o2 where", 4),
}
TRACED = {"no test of the tip's term"}  # in tests/consensus/test_deep_mutants.py; it takes three terms of two heights


def test_every_mutant_is_looked_for() -> None:
    assert FOUND.keys() | TRACED == DEEP_MUTANTS.keys()


@pytest.mark.parametrize("name", FOUND)
def test_the_mutant_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    DEEP_MUTANTS[name](monkeypatch)
    bounds, law, steps = FOUND[name]
    outcome = explored(Configuration(**bounds, states_cap=100_000))
    assert outcome.finding is not None
    print("\n".join(trace(outcome.finding, bounds.get("liar", 0))))
    assert law in outcome.finding.breach
    assert len(outcome.finding.path) == steps


# Votes that break a rule overlooked, nothing merged, until two blocks are final that are not on one chain.
TO_TWO_FINALS: dict[str, tuple[dict[str, int], str, int]] = {
    "parent unchecked": (ONE_TERM, "two final blocks on different chains: t0:o1/t0:o2 and t0:o1", 10),
    "first vote of a term not bound by the TC": (
        {"liar": 1, "terms": 2, "depth": 1},
        "two final blocks at height 1: t0:o1+o2 and t1:o1",
        9,
    ),
    "COMMIT after TIMEOUT": (
        {"terms": 2, "depth": 1, "last_term_ends": True},
        "two final blocks at height 1: t0:o1 and t1:o1+o2",
        10,
    ),
}


@pytest.mark.parametrize("name", TO_TWO_FINALS)
def test_the_mutant_leads_to_two_final_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    DEEP_MUTANTS[name](monkeypatch)
    bounds, law, steps = TO_TWO_FINALS[name]
    bounds = {"restarts": 0, "last_term_ends": False, **bounds}
    outcome = explored(Configuration(**bounds, agreement_only=True))
    assert outcome.finding is not None
    assert outcome.finding.breach == law
    assert len(outcome.finding.path) == steps
