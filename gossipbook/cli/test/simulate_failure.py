"""What a person gets to hold when a seed is invalid: what broke, how to see it again, and how it came about."""

import re
import shlex
from pathlib import Path

from rich.console import Console

from gossipbook.matching.words import say
from gossipbook.sim.plan import Plan
from gossipbook.sim.run import SimulationResult
from gossipbook.sim.seeds import Job
from gossipbook.sim.shrink import Shrinker
from gossipbook.sim.trail import causal_trail


def explain_failure(
    job: Job, outcome: SimulationResult, told: Console, *, shrink: bool, briefly: bool, plan: Plan | None = None
) -> None:
    """Say what is wrong; the whole story of the first failure, a line for each further one."""
    told.print(f"invalid: {job.name} seed {job.seed}: {outcome.summary}", style="red", markup=False)
    if plan is None:
        told.print(f"  replay: {replay_command(job)}", markup=False)
    if briefly:
        return
    plan = plan or job.plan()
    if shrink:
        plan = _shrunk(job, outcome, plan, told)
    for line in causal_trail(plan, outcome.violations[0].invariant):
        told.print(f"  {line}", markup=False)


def replay_command(job: Job) -> str:
    """One line that runs this very seed again."""
    words = ["gossipbook", "simulate"]
    if job.scenario is not None:
        words.append(job.name)
    if job.swarm:
        words.append("--swarm")
    return shlex.join([*words, "--seed", str(job.seed)])


def _shrunk(job: Job, outcome: SimulationResult, plan: Plan, told: Console) -> Plan:
    before = plan.events()
    with told.status("shrinking") as status:
        shrinker = Shrinker(
            plan,
            outcome.violations[0].invariant,
            lambda what, smaller: status.update(f"shrinking by {what}: {smaller.events()} of {before} events left"),
        )
        small = shrinker.shrink()
    stem = re.sub(r"\W+", "-", Path(job.name).stem).strip("-")
    file = Path(f"{stem}-seed-{job.seed}.plan.json")
    file.write_text(small.to_json() + "\n", encoding="utf-8")
    told.print(
        f"  shrunk from {before} to {small.events()} events in {shrinker.runs} runs; replay: "
        f"gossipbook simulate --replay {shlex.quote(str(file))}",
        markup=False,
    )
    for fault in small.faults:
        told.print(f"    fault: {fault.described()}", markup=False)
    for order in small.orders:
        commands = "; ".join(map(say, order.commands))
        told.print(f"    {order.at_us / 1e6:7.3f} s {order.author}: {commands}", markup=False)
    return small
