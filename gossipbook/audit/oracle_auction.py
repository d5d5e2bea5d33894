"""The one price of an auction, found by trying every price that can matter."""

from collections.abc import Sequence

from gossipbook.audit.oracle_order import OracleOrder


def auction_price(buys: Sequence[OracleOrder], sells: Sequence[OracleOrder], last_trade: int) -> tuple[int, int]:
    """The price at which a crossed book opens, and the volume there. ``last_trade`` 0: there was none yet.

    Both sides are sorted, best first. Below the best offer nothing is supplied and above the best bid nothing is
    asked for, so the greatest volume is between the two.
    """
    demand, supply = {}, {}
    for price in _prices_to_try(buys, sells, last_trade):
        demand[price] = sum(order.open for order in buys if order.allows(price))
        supply[price] = sum(order.open for order in sells if order.allows(price))
    volume = {price: min(demand[price], supply[price]) for price in demand}
    surplus = {price: demand[price] - supply[price] for price in demand}

    greatest = max(volume.values())
    prices = [price for price in demand if volume[price] == greatest]
    smallest = min(abs(surplus[price]) for price in prices)
    prices = [price for price in prices if abs(surplus[price]) == smallest]
    if all(surplus[price] > 0 for price in prices):
        best = max(prices)
    elif all(surplus[price] < 0 for price in prices):
        best = min(prices)
    elif last_trade:
        best = min(prices, key=lambda price: abs(price - last_trade))
    else:
        best = (min(prices) + max(prices)) // 2
    return best, greatest


def _prices_to_try(buys: Sequence[OracleOrder], sells: Sequence[OracleOrder], last_trade: int) -> list[int]:
    """From the best offer to the best bid each price at which something may change, and its neighbours.

    Between two of them everything is as at both, so of what is tied the ends are among them, and so is the last
    trade's price; the middle is worked out from the ends.
    """
    limits = {order.price for order in [*buys, *sells]} | {last_trade}
    near = {price + step for price in limits for step in (-1, 0, 1)}
    return sorted(price for price in near if sells[0].price <= price <= buys[0].price)
