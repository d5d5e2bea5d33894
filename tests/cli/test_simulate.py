"""``gossipbook simulate``: what it runs, what it prints, and how it exits."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sim.overfilling import Overfilling

from gossipbook.crdt import interpretation
from gossipbook.scenario.reading import parse_scenario
from gossipbook.sim.checkers import INVARIANTS
from gossipbook.sim.plan import make_plan

from .support import ENVIRONMENT, answer, invoke

GOOD = "# A test.\n[network]\ndelay_ms = [1, 4]\n[workload]\nseconds = 2\nops_per_s = 20\n"
SILENT = GOOD.replace("ops_per_s = 20", "ops_per_s = 0")
WRONG = GOOD + "[budget]\ndeliveries = 50\n"
KEYS = {
    *("verdict", "seeds", "invalid_seeds", "unknown_seeds", "checks", "deliveries", "deliveries_per_s", "trace_hash"),
    *("wall_s", "sim_s"),
}
pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a scenario of each verdict."""
    for name, text in (("good", GOOD), ("silent", SILENT), ("wrong", WRONG)):
        (tmp_path / f"{name}.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def simulate(*arguments: object, code: int = 0) -> Any:
    return answer("simulate", *arguments, code=code)


# -- one scenario ---------------------------------------------------------------------------------------


def test_a_valid_run() -> None:
    row = simulate("good.toml")
    assert row.keys() >= KEYS
    assert (row["verdict"], row["seeds"], row["invalid_seeds"], row["unknown_seeds"]) == ("valid", 1, [], [])
    assert tuple(row["checks"]) == INVARIANTS
    assert row["deliveries"] > 100
    assert row["deliveries_per_s"] > 0
    assert row["sim_s"] > 3
    assert row["wall_s"] > 0
    assert len(row["trace_hash"]) == 64


def test_an_unknown_run() -> None:
    row = simulate("silent.toml", "--seeds", "3..4", code=3)
    assert row.keys() >= KEYS
    assert (row["verdict"], row["seeds"], row["unknown_seeds"]) == ("unknown", 2, [3, 4])


def test_an_invalid_run() -> None:
    row = simulate("wrong.toml", "--seeds", "3..4", code=1)
    assert row.keys() >= KEYS
    assert (row["verdict"], row["seeds"], row["invalid_seeds"]) == ("invalid", 2, [3, 4])


def test_the_verdict_is_told_to_people_too() -> None:
    said = invoke("simulate", "good.toml").stdout
    assert "verdict: valid" in said
    assert all(name in said for name in INVARIANTS)
    said = invoke("simulate", "silent.toml", code=3).stdout
    assert "unknown: silent.toml: too little happened in seeds 0" in said
    assert "verdict: unknown" in said


def test_a_failure_is_told_with_how_to_see_it_again() -> None:
    result = invoke("simulate", "wrong.toml", "--seed", 4, "--json", code=1)
    assert "invalid: wrong.toml seed 4: I8 at " in result.stderr
    assert "replay: gossipbook simulate wrong.toml --seed 4" in result.stderr
    assert len(result.stdout.splitlines()) == 1


def test_only_the_first_failure_is_told_at_length() -> None:
    said = invoke("simulate", "wrong.toml", "--seeds", "0..2", code=1).stdout
    assert said.count("invalid: wrong.toml seed") == 3
    assert said.count("replay: gossipbook simulate") == 3


# -- the same hash --------------------------------------------------------------------------------------


def test_one_hash_with_any_number_of_jobs_and_in_another_process() -> None:
    here = simulate("good.toml", "--seeds", "0..2", "--jobs", 1)
    pool = simulate("good.toml", "--seeds", "0..2", "--jobs", 2)
    command = [sys.executable, "-m", "gossipbook", "simulate", "good.toml", "--seeds", "0..2", "--json"]
    environment = {**ENVIRONMENT, "PYTHONHASHSEED": "77"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    there = json.loads(done.stdout.splitlines()[-1])
    for row in (pool, there):
        for key in here.keys() - {"wall_s", "deliveries_per_s"}:
            assert row[key] == here[key], key


def test_another_hash_for_another_seed() -> None:
    assert simulate("good.toml", "--seed", 1)["trace_hash"] == simulate("good.toml", "--seeds", "1..1")["trace_hash"]
    assert simulate("good.toml", "--seed", 1)["trace_hash"] != simulate("good.toml", "--seed", 2)["trace_hash"]
    assert simulate("good.toml")["trace_hash"] == simulate("good.toml", "--seed", 0)["trace_hash"]


# -- a folder -------------------------------------------------------------------------------------------


def test_a_folder_runs_all_its_scenarios_and_not_those_below(folder: Path) -> None:
    (folder / "large").mkdir()
    (folder / "large" / "broken.toml").write_text("this is no scenario")
    (folder / "notes.txt").write_text("nor is this")
    row = simulate(folder, code=1)
    assert (row["runs"], row["seeds"]) == (3, 1)
    assert [Path(name).stem for name in row["scenarios"]] == ["good", "silent", "wrong"]
    assert row["verdict"] == "invalid"
    by_name = {Path(name).stem: seeds for name, seeds in row["scenarios"].items()}
    assert by_name["wrong"] == {"invalid_seeds": [0], "unknown_seeds": []}
    assert by_name["silent"] == {"invalid_seeds": [], "unknown_seeds": [0]}


def test_a_folder_must_have_a_scenario(folder: Path) -> None:
    (folder / "empty").mkdir()
    assert "no scenario (*.toml) in this folder" in invoke("simulate", folder / "empty", code=2).stderr


def test_one_wrong_scenario_stops_all(folder: Path) -> None:
    (folder / "bad.toml").write_text("[network]\npeeers = 4\n")
    said = invoke("simulate", folder, code=2).stderr
    assert "bad.toml: line 2: [network] has no key 'peeers'; did you mean 'peers'?" in said


# -- usage ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "span", ["3", "3..", "..3", "3-4", "a..b", "4..3", "-1..3", "0..99999999", "0..1..2", "0.5..1"]
)
def test_spans_of_seeds(span: str) -> None:
    assert "--seeds" in invoke("simulate", "good.toml", f"--seeds={span}", code=2).stderr


def test_a_seed_or_seeds() -> None:
    assert "not beside --seed" in invoke("simulate", "good.toml", "--seed", 1, "--seeds", "0..1", code=2).stderr


@pytest.mark.parametrize(
    "options",
    [("--seed", "-1"), ("--seed", "x"), ("--jobs", "0"), ("--colour", "red"), ("--replay", "nowhere.json")],
)
def test_options_that_are_none(options: tuple[str, str]) -> None:
    assert options[0] in invoke("simulate", "good.toml", *options, code=2).stderr


def test_a_scenario_that_is_not_there() -> None:
    assert "nowhere.toml" in invoke("simulate", "nowhere.toml", code=2).stderr


def test_nothing_to_run() -> None:
    assert "name a scenario file or a folder of them, or --swarm" in invoke("simulate", code=2).stderr


def test_a_report_is_about_one_seed() -> None:
    invoke("simulate", "good.toml", "--seeds", "0..1", "--report", "x.html", code=2)
    assert not Path("x.html").exists()


def test_a_file_that_is_no_text() -> None:
    Path("binary.toml").write_bytes(b"\xff\xfe\x00")
    assert invoke("simulate", "binary.toml", code=2).stderr.startswith("gossipbook: ")


# -- swarms ---------------------------------------------------------------------------------------------


def test_a_swarm_of_its_own() -> None:
    row = simulate("--swarm", "--seeds", "0..1")
    assert (row["verdict"], row["runs"], list(row["scenarios"])) == ("valid", 2, ["swarm"])
    assert row["trace_hash"] == simulate("--swarm", "--seeds", "0..1", "--jobs", 2)["trace_hash"]


def test_a_swarm_on_a_scenario() -> None:
    row = simulate("good.toml", "--swarm", "--seed", 1)
    assert (row["verdict"], list(row["scenarios"])) == ("valid", ["good.toml"])
    assert row["trace_hash"] != simulate("good.toml", "--seed", 1)["trace_hash"]


# -- replays --------------------------------------------------------------------------------------------


def test_a_plan_runs_as_its_seed_did() -> None:
    made = make_plan(parse_scenario(GOOD, "good.toml"), 7)
    Path("plan.json").write_text(made.to_json())
    row = simulate("--replay", "plan.json")
    assert row.keys() >= KEYS
    assert row["trace_hash"] == simulate("good.toml", "--seed", 7)["trace_hash"]
    assert "replayed plan.json: " in invoke("simulate", "--replay", "plan.json").stdout


@pytest.mark.parametrize("verdict", ["silent", "wrong"])
def test_a_replay_exits_with_its_verdict(verdict: str) -> None:
    made = make_plan(parse_scenario(Path(f"{verdict}.toml").read_text(), verdict), 0)
    Path("plan.json").write_text(made.to_json())
    simulate("--replay", "plan.json", code=3 if verdict == "silent" else 1)


@pytest.mark.parametrize(
    "garbage",
    [b"", b"[]", b"{}", b"null", b'{"format": 1}', b'{"format": 99}', b"\xff\xfe", b"[" * 100_000, b"nan"],
)
def test_garbage_is_not_replayed(garbage: bytes) -> None:
    Path("plan.json").write_bytes(garbage)
    result = invoke("simulate", "--replay", "plan.json", "--json", code=2)
    assert result.stderr.startswith("gossipbook: ")
    assert result.stdout == ""


# -- shrinking ------------------------------------------------------------------------------------------


def test_a_double_fill_is_made_small_and_seen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """To at most a tenth, in a file that fails alike; and that is valid once the bug is gone."""
    before = make_plan(parse_scenario(GOOD, "good.toml"), 1).events()
    with monkeypatch.context() as planted:
        planted.setattr(interpretation, "Engine", Overfilling)
        result = invoke("simulate", "good.toml", "--seeds", "1..2", "--shrink", "--json", code=1)
        assert f"shrunk from {before} to " in result.stderr
        file = Path("good-seed-1.plan.json")
        assert f"gossipbook simulate --replay {file}" in result.stderr
        assert not Path("good-seed-2.plan.json").exists(), "only the first"
        assert 10 * len(json.loads(file.read_text())["orders"]) <= before
        after = int(result.stderr.split(f"shrunk from {before} to ")[1].split()[0])
        assert 10 * after <= before
        invariant = result.stderr.split("invalid: good.toml seed 1: ")[1].split()[0]
        again = invoke("simulate", "--replay", file, "--json", code=1)
        assert f": {invariant} at " in again.stderr.splitlines()[0]
        assert "FINALIZES block" in again.stderr, "how it came about"
        assert json.loads(again.stdout.splitlines()[-1])["verdict"] == "invalid"
    assert simulate("--replay", file, code=0)["verdict"] == "valid"
