"""``gossipbook status`` and ``gossipbook peers``: how a peer and its pairs fare."""

import time
from collections.abc import Iterable
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gossipbook.cli.connect import Target, ask_once, peer_options
from gossipbook.cli.options import Seconds
from gossipbook.cli.output import console, fail, json_option, print_json
from gossipbook.cli.trade.watching import watch
from gossipbook.manifest import Quorum
from gossipbook.peer.condition import PairCondition

STATE_STYLES: dict[str, str] = {
    PairCondition.CERTIFYING: "green",
    PairCondition.SYNCING: "yellow",
    PairCondition.NO_QUORUM: "bold red",
    PairCondition.FAULTY: "bold red reverse",
    PairCondition.FROZEN: "bold red reverse",
}
SERVING = (PairCondition.CERTIFYING, PairCondition.SYNCING)
LOOK_S = 0.25
TRADING = {
    "open": "open",
    "post-only": "post-only: it takes only orders that do not match on arrival",
    "cancel-only": "cancel-only: it takes cancels and reductions",
    "halted": "halted: it takes nothing",
    "auction": "in an auction: orders rest without matching",
}
REASONS_SHOWN = 8
WIDE = 100  # columns


@click.command()
@peer_options
@click.option("--watch", "watching", is_flag=True, help="Redraw every second until Ctrl-C.")
@click.option("--wait", "wait_s", type=Seconds(0, 86_400), default=0, help="Seconds to wait for all pairs.")
@json_option
def status(target: Target, watching: bool, wait_s: float, as_json: bool) -> None:
    """Show how a peer and its pairs fare.

    State, leader, heights and counts of each pair, and what was refused and why. It exits with 1 if a pair has no
    quorum or has stopped; with --wait only if that is still so after so long.
    """
    if watching:
        watch(target, lambda answer: draw_status(answer, target), as_json, "status")
        return
    until_s = time.monotonic() + wait_s
    while True:
        answer = ask_once(target, "status")
        stopped = [row for row in answer["pairs"] if row["state"] not in SERVING]
        if not stopped or time.monotonic() + LOOK_S > until_s:
            break
        time.sleep(LOOK_S)
    if as_json:
        print_json(answer)
    else:
        console().print(draw_status(answer, target))
    if stopped:
        fail("; ".join(f"{row['symbol']}: {row['state']}" for row in stopped))


@click.command()
@peer_options
@click.option("--watch", "watching", is_flag=True, help="Redraw every second until Ctrl-C.")
@json_option
def peers(target: Target, watching: bool, as_json: bool) -> None:
    """Show the live links of a peer.

    Links of clients are among them, and so is the one of this command.
    """
    if watching:
        watch(target, draw_peers, as_json, "peers")
        return
    answer = ask_once(target, "peers")
    if as_json:
        print_json(answer)
    else:
        console().print(draw_peers(answer))


def draw_status(answer: Any, target: Target) -> RenderableType:
    """The picture of one ``status`` answer."""
    running = span_text(time.time() - answer["started_ms"] / 1000)
    addresses = ", ".join(answer["addresses"])
    head = Text.assemble((answer["name"], "bold"), f" of network {answer['network']}")
    head.append(f"\n{_count(answer['links'], 'link')} (this one too) · up {running} · {addresses}")
    head.append(
        f"\nDHT {answer['dht'] or 'off'} · key {answer['public_key'][:16]}… · chain {answer['chain_id'][:16]}…\n"
    )
    columns = ("pair", "state", "height", "term", "leader", "role", "pending", "ops", "commands", "fills")
    table = plain_table(columns, numeric=("height", "term", "pending", "ops", "commands", "fills"))
    for pair in answer["pairs"]:
        table.add_row(*_pair_row(pair, answer["name"]))
    parts: list[RenderableType] = [head, table]
    notes = _notes(answer["pairs"], target.manifest.quorum)
    if trouble := answer.get("clock_trouble"):
        notes.append(Text(trouble, style="bold yellow"))
    if notes:
        parts += [Text(""), *notes]
    return Group(*parts, Text(""), _rejected(answer["rejected"]))


def state_text(state: str) -> Text:
    """A pair's state in its colour."""
    return Text(state, style=STATE_STYLES.get(state, "bold red"))


def plain_table(columns: Iterable[str], numeric: Iterable[str] = ()) -> Table:
    """A table without lines, for screens of 80 columns."""
    table = Table(box=None, pad_edge=False, padding=(0, 2 if console().width >= WIDE else 1, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, justify="right" if column in numeric else "left", overflow="fold")
    return table


def absent_text(pairs: str, absent: list[str], quorum: Quorum) -> str:
    """Who is missing from a committee, and what that means."""
    verb = "is" if len(absent) == 1 else "are"
    here = f"{quorum.n - len(absent)} of {quorum.n} seats are here, {quorum.q} make a quorum"
    return f"{pairs}: {', '.join(sorted(absent))} {verb} absent: {here}"


def _pair_row(pair: Any, name: str) -> list[Text]:
    counts = [pair[key] for key in ("pending_ops", "certified_ops", "certified_commands", "fills")]
    if pair["voting"]:
        part = "leads" if pair["leader"] == name else "votes"
    else:
        part = "observes" if pair["observer_reason"] else "follows"
    numbers = [f"{pair['height']:,}", f"{pair['term']:,}"]
    cells = [pair["symbol"], *numbers, pair["leader"], part, *(f"{count:,}" for count in counts)]
    row = [Text(cell) for cell in cells]
    row.insert(1, state_text(pair["state"]))
    return row


def _notes(pairs: list[Any], quorum: Quorum) -> list[Text]:
    """Who is absent from which pairs, one line for all pairs that miss the same; which are not open; where this
    peer may not vote.
    """
    missing: dict[tuple[str, ...], list[str]] = {}
    notes: dict[str, list[str]] = {}
    closed: dict[str, list[str]] = {}
    times: dict[str, list[str]] = {}
    for pair in pairs:
        if pair.get("trading", "open") != "open":
            closed.setdefault(pair["trading"], []).append(pair["symbol"])
        if pair["absent"]:
            missing.setdefault(tuple(sorted(pair["absent"])), []).append(pair["symbol"])
        if pair.get("time_trouble"):
            times.setdefault(pair["time_trouble"], []).append(pair["symbol"])
        if pair["observer_reason"]:
            notes.setdefault(pair["observer_reason"], []).append(pair["symbol"])
    lines = []
    for absent, symbols in missing.items():
        style = "yellow" if quorum.n - len(absent) >= quorum.q else "bold red"
        lines.append(Text(absent_text(_symbols(symbols, pairs), list(absent), quorum), style=style))
    for word, symbols in closed.items():
        verb = "are" if len(symbols) > 1 else "is"
        lines.append(Text(f"{_symbols(symbols, pairs)} {verb} {TRADING[word]}", style="bold yellow"))
    for trouble, symbols in times.items():
        lines.append(Text(f"{_symbols(symbols, pairs)}: {trouble}", style="bold yellow"))
    for reason, symbols in notes.items():
        lines.append(Text(f"{_symbols(symbols, pairs)}: this peer may not vote: {reason}", style="yellow"))
    return lines


def _symbols(symbols: list[str], pairs: list[Any]) -> str:
    if len(symbols) == len(pairs) > 1:
        return "all pairs"
    return ", ".join(symbols)


def _rejected(rejected: dict[str, int]) -> Text:
    if not rejected:
        return Text("nothing was rejected", style="dim")
    lines = [f"rejected: {sum(rejected.values()):,}"]
    largest = sorted(rejected.items(), key=lambda item: (-item[1], item[0]))
    lines += [f"  {count:,} × {reason}" for reason, count in largest[:REASONS_SHOWN]]
    if len(largest) > REASONS_SHOWN:
        lines.append(f"  and {len(largest) - REASONS_SHOWN} more reasons; all are in --json")
    return Text("\n".join(lines))


def draw_peers(answer: Any) -> RenderableType:
    """The picture of one ``peers`` answer."""
    columns = ("name", "role", "dialled by", "address", "in", "out", "queued", "dropped")
    table = plain_table(columns, numeric=columns[4:])
    for link in sorted(answer, key=lambda link: (link["role"], link["name"])):
        cells = [link["name"], link["role"], "us" if link["outbound"] else "them", link["address"]]
        dropped = sum(count for key, count in link.items() if key.startswith("dropped_"))
        sizes = [_size(link.get(f"bytes_{way}", 0)) for way in ("in", "out")]
        table.add_row(*map(Text, [*cells, *sizes, f"{link['queued_messages']:,}", f"{dropped:,}"]))
    return table


def _size(size_bytes: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size_bytes >= size:
            return f"{size_bytes // size:,} {unit}"
    return f"{size_bytes} B"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def span_text(seconds: float) -> str:
    """A length of time in its two largest units."""
    whole = max(int(seconds), 0)
    for size, unit, lesser_size, lesser in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // lesser_size} {lesser}"
    return f"{whole} s"
