"""Keeps accounts and markets up with finalized blocks: takes blocks, and gives what is to be written for them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Protocol

from gossipbook.accounts.order_state import OrderFollower, OrderKey, OrderState, is_closed
from gossipbook.accounts.rows import KEPT_WIDTHS_MS, Candle, FillRow, OrderRow, Sums, Trade
from gossipbook.crdt.interpretation import Item
from gossipbook.ids import PublicKey
from gossipbook.matching import events as e
from gossipbook.matching.commands import AnyPlace, Side, SpecialPlace
from gossipbook.matching.events import RawEvent
from gossipbook.ordered import BoundedDict

ORDERS_CAP = 65_536
SUMS_CAP = 16_384
"""What is remembered between blocks, of all pairs together; what is not is read again."""

_STATE = attrgetter(*(each.name for each in fields(OrderState)))


class Kept(Protocol):
    """What was written before; None for what is not there."""

    def order(self, pair: str, author: PublicKey, client_id: int) -> OrderRow | None: ...

    def sums(self, pair: str, author: PublicKey) -> Sums | None: ...

    def candle(self, pair: str, width_ms: int, start_ms: int) -> Candle | None: ...


@dataclass(slots=True)
class Changes:
    """What is to be written. ``orders`` by pair, author and number of entry, ``candles`` by pair, width and start."""

    orders: dict[tuple[str, PublicKey, int], OrderRow] = field(default_factory=dict)
    newest: dict[tuple[str, PublicKey, int], OrderRow] = field(default_factory=dict)  # of these, by client order id
    fills: list[FillRow] = field(default_factory=list)
    sums: dict[tuple[str, PublicKey], Sums] = field(default_factory=dict)  # with the last of the fills
    trades: list[Trade] = field(default_factory=list)
    candles: dict[tuple[str, int, int], Candle] = field(default_factory=dict)


class Bookkeeper(OrderFollower[OrderRow]):
    """Takes the finalized blocks of any pairs, each pair's in order."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._orders: BoundedDict[tuple[str, PublicKey, int], OrderRow] = BoundedDict(ORDERS_CAP)
        self._sums: BoundedDict[tuple[str, PublicKey], Sums] = BoundedDict(SUMS_CAP)
        self._changes = Changes()
        self._pair, self._height, self._time_ms = "", 0, 0
        self._trades: list[Candle] = []  # one of all in the block at hand, which have one time

    def take(self, pair: str, height: int, time_ms: int, events: Sequence[RawEvent], items: Sequence[Item]) -> None:
        """Take one block: its events, and the ops that they answer."""
        self._pair, self._height, self._time_ms = pair, height, time_ms
        self.follow(events, items)
        for width_ms in KEPT_WIDTHS_MS if self._trades else ():
            self._add_to(self._trades[0]._replace(width_ms=width_ms, start_ms=time_ms - time_ms % width_ms))
        self._trades.clear()

    def drain(self) -> Changes:
        """What is to be written for the blocks since the last call. It must be, before more are taken."""
        changes, self._changes = self._changes, Changes()
        for key, row in changes.newest.items():
            self._orders[key] = row
        for whose, sums in changes.sums.items():
            self._sums[whose] = sums
        return changes

    # -- orders -------------------------------------------------------------------------------------

    def find_open(self, author: PublicKey, client_id: int) -> OrderRow | None:
        key = self._pair, author, client_id
        row = self._changes.newest.get(key) or self._orders.get(key) or self._kept.order(*key)
        return None if row is None or is_closed(row) else row

    def enter(self, order: OrderKey, event: Any, begun: OrderState, place: AnyPlace | None) -> None:
        at = event.number, self._height, self._time_ms
        values: list[Any] = [*_STATE(begun), self._pair, *order, *at, *at]
        row = OrderRow(*values)
        if place is not None:
            _set_terms(row, place)
        self._note(order, row)

    def changed(self, order: OrderKey, number: int, state: OrderRow) -> None:
        state.changed_number, state.changed_height, state.changed_ms = number, self._height, self._time_ms
        self._note(order, state)

    def _note(self, order: OrderKey, row: OrderRow) -> None:
        self._changes.newest[self._pair, *order] = row
        self._changes.orders[self._pair, row.author, row.number] = row

    # -- trades -------------------------------------------------------------------------------------

    def traded(self, fill: e.Fill) -> None:
        maker_side = Side.SELL if fill.taker_side == Side.BUY else Side.BUY
        self._account(fill, fill.maker, fill.maker_client_id, maker_side, is_maker=True)
        self._account(fill, fill.taker, fill.taker_client_id, fill.taker_side, is_maker=False)
        price, lots = fill.price_ticks, fill.qty_lots
        at = fill.number, self._height, self._time_ms
        self._changes.trades.append(Trade(self._pair, *at, price, lots, fill.taker_side))
        candle = Candle.of_trade(self._pair, 1, self._time_ms, price, lots)
        self._trades[:] = [self._trades[0].joined(candle) if self._trades else candle]

    def _account(self, fill: e.Fill, author: PublicKey, client_id: int, side: int, *, is_maker: bool) -> None:
        price, lots = fill.price_ticks, fill.qty_lots
        key = self._pair, author
        before = self._changes.sums.get(key) or self._sums.get(key) or self._kept.sums(*key) or Sums()
        sums = before.after(bought=side == Side.BUY, lots=lots, price_ticks=price)
        self._changes.sums[key] = sums
        order = self._changes.newest.get((self._pair, author, client_id))
        about = author, fill.number, is_maker, client_id, 0 if order is None else order.number, int(side), price, lots
        self._changes.fills.append(FillRow(self._pair, *about, self._height, self._time_ms, sums))

    def _add_to(self, later: Candle) -> None:
        key = later[:3]
        before = self._changes.candles.get(key) or self._kept.candle(*key)
        self._changes.candles[key] = later if before is None else before.joined(later)


def _set_terms(row: OrderRow, place: AnyPlace) -> None:
    row.type, row.tif, row.flags, row.self_trade = place.type, place.tif, place.flags, place.self_trade
    row.expires_ms = place.expires_ms
    if row.status == "rejected":
        row.side, row.price_ticks, row.qty_lots = place.side, place.price_ticks, place.qty_lots
    if isinstance(place, SpecialPlace):
        row.display_lots, row.stop_ticks = place.display_lots, place.stop_ticks
