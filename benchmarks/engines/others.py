"""Adapters for engines of other people, each at a pinned version. Every adapter imports its engine when it is made.

`prepare` is before the clock, `run` by the clock, `traded` after it; see the package's docstring for what may go where.
"""

from decimal import Decimal
from typing import Any, NamedTuple

from engines.loop import Loop

PLACE, CANCEL, BUY = 1, 2, 1
Totals = tuple[int, int]


class MatchingEngine:
    """Frozen messages go in, stamped with sequence numbers; each command returns its events."""

    def __init__(self) -> None:
        from matching_engine import domain, engine

        self.domain = domain
        self.engine = engine.MatchingEngine()
        self.sequence = 0
        self.kept: list[Any] = []

    def prepare(self, steps: list[Any]) -> list[Any]:
        d = self.domain
        messages: list[Any] = []
        for kind, number, author, side, price, lots, last in steps:
            if kind != PLACE:
                messages.append(d.CancelOrder(number, author))
            if kind != CANCEL:
                tif = d.TimeInForce.IOC if kind == PLACE and last else d.TimeInForce.GTC
                way = d.Side.BUY if side == BUY else d.Side.SELL
                messages.append(d.NewOrder(number, author, way, price, lots, d.OrderType.LIMIT, tif))
        first = self.sequence + 1
        self.sequence += len(messages)
        return [d.SequencedCommand(at, at, message) for at, message in enumerate(messages, first)]

    def run(self, commands: list[Any]) -> None:
        process, kept = self.engine.process, self.kept
        for command in commands:
            events = process(command)
            if len(events) > 1:
                kept.append(events)

    def traded(self) -> Totals:
        from matching_engine.events import Trade

        trades = [event for events in self.kept for event in events if type(event) is Trade]
        return sum(trade.qty for trade in trades), sum(trade.price * trade.qty for trade in trades)


class _TradeLog:
    """What the pure and the Cython engine of one author have in common. Prices are `Decimal`, ids strings."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.book = module.OrderBook()
        self.ids: dict[int, str] = {}

    def prepare(self, steps: list[Any]) -> list[Any]:
        bid, ask = self.module.OrderSide.BID, self.module.OrderSide.ASK
        return [
            (kind, number, bid if side == BUY else ask, Decimal(price), lots)
            for kind, number, _, side, price, lots, _ in steps
        ]

    def traded(self) -> Totals:
        log = self.book.trade_log
        return sum(trade.quantity_filled for trade in log), int(sum(t.price * t.quantity_filled for t in log))


class Akhil4nOrderbook(_TradeLog):
    def __init__(self) -> None:
        import orderbook

        super().__init__(orderbook)

    def run(self, steps: list[Any]) -> None:
        order_of, ids = self.module.Order, self.ids
        add, cancel = self.book.add_limit_order, self.book.cancel_order
        for kind, number, side, price, lots in steps:
            if kind != PLACE:
                cancel(ids[number])
            if kind != CANCEL:
                order = order_of(side, price, lots)
                ids[number] = order.order_id
                add(order)


class CythonOrderbook(_TradeLog):
    def __init__(self) -> None:
        from cython_orderbook import orderbook

        super().__init__(orderbook)

    def run(self, steps: list[Any]) -> None:
        order_of, ids = self.module.Order, self.ids
        add, cancel = self.book.add_limit_order, self.book.cancel_order
        for kind, number, side, price, lots in steps:
            if kind != PLACE:
                cancel(ids[number])
            if kind != CANCEL:
                order = order_of(side, lots, price)
                ids[number] = order.order_id
                add(order)


class Lobby:
    """Orders are dicts that the book writes into. With `fromData` the caller gives ids and times."""

    def __init__(self) -> None:
        from lobby.orderbook import OrderBook

        self.book = OrderBook(price_digits=0)

    def prepare(self, steps: list[Any]) -> list[Any]:
        return [
            (kind, number, author, "bid" if side == BUY else "ask", price, lots)
            for kind, number, author, side, price, lots, _ in steps
        ]

    def run(self, steps: list[Any]) -> None:
        book = self.book
        place, cancel, modify = book.processOrder, book.cancelOrder, book.modifyOrder
        for time, (kind, number, author, side, price, lots) in enumerate(steps, 1):
            if kind == PLACE:
                quote = {
                    "type": "limit",
                    "side": side,
                    "qty": lots,
                    "price": price,
                    "tid": author,
                    "idNum": number,
                    "timestamp": time,
                }
                place(quote, True, False)
            elif kind == CANCEL:
                cancel(side, number, time)
            else:
                modify(number, {"side": side, "qty": lots, "price": price}, time)

    def traded(self) -> Totals:
        tape = self.book.tape
        return sum(trade["qty"] for trade in tape), sum(trade["price"] * trade["qty"] for trade in tape)


class LightMatchingEngine:
    """Cancelling an order that was filled may trip one of its assertions; the adapter goes on."""

    def __init__(self) -> None:
        from lightmatchingengine.lightmatchingengine import LightMatchingEngine as Engine

        self.engine = Engine()
        self.ids: dict[int, int] = {}
        self.kept: list[Any] = []

    def prepare(self, steps: list[Any]) -> list[Any]:
        return [(kind, number, side, price, lots) for kind, number, _, side, price, lots, _ in steps]

    def run(self, steps: list[Any]) -> None:
        ids, kept = self.ids, self.kept
        add, cancel = self.engine.add_order, self.engine.cancel_order
        for kind, number, side, price, lots in steps:
            if kind != PLACE:
                try:
                    cancel(ids[number], "BENCH")
                except AssertionError:
                    continue
            if kind != CANCEL:
                order, trades = add("BENCH", price, lots, side)
                ids[number] = order.order_id
                if trades:
                    kept.append(trades)

    def traded(self) -> Totals:
        """It reports each trade for both sides."""
        trades = [trade for trades in self.kept for trade in trades]
        return (
            sum(trade.trade_qty for trade in trades) // 2,
            sum(trade.trade_price * trade.trade_qty for trade in trades) // 2,
        )


class PyOrderbook:
    """Prices become `Decimal` and ids UUIDs inside its order, which is what rests."""

    def __init__(self) -> None:
        import logging

        from pyorderbook import book, order

        logging.getLogger("pyorderbook").setLevel(logging.CRITICAL)
        self.order_of = order.Order
        self.side = order.Side
        self.book = book.Book()
        self.orders: dict[int, Any] = {}
        self.kept: list[Any] = []

    def prepare(self, steps: list[Any]) -> list[Any]:
        bid, ask = self.side.BID, self.side.ASK
        return [
            (kind, number, bid if side == BUY else ask, float(price), lots)
            for kind, number, _, side, price, lots, _ in steps
        ]

    def run(self, steps: list[Any]) -> None:
        order_of, orders, kept = self.order_of, self.orders, self.kept
        match, cancel = self.book.match, self.book.cancel
        for kind, number, side, price, lots in steps:
            if kind != PLACE:
                try:
                    cancel(orders[number])
                except KeyError:
                    continue
            if kind != CANCEL:
                orders[number] = order = order_of(side, "BENCH", price, lots)
                blotter = match(order)
                if blotter.trades:
                    kept.append(blotter)

    def traded(self) -> Totals:
        trades = [trade for blotter in self.kept for trade in blotter.trades]
        return (
            sum(trade.fill_quantity for trade in trades),
            int(sum(trade.fill_price * trade.fill_quantity for trade in trades)),
        )


class Bourse:
    """Orders of one price and one time take each other's place in its map, so the time moves on with each step."""

    def __init__(self) -> None:
        from bourse.core import OrderBook

        self.book = OrderBook(0, 1)
        self.ids: dict[int, int] = {}

    def prepare(self, steps: list[Any]) -> list[Any]:
        return [
            (kind, number, author, side == BUY, price, lots) for kind, number, author, side, price, lots, _ in steps
        ]

    def run(self, steps: list[Any]) -> None:
        book, ids = self.book, self.ids
        set_time, place, cancel, modify = book.set_time, book.place_order, book.cancel_order, book.modify_order
        for time, (kind, number, author, is_bid, price, lots) in enumerate(steps, 1):
            set_time(time)
            if kind == PLACE:
                ids[number] = place(is_bid, lots, author, price)
            elif kind == CANCEL:
                cancel(ids[number])
            else:
                modify(ids[number], new_vol=lots)

    def traded(self) -> Totals:
        trades = self.book.get_trades()
        return sum(trade[3] for trade in trades), sum(trade[2] * trade[3] for trade in trades)


class MinimalLoop:
    """`loop.py`, or a compiled copy of it."""

    def __init__(self, loop: type[Loop] = Loop) -> None:
        self.loop = loop()

    def prepare(self, steps: list[Any]) -> list[Any]:
        return [(kind, number, side, price, lots, last) for kind, number, _, side, price, lots, last in steps]

    def run(self, steps: list[Any]) -> None:
        self.loop.run(steps)

    def traded(self) -> Totals:
        return self.loop.traded_lots, self.loop.notional

    def forget(self) -> None:
        """It remembers nothing."""


class Other(NamedTuple):
    """An engine from the package index. ``also`` are pinned dependencies."""

    requirement: str
    adapter: type[Any]
    language: str = "python"
    also: tuple[str, ...] = ()
    python: tuple[int, int] = (3, 11)
    note: str = ""


ANEW = "cannot lower an order: cancelled and entered anew"

OTHERS = {
    "matching-engine": Other(
        "matching-engine==0.1.1",
        MatchingEngine,
        also=("msgspec==0.22.0", "sortedcontainers==2.4.0"),
        python=(3, 12),
        note=ANEW,
    ),
    "akhil4n-orderbook": Other(
        "akhil4n-orderbook==0.1.1", Akhil4nOrderbook, also=("sortedcontainers==2.4.0",), note=ANEW
    ),
    "lobby": Other("lobby==0.1.3", Lobby),
    "lightmatchingengine": Other("lightmatchingengine==2019.1.4", LightMatchingEngine, note=ANEW),
    "pyorderbook": Other("pyorderbook==0.4.9", PyOrderbook, note=ANEW),
    "cython-orderbook": Other(
        "cython-orderbook==0.1.2", CythonOrderbook, "cython", also=("sortedcontainers==2.4.0",), note=ANEW
    ),
    "bourse": Other(
        "bourse==0.4.0",
        Bourse,
        "rust",
        also=("numpy==2.4.6", "pandas==3.1.1", "python-dateutil==4.0.0", "tqdm==4.70.1"),
    ),
}
