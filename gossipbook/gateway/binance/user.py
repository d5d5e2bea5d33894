"""The dialect's user stream: what happened to an account's orders, and what its balances are after it."""

from typing import Any, Final

from gossipbook.gateway.account_feed import AccountStep
from gossipbook.gateway.amounts import assets, price_text, qty_text, quote_text
from gossipbook.gateway.binance.market import now_ms
from gossipbook.gateway.binance.shapes import order_json, side_of
from gossipbook.gateway.own_orders import Report
from gossipbook.manifest import Pair

Told = dict[str, Any]

_EXECUTIONS: Final = {
    "Accepted": "NEW",
    "StopAccepted": "NEW",
    "Triggered": "NEW",
    "Fill": "TRADE",
    "Cancelled": "CANCELED",
    "Expired": "EXPIRED",
    "Rejected": "REJECTED",
    "Amended": "REPLACED",
    "Sliced": "NEW",
}


def execution_report(name: str, spec: Pair, step: AccountStep, report: Report) -> Told:
    """One event of one order."""
    order, fill = report.order, report.fill
    told = order_json(name, spec, order)
    execution = _EXECUTIONS[report.event]
    if execution == "CANCELED" and told["status"].startswith("EXPIRED"):
        execution = "EXPIRED"
    last_price, last_lots = (fill.price_ticks, fill.qty_lots) if fill is not None else (0, 0)
    return {
        "e": "executionReport",
        "E": now_ms(),
        "s": name,
        "c": told["clientOrderId"],
        "S": side_of(order.side),
        "o": told["type"],
        "f": told["timeInForce"],
        "q": told["origQty"],
        "p": told["price"],
        "P": told["stopPrice"],
        "F": told["icebergQty"],
        "g": -1,
        "C": told["clientOrderId"] if execution == "CANCELED" else "",
        "x": execution,
        "X": told["status"],
        "r": order.reason if order.status == "rejected" else "NONE",
        "i": order.client_id,
        "l": qty_text(spec, last_lots),
        "z": told["executedQty"],
        "L": price_text(spec, last_price),
        "n": "0",
        "N": assets(spec.symbol)[1] if fill is not None else None,
        "T": step.time_ms,
        "t": fill.number if fill is not None else -1,
        "I": report.number,
        "w": told["isWorking"] and order.status in ("open", "triggered"),
        "m": fill.is_maker if fill is not None else False,
        "M": False,
        "O": order.time_ms,
        "Z": told["cummulativeQuoteQty"],
        "Y": quote_text(spec, last_price * last_lots),
        "Q": quote_text(spec, 0),
        "W": order.time_ms,
        "V": told["selfTradePreventionMode"],
    }


def positions_told(balances: list[Told], time_ms: int) -> Told:
    """The balances after fills."""
    rows = [{"a": row["asset"], "f": row["free"], "l": row["locked"]} for row in balances]
    return {"e": "outboundAccountPosition", "E": now_ms(), "u": time_ms, "B": rows}
