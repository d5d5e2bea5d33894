"""What is kept of orders, fills and trades: one class for each kind of row. Prices are ticks, quantities lots."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from gossipbook.accounts.order_state import OrderState
from gossipbook.ids import PublicKey


@dataclass(slots=True)
class OrderRow(OrderState):
    """One order of an author's, with what it was placed as and when it last changed.

    ``number`` is that of the event that entered or refused it, which names it for good: an author who comes back in
    another life may use a client order id again. ``changed_number`` is the last event's about it. ``type``, ``tif``,
    ``flags`` and ``self_trade`` are the command's; 0 where the op is not known. Times are block times in ms.
    """

    pair: str = ""
    author: PublicKey = b""
    client_id: int = 0
    number: int = 0
    height: int = 0
    time_ms: int = 0
    changed_number: int = 0
    changed_height: int = 0
    changed_ms: int = 0
    type: int = 0
    tif: int = 0
    flags: int = 0
    self_trade: int = 0
    display_lots: int = 0
    expires_ms: int = 0


@dataclass(frozen=True, slots=True)
class Sums:
    """What an author's fills in one pair come to: lots, and price times lots, by side."""

    bought_lots: int = 0
    sold_lots: int = 0
    bought_quote: int = 0
    sold_quote: int = 0

    @property
    def position_lots(self) -> int:
        """Bought less sold."""
        return self.bought_lots - self.sold_lots

    def after(self, *, bought: bool, lots: int, price_ticks: int) -> "Sums":
        """The sums with one more fill."""
        if bought:
            return Sums(
                self.bought_lots + lots, self.sold_lots, self.bought_quote + lots * price_ticks, self.sold_quote
            )
        return Sums(self.bought_lots, self.sold_lots + lots, self.bought_quote, self.sold_quote + lots * price_ticks)


class FillRow(NamedTuple):
    """One side of a trade, and what its author's fills come to with it.

    ``is_maker`` tells the two sides of a trade apart that an author made with themselves; the taker's is entered last.
    ``order_number`` is the :class:`OrderRow`'s number, 0 where that is not known, and ``text_id`` its text when read.
    """

    pair: str
    author: PublicKey
    number: int
    is_maker: bool
    client_id: int
    order_number: int
    side: int
    price_ticks: int
    qty_lots: int
    height: int
    time_ms: int
    sums: Sums
    text_id: str = ""


class Trade(NamedTuple):
    """A trade of the pair's. ``taker_side`` is the side of the order that came later."""

    pair: str
    number: int
    height: int
    time_ms: int
    price_ticks: int
    qty_lots: int
    taker_side: int


class Candle(NamedTuple):
    """The trades whose block time is in one span of time. ``quote``: the sum of price times lots."""

    pair: str
    width_ms: int
    start_ms: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    lots: int
    quote: int
    trades: int

    @classmethod
    def of_trade(cls, pair: str, width_ms: int, time_ms: int, price_ticks: int, lots: int) -> "Candle":
        """The candle of a single trade."""
        start_ms, price = time_ms - time_ms % width_ms, price_ticks
        return cls(pair, width_ms, start_ms, price, price, price, price, lots, price * lots, 1)

    def joined(self, later: "Candle") -> "Candle":
        """This and a later one as one candle."""
        return self._replace(
            high_ticks=max(self.high_ticks, later.high_ticks),
            low_ticks=min(self.low_ticks, later.low_ticks),
            close_ticks=later.close_ticks,
            lots=self.lots + later.lots,
            quote=self.quote + later.quote,
            trades=self.trades + later.trades,
        )


SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
KEPT_WIDTHS_MS: Final = (SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS)
"""Of these widths candles are kept; others are joined from the widest of them that divides theirs."""
