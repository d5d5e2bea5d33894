"""Many seeds together: sums, the worst verdict, and one hash that does not depend on who was quicker."""

from dataclasses import replace

import pytest

from gossipbook.sim.checkers import INVARIANTS
from gossipbook.sim.run import SimulationResult
from gossipbook.sim.seeds import Job, SeedResults, run_job

from .support import fault, outcome, plan, scenario, small

JOBS = [Job(scenario(small(seconds=1)), seed) for seed in range(4)]
ONE = outcome(small(seconds=1, ops_per_s=20))


def came(seed: int, verdict: str = "valid") -> SimulationResult:
    return replace(ONE, seed=seed, verdict=verdict, trace_hash=f"{seed:064x}")


def results_of(*outcomes: tuple[Job, SimulationResult]) -> SeedResults:
    made = SeedResults()
    for job, result in outcomes:
        made.add(job, result)
    return made


def test_sums() -> None:
    made = results_of(*[(job, came(job.seed)) for job in JOBS])
    assert made.runs == 4
    assert made.deliveries == 4 * ONE.deliveries
    assert made.fills == 4 * ONE.fills
    assert made.sim_s == pytest.approx(4 * ONE.sim_s)
    assert made.checks == {name: 4 * ONE.checks[name] for name in INVARIANTS}


@pytest.mark.parametrize(
    ("verdicts", "together"),
    [
        ((), "unknown"),
        (("valid", "valid"), "valid"),
        (("valid", "unknown"), "unknown"),
        (("unknown", "invalid"), "invalid"),
        (("invalid", "valid"), "invalid"),
    ],
)
def test_the_worst_verdict_counts(verdicts: tuple[str, ...], together: str) -> None:
    made = results_of(*[(job, came(job.seed, verdict)) for job, verdict in zip(JOBS, verdicts, strict=False)])
    assert made.verdict == together
    assert made.seeds(made.invalid) == [n for n, verdict in enumerate(verdicts) if verdict == "invalid"]
    assert made.seeds(made.unknown) == [n for n, verdict in enumerate(verdicts) if verdict == "unknown"]


def test_the_hash_is_of_all_seeds_in_their_order() -> None:
    forth = results_of(*[(job, came(job.seed)) for job in JOBS])
    back = results_of(*[(job, came(job.seed)) for job in reversed(JOBS)])
    assert forth.trace_hash(JOBS) == back.trace_hash(JOBS)
    other = results_of(*[(job, came(job.seed)) for job in JOBS[:-1]], (JOBS[-1], replace(came(3), trace_hash="f" * 64)))
    assert other.trace_hash(JOBS) != forth.trace_hash(JOBS)
    assert results_of().trace_hash(JOBS) != forth.trace_hash(JOBS)


def test_one_seed_of_two_scenarios_counts_twice() -> None:
    other = Job(replace(scenario(small(seconds=1)), name="other.toml"), 0)
    made = results_of((JOBS[0], came(0, "invalid")), (other, came(0, "invalid")))
    assert made.invalid == {"test.toml": [0], "other.toml": [0]}
    assert made.seeds(made.invalid) == [0]
    assert made.runs == 2


def test_a_job_is_a_plan() -> None:
    assert Job(scenario(), 5).plan() == plan(seed=5)
    assert Job(scenario(), 5).name == "test.toml"
    assert Job(None, 5, swarm=True).name == "swarm"
    assert run_job(Job(scenario(small(fault("crash"), seconds=1)), 2)) == outcome(small(fault("crash"), seconds=1), 2)
