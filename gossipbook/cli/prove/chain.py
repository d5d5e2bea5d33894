"""``gossipbook export`` and ``gossipbook verify``: a pair's finalized chain as a file, and a check of such files."""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from gossipbook.audit import Report, Verdict, verify_exports
from gossipbook.audit.writer import export_lines
from gossipbook.cli.connect import home_manifest, home_option
from gossipbook.cli.operate.status import plain_table
from gossipbook.cli.output import console, error_console, fail, json_option, print_json, read_manifest, reports_errors
from gossipbook.cli.whole_file import whole_file
from gossipbook.consensus.messages import FinalizedBlock
from gossipbook.errors import JournalError
from gossipbook.storage.folder import PeerFolder
from gossipbook.storage.sqlite import open_readonly, stored_blocks

PAGE_BLOCKS = 64
VERDICT_STYLES = {Verdict.VALID: "bold green", Verdict.INVALID: "bold red", Verdict.UNKNOWN: "bold yellow"}

Advance = Callable[[int, int], None]
"""Told (done, in all)."""


@click.command()
@click.argument("pair", metavar="PAIR")
@home_option
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File.  [default: stdout]")
@click.option("--last", type=click.IntRange(min=1), help="Stop at this height.  [default: the newest]")
@json_option
@reports_errors
def export(pair: str, home: Path | None, output: Path | None, last: int | None, as_json: bool) -> None:
    """Write the certified chain of a pair to a file.

    It comes as lines of JSON from the journal of a peer, which may run or not.
    """
    if home is None:
        raise click.UsageError("name the peer's folder: --home FOLDER, or GOSSIPBOOK_HOME")
    if as_json and output is None:
        raise click.UsageError("--json needs -o FILE: without it, standard output is the export itself")
    manifest = home_manifest(home)
    manifest.pair(pair)
    journal = PeerFolder(home).data / "journal.db"
    if not journal.exists():
        fail(f"{home} has no journal yet: its peer was never started")
    try:
        with closing(open_readonly(journal)) as connection, _progress("exporting", output is not None) as advance:
            _check_chain(connection, journal, manifest.chain_id)
            height = min(_height(connection, pair), last or sys.maxsize)
            lines = export_lines(manifest, pair, _blocks(connection, pair, height, manifest.epoch, advance))
            blocks = _write(lines, output)
    except sqlite3.Error as error:
        fail(f"{journal} cannot be read: {error}")
    if as_json:
        print_json({"pair": pair, "blocks": blocks, "file": str(output)})
    elif output is not None:
        console().print(f"{output}: {blocks:,} blocks of {pair}", markup=False)


def _check_chain(connection: sqlite3.Connection, journal: Path, chain_id: bytes) -> None:
    row = connection.execute("SELECT chain_id FROM meta").fetchone()
    if row is None or row[0] != chain_id:
        raise JournalError(f"{journal} is of another network than the manifest in its folder's config.toml")


def _height(connection: sqlite3.Connection, pair: str) -> int:
    height: int | None = connection.execute("SELECT max(height) FROM finals WHERE pair = ?", (pair,)).fetchone()[0]
    return height or 0


def _blocks(
    connection: sqlite3.Connection, pair: str, height: int, epoch: int, advance: Advance
) -> Iterator[FinalizedBlock]:
    for first in range(1, height + 1, PAGE_BLOCKS):
        last = min(first + PAGE_BLOCKS - 1, height)
        page = stored_blocks(connection, pair, first, last, epoch)
        if len(page) != last - first + 1:
            raise JournalError(f"the journal lacks blocks of {pair} between heights {first} and {last}")
        yield from page
        advance(last, height)


def _write(lines: Iterator[str], output: Path | None) -> int:
    """Write lines; the number of blocks."""
    if output is None:
        return _write_lines(lines, sys.stdout)
    with whole_file(output) as whole, TextIOWrapper(whole, encoding="utf-8", newline="\n") as file:
        return _write_lines(lines, file)


def _write_lines(lines: Iterator[str], file: TextIO) -> int:
    blocks = -1  # The first line is the header.
    for line in lines:
        file.write(line + "\n")
        blocks += 1
    file.flush()
    return blocks


@click.command()
@click.argument(
    "exports",
    metavar="EXPORT...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
)
@click.option(
    "--acks",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file of acks that the chains must honour.",
)
@click.option(
    "--network",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The network's manifest.  [default: the one that the exports carry]",
)
@json_option
@reports_errors
def verify(exports: tuple[Path, ...], acks: Path | None, network: Path | None, as_json: bool) -> None:
    """Check exported chains, trusting no peer.

    Each EXPORT is held to the rules, and all of them to one another. Exit code 0: valid. 1: invalid, the reasons are
    told. 3: unknown, because nothing happened that could be judged.
    """
    manifest = None if network is None else read_manifest(network)
    with _progress("verifying", True) as advance:
        report = verify_exports(exports, acks=acks, manifest=manifest, progress=advance)
    if as_json:
        print_json(report.to_dict())
    else:
        _show_report(report, trusted=manifest is not None)
    for reason in report.reasons if as_json else ():
        error_console().print(reason, markup=False)
    sys.exit(report.exit_code)


def _show_report(report: Report, *, trusted: bool) -> None:
    files = "1 export" if report.exports == 1 else f"{report.exports} exports"
    console().print(
        Text.assemble(
            (str(report.verdict), VERDICT_STYLES[report.verdict]),
            f"  {files}" + (f" of {report.network}" if report.network else ""),
        )
    )
    table = plain_table(("pair", "height", "fills", "last block"), numeric=("height", "fills"))
    for pair, tip in report.tips.items():
        table.add_row(Text(pair), f"{tip.height:,}", f"{report.fills_per_pair.get(pair, 0):,}", f"{tip.id[:16]}…")
    if report.tips:
        console().print(table)
    console().print(
        f"{report.certified_ops:,} ops with {report.certified_commands:,} commands; double fills: {report.double_fills}"
    )
    if report.acked_ops:
        console().print(f"acks: {report.acked_ops:,}, of them lost: {report.acked_ops_lost:,}")
    if not report.digests_equal and report.exports > 1:
        console().print(
            "not all exports of a pair end in the same block: a shorter one is a true part, or is named above"
        )
    if report.verdict is Verdict.UNKNOWN:
        console().print("nothing is wrong, but there was nothing to judge: no block, or no fill")
    if not trusted and report.chain_id:
        console().print(
            f"held to the manifest that they carry (chain {report.chain_id[:16]}…); name yours: --network FILE"
        )
    for reason in report.reasons:
        error_console().print(f"- {reason}", markup=False)
    if report.reasons_left_out:
        error_console().print(f"and {report.reasons_left_out} more")


@contextmanager
def _progress(what: str, wanted: bool) -> Iterator[Advance]:
    """A bar on standard error, when that is a terminal."""
    if not (wanted and error_console().is_terminal):
        yield lambda done, in_all: None
        return
    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=error_console(), transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, in_all: progress.update(task, completed=done, total=in_all)
