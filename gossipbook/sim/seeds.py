"""Run many seeds of one or more scenarios, and add up their results."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePath

from gossipbook.scenario.scenario import Scenario
from gossipbook.sim.checkers import INVARIANTS
from gossipbook.sim.plan import Plan, make_plan
from gossipbook.sim.run import INVALID, UNKNOWN, VALID, SimulationResult, Watcher, run_plan
from gossipbook.sim.swarm import swarm_scenario


@dataclass(frozen=True, slots=True)
class Job:
    """One seed to run. ``swarm`` draws the faults from the seed, and without a scenario the network too."""

    scenario: Scenario | None
    seed: int
    swarm: bool = False

    @property
    def name(self) -> str:
        return "swarm" if self.scenario is None else self.scenario.name

    def plan(self) -> Plan:
        if not self.swarm:
            assert self.scenario is not None
            return make_plan(self.scenario, self.seed)
        return make_plan(swarm_scenario(self.seed, self.scenario), self.seed)


def run_job(job: Job, watcher: Watcher | None = None) -> SimulationResult:
    """Run one job, in this process or a worker."""
    return run_plan(job.plan(), watcher)


@dataclass
class SeedResults:
    """Results added up in the order of their jobs, so that the hash does not depend on which finished first."""

    runs: int = 0
    invalid: dict[str, list[int]] = field(default_factory=dict)
    unknown: dict[str, list[int]] = field(default_factory=dict)
    checks: dict[str, int] = field(default_factory=lambda: dict.fromkeys(INVARIANTS, 0))
    deliveries: int = 0
    sim_s: float = 0.0
    fills: int = 0
    term_changes: int = 0
    prepared: int = 0
    taken_back: int = 0
    hashes: dict[tuple[str, int], str] = field(default_factory=dict)

    def add(self, job: Job, outcome: SimulationResult) -> None:
        self.runs += 1
        if outcome.verdict == INVALID:
            self.invalid.setdefault(job.name, []).append(job.seed)
        elif outcome.verdict == UNKNOWN:
            self.unknown.setdefault(job.name, []).append(job.seed)
        for name, count in outcome.checks.items():
            self.checks[name] += count
        self.deliveries += outcome.deliveries
        self.sim_s += outcome.sim_s
        self.fills += outcome.fills
        self.term_changes += outcome.term_changes
        self.prepared += outcome.prepared
        self.taken_back += outcome.taken_back
        self.hashes[job.name, job.seed] = outcome.trace_hash

    @property
    def verdict(self) -> str:
        """Invalid if any seed is, else unknown if any is or there is none."""
        if self.invalid:
            return INVALID
        return UNKNOWN if self.unknown or not self.runs else VALID

    def trace_hash(self, jobs: Iterable[Job]) -> str:
        """Hash the traces of all seeds."""
        total = hashlib.sha256()
        for job in jobs:
            name = PurePath(job.name).stem  # Not the way by which the file was named.
            total.update(f"{name} {job.seed} {self.hashes.get((job.name, job.seed), '')}\n".encode())
        return total.hexdigest()

    def seeds(self, of: dict[str, list[int]]) -> list[int]:
        """Return the seeds of all scenarios together, each once."""
        return sorted({seed for seeds in of.values() for seed in seeds})
