"""Plans: to a file and back, and nothing but a plan is taken for one."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossipbook.errors import ScenarioError
from gossipbook.matching.commands import Amend, Cancel, CancelAll, Place
from gossipbook.scenario.chance import seeded
from gossipbook.scenario.orders import PlannedOp
from gossipbook.scenario.parts import FAULTS, BudgetPart, ExpectPart, FaultPart, NetworkPart, WardenPart, WorkloadPart
from gossipbook.scenario.rules import DELAYS, DISK_TROUBLES, LEADER_SIDES, MOMENTS, SHAPES, STATES
from gossipbook.scenario.scenario import Scenario
from gossipbook.sim.plan import Plan, identities, make_manifest
from gossipbook.sim.swarm import swarm_scenario

from .support import fault, plan, small

FRACTION = st.floats(0, 1)
SECONDS = st.floats(0, 3_600)
SPAN = st.lists(st.floats(0, 90), min_size=2, max_size=2).map(lambda two: tuple(sorted(two)))
WHO = st.sampled_from(["", "leader", "peer 3", "2 members"])
FAULT = st.builds(
    FaultPart,
    st.sampled_from(list(FAULTS)),
    SECONDS,
    SECONDS,
    WHO,
    st.sampled_from(SHAPES),
    st.sampled_from(LEADER_SIDES),
    st.floats(0.01, 10),
    st.sampled_from(MOMENTS),
    FRACTION,
    SPAN,
    st.integers(1, 9_999),
    st.floats(0.01, 10),
    st.sampled_from(DISK_TROUBLES),
    st.integers(-90_000, 90_000),
    st.integers(-200_000, 200_000),
)
NETWORK = st.builds(
    NetworkPart,
    peers=st.integers(4, 30),
    pairs=st.integers(1, 16),
    delay=st.sampled_from(DELAYS),
    delay_ms=SPAN,
    loss=FRACTION,
    kbit_s=st.integers(0, 10_000),
    signatures=st.sampled_from(["stub", "real"]),
)
SCENARIO = st.builds(
    Scenario,
    st.text(),
    NETWORK,
    st.builds(
        WorkloadPart,
        seconds=st.floats(0.1, 3_600),
        expiring=FRACTION,
        special=FRACTION,
        leases=st.booleans(),
        loyal=st.booleans(),
    ),
    st.lists(FAULT, max_size=4).map(tuple),
    st.builds(ExpectPart, st.integers(0, 9), st.integers(-1, 9), st.floats(0.1, 3_600)),
    st.builds(BudgetPart, st.floats(0.1, 9), st.integers(0, 10**9)),
    st.text(),
    st.lists(st.builds(WardenPart, st.sampled_from(list(STATES)), SECONDS), max_size=3).map(tuple),
)
NUMBER = st.integers(0, 2**63 - 1)
ID = st.integers(1, 2**63 - 1)
PLACE = st.builds(
    Place,
    ID,
    st.integers(1, 2),
    st.integers(1, 2),
    NUMBER,
    NUMBER,
    st.integers(1, 4),
    st.integers(0, 1),
    st.integers(1, 4),
    NUMBER,
)
COMMAND = st.one_of(
    PLACE,
    st.builds(Cancel, ID),
    st.builds(Amend, ID, NUMBER, NUMBER, st.integers(0, 1)),
    st.builds(CancelAll, st.integers(0, 2)),
)
ORDER = st.builds(
    PlannedOp, NUMBER, st.text(), st.integers(0, 15), st.lists(COMMAND, min_size=1, max_size=3).map(tuple), NUMBER
)
PLAN = st.builds(Plan, SCENARIO, NUMBER, st.lists(ORDER, max_size=4).map(tuple), st.lists(FAULT, max_size=3).map(tuple))


@given(PLAN)
@settings(max_examples=150, deadline=None)
def test_there_and_back(made: Plan) -> None:
    text = made.to_json()
    again = Plan.from_json(text)
    assert again == made
    assert again.to_json() == text
    assert "\n" not in text


@pytest.mark.parametrize("seed", range(8))
def test_a_swarm_there_and_back(seed: int) -> None:
    drawn = swarm_scenario(seed)
    made = Plan(drawn, seed, plan(small(), seed).orders, drawn.faults)
    again = Plan.from_json(made.to_json())
    assert again == made
    assert [type(c) for o in again.orders for c in o.commands] == [type(c) for o in made.orders for c in o.commands]


WHOLE = json.loads(plan(small(fault("partition") + fault("delay"), seconds=1), 3).to_json())
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=6,
)


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, item in inner for path in paths(item, (*at, key)))]


def altered(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = altered(value[path[0]], path[1:], by)
    return copy


@given(st.sampled_from(paths(WHOLE)), ANYTHING)
@settings(max_examples=500, deadline=None)
def test_a_plan_with_anything_in_any_place_is_a_plan_or_a_scenario_error(path: tuple[Any, ...], by: Any) -> None:
    try:
        read = Plan.from_json(json.dumps(altered(WHOLE, path, by)))
    except ScenarioError:
        return
    assert Plan.from_json(read.to_json()) == read
    make_manifest(read.scenario.network, identities(replace(read.scenario.network, peers=7)))


@given(st.one_of(st.text(), ANYTHING.map(json.dumps)))
@settings(max_examples=150, deadline=None)
def test_garbage_is_no_plan(text: str) -> None:
    with pytest.raises(ScenarioError):
        Plan.from_json(text)


@pytest.mark.parametrize(
    ("path", "by"),
    [
        ((), []),
        (("format",), 2),
        (("seed",), -1),
        (("seed",), "3"),
        (("scenario", "network"), []),
        (("scenario", "network", "peers"), 10**9),
        (("scenario", "network", "peers"), 4.0),
        (("scenario", "network", "delay_ms"), [1.0]),
        (("scenario", "workload", "seconds"), float("nan")),
        (("scenario", "name"), None),
        (("faults", 0, "kind"), "earthquake"),
        (("faults", 0, "at_s"), float("inf")),
        (("faults", 0, "who"), "nobody"),
        (("orders", 0, 3), []),
        (("orders", 0, 3, 0), []),
        (("orders", 0, 3, 0), [9, 1]),
        (("orders", 0, 3, 0, 1), -1),
        (("orders", 0, 3, 0, 1), 1.5),
        (("orders", 0, 3, 0, 1), True),
        (("orders", 0, 3, 0), [1, 1, 7, 1, 1, 1, 1]),
        (("orders", 0, 0), -5),
        (("orders", 0), [1, 2]),
    ],
)
def test_what_no_plan_says(path: tuple[Any, ...], by: Any) -> None:
    with pytest.raises(ScenarioError):
        Plan.from_json(json.dumps(altered(WHOLE, path, by)))


def test_deep_garbage_is_no_plan() -> None:
    with pytest.raises(ScenarioError):
        Plan.from_json("[" * 100_000)


def test_events_count_commands_and_faults() -> None:
    made = plan(small(fault("crash"), seconds=1), 3)
    assert made.events() == 1 + sum(len(order.commands) for order in made.orders)
    assert made.in_fair_weather().faults == made.in_fair_weather().scenario.faults == ()


def test_sources_of_chance_are_apart() -> None:
    draws = [seeded(1, "a").random(), seeded(1, "b").random(), seeded(2, "a").random()]
    assert len(set(draws)) == 3
    assert seeded(1, "a").random() == draws[0]
