"""A failing run becomes small, and fails in the same way."""

from dataclasses import replace
from pathlib import Path

import pytest

from gossipbook.crdt import interpretation
from gossipbook.sim.plan import Plan
from gossipbook.sim.run import run_plan
from gossipbook.sim.shrink import Shrinker

from .overfilling import Overfilling
from .support import fault, plan, small

BUSY = small(
    fault("crash", who="member", at_s=1, for_s=1)
    + fault("partition", shape="isolate", who="follower", at_s=0.5, for_s=1)
    + fault("loss", share=0.05, at_s=0.2),
    peers=6,
    seconds=5,
    ops_per_s=20,
)


@pytest.fixture
def overfilling(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that fills more than there is."""
    monkeypatch.setattr(interpretation, "Engine", Overfilling)


@pytest.mark.usefixtures("overfilling")
def test_a_double_fill_shrinks_to_a_tenth() -> None:
    made, told = plan(BUSY, 1), []
    first = run_plan(made).violations[0]
    assert first.invariant in ("I1", "I2")
    shrinker = Shrinker(made, first.invariant, lambda what, smaller: told.append((what, smaller.events())))
    small_one = shrinker.shrink()
    assert small_one.events() <= made.events() / 10
    assert small_one.faults == ()
    assert 1 <= len(small_one.orders) <= 3
    assert small_one.scenario.network.peers == 4
    assert small_one.scenario.workload.seconds < made.scenario.workload.seconds
    assert shrinker.runs < 200
    sizes = [size for _, size in told]
    assert sizes == sorted(sizes, reverse=True)
    again = run_plan(Plan.from_json(small_one.to_json()))
    assert again.verdict == "invalid"
    assert again.violations[0].invariant == first.invariant


@pytest.mark.usefixtures("overfilling")
def test_it_stops_at_its_cap_with_something_that_fails() -> None:
    made = plan(BUSY, 1)
    invariant = run_plan(made).violations[0].invariant
    shrinker = Shrinker(made, invariant, runs_cap=4)
    found = shrinker.shrink()
    assert shrinker.runs <= 5
    assert invariant in {violation.invariant for violation in run_plan(found).violations}


def test_a_fault_that_matters_is_kept() -> None:
    """What needs the partition keeps it, shortened, and loses everything else."""
    cut = fault("partition", shape="isolate", who="2 members", at_s=1)
    hasty = plan(
        small(
            "[[fault]]\nkind = 'loss'\nat_s = 0.2\nfor_s = 1\nshare = 0.05\n" + cut, "heal_s = 0.05\nterm_changes = 0"
        ),
        1,
    )
    made = replace(hasty, orders=tuple(order for order in hasty.orders if order.at_us < 3_000_000))
    assert run_plan(replace(made, faults=())).verdict == "valid"
    assert "I10" in {violation.invariant for violation in run_plan(made).violations}
    found = Shrinker(made, "I10", runs_cap=60).shrink()
    assert len(found.faults) == 1
    assert found.faults[0].who == "2 members"
    assert found.events() < made.events()
    assert "I10" in {violation.invariant for violation in run_plan(found).violations}


def test_what_does_not_fail_is_left_alone() -> None:
    made = plan(small(fault("crash", at_s=1, for_s=1), seconds=1), 2)
    assert Shrinker(made, "I1", runs_cap=12).shrink() == made


@pytest.mark.usefixtures("overfilling")
def test_it_is_the_same_invariant_that_is_violated() -> None:
    """A run that fails in another way is no smaller version of this one."""
    made = plan(small(ops_per_s=20), 1)
    assert not [violation for violation in run_plan(made).violations if violation.invariant == "I6"]
    assert Shrinker(made, "I6", runs_cap=12).shrink() == made


def test_files_of_plans_are_one_line(tmp_path: Path) -> None:
    made = plan(BUSY, 1)
    file = tmp_path / "plan.json"
    file.write_text(made.to_json() + "\n")
    assert file.read_text().count("\n") == 1
    assert Plan.from_json(file.read_text()) == made
