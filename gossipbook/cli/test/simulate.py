"""``gossipbook simulate``: the whole exchange on virtual time, under faults, judged by independent checkers."""

import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from gossipbook.cli.output import console, error_console, fail, json_option, print_json, print_table, reports_errors
from gossipbook.cli.test.seed_runners import Results, run_here, run_in_pool, run_on_dask
from gossipbook.cli.test.simulate_failure import explain_failure, replay_command
from gossipbook.cli.test.simulate_real import simulate_real
from gossipbook.cli.test.simulate_view import SimulateView
from gossipbook.cli.whole_file import whole_file
from gossipbook.errors import ScenarioError
from gossipbook.exits import VERDICTS
from gossipbook.run_report import record_and_render
from gossipbook.scenario.reading import parse_scenario
from gossipbook.scenario.scenario import Scenario
from gossipbook.sim.plan import Plan
from gossipbook.sim.run import INVALID, UNKNOWN, VALID, SimulationResult, run_plan
from gossipbook.sim.seeds import Job, SeedResults

STYLES = {VALID: "bold green", INVALID: "bold red", UNKNOWN: "bold yellow"}
SEEDS_CAP = 10_000_000


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path, exists=True))
@click.option("--seed", type=click.IntRange(0), help="One seed.  [default: 0]")
@click.option("--seeds", metavar="A..B", help="All seeds from A to B, both included.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes at once.")
@click.option("--swarm", is_flag=True, help="Draw the faults from each seed; without PATH the network too.")
@click.option(
    "--replay", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Run a plan that --shrink wrote."
)
@click.option("--shrink", is_flag=True, help="Make the first invalid seed small, and write its plan beside you.")
@click.option("--real", is_flag=True, help="Run on real peer processes on loopback, through a proxy that makes faults.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write one HTML file about one seed.")
@click.option("--scheduler", metavar="ADDRESS", help="Hand the seeds to a Dask cluster.")
@json_option
@reports_errors
def simulate(path: Path | None, as_json: bool, **options: Any) -> None:
    """Run scenarios under faults, on virtual time.

    PATH is the file of one scenario, or a folder of them. Exit code 0: valid, every invariant held and something
    happened; 3: unknown, nothing wrong but too little happened; 1: invalid.
    """
    if options["replay"] is not None:
        _replay(options["replay"], options, as_json)
    scenarios = _scenarios(path, swarm=options["swarm"])
    seeds = _seeds(options["seed"], options["seeds"])
    if options["real"]:
        simulate_real([s for s in scenarios if s is not None], list(seeds), as_json)
    jobs = [Job(scenario, seed, options["swarm"]) for scenario in scenarios for seed in seeds]
    if options["report"] is not None:
        _report(jobs, options["report"], as_json)
    _run(jobs, options, as_json)


# -- what to run --------------------------------------------------------------------------------------


def _scenarios(path: Path | None, *, swarm: bool) -> list[Scenario | None]:
    if path is None:
        if swarm:
            return [None]
        raise ScenarioError("name a scenario file or a folder of them, or --swarm, or --replay")
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    if not files:
        raise ScenarioError(f"{path}: no scenario (*.toml) in this folder")
    return [parse_scenario(file.read_text(encoding="utf-8-sig"), str(file)) for file in files]


def _seeds(one: int | None, many: str | None) -> range:
    if many is None:
        return range(one or 0, (one or 0) + 1)
    span = re.fullmatch(r"(\d+)\.\.(\d+)", many)
    if one is not None or span is None:
        raise click.UsageError("--seeds takes A..B, as in 0..99, and not beside --seed")
    first, last = int(span[1]), int(span[2])
    if not 0 <= last - first < SEEDS_CAP:
        raise click.UsageError(f"--seeds: from a lower to a higher one, and at most {SEEDS_CAP} of them")
    return range(first, last + 1)


# -- running ------------------------------------------------------------------------------------------


def _run(jobs: Sequence[Job], options: dict[str, Any], as_json: bool) -> None:
    results, failures = SeedResults(), {}
    slow: dict[str, float] = {}
    began = time.monotonic()
    with SimulateView(len(jobs)) as view:
        for job, outcome, took_s in _results(jobs, options, view):
            view.done(job, outcome)
            if job.scenario is not None and took_s > job.scenario.budget.wall_s:
                slow[job.name] = max(took_s, slow.get(job.name, 0.0))
            results.add(job, outcome)
            if outcome.verdict == INVALID:
                failures[job.name, job.seed] = (job, outcome)
    wall_s = max(time.monotonic() - began, 1e-6)
    if not as_json:
        _print_results(results, wall_s, len({job.name for job in jobs}))
    told = error_console() if as_json else console()
    first = True
    for job in jobs:
        failed = failures.get((job.name, job.seed))
        if failed is not None:
            explain_failure(*failed, told, shrink=options["shrink"] and first, briefly=not first)
            first = False
    for name, took_s in slow.items():
        told.print(f"slow: {name}: a seed took {took_s:.1f} s, more than its [budget] wall_s", markup=False)
    for name, seeds in results.unknown.items():
        told.print(f"unknown: {name}: too little happened in seeds {_listed(seeds)}", markup=False)
    if as_json:
        print_json(_row(results, jobs, wall_s))
    sys.exit(VERDICTS[results.verdict])


def _results(jobs: Sequence[Job], options: dict[str, Any], view: SimulateView) -> Results:
    watcher = view.look if view.shown else None
    if options["scheduler"] is not None:
        return run_on_dask(jobs, options["scheduler"])
    if options["jobs"] > 1 and len(jobs) > 1:
        return run_in_pool(jobs, options["jobs"], watcher)
    return run_here(jobs, watcher)


def _row(results: SeedResults, jobs: Sequence[Job], wall_s: float) -> dict[str, Any]:
    names = list(dict.fromkeys(job.name for job in jobs))
    return {
        "verdict": results.verdict,
        "seeds": len({job.seed for job in jobs}),
        "runs": results.runs,
        "invalid_seeds": results.seeds(results.invalid),
        "unknown_seeds": results.seeds(results.unknown),
        "checks": results.checks,
        "fills": results.fills,
        "term_changes": results.term_changes,
        "prepared": results.prepared,
        "taken_back": results.taken_back,
        "deliveries": results.deliveries,
        "deliveries_per_s": round(results.deliveries / wall_s, 1),
        "trace_hash": results.trace_hash(jobs),
        "wall_s": round(wall_s, 3),
        "sim_s": round(results.sim_s, 3),
        "scenarios": {
            name: {"invalid_seeds": results.invalid.get(name, []), "unknown_seeds": results.unknown.get(name, [])}
            for name in names
        },
    }


def _print_results(results: SeedResults, wall_s: float, scenarios: int) -> None:
    rows = [(name, f"{count:,}") for name, count in results.checks.items()]
    print_table("checks made", ["invariant", "comparisons"], rows)
    said = f"{results.runs} runs of {scenarios} scenarios" if scenarios > 1 else f"{results.runs} runs"
    console().print(
        f"{said}: {results.fills:,} fills, {results.term_changes:,} term changes, {results.deliveries:,} deliveries "
        f"({results.deliveries / wall_s:,.0f}/s), {results.sim_s:,.0f} s simulated in {wall_s:,.1f} s"
    )
    console().print(
        f"told as prepared by the members: {results.prepared:,} blocks, of which {results.taken_back:,} were taken back"
    )
    console().print(f"verdict: {results.verdict}", style=STYLES[results.verdict])


def _listed(seeds: list[int]) -> str:
    shown = ", ".join(map(str, seeds[:10]))
    return shown + (f" and {len(seeds) - 10} more" if len(seeds) > 10 else "")


# -- one seed -----------------------------------------------------------------------------------------


def _report(jobs: Sequence[Job], file: Path, as_json: bool) -> None:
    """One seed, recorded and drawn, beside the same seed in fair weather."""
    if len(jobs) != 1:
        fail("--report is about one seed of one scenario: name a file and --seed", 2)
    began = time.monotonic()
    with SimulateView(1) as view:
        outcome, page = record_and_render(jobs[0].plan(), view.look if view.shown else None, replay_command(jobs[0]))
        view.done(jobs[0], outcome)
    with whole_file(file) as whole:
        whole.write(page.encode())
    _conclude_one(jobs[0], outcome, began, as_json, f"report: {file}")


def _replay(file: Path, options: dict[str, Any], as_json: bool) -> None:
    """A plan from a file: exactly these orders and faults."""
    plan = Plan.from_json(file.read_text(encoding="utf-8"))
    job = Job(plan.scenario, plan.seed)
    began = time.monotonic()
    if options["report"] is not None:
        outcome, page = record_and_render(plan, None, f"gossipbook simulate --replay {file}")
        with whole_file(options["report"]) as whole:
            whole.write(page.encode())
    else:
        with SimulateView(1) as view:
            outcome = run_plan(plan, view.look if view.shown else None)
            view.done(job, outcome)
    _conclude_one(job, outcome, began, as_json, f"replayed {file}", plan)


def _conclude_one(
    job: Job, outcome: SimulationResult, began: float, as_json: bool, said: str, plan: Plan | None = None
) -> None:
    results = SeedResults()
    results.add(job, outcome)
    wall_s = max(time.monotonic() - began, 1e-6)
    told = error_console() if as_json else console()
    told.print(f"{said}: {outcome.summary}", markup=False)
    if outcome.verdict == INVALID:
        explain_failure(job, outcome, told, shrink=False, briefly=False, plan=plan)
    if as_json:
        print_json(_row(results, [job], wall_s))
    else:
        console().print(f"verdict: {outcome.verdict}", style=STYLES[outcome.verdict])
    sys.exit(VERDICTS[outcome.verdict])
