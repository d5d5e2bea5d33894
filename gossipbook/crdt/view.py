"""What a client sees of a book: the certified state, and on top of it what is only pending.

A pure function of (certified state, pending ops). The matcher never runs on the overlay: a pending place
shows as pending quantity at its price, a resting order with a pending cancel as cancel-pending.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gossipbook.crdt.interpretation import Interpretation
from gossipbook.crdt.op_set import OpSet
from gossipbook.ids import PublicKey
from gossipbook.matching.commands import AnyPlace, Cancel, CancelAll, Command, Side, SpecialPlace, TimeInForce

OVERLAY_WORK_CAP = 2_000
"""Pending commands, and orders that they would cancel, that one view looks at; the others are not shown as pending."""


@dataclass(frozen=True, slots=True)
class LevelView:
    """One price: certified open quantity, how much of it is about to be cancelled, and what may join it."""

    price_ticks: int
    open_lots: int
    orders: int
    cancel_pending_lots: int
    pending_lots: int


@dataclass(frozen=True, slots=True)
class BookView:
    """Both sides, best first, as of a certified height."""

    symbol: str
    height: int
    time_ms: int
    bids: tuple[LevelView, ...]
    asks: tuple[LevelView, ...]
    reference_ticks: int
    pending_ops: int


def view_book(symbol: str, height: int, certified: Interpretation, pending: OpSet, levels: int) -> BookView:
    """The book at ``levels`` price levels a side."""
    overlay = _Overlay()
    for author, command in _pending_commands(pending):
        if overlay.work >= OVERLAY_WORK_CAP:
            break
        overlay.add(certified, author, command)
    return BookView(
        symbol=symbol,
        height=height,
        time_ms=certified.time_ms,
        bids=overlay.side(certified, Side.BUY, levels),
        asks=overlay.side(certified, Side.SELL, levels),
        reference_ticks=certified.engine.reference_ticks,
        pending_ops=len(pending),
    )


def _pending_commands(pending: OpSet) -> Iterator[tuple[PublicKey, Command]]:
    for entry in pending.frontier.between(b""):
        for op in pending.logs[entry.author].main:
            for command in op.commands:
                yield entry.author, command


class _Overlay:
    """Pending lots by (side, price). ``work``: commands and orders that were looked at."""

    def __init__(self) -> None:
        self.work = 0
        self.pending: dict[tuple[int, int], int] = {}
        self.cancelling: dict[tuple[PublicKey, int], tuple[int, int, int]] = {}

    def add(self, certified: Interpretation, author: PublicKey, command: object) -> None:
        self.work += 1
        if isinstance(command, AnyPlace):
            if command.tif in (TimeInForce.IOC, TimeInForce.FOK):
                return  # It never rests.
            if isinstance(command, SpecialPlace) and command.stop_ticks:
                return  # It waits outside the book.
            key = (command.side, command.price_ticks)
            self.pending[key] = self.pending.get(key, 0) + command.qty_lots
        elif isinstance(command, Cancel):
            order = certified.engine.book.find(author, command.client_id)
            if order is not None and not certified.engine.book.is_waiting(order):
                self.cancelling[author, order.client_id] = (order.side, order.price_ticks, order.open_lots)
        elif isinstance(command, CancelAll):
            for order in certified.engine.book.own_orders(author):
                self.work += 1
                if command.side in (0, order.side) and not certified.engine.book.is_waiting(order):
                    self.cancelling[author, order.client_id] = (order.side, order.price_ticks, order.open_lots)

    def side(self, certified: Interpretation, side: int, levels: int) -> tuple[LevelView, ...]:
        cancelling: dict[int, int] = {}
        for order_side, price, lots in self.cancelling.values():
            if order_side == side:
                cancelling[price] = cancelling.get(price, 0) + lots
        rows = {price: (lots, live) for price, lots, live in certified.engine.depth(side, levels)}
        prices = set(rows) | {price for (pending_side, price) in self.pending if pending_side == side}
        ordered = sorted(prices, reverse=side == Side.BUY)[:levels]
        return tuple(
            LevelView(price, *rows.get(price, (0, 0)), cancelling.get(price, 0), self.pending.get((side, price), 0))
            for price in ordered
        )
