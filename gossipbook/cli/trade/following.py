"""``book --level``: a pair's certified book from its feed, once or block by block, for people or as lines of JSON.

A line of JSON is one update: a whole book if its ``reset`` is not empty, else what one block changed. docs/BOOKS.md
says how to keep and check a book from them.
"""

from collections.abc import Callable
from typing import Any

import trio
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gossipbook.books.changes import OrderChange
from gossipbook.books.follower import BookUpdate
from gossipbook.books.l3 import L3Book
from gossipbook.books.levels import L1, Level, LevelChange
from gossipbook.cli.connect import ANSWER_S, Target, reach, run
from gossipbook.cli.interrupts import interrupted
from gossipbook.cli.operate.status import plain_table
from gossipbook.cli.output import console, error_console, print_json
from gossipbook.cli.trade.watching import pause
from gossipbook.errors import LinkClosed, NoAnswer
from gossipbook.manifest import Pair
from gossipbook.matching.commands import Side
from gossipbook.trade.book_feed import BookFeed
from gossipbook.trade.client import Client
from gossipbook.trade.units import format_price, format_qty

WORDS = {Side.BUY: "bid", Side.SELL: "ask"}
STYLES = {Side.BUY: "green", Side.SELL: "red"}
AUTHOR_DIGITS = 10

Show = Callable[[BookUpdate, BookFeed], None]


def show_book(target: Target, spec: Pair, level: int, depth: int, as_json: bool) -> None:
    """The book as it is now."""

    async def conversation() -> None:
        async with reach(target) as client, client.book_feed(spec) as feed:
            _printer(spec, level, depth, as_json)(await _first(feed, target), feed)

    run(conversation)


def follow_book(target: Target, spec: Pair, level: int, depth: int, as_json: bool) -> None:
    """The book, and then every block's update until Ctrl-C, through restarts of the peer."""
    if as_json or not console().is_terminal:
        show = _printer(spec, level, depth, as_json)
        run(_follow, target, spec, show, lambda error: error_console().print(str(error), markup=False))
        return
    with Live(console=console(), auto_refresh=False) as live:

        def redraw(update: BookUpdate, feed: BookFeed) -> None:
            if feed.book is not None:
                live.update(Group(draw(feed.book, level, depth), Text("Ctrl-C ends", style="dim")), refresh=True)

        run(_follow, target, spec, redraw, lambda error: live.update(Text(str(error), style="bold red"), refresh=True))


def _printer(spec: Pair, level: int, depth: int, as_json: bool) -> Show:
    def show(update: BookUpdate, feed: BookFeed) -> None:
        if as_json:
            print_json(update_json(update, level, spec))
        elif feed.book is not None:
            console().print(draw(feed.book, level, depth))

    return show


async def _first(feed: BookFeed, target: Target) -> BookUpdate:
    with trio.move_on_after(ANSWER_S):
        return await anext(feed)
    raise target.silent()


async def _follow(target: Target, spec: Pair, show: Show, complain: Callable[[NoAnswer], None]) -> None:
    async with interrupted() as stopped:
        shown = False
        while not stopped.is_set():
            try:
                async with reach(target) as client, client.book_feed(spec) as feed, trio.open_nursery() as nursery:
                    nursery.start_soon(_cancel_after, stopped, nursery.cancel_scope)
                    nursery.start_soon(_until_lost, client)
                    show(await _first(feed, target), feed)
                    shown = True
                    async for update in feed:
                        show(update, feed)
            except* NoAnswer as group:
                if not shown:
                    raise
                complain(_leaf(group))
            await pause(stopped)
            target = target.refreshed()


async def _until_lost(client: Client) -> None:
    """The peer may come back under another address: its folder is asked."""
    while client.connections.links:
        await client.connections.changed.wait()
    raise LinkClosed(client.why_unlinked())


async def _cancel_after(stopped: trio.Event, scope: trio.CancelScope) -> None:
    await stopped.wait()
    scope.cancel()


def _leaf(error: BaseException) -> NoAnswer:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, NoAnswer)
    return error


# -- as JSON ------------------------------------------------------------------------------------------------


def update_json(update: BookUpdate, level: int, spec: Pair) -> dict[str, Any]:
    """One update. Prices and quantities are decimals with all the digits of tick and lot size."""
    row: dict[str, Any] = {
        "pair": update.pair,
        "level": level,
        "height": update.height,
        "time_ms": update.time_ms,
        "previous": update.previous,
        "sequence": update.sequence,
        "reset": update.reset,
        "checksum": update.checksum,
        "state": update.state.word,
    }
    if level == 1:
        return row | _top_json(update.top, spec)
    if level == 2:
        for side, word in WORDS.items():
            row[f"{word}s"] = [_level_json(change, spec) for change in update.levels if change.side == side]
        return row
    row["digest"] = None if update.digest is None else update.digest.hex()
    row["orders"] = [_order_json(change, spec) for change in update.orders]
    return row


def _level_json(level: Level | LevelChange, spec: Pair) -> dict[str, Any]:
    return {
        "price": format_price(spec, level.price_ticks),
        "qty": format_qty(spec, level.lots),
        "orders": level.orders,
    }


def _order_json(change: OrderChange, spec: Pair) -> dict[str, Any]:
    return {
        "action": change.action.name.lower(),
        "side": WORDS[Side(change.side)],
        "price": format_price(spec, change.price_ticks),
        "qty": format_qty(spec, change.lots),
        "author": change.author.hex(),
        "client_id": change.client_id,
        "price_ticks": change.price_ticks,
        "lots": change.lots,
    }


def _top_json(top: L1, spec: Pair) -> dict[str, Any]:
    last = None
    if top.last_ticks:
        qty = format_qty(spec, top.last_lots) if top.last_lots else None
        taker = Side(top.last_side).name.lower() if top.last_side else None
        last = {"price": format_price(spec, top.last_ticks), "qty": qty, "taker_side": taker}
    return {
        "bid": None if top.bid is None else _level_json(top.bid, spec),
        "ask": None if top.ask is None else _level_json(top.ask, spec),
        "spread": None if top.spread_ticks is None else format_price(spec, top.spread_ticks),
        "last": last,
    }


# -- for people ---------------------------------------------------------------------------------------------


def draw(book: L3Book, level: int, depth: int) -> RenderableType:
    """The picture of a book: asks above bids."""
    spec = book.spec
    head = Text.assemble(
        (spec.symbol, "bold"),
        f"  L{level}  height {book.height:,}  sequence {book.sequence:,}  checksum {book.checksum()}",
        f"  {book.state.word}",
    )
    if level == 1:
        return Group(head, _draw_top(book))
    table = _draw_levels(book, depth) if level == 2 else _draw_orders(book, depth)
    return Group(head, Text(""), table if len(book) else Text("no orders"))


def _draw_top(book: L3Book) -> Text:
    spec, top = book.spec, book.l1()
    parts = []
    for word, best in (("bid", top.bid), ("ask", top.ask)):
        if best is not None:
            price, qty = format_price(spec, best.price_ticks, grouped=True), format_qty(spec, best.lots, grouped=True)
            parts.append(f"{word} {price} × {qty}")
        else:
            parts.append(f"no {word}s")
    if top.spread_ticks is not None:
        parts.append(f"spread {format_price(spec, top.spread_ticks, grouped=True)}")
    if top.last_ticks:
        parts.append(f"last {format_price(spec, top.last_ticks, grouped=True)}")
    return Text("  ".join(parts))


def _draw_levels(book: L3Book, depth: int) -> Table:
    columns = ("", "price", "quantity", "orders")
    table = plain_table(columns, numeric=columns[1:])
    for side, levels in _top_down(book, depth):
        for level in levels:
            table.add_row(
                Text(WORDS[side], style="dim"),
                Text(format_price(book.spec, level.price_ticks, grouped=True), style=STYLES[side]),
                Text(format_qty(book.spec, level.lots, grouped=True)),
                Text(f"{level.orders:,}"),
            )
    return table


def _draw_orders(book: L3Book, depth: int) -> Table:
    """The front of each queue first, so that one reads down to where a new order would join."""
    table = plain_table(("", "price", "quantity", "author", "order"), numeric=("price", "quantity", "order"))
    for side, levels in _top_down(book, depth):
        prices = {level.price_ticks for level in levels}
        queues: dict[int, list[tuple[Text, ...]]] = {level.price_ticks: [] for level in levels}
        for author, client_id, price_ticks, lots in book.orders(side):
            if price_ticks in prices:
                queues[price_ticks].append(
                    (
                        Text(WORDS[side], style="dim"),
                        Text(format_price(book.spec, price_ticks, grouped=True), style=STYLES[side]),
                        Text(format_qty(book.spec, lots, grouped=True)),
                        Text(author.hex()[:AUTHOR_DIGITS], style="dim"),
                        Text(str(client_id)),
                    )
                )
        for queue in queues.values():
            for row in queue:
                table.add_row(*row)
    return table


def _top_down(book: L3Book, depth: int) -> list[tuple[Side, list[Level]]]:
    return [(Side.SELL, book.levels(Side.SELL, depth)[::-1]), (Side.BUY, book.levels(Side.BUY, depth))]
