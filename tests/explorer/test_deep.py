"""With several heights in flight: the real core is exhausted without a finding, and the weakenings are found."""

from collections.abc import Iterator

import pytest
from consensus.deep_mutants import DEEP_MUTANTS

from gossipbook.explorer import Configuration, Search, SearchResult
from gossipbook.explorer.fingerprint import MergingFingerprint
from gossipbook.explorer.member import ExploredMember

from .test_explorer import _rare_collections

__all__ = ["_rare_collections"]


def explored(configuration: Configuration) -> SearchResult:
    outcome = Search(configuration).run()
    print(configuration.describe(), outcome.figures, outcome.figures.transitions)
    return outcome


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
        {"terms": 1, "heights": 2, "depth": 2, "depth_cap": 6},
        {"terms": 2, "depth_cap": 7, "restarts": 1},
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
