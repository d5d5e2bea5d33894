"""Rows of accounts and markets as the native API tells them: decimals as text, times in ms, enumerations as words."""

from typing import Any

from gossipbook.accounts.asking import fill_row, order_row
from gossipbook.accounts.rows import FillRow, OrderRow
from gossipbook.crdt.op import Op
from gossipbook.gateway.amounts import average_text, price_text, qty_text, quote_text
from gossipbook.manifest import Pair
from gossipbook.matching.commands import AnyPlace, SpecialPlace

Row = dict[str, Any]


def order_json(spec: Pair, row: Row | OrderRow) -> Row:
    """An order of an account, of a row as peers tell it."""
    row = order_row(row) if isinstance(row, OrderRow) else row
    return {
        "pair": spec.symbol,
        "number": row["number"],
        "client_id": row["client_id"],
        "text_id": row["text_id"],
        "side": row["side"],
        "kind": row["kind"],
        "tif": row["tif"],
        "post_only": "slide" if row["slide"] else row["post_only"],
        "self_trade": row["self_trade"],
        "price": price_text(spec, row["price_ticks"]),
        "stop": price_text(spec, row["stop_ticks"]) if row["stop_ticks"] else None,
        "triggered": row["triggered"],
        "qty": qty_text(spec, row["qty_lots"]),
        "display": qty_text(spec, row["display_lots"]) if row["display_lots"] else None,
        "open": qty_text(spec, row["open_lots"]),
        "filled": qty_text(spec, row["filled_lots"]),
        "cancelled": qty_text(spec, row["cancelled_lots"]),
        "quote": quote_text(spec, row["quote"]),
        "average_price": average_text(spec, row["quote"], row["filled_lots"]) or None,
        "status": row["status"],
        "reason": row["reason"],
        "is_open": row["is_open"],
        "expires_ms": row["expires_ms"],
        "height": row["height"],
        "time_ms": row["time_ms"],
        "changed_number": row["changed_number"],
        "changed_height": row["changed_height"],
        "changed_ms": row["changed_ms"],
    }


def pending_order(op: Op, client_id: int) -> OrderRow | None:
    """What is known of an order whose op is not known to be certified; None if the op has no such order."""
    place = next((c for c in op.commands if isinstance(c, AnyPlace) and c.client_id == client_id), None)
    if place is None:
        return None
    row = OrderRow(place.side, place.price_ticks, place.qty_lots, place.qty_lots, status="pending", pair=op.pair)
    row.author, row.client_id, row.type, row.tif = op.author, client_id, place.type, place.tif
    row.flags, row.self_trade, row.expires_ms = place.flags, place.self_trade, place.expires_ms
    row.text_id = getattr(place, "text_id", "")
    if isinstance(place, SpecialPlace):
        row.display_lots, row.stop_ticks = place.display_lots, place.stop_ticks
    return row


def fill_json(spec: Pair, row: Row | FillRow, *, with_position: bool = True) -> Row:
    """A fill of an account, with its position after it where all fills before it are known."""
    row = fill_row(row) if isinstance(row, FillRow) else row
    told = {
        "pair": spec.symbol,
        "number": row["number"],
        "role": "maker" if row["is_maker"] else "taker",
        "client_id": row["client_id"],
        "text_id": row["text_id"],
        "side": row["side"],
        "price": price_text(spec, row["price_ticks"]),
        "qty": qty_text(spec, row["qty_lots"]),
        "quote": quote_text(spec, row["price_ticks"] * row["qty_lots"]),
        "height": row["height"],
        "time_ms": row["time_ms"],
    }
    return told | ({"position": qty_text(spec, row["position_lots"])} if with_position else {})


def trade_json(spec: Pair, row: Row) -> Row:
    """A trade of a pair."""
    return {
        "number": row["number"],
        "price": price_text(spec, row["price_ticks"]),
        "qty": qty_text(spec, row["qty_lots"]),
        "taker_side": row["taker_side"],
        "height": row["height"],
        "time_ms": row["time_ms"],
    }


def position_json(spec: Pair, row: Row) -> Row:
    """What an account's fills in a pair come to."""
    net = row["sold_quote"] - row["bought_quote"]
    return {
        "pair": spec.symbol,
        "position": qty_text(spec, row["position_lots"]),
        "bought": qty_text(spec, row["bought_lots"]),
        "sold": qty_text(spec, row["sold_lots"]),
        "paid": quote_text(spec, row["bought_quote"]),
        "received": quote_text(spec, row["sold_quote"]),
        "net_received": quote_text(spec, net),
        "open_orders": row["open_orders"],
        "height": row["height"],
        "at_number": row["at_number"],
    }


def candle_json(spec: Pair, row: list[int]) -> Row:
    """A candle of a pair."""
    start_ms, open_, high, low, close, lots, quote, trades = row
    prices = {"open": open_, "high": high, "low": low, "close": close}
    return {
        "start_ms": start_ms,
        **{name: price_text(spec, ticks) for name, ticks in prices.items()},
        "volume": qty_text(spec, lots),
        "quote": quote_text(spec, quote),
        "trades": trades,
    }
