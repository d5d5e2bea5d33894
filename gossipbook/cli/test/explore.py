"""``gossipbook explore``: check the consensus core in every order of events, within bounds."""

import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from gossipbook.cli.output import console, error_console, json_option, print_json, print_table
from gossipbook.exits import VERDICTS
from gossipbook.explorer import Configuration, Figures, Search, SearchResult, full, quick, trace

DEFAULT_STATES_CAP = 10_000_000  # about 2 GB
GC_THRESHOLDS = 200_000, 50, 100  # a search makes millions of tuples that stay, and few cycles


@click.command()
@click.option("--full", "wide", is_flag=True, help="Three terms, two heights and restarts too: many minutes.")
@click.option("--liar", type=click.IntRange(0, 3), default=0, show_default=True, help="The lying seat; t leads term t.")
@click.option(
    "--states",
    "states_cap",
    type=click.IntRange(1),
    default=DEFAULT_STATES_CAP,
    show_default=True,
    help="With --full: end each search at so many states.",
)
@click.option("--progress/--no-progress", default=None, help="Show how far it is.  [default: if on a terminal]")
@json_option
def explore(wide: bool, liar: int, states_cap: int, progress: bool | None, as_json: bool) -> None:
    """Check consensus in every order of events, in bounds.

    Takes every possible step of three real members and a liar, and looks for a broken law. Exit code 0: valid, every
    space was exhausted. 1: invalid, the path is told. 3: unknown, nothing was found up to a cap.
    """
    rows: list[dict[str, Any]] = []
    for configuration in full(liar, states_cap) if wide else quick(liar):
        started = time.monotonic()
        outcome = _search(configuration, error_console().is_terminal if progress is None else progress)
        rows.append(_row(configuration, outcome, time.monotonic() - started))
        if outcome.finding is not None:
            for line in trace(outcome.finding, liar):
                error_console().print(line, markup=False)
            break
    total = _sum(rows)
    if as_json:
        print_json(total)
    else:
        _show(rows, total)
    sys.exit(VERDICTS[total["verdict"]])


def _search(configuration: Configuration, shown: bool) -> SearchResult:
    before = gc.get_threshold()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        with _progress(configuration.describe(), shown) as advance:
            return Search(configuration, advance).run()
    finally:
        gc.set_threshold(*before)


@contextmanager
def _progress(what: str, shown: bool) -> Iterator[Callable[[Figures], None]]:
    """A live line on standard error."""
    if not shown:
        yield lambda figures: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=error_console(), transient=True) as progress:
        task = progress.add_task(what)

        def advance(figures: Figures) -> None:
            waiting = figures.states - figures.expanded
            counts = f"{figures.states:,} states, {waiting:,} to expand, depth {figures.depth}"
            progress.update(task, description=f"{what}: {counts}")

        yield advance


def _row(configuration: Configuration, outcome: SearchResult, wall_s: float) -> dict[str, Any]:
    figures = outcome.figures
    return {
        "bounds": configuration.describe(),
        "verdict": outcome.verdict,
        "states": figures.states,
        "transitions": figures.transitions,
        "local_transitions": figures.local_transitions,
        "actions": figures.actions,
        "depth": figures.depth,
        "wall_s": round(wall_s, 1),
    }


def _sum(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """All searches as one: the worst verdict, the greatest depth, everything else added up."""
    return {
        "verdict": max((row["verdict"] for row in rows), key=["valid", "unknown", "invalid"].index),
        **{part: sum(row[part] for row in rows) for part in ("states", "transitions", "local_transitions")},
        "actions": {kind: sum(row["actions"][kind] for row in rows) for kind in rows[0]["actions"]},
        "depth": max(row["depth"] for row in rows),
        "wall_s": round(sum(row["wall_s"] for row in rows), 1),
        "searches": rows,
    }


def _show(rows: list[dict[str, Any]], total: dict[str, Any]) -> None:
    parts = ("bounds", "verdict", "states", "transitions", "local_transitions", "depth", "wall_s")
    print_table("explored", [part.replace("_", " ") for part in parts], [[row[part] for part in parts] for row in rows])
    taken = ", ".join(f"{kind} {count:,}" for kind, count in total["actions"].items())
    console().print(f"actions taken: {taken}")
    console().print(f"verdict: {total['verdict']}", style="bold green" if total["verdict"] == "valid" else "bold red")
