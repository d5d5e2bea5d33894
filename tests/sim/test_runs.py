"""One seed, one run: in every process, on every interpreter that is there, and as it was when last looked at."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gossipbook.sim.checkers import INVARIANTS
from gossipbook.sim.checkers.liveness import LivenessChecker
from gossipbook.sim.run import Progress, run_plan
from gossipbook.sim.seeds import Job, run_job
from gossipbook.sim.swarm import swarm_scenario

from .support import fault, outcome, plan, small, watched

ROOT = Path(__file__).parent.parent.parent
GOLDEN = ROOT / "tests" / "vectors" / "simulation_hashes.txt"
SCENARIOS = {
    "isolate-leader": 1,
    "twins": 2,
    "forger-and-replayer": 3,
    "torn-writes": 4,
    "divergent-views": 5,
    "front-runner": 6,
}
SWARM = range(100, 106)
OTHERS = ("python3.11", "python3.12", "python3.13", "python3.14")
TIMEOUT_S = 240

PROGRAM = f"""
from pathlib import Path
from gossipbook.scenario.reading import parse_scenario
from gossipbook.sim.seeds import Job, run_job

def tell(name, job):
    outcome = run_job(job)
    print(name, job.seed, outcome.verdict, outcome.trace_hash)

for name, seed in {SCENARIOS!r}.items():
    text = Path({str(ROOT)!r}, "simulations", name + ".toml").read_text()
    tell(name, Job(parse_scenario(text, name), seed))
for seed in {list(SWARM)!r}:
    tell("swarm", Job(None, seed, swarm=True))
"""


def hashes(hash_seed: str, python: str = sys.executable) -> str:
    """A line for each run: what it was, its verdict, its trace hash."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [python, "-c", PROGRAM], env=environment, check=True, capture_output=True, text=True, timeout=TIMEOUT_S
    ).stdout


def test_one_seed_gives_one_trace_whatever_the_hash_seed() -> None:
    """Under faults of all sorts, liars and swarms included; and the same as in the committed file."""
    first, second = hashes("1"), hashes("2")
    assert first == second
    lines = [line.split() for line in first.splitlines()]
    assert len({words[-1] for words in lines}) == len(SCENARIOS) + len(SWARM)
    assert {words[2] for words in lines} == {"valid"}
    if os.environ.get("GOSSIPBOOK_REWRITE") == "1":
        GOLDEN.write_text(first)
    assert first == GOLDEN.read_text()


def why_not(python: str) -> str:
    """Why an interpreter cannot run simulations; empty if it can."""
    path = shutil.which(python)
    if path is None:
        return "it is not installed"
    if Path(path).resolve() == Path(sys.executable).resolve():
        return "it is the one that runs this test"
    probe = subprocess.run(
        [path, "-c", "import gossipbook.sim.seeds"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    if not probe.returncode:
        return ""
    said = probe.stderr.strip().splitlines() or ["it fails and says nothing"]
    return said[-1] if "Error" in said[-1] else said[0]


def test_other_interpreters_give_the_same_traces(record_property: Callable[[str, object], None]) -> None:
    """Those that are installed with what the package needs; of the others it is said why they were not tried."""
    expected = GOLDEN.read_text()
    for python in OTHERS:
        reason = why_not(python)
        said = f"not tried: {reason}" if reason else "tried"
        print(f"{python}: {said}")
        record_property(python, said)
        if not reason:
            assert hashes("3", python) == expected, python


@pytest.mark.parametrize("seed", [0, 1])
def test_looking_on_changes_nothing(seed: int) -> None:
    """Neither a watcher nor a tape has a part in a run."""
    text = small(fault("crash", at_s=1, for_s=1) + fault("loss", share=0.1), peers=5)
    looks: list[Progress] = []
    plain = outcome(text, seed)
    seen = run_plan(plan(text, seed), looks.append)
    taped, _, _ = watched(text, seed)
    assert plain == seen == taped
    assert len(looks) > 10
    assert [look.sim_s for look in looks] == sorted(look.sim_s for look in looks)
    assert {look.active for look in looks} == {(), ("crash", "loss"), ("loss",)}
    assert looks[-1].heights == plain.heights
    assert max(look.peers - look.up for look in looks) == 1


def test_a_plan_that_was_written_down_runs_the_same() -> None:
    made = plan(small(fault("torn-write", at_s=1, for_s=1), peers=5), 5)
    assert run_plan(type(made).from_json(made.to_json())).trace_hash == run_plan(made).trace_hash


def test_checkers_have_no_part_in_a_run() -> None:
    """But one, for whose sake the silence at the end is listened to."""
    made = plan(small(fault("partition", at_s=1, for_s=1), peers=5), 5)
    assert run_plan(made, checkers=[LivenessChecker()]).trace_hash == run_plan(made).trace_hash


def test_an_outcome_tells_what_happened() -> None:
    result = outcome(small(fault("crash", at_s=1, for_s=0.5), peers=5), 2)
    assert (result.seed, result.verdict, result.lacks, result.violations) == (2, "valid", [], [])
    assert tuple(result.checks) == INVARIANTS
    assert result.ops > 20
    assert result.fills > 0
    assert result.heights["SIM0/USD"] > 5
    assert result.faults == ["crash 1..1.5 s"]
    assert 5.5 < result.sim_s < 20
    assert 0 <= result.heal_s < 5
    assert len(result.trace_hash) == 64
    assert result.deliveries > 500
    assert result.summary.endswith(" s after the heal")


def test_pairs_are_exchanges_of_their_own() -> None:
    result = outcome(small(peers=5, seconds=6, ops_per_s=15).replace("peers = 5", "peers = 5\npairs = 3"))
    assert result.verdict == "valid", result.summary
    assert set(result.heights) == {"SIM0/USD", "SIM1/USD", "SIM2/USD"}
    assert min(result.heights.values()) > 3


@pytest.mark.parametrize("seed", range(6))
def test_a_swarm_on_a_scenario_bears_no_more_liars_than_its_committee(seed: int) -> None:
    """Those of the scenario's own network, beside the liars that it has already."""
    crash_model = plan(
        small(seconds=2).replace("peers = 4", "peers = 4\ncommittee = 3\nfault_model = 'crash'")
    ).scenario
    with_liar = plan(small(fault("twins"), seconds=2)).scenario
    for base in (crash_model, with_liar):
        made = Job(base, seed, swarm=True).plan()
        assert made.scenario.network == base.network
        assert made.orders == plan_orders(base, seed)
        assert made.faults[: len(base.faults)] == base.faults
        assert len(made.faults) > len(base.faults)
        more = made.faults[len(base.faults) :]
        assert not [f for f in more if f.kind in LIARS or (f.kind, f.trouble) == ("disk", "flips")]
    assert run_job(Job(crash_model, seed, swarm=True)).verdict == "valid"


LIARS = frozenset(("equivocating-leader", "twins", "forger", "outdated-member", "front-runner", "vote-withholder"))


def plan_orders(base: object, seed: int) -> object:
    return Job(base, seed).plan().orders  # type: ignore[arg-type]


def test_swarms_differ() -> None:
    drawn = [swarm_scenario(seed) for seed in range(200)]
    assert swarm_scenario(7) == drawn[7]
    assert len({one.network for one in drawn}) > 50
    kinds = {fault.kind for one in drawn for fault in one.faults}
    assert len(kinds) >= 22
    assert all(one.faults for one in drawn)
    assert any(one.network.fault_model == "crash" for one in drawn)


def test_it_is_counted_how_often_what_was_prepared_is_taken_back() -> None:
    """In fair weather never; a leader that is cut off once it alone is locked is not followed by the others."""
    fair = outcome(small(peers=5))
    assert fair.prepared >= 3 * sum(fair.heights.values()), "by each member"
    assert fair.taken_back == 0
    text = small(fault("partition", at_s=1, for_s=3, shape="isolate", when="prepared"), peers=5, seconds=6)
    assert sum(outcome(text, seed).taken_back for seed in range(8)) > 0
