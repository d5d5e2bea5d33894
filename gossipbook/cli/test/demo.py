"""``gossipbook demo``: four real peers, real order flow, a fault if wanted, and a computed verdict."""

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from gossipbook.cli.connect import run as run_conversation
from gossipbook.cli.interrupts import interrupted
from gossipbook.cli.options import Seconds
from gossipbook.cli.output import console, fail, json_option, print_json, print_table, reports_errors, say
from gossipbook.cli.shown import SafeConsole
from gossipbook.demo.faults import Fault
from gossipbook.demo.gateway import can_serve
from gossipbook.demo.run import DemoOptions, run_demo
from gossipbook.demo.stay import stay as stay_up
from gossipbook.demo.verdict import DemoResult
from gossipbook.errors import ConfigError

DEFAULT_LIMIT = 6_000


@click.command()
@click.option("--flow", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A LOBSTER message file.")
@click.option(
    "--limit", type=click.IntRange(1), help=f"So many commands.  [default: {DEFAULT_LIMIT}, or the whole file]"
)
@click.option(
    "--ops-per-s", type=Seconds(0), help="Pace; with --stay 0 for none.  [default: as fast as back-pressure allows]"
)
@click.option("--commands-per-op", type=click.IntRange(1, 256), default=1, show_default=True)
@click.option("--kill-leader", "fault", flag_value="kill-leader", help="SIGKILL the first pair's leader midway.")
@click.option("--kill-two", "fault", flag_value="kill-two", help="SIGKILL two of the four peers midway.")
@click.option("--kill-all", "fault", flag_value="kill-all", help="SIGKILL every peer midway.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the generated flow and the authors' keys.")
@click.option("--keep", type=click.Path(path_type=Path), help="Work in this new folder and leave it there.")
@click.option("--stay", is_flag=True, help="Leave four peers and a gateway up until Ctrl-C, instead of judging.")
@click.option("--listen", metavar="HOST:PORT", default="", help="Where the gateway serves, with --stay.")
@click.option("--gateway/--no-gateway", default=None, help="Have a page to look at.  [default: if it is installed]")
@json_option
@reports_errors
def demo(
    flow: Path | None,
    limit: int | None,
    ops_per_s: float | None,
    commands_per_op: int,
    fault: Fault | None,
    seed: int,
    keep: Path | None,
    stay: bool,
    listen: str,
    gateway: bool | None,
    as_json: bool,
) -> None:
    """Trade on four real peers, then verify every chain.

    The peers run on this machine, and are stopped before their chains are verified. Exit code 0: valid; 3: unknown,
    nothing happened; 1: invalid.
    """
    folder = Path(tempfile.mkdtemp(prefix="gossipbook-demo-")) if keep is None else keep
    if keep is not None:
        if keep.exists():
            fail(f"{keep} exists; --keep makes a new folder")
        keep.mkdir(parents=True)
    if limit is None and flow is None:
        limit = DEFAULT_LIMIT
    if ops_per_s == 0 and not stay:
        raise click.UsageError("--ops-per-s 0 is for --stay")
    if gateway is None:
        gateway = can_serve()
    if (stay or gateway) and not can_serve():
        raise ConfigError("a gateway needs: pip install 'gossipbook[gateway]'")
    options = DemoOptions(folder, flow, limit, ops_per_s, commands_per_op, fault or "none", seed, gateway)
    try:
        if stay:
            run_conversation(_stay, folder, listen, seed, ops_per_s, as_json)
            return
        with _Bars() as bars:
            outcome = run_conversation(run_demo, options, bars.start, _say_page)
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    _report(outcome, as_json)
    sys.exit(outcome.exit_code)


def _say_page(url: str) -> None:
    say(f"page: {url} while it trades; gossipbook demo --stay leaves it there", err=True)


async def _stay(folder: Path, listen: str, seed: int, ops_per_s: float | None, as_json: bool) -> None:
    async with interrupted() as stopped:
        await stay_up(folder, listen, seed, ops_per_s, print_json if as_json else _say_ready, stopped.wait)


def _say_ready(told: dict[str, Any]) -> None:
    url, account = told["url"], told["accounts"][0]
    pair = told["pairs"][0]
    order = f'{{"pair":"{pair}","side":"buy","price":"100.25","qty":"3","text_id":"first"}}'
    say(f"page     {url}")
    say(f"network  {told['network']}")
    for peer in told["peers"]:
        say(f"peer     {peer['name']} at {peer['address']}, process {peer['pid']}")
    for each in told["accounts"]:
        say(f"account  {each['account']}: key {each['key']} secret {each['secret']}")
    say(f"try      curl -s '{url}/v1/book?pair={pair}&depth=5'")
    say(f"         curl -s {url}/v1/order -H 'Authorization: Bearer {account['token']}' --json '{order}'")
    say("Ctrl-C ends all of it")


class _Bars:
    """Progress bars on standard error for the stages after trading; silent where that is no terminal."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description:>10}"), BarColumn(bar_width=30), TimeElapsedColumn())
        self._console = SafeConsole(stderr=True, soft_wrap=False)
        self._progress = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._started = False

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(self, *_: object) -> None:
        if self._started:
            self._progress.stop()

    def start(self, stage: str) -> Callable[[int, int], None]:
        if not self._started:
            self._progress.start()
            self._started = True
        task = self._progress.add_task(stage, total=None)
        return lambda done, total: self._progress.update(task, completed=done, total=total)


def _report(outcome: DemoResult, as_json: bool) -> None:
    row = outcome.row
    if as_json:
        for reason in outcome.reasons:
            SafeConsole(stderr=True, soft_wrap=False).print(f"invalid: {reason}", markup=False)
        print_json(row)
        return
    figures = [
        ("certified", f"{row['certified_ops']:,} ops with {row['certified_commands']:,} commands"),
        ("fills", f"{row['fills']:,}"),
        ("throughput", f"{row['commands_per_s']:,} certified commands/s, {outcome.load}"),
        ("submit to certified", f"p50 {row['certify_ms']['p50']} ms, p99 {row['certify_ms']['p99']} ms"),
        ("takeovers", f"{row['takeovers']}" + (f", {row['takeover_ms']} ms" if row["takeover_ms"] else "")),
        ("digests equal", "yes" if row["digests_equal"] else "NO"),
        ("acked ops lost", row["acked_ops_lost"]),
        ("double fills", row["double_fills"]),
        ("rejected frames", row["rejected_frames"]),
        ("elapsed", f"{row['elapsed_s']} s"),
    ]
    print_table(f"{row['peers']} peers, {row['pairs']} pairs", ["what", "result"], figures)
    for reason in outcome.reasons:
        console().print(f"- {reason}", markup=False)
    console().print(f"verdict: {row['verdict']}", style="bold green" if row["verdict"] == "valid" else "bold red")
