"""``gossipbook simulate --real``: the same scenario on real peer processes."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from rich.live import Live
from rich.text import Text

from gossipbook.cli.connect import run as run_conversation
from gossipbook.cli.output import console, error_console, print_json, print_table
from gossipbook.cli.shown import SafeConsole
from gossipbook.errors import ScenarioError
from gossipbook.exits import VERDICTS
from gossipbook.rig import RealProgress, RealResult, refusals, run_real
from gossipbook.scenario.scenario import Scenario
from gossipbook.sim.checkers import INVARIANTS


def simulate_real(scenarios: list[Scenario], seeds: list[int], as_json: bool) -> NoReturn:
    """Run each seed of each scenario, one after another, in real time; exit with the worst verdict.

    Raises:
        ScenarioError: real processes cannot be given a fault that a scenario asks for.
    """
    for scenario in scenarios:
        refused = refusals(scenario)
        if refused:
            raise ScenarioError(f"{scenario.name} cannot run on real peers: {'; '.join(refused)}")
    results: list[tuple[Scenario, int, RealResult]] = []
    for scenario in scenarios:
        for seed in seeds:
            result = _run_one(scenario, seed)
            results.append((scenario, seed, result))
            _tell(scenario, seed, result, as_json)
    verdicts = [result.verdict for _, _, result in results]
    verdict = next(word for word in ("invalid", "unknown", "valid") if word in verdicts)
    checks = {name: sum(result.checks.get(name, 0) for _, _, result in results) for name in INVARIANTS}
    if as_json:
        print_json(_row(results, verdict, checks))
    else:
        print_table("checks made", ["invariant", "comparisons"], list(checks.items()))
        console().print(f"verdict: {verdict}", style="bold green" if verdict == "valid" else "bold red")
    sys.exit(VERDICTS[verdict])


def _run_one(scenario: Scenario, seed: int) -> RealResult:
    folder = Path(tempfile.mkdtemp(prefix="gossipbook-real-"))
    errors = SafeConsole(stderr=True, soft_wrap=False)
    try:
        with Live(console=errors, transient=True, auto_refresh=False) as live:

            def show(progress: RealProgress) -> None:
                if errors.is_terminal:
                    live.update(Text(_line(scenario, progress)), refresh=True)

            return run_conversation(_go, scenario, seed, folder, show)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _go(scenario: Scenario, seed: int, folder: Path, show: object) -> RealResult:
    assert callable(show)
    return await run_real(scenario, seed, folder=folder, progress=show)


def _line(scenario: Scenario, progress: RealProgress) -> str:
    heights = " ".join(f"{name} {height}" for name, height in progress.heights.items())
    active = ", ".join(progress.active) or "no fault"
    return (
        f"{scenario.name}: {progress.stage} {max(progress.at_s, 0.0):.1f} s  {progress.ops_certified} of "
        f"{progress.ops_submitted} ops certified  term changes {progress.term_changes}  {active}  {heights}"
    )


def _tell(scenario: Scenario, seed: int, result: RealResult, as_json: bool) -> None:
    told = error_console() if as_json else console()
    told.print(
        f"{scenario.name} seed {seed}: {result.verdict}, {result.ops_certified} of {result.ops_submitted} ops "
        f"certified, {result.fills} fills, {result.term_changes} term changes, {result.wall_s:.1f} s",
        markup=False,
    )
    for reason in result.reasons:
        told.print(f"  {reason}", markup=False)


def _row(results: list[tuple[Scenario, int, RealResult]], verdict: str, checks: dict[str, int]) -> dict[str, object]:
    return {
        "verdict": verdict,
        "seeds": len({seed for _, seed, _ in results}),
        "runs": len(results),
        "invalid_seeds": sorted({seed for _, seed, result in results if result.verdict == "invalid"}),
        "unknown_seeds": sorted({seed for _, seed, result in results if result.verdict == "unknown"}),
        "checks": checks,
        "fills": sum(result.fills for _, _, result in results),
        "term_changes": sum(result.term_changes for _, _, result in results),
        "wall_s": round(sum(result.wall_s for _, _, result in results), 3),
        "real": True,
    }
