"""The aggregated views: L2, lots and orders at each price; L1, the best of both sides and the last trade."""

from collections.abc import Iterable
from typing import NamedTuple

from gossipbook.matching.commands import Side


class Level(NamedTuple):
    """One price with what rests there."""

    price_ticks: int
    lots: int
    orders: int


class LevelChange(NamedTuple):
    """The new state of one price level. ``lots`` 0: it is gone."""

    side: int
    price_ticks: int
    lots: int
    orders: int


class L2(NamedTuple):
    """Both sides, best first."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class L1(NamedTuple):
    """The top of a book. ``last_ticks`` is the last trade's price, 0 if there was none.

    ``last_lots`` and ``last_side`` (the taker's) are 0 if that trade was before the snapshot.
    """

    bid: Level | None
    ask: Level | None
    last_ticks: int
    last_lots: int
    last_side: int

    @property
    def spread_ticks(self) -> int | None:
        """Best ask less best bid; None while a side is empty."""
        return None if self.bid is None or self.ask is None else self.ask.price_ticks - self.bid.price_ticks


class SequenceGap(Exception):
    """An update does not follow the last one. Nothing was changed; start again from a snapshot."""


class L2Book:
    """Aggregated levels, kept from level changes alone: all that a consumer of L2 has to do."""

    def __init__(self) -> None:
        self.sequence = 0
        self._sides: dict[int, dict[int, Level]] = {Side.BUY: {}, Side.SELL: {}}

    def reset(self) -> None:
        """Empty it, for a snapshot to fill."""
        self.sequence = 0
        for side in self._sides.values():
            side.clear()

    def apply(self, previous: int, sequence: int, changes: Iterable[LevelChange]) -> None:
        """Take one update.

        Raises:
            SequenceGap: updates are missing before it.
        """
        if previous != self.sequence:
            raise SequenceGap(f"an update from {previous} to {sequence}, and the book is at {self.sequence}")
        for side, price, lots, orders in changes:
            if lots:
                self._sides[side][price] = Level(price, lots, orders)
            else:
                self._sides[side].pop(price, None)
        self.sequence = sequence

    def view(self, depth: int | None = None) -> L2:
        """The best ``depth`` levels of each side; None for all."""
        bids, asks = self._sides[Side.BUY], self._sides[Side.SELL]
        return L2(
            tuple(bids[price] for price in sorted(bids, reverse=True)[:depth]),
            tuple(asks[price] for price in sorted(asks)[:depth]),
        )
