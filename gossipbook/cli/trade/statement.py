"""``gossipbook statement``: an author's positions, orders and fills, proven if asked for, and as a drop copy."""

from pathlib import Path
from typing import Any

import click
import trio
from rich.table import Table

from gossipbook.accounts.asking import PAGE_CAP
from gossipbook.cli.connect import Target, ask_once, peer_options, reach, run
from gossipbook.cli.interrupts import interrupted
from gossipbook.cli.operate.status import plain_table
from gossipbook.cli.output import console, fail, json_option, print_json, say
from gossipbook.cli.trade.lease import clock
from gossipbook.cli.trade.order_options import author_of
from gossipbook.errors import NoAnswer, VerifyError
from gossipbook.ids import PublicKey
from gossipbook.manifest import Pair
from gossipbook.receipt.verifying import verify_receipt
from gossipbook.trade.client import Client
from gossipbook.trade.units import format_price, format_qty

ROWS = 50


@click.command()
@click.argument("pair", metavar="[PAIR]", required=False)
@click.option("--key", type=click.Path(path_type=Path, dir_okay=False), help="The author's key file.")
@click.option("--author", metavar="HEX", help="Or the author's public key.")
@peer_options
@click.option("--orders", "what", flag_value="orders", help="List the orders in PAIR.")
@click.option("--open", "what", flag_value="open", help="List the open ones.")
@click.option("--fills", "what", flag_value="fills", help="List the fills in PAIR.")
@click.option("--at", default="", metavar="WHEN", help="Positions as of h and a height, or t and a time in ms.")
@click.option("--after", default="", metavar="WHERE", help="List what comes after an event's number, or as in --at.")
@click.option("--before", default="", metavar="WHERE", help="List what comes before it.")
@click.option("--limit", type=click.IntRange(1, PAGE_CAP), default=ROWS, show_default=True, help="So many rows.")
@click.option("--prove", is_flag=True, help="Fetch and check the receipt of every order with a fill in PAIR.")
@click.option("--follow", is_flag=True, help="Print fills in PAIR as they are certified, until Ctrl-C.")
@json_option
def statement(
    pair: str | None,
    key: Path | None,
    author: str | None,
    target: Target,
    what: str | None,
    at: str,
    after: str,
    before: str,
    limit: int,
    prove: bool,
    follow: bool,
    as_json: bool,
) -> None:
    """Show an author's account.

    Without options: what the fills of an author in each pair come to, and how many orders are open. A position is the
    sum of certified fills; nothing is held in custody. A peer says so; --prove has it proven.
    """
    whose = author_of(key, author)
    spec = None if pair is None else target.manifest.pair(pair)
    listing = (what is not None) + prove + follow
    if listing > 1 or (listing and spec is None):
        raise click.UsageError("--orders, --open, --fills, --prove and --follow are for one PAIR, and one at a time")
    if spec is None or not listing:
        _show_positions(target, whose, pair or "", at, as_json)
    elif prove:
        run(_prove, target, spec, whose, as_json)
    elif follow:
        run(_follow, target, spec, whose, after, as_json)
    elif what == "fills":
        answer = ask_once(target, "fills", spec.symbol, whose.hex(), after, before, str(limit))
        _show(answer, "fills", _fills_table(spec, answer["fills"]), as_json)
    else:
        which = "open" if what == "open" else "all"
        answer = ask_once(target, "orders", spec.symbol, whose.hex(), which, after, before, str(limit))
        _show(answer, "orders", _orders_table(spec, answer["orders"]), as_json)


def _show_positions(target: Target, author: PublicKey, pair: str, at: str, as_json: bool) -> None:
    answer = ask_once(target, "statement", pair, author.hex(), at)
    if as_json:
        print_json(answer)
        return
    table = plain_table(["pair", "position", "bought", "sold", "open", "height"])
    for row in answer["positions"]:
        spec = target.manifest.pair(row["pair"])
        amounts = (format_qty(spec, row[name]) for name in ("position_lots", "bought_lots", "sold_lots"))
        height = row["height"] if row["at_number"] is None else f"{row['height']}, as of event {row['at_number']}"
        table.add_row(spec.symbol, *amounts, str(row["open_orders"]), str(height))
    console().print(table)


def _show(answer: dict[str, Any], name: str, table: Table, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    elif not answer[name]:
        say(f"no {name} up to block {answer['height']}")
    else:
        console().print(table)


def _fills_table(spec: Pair, rows: list[dict[str, Any]]) -> Table:
    table = plain_table(["event", "time", "order", "text id", "side", "qty", "price", "as", "position"])
    for row in rows:
        table.add_row(*_fill_words(spec, row))
    return table


def _fill_words(spec: Pair, row: dict[str, Any]) -> list[str]:
    position = format_qty(spec, row["position_lots"])
    amounts = format_qty(spec, row["qty_lots"]), format_price(spec, row["price_ticks"])
    order = str(row["client_id"]), row["text_id"], row["side"]
    return [
        str(row["number"]),
        clock(row["time_ms"]),
        *order,
        *amounts,
        "maker" if row["is_maker"] else "taker",
        position,
    ]


def _orders_table(spec: Pair, rows: list[dict[str, Any]]) -> Table:
    table = plain_table(["order", "text id", "time", "side", "qty", "price", "filled", "open", "status"])
    for row in rows:
        qty, filled, left = (format_qty(spec, row[name]) for name in ("qty_lots", "filled_lots", "open_lots"))
        price = format_price(spec, row["price_ticks"])
        status = row["status"] + (f": {row['reason']}" if row["reason"] else "")
        order = str(row["client_id"]), row["text_id"], clock(row["time_ms"])
        table.add_row(*order, row["side"], qty, price, filled, left, status)
    return table


# -- proof --------------------------------------------------------------------------------------------


async def _prove(target: Target, spec: Pair, author: PublicKey, as_json: bool) -> None:
    """Add up what receipts prove, and hold the peer's statement to it."""
    async with reach(target) as client:
        said, fills = await _all_fills(client, spec, author)
        sums = {"buy": 0, "sell": 0}
        orders = sorted({row["client_id"] for row in fills})
        for done, client_id in enumerate(orders, 1):
            proven = verify_receipt(await client.receipt(spec.symbol, author, client_id), target.manifest.chain_id)
            told = sum(row["qty_lots"] for row in fills if row["client_id"] == client_id)
            if proven.life.filled_lots != told:
                raise VerifyError(
                    f"order {client_id}: its receipt proves {proven.life.filled_lots} lots, the peer tells of {told}"
                )
            sums["buy" if proven.life.side == 1 else "sell"] += told
            if not as_json and console().is_terminal:
                click.echo(f"\r{done} of {len(orders)} receipts", nl=done == len(orders), err=True)
    position = sums["buy"] - sums["sell"]
    if position != said["position_lots"]:
        fail(f"the peer says {said['position_lots']} lots; receipts prove {position}")
    if as_json:
        print_json({"pair": spec.symbol, "position_lots": position, "orders": len(orders), "proven": True, **said})
    else:
        shown = format_qty(spec, position)
        say(
            f"proven: {shown} {spec.symbol} by the receipts of {len(orders)} orders, {len(fills)} fills",
            word="proven",
            style="bold green",
        )


async def _all_fills(client: Client, spec: Pair, author: PublicKey) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An author's position, and the fills that it comes from."""
    pair = await client.pair(spec.symbol)
    said = await pair.position(author)
    rows: list[dict[str, Any]] = []
    while True:
        page = (await pair.fills(author, after=rows[-1]["number"] if rows else 0))["fills"]
        rows += page
        if len(page) < PAGE_CAP:
            break
    lots = sum(row["qty_lots"] * (1 if row["side"] == "buy" else -1) for row in rows)
    if lots != said["position_lots"]:
        raise NoAnswer("fills came in between, or peers do not agree yet; ask again")
    return said, rows


# -- drop copy ----------------------------------------------------------------------------------------


async def _follow(target: Target, spec: Pair, author: PublicKey, after: str, as_json: bool) -> None:
    async with interrupted() as stopped, reach(target) as client, trio.open_nursery() as nursery:
        pair = await client.pair(spec.symbol)

        async def show() -> None:
            async for row in pair.executions(author, after=after or 0):
                if as_json:
                    print_json(row)
                else:
                    say("  ".join(_fill_words(spec, row)))

        nursery.start_soon(show)
        await stopped.wait()
        nursery.cancel_scope.cancel()
