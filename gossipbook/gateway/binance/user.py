"""The dialect's user stream: what happened to an account's orders, and what its balances are after it."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from gossipbook.errors import GossipbookError
from gossipbook.gateway.access import Denied
from gossipbook.gateway.account_feed import AccountFeed, AccountStep
from gossipbook.gateway.accounts import ApiKey, Scope
from gossipbook.gateway.amounts import assets, price_text, qty_text, quote_text
from gossipbook.gateway.binance.account import balances
from gossipbook.gateway.binance.call import Call, Dialect
from gossipbook.gateway.binance.shapes import order_json, side_of
from gossipbook.gateway.clock import now_ms
from gossipbook.gateway.desk import Desk
from gossipbook.gateway.own_orders import Report
from gossipbook.gateway.problems import Problem
from gossipbook.manifest import Pair

log = logging.getLogger("gossipbook.gateway")
Told = dict[str, Any]

_EXECUTIONS: Final = {
    "Accepted": "NEW",
    "StopAccepted": "NEW",
    "Triggered": "NEW",
    "Fill": "TRADE",
    "Cancelled": "CANCELED",
    "Expired": "EXPIRED",
    "Amended": "REPLACED",
}
"""A refusal is told to who placed the order, and an iceberg's next slice is nothing new: neither is in the stream."""


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


class UserStream:
    """Sends one account's events, in all pairs, to one socket, for as long as the key that it was opened with is good.

    Nothing of the dialect says that events were missed, so ``lose`` ends the socket, whose program begins anew.
    """

    def __init__(self, dialect: Dialect, key: ApiKey, put: Callable[[Told], None], lose: Callable[[str], None]) -> None:
        self._dialect = dialect
        self._key = key
        self._put = put
        self._lose = lose
        self._desk: Desk
        self._listeners: list[tuple[AccountFeed, Callable[[AccountStep], None]]] = []
        self._asking: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """Listen from now on.

        Raises:
            Denied, Problem: it cannot be; nobody listens then.
        """
        self._desk = await self._dialect.gateway.desk(self._dialect.gateway.door.still(self._key), Scope.READ)
        feeds = [await self._desk.feed(symbol) for symbol in self._dialect.gateway.manifest.symbols()]
        for feed in feeds:
            listener = partial(self._on_step, feed.symbol)
            feed.listeners.append(listener)
            self._listeners.append((feed, listener))

    def end(self) -> None:
        """Listen no more."""
        for feed, listener in self._listeners:
            feed.listeners.remove(listener)
        self._listeners.clear()
        for task in self._asking:
            task.cancel()

    def _on_step(self, symbol: str, step: AccountStep) -> None:
        try:
            self._dialect.gateway.door.still(self._key)
        except Denied:
            self._lose("the key was revoked")
            return
        if step.restarted:
            self._lose("events were missed")
            return
        spec = self._dialect.gateway.manifest.pair(symbol)
        name = self._dialect.symbols.of_pair[symbol]
        for report in step.reports:
            if report.event in _EXECUTIONS:
                self._put(execution_report(name, spec, step, report))
        if any(report.fill for report in step.reports):
            task = asyncio.create_task(self._tell_balances(step))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _tell_balances(self, step: AccountStep) -> None:
        try:
            rows = await balances(Call(self._dialect, {}), self._desk)
        except (Problem, GossipbookError) as error:
            log.warning("balances cannot be read: %s", error)
            self._lose("balances cannot be read")
        else:
            self._put(positions_told(rows, step.time_ms))
