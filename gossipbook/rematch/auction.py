"""The price of a call auction: one price at which all that can trade does."""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple


class Range(NamedTuple):
    """Prices ``low..high`` at which the same would trade; ``surplus`` is what buys would have left over."""

    low: int
    high: int
    volume: int
    surplus: int


def uniform_price(buys: Iterable[tuple[int, int]], sells: Iterable[tuple[int, int]], last: int) -> int | None:
    """The one price for orders given as (price, lots); ``last`` is the last trade's price, or 0. None: nothing trades.

    Largest volume; then smallest surplus; then market pressure: highest price if buys are left over at all of them,
    lowest if sells are; then nearest to the last trade's price, without one the floor of the midpoint.
    """
    ranges = _ranges(list(buys), list(sells))
    most = max((r.volume for r in ranges), default=0)
    if not most:
        return None
    ranges = [r for r in ranges if r.volume == most]
    least = min(abs(r.surplus) for r in ranges)
    ranges = [r for r in ranges if abs(r.surplus) == least]
    low, high = ranges[0].low, ranges[-1].high  # Volume rises and falls once: what is left hangs together.
    if all(r.surplus > 0 for r in ranges):
        return high
    if all(r.surplus < 0 for r in ranges):
        return low
    return min(max(last or (low + high) // 2, low), high)


def _ranges(buys: list[tuple[int, int]], sells: list[tuple[int, int]]) -> list[Range]:
    """All prices at which something trades, in ranges without a difference, ascending."""
    if not buys or not sells:
        return []
    lowest, highest = min(price for price, _ in sells), max(price for price, _ in buys)
    if lowest > highest:
        return []
    steps: dict[int, tuple[int, int]] = {}  # price from which on: fewer lots are bid, more are offered
    for price, lots in buys:
        bid, offered = steps.get(price + 1, (0, 0))
        steps[price + 1] = bid + lots, offered
    for price, lots in sells:
        bid, offered = steps.get(price, (0, 0))
        steps[price] = bid, offered + lots
    bid, offered = sum(lots for _, lots in buys), 0
    found = []
    for start, end in pairwise(sorted(steps)):
        bid, offered = bid - steps[start][0], offered + steps[start][1]
        if lowest <= start <= highest:
            found.append(Range(start, end - 1, min(bid, offered), bid - offered))
    return found
