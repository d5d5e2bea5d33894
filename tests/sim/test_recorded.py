"""Recorded order flow as a workload."""

from pathlib import Path

import pytest

from gossipbook.errors import ScenarioError
from gossipbook.matching.commands import Place
from gossipbook.scenario.reading import parse_scenario
from gossipbook.sim.plan import make_plan
from gossipbook.sim.run import run_plan

SHARED = Path(__file__).parents[3] / "shared" / "data"
RECORDED = sorted(SHARED.glob("AAPL*_message_50.csv")) if SHARED.is_dir() else []

ROWS = """\
34200.000000000,1,11,100,5850000,1
34200.100000000,1,12,100,5860000,-1
34200.300000000,4,12,60,5860000,-1
34201.500000000,3,11,100,5850000,1
"""


def scenario(folder: Path, flow: str, more: str = "", seconds: int = 1):  # type: ignore[no-untyped-def]
    text = f'# Why.\n[workload]\nflow = "{flow}"\nseconds = {seconds}\nops_per_s = 0\n{more}'
    return parse_scenario(text, str(folder / "recorded.toml"))


def test_the_files_own_times_and_the_first_seconds_only(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    orders = make_plan(scenario(tmp_path, "rows.csv"), 1).orders
    assert [order.at_us for order in orders] == [0, 100_000, 300_000]
    assert [type(order.commands[0]) for order in orders] == [Place] * 3
    assert orders[2].author.startswith("taker")


def test_an_even_pace(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    text = '[workload]\nflow = "rows.csv"\nseconds = 1\nops_per_s = 4\n'
    paced = parse_scenario(text, str(tmp_path / "recorded.toml"))
    assert [order.at_us for order in make_plan(paced, 1).orders] == [0, 250_000, 500_000, 750_000]


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"flow: no file .*nowhere\.csv"):
        make_plan(scenario(tmp_path, "nowhere.csv"), 1)


@pytest.mark.skipif(not RECORDED, reason="the recorded flow is not beside the project")
def test_a_recorded_market_through_a_partition() -> None:
    fault = '[[fault]]\nkind = "partition"\nat_s = 2\nfor_s = 3\n'
    outcome = run_plan(make_plan(scenario(RECORDED[0].parent, RECORDED[0].name, fault, 8), 1))
    assert outcome.verdict == "valid", outcome.summary
    assert outcome.fills > 0
