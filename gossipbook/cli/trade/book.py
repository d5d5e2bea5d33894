"""``gossipbook book``: a pair's ladder, certified and pending apart; or its certified book at one level of detail."""

import time
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gossipbook.cli.connect import Target, ask_once, peer_options
from gossipbook.cli.operate.status import TRADING, absent_text, plain_table, state_text
from gossipbook.cli.output import console, json_option, print_json
from gossipbook.cli.trade.following import follow_book, show_book
from gossipbook.cli.trade.watching import watch
from gossipbook.manifest import Pair
from gossipbook.trade.units import format_price, format_qty

LEVELS = 10
LEVELS_CAP = 500
FRAME_LINES = 8  # of the screen, besides the levels


@click.command()
@click.argument("pair", metavar="PAIR")
@peer_options
@click.option("--levels", type=click.IntRange(1, LEVELS_CAP), help="Prices a side.  [default: 10, or what fits]")
@click.option("--watch", "watching", is_flag=True, help="Redraw every second until Ctrl-C.")
@click.option("--level", type=click.IntRange(1, 3),
              help="Only what is certified: 1 best prices, 2 all prices, 3 all orders in their queues.")  # fmt: skip
@click.option("--follow", is_flag=True, help="With --level: every block's update, checked, until Ctrl-C.")
@json_option
def book(
    pair: str,
    target: Target,
    levels: int | None,
    watching: bool,
    level: int | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Show the book of a pair.

    Asks are above bids, and what is only pending is apart from what is certified.
    """
    spec = target.manifest.pair(pair)
    if follow and level is None:
        raise click.UsageError("--follow goes with --level; without it, there is --watch")
    if level is not None:
        if watching:
            raise click.UsageError("--level goes with --follow, not with --watch")
        if as_json and levels is not None:
            raise click.UsageError("--level with --json has the whole book; --levels is for people")
        (follow_book if follow else show_book)(target, spec, level, levels or LEVELS, as_json)
        return
    if levels is None:
        fitting = max((console().height - FRAME_LINES) // 2, 1)
        levels = min(LEVELS, fitting) if watching and console().is_terminal else LEVELS
    arguments = ("book", pair, str(levels))
    if watching:
        watch(target, lambda answer: draw_book(answer, spec, target), as_json, *arguments)
        return
    answer = ask_once(target, *arguments)
    if as_json:
        print_json(answer)
    else:
        console().print(draw_book(answer, spec, target))


def draw_book(answer: Any, spec: Pair, target: Target) -> RenderableType:
    """The picture of one ``book`` answer."""
    head = Text.assemble((spec.symbol, "bold"), "  ", state_text(answer["state"]), f"  height {answer['height']:,}")
    if answer["height"]:
        head.append(f", {_age(answer['time_ms'])}")
    if (trading := answer.get("trading", "open")) != "open":
        head.append(f"  {TRADING[trading]}", style="bold yellow")
    if answer["pending_ops"]:
        head.append(f"  {answer['pending_ops']:,} ops pending", style="yellow")
    parts: list[RenderableType] = [head]
    if answer["absent"]:
        parts.append(Text(absent_text(spec.symbol, answer["absent"], target.manifest.quorum), style="yellow"))
    if not answer["asks"] and not answer["bids"]:
        return Group(*parts, Text("\nno orders"))
    columns = ("", "price", "quantity", "orders", "pending", "cancelling")
    table = plain_table(columns, numeric=columns[1:])
    for level in reversed(answer["asks"]):
        _add_level(table, spec, "ask", "red", level)
    _add_spread(table, spec, answer)
    for level in answer["bids"]:
        _add_level(table, spec, "bid", "green", level)
    return Group(*parts, Text(""), table)


def _add_level(table: Table, spec: Pair, side: str, style: str, level: Any) -> None:
    lots, pending, cancelling = (level[key] for key in ("open_lots", "pending_lots", "cancel_pending_lots"))
    table.add_row(
        Text(side, style="dim"),
        Text(format_price(spec, level["price_ticks"], grouped=True), style=style if lots else "dim"),
        Text(format_qty(spec, lots, grouped=True) if lots else ""),
        Text(f"{level['orders']:,}" if lots else ""),
        Text(f"+{format_qty(spec, pending, grouped=True)}" if pending else "", style="yellow"),
        Text(f"-{format_qty(spec, cancelling, grouped=True)}" if cancelling else "", style="yellow"),
    )


def _add_spread(table: Table, spec: Pair, answer: Any) -> None:
    """A row between the sides: the distance of the best certified prices."""
    best = [next((lv["price_ticks"] for lv in answer[side] if lv["open_lots"]), None) for side in ("asks", "bids")]
    ask, bid = best
    if ask is None or bid is None:
        label, text = "", "no bids" if ask is not None else "no asks" if bid is not None else "all pending"
    else:
        label, text = "spread", format_price(spec, ask - bid, grouped=True)
    table.add_row(Text(label, style="dim"), Text(text, style="dim"))


def _age(time_ms: int) -> str:
    seconds = time.time() - time_ms / 1000
    if seconds < 60:
        return f"certified {max(seconds, 0):.0f} s ago"
    return time.strftime("certified %Y-%m-%d %H:%M:%S", time.localtime(time_ms / 1000))
