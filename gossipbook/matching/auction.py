"""The one price at which a call auction trades, from what is on both sides of the book."""

from collections.abc import Sequence
from itertools import accumulate


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
