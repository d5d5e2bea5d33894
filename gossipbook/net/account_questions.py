"""Answers about accounts and markets, out of the archive: orders, fills, positions, trades and candles.

What is told is certified; nothing of it is proven by itself. Each order's receipt proves what its row says.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from gossipbook.accounts import asking
from gossipbook.accounts.asking import CANDLES_CAP, PAIRS_CAP, WIDTHS_MS, Unanswerable
from gossipbook.accounts.rows import Sums
from gossipbook.crdt.command_code import check_text_id
from gossipbook.errors import DecodeError
from gossipbook.ids import PublicKey, read_public_key
from gossipbook.net.runtime import Runtime
from gossipbook.peer.pair_summary import pending_by_id, pending_by_text
from gossipbook.storage.archive import Past

ARGUMENTS: Final = {"orders": 6, "fills": 5, "find": 3, "find_id": 3, "statement": 3, "trades": 4, "candles": 5}
"""How many arguments each question takes, all of them text; empty ones are as if they were not given."""
OPEN, ALL = "open", "all"
FOREVER_MS: Final = 2**62


async def answer(runtime: Runtime, what: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Answer one of :data:`ARGUMENTS` out of a running peer's archive.

    Raises:
        Unanswerable: says why. ArchiveError: the archive is of no use.
    """
    symbol, *rest = arguments
    followed = runtime.peer.pairs
    if symbol not in followed and (symbol or what != "statement"):
        raise Unanswerable(f"pair {symbol!r} is not followed here; followed: {sorted(followed)}")
    if what in ("trades", "candles"):
        return dict(await runtime.archivist.ask(_MARKETS[what](symbol, *rest)))
    author = read_public_key(rest[0])
    if author is None:
        raise Unanswerable("an author is a public key of 64 hex digits")
    if what == "statement":
        return dict(await runtime.archivist.ask(statement([symbol] if symbol else [*followed], author, rest[1])))
    answered = dict(await runtime.archivist.ask(_ACCOUNTS[what](symbol, author, *rest[1:])))
    if what == "find":
        answered["pending"] = pending_by_text(followed[symbol], author, rest[1])
    if what == "find_id":
        answered["pending"] = pending_by_id(followed[symbol], author, int(rest[1]))
    return answered


def orders(pair: str, author: PublicKey, which: str, after: str, before: str, limit: str) -> Callable[[Past], Any]:
    """An author's orders by entry: ``open`` ones, or ``all``."""
    if which not in (OPEN, ALL):
        raise Unanswerable(f"which orders: {OPEN} or {ALL}, not {which[:32]!r}")

    def read(past: Past) -> Any:
        page = asking.read_page(past, pair, after, before, limit)
        rows = past.accounts.orders(
            pair,
            author,
            after=page.after,
            before=page.before,
            limit=page.limit,
            newest=page.newest,
            only_open=which == OPEN,
        )
        return {"height": past.archived_height(pair), "orders": [asking.order_row(row) for row in rows]}

    return read


def fills(pair: str, author: PublicKey, after: str, before: str, limit: str) -> Callable[[Past], Any]:
    """An author's fills: those of both sides of a trade, if both are theirs."""

    def read(past: Past) -> Any:
        page = asking.read_page(past, pair, after, before, limit)
        rows = past.accounts.fills(
            pair, author, after=page.after, before=page.before, limit=page.limit, newest=page.newest
        )
        return {"height": past.archived_height(pair), "fills": [asking.fill_row(row) for row in rows]}

    return read


def find(pair: str, author: PublicKey, text_id: str) -> Callable[[Past], Any]:
    """The last order that an author entered under a text id; null if there is none."""
    try:
        check_text_id(text_id)
    except DecodeError as error:
        raise Unanswerable(str(error)) from None

    def read(past: Past) -> Any:
        row = past.accounts.order_by_text(pair, author, text_id)
        return {"height": past.archived_height(pair), "order": None if row is None else asking.order_row(row)}

    return read


def find_id(pair: str, author: PublicKey, client_id: str) -> Callable[[Past], Any]:
    """The last order that an author entered under a client order id; null if there is none."""
    if not (client_id.isascii() and client_id.isdigit() and len(client_id) < 20):
        raise Unanswerable(f"client id: expected a whole number, not {client_id[:32]!r}")

    def read(past: Past) -> Any:
        row = past.accounts.order(pair, author, int(client_id))
        return {"height": past.archived_height(pair), "order": None if row is None else asking.order_row(row)}

    return read


def statement(pairs: list[str], author: PublicKey, at: str) -> Callable[[Past], Any]:
    """What an author's fills come to in each of some pairs, and how many orders are open there now."""
    if len(pairs) > PAIRS_CAP:
        raise Unanswerable(f"a statement is of at most {PAIRS_CAP} pairs; name one")

    def read(past: Past) -> Any:
        rows = []
        for pair in pairs:
            last = asking.number_at(past, pair, at)
            before = None if last is None else last + 1
            found = past.accounts.fills(pair, author, before=before, limit=1, newest=True)
            sums = found[-1].sums if found else Sums()
            open_orders = past.accounts.open_count(pair, author)
            rows.append(
                asking.position_row(pair, sums)
                | {"open_orders": open_orders, "height": past.archived_height(pair), "at_number": last}
            )
        return {"author": author.hex(), "positions": rows}

    return read


def trades(pair: str, after: str, before: str, limit: str) -> Callable[[Past], Any]:
    """A pair's trades."""

    def read(past: Past) -> Any:
        page = asking.read_page(past, pair, after, before, limit)
        rows = past.accounts.trades(pair, after=page.after, before=page.before, limit=page.limit, newest=page.newest)
        return {"height": past.archived_height(pair), "trades": [asking.trade_row(row) for row in rows]}

    return read


def candles(pair: str, width: str, from_ms: str, until_ms: str, limit: str) -> Callable[[Past], Any]:
    """A pair's last candles of a width that start from one time to before another."""
    width_ms = WIDTHS_MS.get(width)
    if width_ms is None:
        raise Unanswerable(f"width: one of {', '.join(WIDTHS_MS)}, not {width[:32]!r}")
    start_ms, end_ms = (_time(text, default) for text, default in ((from_ms, 0), (until_ms, FOREVER_MS)))
    count = asking.read_limit(limit, CANDLES_CAP)

    def read(past: Past) -> Any:
        kept_ms = asking.kept_width_ms(width_ms)
        ratio = width_ms // kept_ms
        first_ms = -(-start_ms // width_ms) * width_ms  # A candle begins at a multiple of its width.
        last_ms = min(-(-end_ms // width_ms) * width_ms, FOREVER_MS)
        kept = past.accounts.candles(pair, kept_ms, first_ms, last_ms, limit=(count + 1) * ratio)
        joined = asking.joined_candles(kept, width_ms)[-count:]
        return {"height": past.archived_height(pair), "candles": [asking.candle_row(candle) for candle in joined]}

    return read


def _time(text: str, default: int) -> int:
    if text and not (text.isascii() and text.isdigit() and len(text) < 18):
        raise Unanswerable(f"expected a time in ms, not {text[:32]!r}")
    return int(text) if text else default


_MARKETS: Final[dict[str, Callable[..., Callable[[Past], Any]]]] = {"trades": trades, "candles": candles}
_ACCOUNTS: Final[dict[str, Callable[..., Callable[[Past], Any]]]] = {
    "orders": orders,
    "fills": fills,
    "find": find,
    "find_id": find_id,
}
