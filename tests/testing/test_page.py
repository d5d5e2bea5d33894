"""What docs/test.md shows of the simulator works as it stands there."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gossipbook.errors import ScenarioError
from gossipbook.scenario.parts import ADVERSARIES, FAULTS
from gossipbook.scenario.reading import SECTIONS, parse_scenario
from gossipbook.sim.plan import make_plan
from gossipbook.sim.run import run_plan

PAGE = (Path(__file__).parents[2] / "docs" / "test.md").read_text()


def scenario_text() -> str:
    (text,) = [block for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if "[[fault]]" in block]
    return text


def test_the_scenario_runs() -> None:
    outcome = run_plan(make_plan(parse_scenario(scenario_text(), "mine.toml"), 1))
    assert outcome.verdict == "valid", outcome.summary


def test_the_error_is_the_one_shown() -> None:
    with pytest.raises(ScenarioError) as raised:
        parse_scenario(scenario_text().replace("shape =", "shap ="), "mine.toml")
    assert f"`{raised.value}`" in PAGE


def test_every_key_and_fault_is_named() -> None:
    from dataclasses import fields

    names = [f.name for part in SECTIONS.values() for f in fields(part)] + [*FAULTS, *ADVERSARIES]
    assert [name for name in names if f"`{name}`" not in PAGE] == []


def test_the_fixture_does_what_the_example_says(simulated_exchange: Callable[..., object]) -> None:
    *_, code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Callable[[object], None]] = {}
    exec(code, names)
    names["test_my_bid_survives_a_partition"](simulated_exchange)
