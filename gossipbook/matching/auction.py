"""The one price at which a call auction trades, from what is on both sides of the book."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from gossipbook.matching.ladder import Ladder

MEETING: Final = 1
TRADING: Final = 2
"""How far an auction is: finding its price, or trading at it."""


class Walk:
    """Sets the levels of a crossed book against one another, best against best, to find the one price.

    Step by step, so that it can stop at any, and go on from its :meth:`position` while the book is as it was.
    """

    def __init__(self, bids: Ladder, asks: Ladder, position: tuple[int, ...]) -> None:
        self._bids, self._asks = bids, asks
        _, bid_key, self._bid_left, ask_key, self._ask_left, self._volume = position
        self._bid_at = bids.place_of(bid_key)
        self._ask_at = asks.place_of(ask_key)

    @staticmethod
    def begun(bids: Ladder, asks: Ladder) -> tuple[int, ...]:
        """The position at the beginning."""
        bid_key, ask_key = bids.keys[-1], asks.keys[-1]
        return MEETING, bid_key, _whole(bids, bid_key), ask_key, _whole(asks, ask_key), 0

    def position(self) -> tuple[int, ...]:
        """Where it is: the levels that met last, what is left of each, and the volume so far."""
        bid_key, ask_key = self._bids.key_at(self._bid_at), self._asks.key_at(self._ask_at)
        return MEETING, bid_key, self._bid_left, ask_key, self._ask_left, self._volume

    def step(self) -> bool:
        """Let the next two levels meet; True, and nothing is changed, if no more cross."""
        bid_at = self._bid_at if self._bid_left else self._bid_at - 1
        ask_at = self._ask_at if self._ask_left else self._ask_at - 1
        if bid_at < 0 or ask_at < 0:
            return True
        bid_key, ask_key = self._bids.key_at(bid_at), self._asks.key_at(ask_at)
        if bid_key < -ask_key:
            return True
        bid_left = self._bid_left or _whole(self._bids, bid_key)
        ask_left = self._ask_left or _whole(self._asks, ask_key)
        lots = min(bid_left, ask_left)
        self._bid_at, self._bid_left = bid_at, bid_left - lots
        self._ask_at, self._ask_left = ask_at, ask_left - lots
        self._volume += lots
        return False

    def outcome(self, reference_ticks: int) -> tuple[int, int]:
        """(price in ticks, volume in lots), as :func:`uncrossing_price`, when no more cross.

        The greatest volume can be had from the last offer level that traded to the last bid level that did. If one of
        the two has something left, that side has a surplus all over; else the surplus changes with the next levels.
        """
        bid, ask = self._bids.key_at(self._bid_at), -self._asks.key_at(self._ask_at)
        if self._bid_left:
            return bid, self._volume
        if self._ask_left:
            return ask, self._volume
        below, above = self._next_bid(1), self._next_ask(1)
        low, high = max(ask, below + 1), min(bid, above - 1 if above else bid)
        if low > high:  # The next levels are neighbours, so that there is a surplus at each price.
            more, less = _whole(self._bids, below), _whole(self._asks, -above)
            if more != less:
                return below if more < less else above, self._volume
            next_above = self._next_ask(2)
            low, high = max(ask, self._next_bid(2) + 1), min(bid, next_above - 1 if next_above else bid)
        middle = reference_ticks or (low + high) // 2
        return min(max(middle, low), high), self._volume

    def _next_bid(self, behind: int) -> int:
        """The price of a bid level behind the last one that traded; 0 if there is none."""
        return self._bids.key_at(self._bid_at - behind) if self._bid_at >= behind else 0

    def _next_ask(self, behind: int) -> int:
        return -self._asks.key_at(self._ask_at - behind) if self._ask_at >= behind else 0


def _whole(ladder: Ladder, key: int) -> int:
    level = ladder.levels[key]
    return level.open_lots + level.hidden_lots


def uncrossing_price(
    bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]], reference_ticks: int
) -> tuple[int, int]:
    """(price in ticks, volume in lots) of a crossed book.

    ``bids`` and ``asks`` are (price, lots) of each level, best first; the best bid is at or above the best offer.
    Of all prices: the greatest volume, then the smallest surplus of one side over the other; then, if all these have
    more demand than supply the highest, if all have less the lowest, else the nearest to ``reference_ticks``, or
    without one (0) to their middle, rounded down.
    """
    low, high = asks[0][0], bids[0][0]
    assert low <= high
    demand = _lots_by_price([(price, lots) for price, lots in bids if price >= low])
    supply = _lots_by_price([(price, lots) for price, lots in asks if price <= high])
    # Between two neighbouring limits neither side changes, so a stretch of prices stands for all in it.
    stretches = []
    limits = sorted({price for price, _ in demand} | {price for price, _ in supply})
    for number, price in enumerate(limits):
        stretches.append((price, price))
        if number + 1 < len(limits) and limits[number + 1] > price + 1:
            stretches.append((price + 1, limits[number + 1] - 1))
    wanted = _at_or_above(demand, [first for first, _ in stretches])
    offered = _at_or_below(supply, [first for first, _ in stretches])
    volume = max(map(min, wanted, offered))
    tied = [(d - s, stretch) for d, s, stretch in zip(wanted, offered, stretches, strict=True) if min(d, s) == volume]
    least = min(abs(surplus) for surplus, _ in tied)
    best = [(surplus, stretch) for surplus, stretch in tied if abs(surplus) == least]
    lowest, highest = best[0][1][0], best[-1][1][1]
    if all(surplus > 0 for surplus, _ in best):
        return highest, volume
    if all(surplus < 0 for surplus, _ in best):
        return lowest, volume
    middle = reference_ticks or (lowest + highest) // 2
    return min(max(middle, lowest), highest), volume


def _lots_by_price(levels: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Best first, with the lots at each price or better."""
    totals = accumulate(lots for _, lots in levels)
    return [(price, total) for (price, _), total in zip(levels, totals, strict=True)]


def _at_or_above(demand: list[tuple[int, int]], prices: list[int]) -> list[int]:
    """Lots wanted at each of some rising prices."""
    found = []
    rising = demand[::-1]
    at = 0
    for price in prices:
        while at < len(rising) and rising[at][0] < price:
            at += 1
        found.append(rising[at][1] if at < len(rising) else 0)
    return found


def _at_or_below(supply: list[tuple[int, int]], prices: list[int]) -> list[int]:
    """Lots offered at each of some rising prices."""
    found = []
    at = -1
    for price in prices:
        while at + 1 < len(supply) and supply[at + 1][0] <= price:
            at += 1
        found.append(supply[at][1] if at >= 0 else 0)
    return found
