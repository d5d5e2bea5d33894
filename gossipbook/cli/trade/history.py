"""``gossipbook trades`` and ``gossipbook candles``: what traded in a pair, out of a peer's archive."""

import time

import click

from gossipbook.accounts.asking import CANDLES_CAP, PAGE_CAP, WIDTHS_MS
from gossipbook.cli.connect import Target, ask_once, peer_options
from gossipbook.cli.operate.status import plain_table
from gossipbook.cli.output import console, json_option, print_json, say
from gossipbook.cli.trade.lease import clock
from gossipbook.trade.units import format_price, format_qty


@click.command()
@click.argument("pair", metavar="PAIR")
@peer_options
@click.option("--after", default="", metavar="WHERE", help="After an event's number, h and a height, or t and ms.")
@click.option("--before", default="", metavar="WHERE", help="Before it.")
@click.option("--limit", type=click.IntRange(1, PAGE_CAP), default=20, show_default=True, help="So many trades.")
@json_option
def trades(pair: str, target: Target, after: str, before: str, limit: int, as_json: bool) -> None:
    """Show the trades of a pair.

    The newest ones; with --after the oldest after that.
    """
    spec = target.manifest.pair(pair)
    answer = ask_once(target, "trades", pair, after, before, str(limit))
    if as_json:
        print_json(answer)
        return
    if not answer["trades"]:
        say(f"no trades up to block {answer['height']}")
        return
    table = plain_table(["event", "time", "price", "qty", "taker", "block"])
    for row in answer["trades"]:
        price, qty = format_price(spec, row["price_ticks"]), format_qty(spec, row["qty_lots"])
        table.add_row(str(row["number"]), clock(row["time_ms"]), price, qty, row["taker_side"], str(row["height"]))
    console().print(table)


@click.command()
@click.argument("pair", metavar="PAIR")
@click.argument("width", metavar="|".join(WIDTHS_MS), type=click.Choice(list(WIDTHS_MS)), default="1m")
@peer_options
@click.option("--from", "from_ms", type=click.IntRange(0, 2**53), default=0, metavar="MS", help="From a time on.")
@click.option("--until", "until_ms", type=click.IntRange(0, 2**53), default=0, metavar="MS", help="Up to a time.")
@click.option("--limit", type=click.IntRange(1, CANDLES_CAP), default=20, show_default=True, help="So many candles.")
@json_option
def candles(pair: str, width: str, target: Target, from_ms: int, until_ms: int, limit: int, as_json: bool) -> None:
    """Show the candles of a pair.

    By block time, the newest ones. Spans without a trade are left out.
    """
    spec = target.manifest.pair(pair)
    times = str(from_ms or ""), str(until_ms or "")
    answer = ask_once(target, "candles", pair, width, *times, str(limit))
    if as_json:
        print_json(answer)
        return
    if not answer["candles"]:
        say(f"no trades up to block {answer['height']}")
        return
    table = plain_table(["from", "open", "high", "low", "close", "qty", "trades"])
    for start_ms, *prices, lots, _quote, count in answer["candles"]:
        start = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(start_ms / 1_000))
        table.add_row(start, *(format_price(spec, ticks) for ticks in prices), format_qty(spec, lots), str(count))
    console().print(table)
