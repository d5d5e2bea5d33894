"""What may be asked of accounts and markets: which part of a list, which candles; and how rows are told."""

import re
from dataclasses import dataclass
from typing import Any, Final, Protocol

from gossipbook.accounts.order_state import is_closed
from gossipbook.accounts.rows import (
    DAY_MS,
    HOUR_MS,
    KEPT_WIDTHS_MS,
    MINUTE_MS,
    SECOND_MS,
    Candle,
    FillRow,
    OrderRow,
    Sums,
    Trade,
)
from gossipbook.matching.commands import OrderType, PlaceFlags, SelfTrade, Side, TimeInForce

PAGE_CAP: Final = 200
"""Rows of one answer."""
CANDLES_CAP: Final = 1_000
PAIRS_CAP: Final = 64
"""Pairs of one statement; an author with fills in more of them asks pair by pair."""
WIDTHS_MS: Final = {
    "1s": SECOND_MS,
    **{f"{n}m": n * MINUTE_MS for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * HOUR_MS for n in (1, 2, 4, 6, 8, 12)},
    "1d": DAY_MS,
}
"""Widths of candles by their names, which are those that traders use."""
_BOUND: Final = re.compile(r"([nht]?)([0-9]{1,18})", re.ASCII)


class Unanswerable(ValueError):
    """A question that cannot be answered; the text says why."""


class Chain(Protocol):
    """Where heights and times are looked up."""

    def number_at(self, pair: str, *, height: int | None = None, time_ms: int | None = None) -> int: ...


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list by the numbers of events: after one and before another, which are left out.

    ``newest``: of more rows than ``limit`` the last ones; else the first.
    """

    after: int
    before: int | None
    limit: int
    newest: bool


def read_page(chain: Chain, pair: str, after: str, before: str, limit: str) -> Page:
    """A page as it is asked for. Bounds are numbers of events (``17`` or ``n17``), heights (``h17``) or block times in
    ms (``t1700000000000``): all of a block whose height or time is ``after`` is left out, and all of one that is not
    below ``before``. Without ``after`` the newest rows are meant, with it the oldest after it.

    Raises:
        Unanswerable: a bound or the limit is none.
    """
    first = _bound(chain, pair, after, "after", past=True) if after else 0
    last = _bound(chain, pair, before, "before", past=False) + 1 if before else None
    return Page(first, last, read_limit(limit, PAGE_CAP), newest=not after)


def read_limit(text: str, cap: int) -> int:
    """How many rows are asked for, by default and at most ``cap``."""
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Unanswerable(f"limit: expected a number of rows, not {text[:32]!r}")
    return min(max(int(text or cap), 1), cap)


def _bound(chain: Chain, pair: str, text: str, name: str, *, past: bool) -> int:
    """The last number up to which a bound reaches: for ``after`` itself included, for ``before`` not."""
    found = _BOUND.fullmatch(text)
    if found is None:
        raise Unanswerable(
            f"{name}: expected an event's number, h and a height, or t and a time in ms, not {text[:32]!r}"
        )
    kind, value = found[1], int(found[2]) - (not past)
    if kind == "h":
        return chain.number_at(pair, height=value)
    if kind == "t":
        return chain.number_at(pair, time_ms=value)
    return value


def number_at(chain: Chain, pair: str, at: str) -> int | None:
    """The last event that a statement as of some number, height or time counts; None for now."""
    return _bound(chain, pair, at, "at", past=True) if at else None


def kept_width_ms(width_ms: int) -> int:
    """The widest candles that are kept and that candles of a width are joined from."""
    return max(kept for kept in KEPT_WIDTHS_MS if width_ms % kept == 0)


def joined_candles(kept: list[Candle], width_ms: int) -> list[Candle]:
    """Candles of a width from narrower ones, in ascending order."""
    joined: list[Candle] = []
    for candle in kept:
        wide = candle._replace(width_ms=width_ms, start_ms=candle.start_ms - candle.start_ms % width_ms)
        if joined and joined[-1].start_ms == wide.start_ms:
            joined[-1] = joined[-1].joined(wide)
        else:
            joined.append(wide)
    return joined


# -- rows as JSON has them ----------------------------------------------------------------------------


def order_row(row: OrderRow) -> dict[str, Any]:
    """An order of an author's. Words for enumerations; empty where the op is not known."""
    return {
        "number": row.number,
        "client_id": row.client_id,
        "text_id": row.text_id,
        "side": _word(Side, row.side),
        "kind": _word(OrderType, row.type),
        "tif": _word(TimeInForce, row.tif),
        "post_only": bool(row.flags & PlaceFlags.POST_ONLY),
        "slide": bool(row.flags & PlaceFlags.SLIDE),
        "self_trade": _word(SelfTrade, row.self_trade),
        "price_ticks": row.price_ticks,
        "stop_ticks": row.stop_ticks,
        "triggered": row.triggered,
        "qty_lots": row.qty_lots,
        "display_lots": row.display_lots,
        "open_lots": row.open_lots,
        "filled_lots": row.filled_lots,
        "cancelled_lots": row.cancelled_lots,
        "quote": row.quote,
        "status": row.status,
        "reason": row.reason,
        "is_open": not is_closed(row),
        "expires_ms": row.expires_ms,
        "height": row.height,
        "time_ms": row.time_ms,
        "changed_number": row.changed_number,
        "changed_height": row.changed_height,
        "changed_ms": row.changed_ms,
    }


def fill_row(row: FillRow) -> dict[str, Any]:
    """One side of a trade."""
    return {
        "number": row.number,
        "is_maker": row.is_maker,
        "order_number": row.order_number,
        "client_id": row.client_id,
        "text_id": row.text_id,
        "side": _word(Side, row.side),
        "price_ticks": row.price_ticks,
        "qty_lots": row.qty_lots,
        "height": row.height,
        "time_ms": row.time_ms,
        "position_lots": row.sums.position_lots,
    }


def trade_row(row: Trade) -> dict[str, Any]:
    """A trade of a pair's."""
    return row._asdict() | {"taker_side": _word(Side, row.taker_side)}


def position_row(pair: str, sums: Sums) -> dict[str, Any]:
    """What an author's fills in a pair come to."""
    return {
        "pair": pair,
        "position_lots": sums.position_lots,
        "bought_lots": sums.bought_lots,
        "sold_lots": sums.sold_lots,
        "bought_quote": sums.bought_quote,
        "sold_quote": sums.sold_quote,
    }


def candle_row(candle: Candle) -> list[int]:
    """Start, open, high, low, close, lots, price times lots, trades."""
    return list(candle[2:])


def _word(words: Any, number: int) -> str:
    return words(number).name.lower().replace("_", "-") if number else ""
