"""The protection price of an order that comes without one, as market orders of other venues do."""

import asyncio
from typing import Any

from gossipbook.gateway.desk import Desk, Sent
from gossipbook.gateway.gateway import Gateway
from gossipbook.gateway.problems import Problem
from gossipbook.gateway.settings import MARKET_PROTECTION_BPS
from gossipbook.manifest import Pair
from gossipbook.matching.commands import Side
from gossipbook.trade.tickets import BadOrder

_WHOLE_BPS = 10_000


async def protection_ticks(gateway: Gateway, desk: Desk, symbol: str, side: str, text_id: str) -> int:
    """How far an order may trade: somewhat beyond the best opposite price.

    One that is placed again under its text id keeps the price that it was signed with.

    Raises:
        Problem: nobody is on the other side.
    """
    if text_id:
        named = await asyncio.to_thread(desk.wallet.find_text, symbol, text_id)
        if named is not None:
            return named.place.price_ticks
    market = gateway.markets.get(symbol)
    await market.ready()
    buys = side == "buy"
    best = next(iter(market.levels(Side.SELL if buys else Side.BUY, 1)), None)
    if best is None:
        raise Problem(400, "no-liquidity", f"nobody {'offers' if buys else 'bids'} in {symbol}: give a price")
    return beyond(market.spec, side, best.price_ticks)


async def place_at_market(gateway: Gateway, desk: Desk, symbol: str, side: str, text_id: str, **terms: Any) -> Sent:
    """Place an order that has no price of its own. ``terms`` are those of ``Desk.place``.

    The same request may have been signed meanwhile, with the protection price of another moment: that one counts.

    Raises:
        GossipbookError, Problem: nothing was signed; says why.
    """
    try:
        price_ticks = await protection_ticks(gateway, desk, symbol, side, text_id)
        return await desk.place(symbol, side, price_ticks=price_ticks, text_id=text_id, **terms)
    except BadOrder:
        if not text_id:
            raise
        price_ticks = await protection_ticks(gateway, desk, symbol, side, text_id)
        return await desk.place(symbol, side, price_ticks=price_ticks, text_id=text_id, **terms)


def beyond(spec: Pair, side: str, price_ticks: int) -> int:
    """A price somewhat worse than another one, as far as the pair takes it."""
    worse = MARKET_PROTECTION_BPS if side == "buy" else -MARKET_PROTECTION_BPS
    return min(max(price_ticks * (_WHOLE_BPS + worse) // _WHOLE_BPS, 1), spec.max_price_ticks)
