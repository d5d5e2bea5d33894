"""The explorer exhausts the real core without a finding, and finds every mutant by a shortest path."""

import gc
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from consensus.test_mutants import MUTANTS, commit_after_timeout, hides_in_timeout

from gossipbook.cli.app import app
from gossipbook.cli.test import explore as explore_module
from gossipbook.explorer import Configuration, Search, SearchResult, quick, trace


@pytest.fixture(autouse=True)
def _rare_collections() -> Iterator[None]:
    """A search makes many tuples that stay; looking through them for garbage takes a third of the time."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 50, 100)
    yield
    gc.set_threshold(*before)


def explored(configuration: Configuration) -> SearchResult:
    outcome = Search(configuration).run()
    print(configuration.describe(), outcome.figures, outcome.figures.transitions)
    return outcome


# -- the real core ----------------------------------------------------------------------------------------

# Global states up to renaming, for each of the spaces that CI exhausts. They change when what a member remembers
# does: look whether that was meant before pinning them anew.
EXHAUSTED = {
    0: (11_209, 349_711, 16_943, 19_465),
    1: (5_843, 509_462, 5_704, 52_221),
}


@pytest.mark.parametrize("liar", EXHAUSTED)
def test_the_real_core_breaks_no_law(liar: int) -> None:
    outcomes = [explored(configuration) for configuration in quick(liar)]
    assert [outcome.finding for outcome in outcomes] == [None] * len(outcomes)
    assert all(outcome.exhausted and outcome.verdict == "valid" for outcome in outcomes)
    assert tuple(outcome.figures.states for outcome in outcomes) == EXHAUSTED[liar]
    taken = {kind: sum(o.figures.actions[kind] for o in outcomes) for kind in outcomes[0].figures.actions}
    assert set(taken) == {"proposal", "nc", "fc", "tc", "body", "timer", "restart"}
    assert all(taken.values()), taken


def test_restarts_in_both_terms_break_no_law() -> None:
    """Any number of restarts, and timers in the last term too: all paths of eight steps."""
    outcome = explored(Configuration(depth_cap=8))
    assert outcome.finding is None
    assert not outcome.exhausted
    assert outcome.verdict == "unknown"
    assert outcome.figures.states == 32_642
    assert all(outcome.figures.actions.values())


def test_two_heights_break_no_law() -> None:
    outcome = explored(Configuration(heights=2, depth_cap=7))
    assert outcome.finding is None
    assert outcome.figures.states == 11_047


# -- symmetry and order ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bounds",
    [
        {"terms": 1, "depth_cap": 7},
        {"terms": 1, "liar": 1},
        {"terms": 2, "depth_cap": 6},
        {"terms": 2, "liar": 1, "depth_cap": 5},
        {"terms": 3, "depth_cap": 5},
        {"heights": 2, "depth_cap": 6},
    ],
    ids=str,
)
def test_symmetry_loses_no_state(bounds: dict[str, int]) -> None:
    """The states that the canonical ones stand for are as many as are found when none are taken for the same."""
    reduced = Search(Configuration(**bounds))
    states = reduced.run().figures.states
    whole = Search(Configuration(**bounds, symmetry=False)).run().figures.states
    assert reduced.orbits() == whole
    assert states < whole


def test_which_seats_are_honest_makes_no_difference_where_none_of_them_leads() -> None:
    def figures(liar: int) -> tuple[object, ...]:
        found = explored(Configuration(liar, depth_cap=7)).figures
        return found.states, found.transitions, found.actions

    assert figures(2) == figures(3)


def test_counts_are_the_same_in_every_process() -> None:
    code = (
        "from gossipbook.explorer import Configuration, Search\n"
        "figures = Search(Configuration(depth_cap=6)).run().figures\n"
        "print(figures, figures.transitions)"
    )
    told = [
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True)
        for seed in ("1", "2")
    ]
    assert told[0].stdout == told[1].stdout != b""


# -- mutants ----------------------------------------------------------------------------------------------

# The law that each breaks first, and in how many steps at least.
ANY_LOCK = "any lock instead of the highest-term one"
LIARS = {"followers skip the TC check": 1, ANY_LOCK: 2}  # the leader of term 0 has no TC to disobey
BOUNDS = {ANY_LOCK: {"terms": 3, "restarts": 0, "last_term_ends": False}}  # It takes locks of two terms.
FOUND = {
    "COMMIT after TIMEOUT": ("a COMMIT in term 0 after a TIMEOUT of term 0", 4),
    "timed_out lost on restart": ("a PREPARE in term 0 after a TIMEOUT of term 0", 3),
    "lock left out of TIMEOUT": ("shows fin 0 and no lock after a COMMIT", 4),
    "followers skip the TC check": ("a PREPARE of t1:o1 where the TC binds to t0:o1+o2", 4),
    "COMMIT on an old-term lock": ("in term 1 without 3 PREPAREs of that term", 5),
    "fin left out of TIMEOUT": ("shows fin 0 and no lock after a COMMIT", 6),
    "lock lost on restart": ("shows fin 0 and no lock after a COMMIT", 5),
    "PREPARE lost on restart": ("two PREPAREs in term 0 at height 1", 3),
    ANY_LOCK: ("a PREPARE of t0:o1+o2 where the TC binds to t1:o1+o2", 9),
    "quorum one too small": ("a COMMIT of t0:o1 in term 0 without 3 PREPAREs of that term", 2),
}


def test_every_mutant_is_looked_for() -> None:
    assert FOUND.keys() == MUTANTS.keys()


@pytest.mark.parametrize("name", FOUND)
def test_the_mutant_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[name][0](monkeypatch)
    liar = LIARS.get(name, 0)
    outcome = explored(Configuration(liar, states_cap=100_000, **BOUNDS.get(name, {})))
    assert outcome.finding is not None
    print("\n".join(trace(outcome.finding, liar)))
    law, steps = FOUND[name]
    assert law in outcome.finding.breach
    assert len(outcome.finding.path) == steps


# Votes that break a rule overlooked, until two blocks are final.
TO_TWO_FINALS = {
    "COMMIT after TIMEOUT": (0, 10),
    "lock left out of TIMEOUT": (0, 10),
    "followers skip the TC check": (1, 9),
    "quorum one too small": (0, 4),
}


@pytest.mark.parametrize("name", TO_TWO_FINALS)
def test_the_mutant_leads_to_two_final_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[name][0](monkeypatch)
    liar, steps = TO_TWO_FINALS[name]
    outcome = explored(Configuration(liar, restarts=0, last_term_ends=False, agreement_only=True))
    assert outcome.finding is not None
    print("\n".join(trace(outcome.finding, liar)))
    assert outcome.finding.breach.startswith("two final blocks at height 1")
    assert len(outcome.finding.path) == steps


STORY = [
    "the liar is a",
    "1. b gets PROPOSE(t0:o1, term 0, height 1): sends PREPARE(t0:o1, term 0)",
    "2. c gets PROPOSE(t0:o1, term 0, height 1): sends PREPARE(t0:o1, term 0)",
    "3. b gets NC(t0:o1, term 0): sends COMMIT(t0:o1, term 0)",
    "4. b loses patience: sends TIMEOUT(term 0, nothing final, no lock)",
    "violation: a TIMEOUT of term 0 shows fin 0 and no lock after a COMMIT of t0:o1",
]


def test_a_finding_reads_as_a_story(monkeypatch: pytest.MonkeyPatch) -> None:
    hides_in_timeout(lock=True, fin=False)(monkeypatch)
    outcome = explored(Configuration())
    assert outcome.finding is not None
    assert trace(outcome.finding, 0) == STORY


# -- the command --------------------------------------------------------------------------------------------


def run(monkeypatch: pytest.MonkeyPatch, *configurations: Configuration) -> tuple[int, dict[str, object], str]:
    monkeypatch.setattr(explore_module, "quick", lambda liar: configurations)
    result = CliRunner().invoke(app, ["explore", "--json", "--progress"])
    return result.exit_code, json.loads(result.stdout.splitlines()[-1]), result.stderr


def test_the_command_says_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    code, told, _ = run(monkeypatch, Configuration(1, terms=1))
    assert (code, told["verdict"], told["states"]) == (0, "valid", 5_843)
    assert {"transitions", "local_transitions", "actions", "depth", "wall_s"} <= told.keys()


def test_the_command_says_unknown_at_a_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    code, told, _ = run(monkeypatch, Configuration(depth_cap=3))
    assert (code, told["verdict"]) == (3, "unknown")


def test_the_command_tells_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    commit_after_timeout(monkeypatch)
    code, told, heard = run(monkeypatch, Configuration())
    assert (code, told["verdict"]) == (1, "invalid")
    assert "violation: a COMMIT in term 0 after a TIMEOUT of term 0" in heard
