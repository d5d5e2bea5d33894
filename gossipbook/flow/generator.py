"""An endless, seeded order flow with the statistics of a recorded hour.

The figures are those of AAPL on NASDAQ, 2012-06-21, 9:30 to 10:30, as :func:`gossipbook.flow.measure` finds them.
What it imitates: the mix of submissions, deletions, takes and reductions; bursts; how long orders live and how
far from the best price they start; sizes; fills per take; the persistence of the takers' side; the spread. What
it does not: any relation between these but the ones below, trends, hidden orders, the closing of a session.
"""

import heapq
import math
import random
from collections.abc import Callable, Iterator
from itertools import pairwise

from gossipbook.flow.picture import BUY, Quote, QuoteSide
from gossipbook.flow.step import Flow, FlowStep
from gossipbook.matching.commands import Amend, AmendFlags, Cancel, OrderType, Place, PlaceFlags, Side, TimeInForce

LIMIT, GTC, GTD, IOC = int(OrderType.LIMIT), int(TimeInForce.GTC), int(TimeInForce.GTD), int(TimeInForce.IOC)
SELL, POST_ONLY, REDUCE_ONLY = int(Side.SELL), int(PlaceFlags.POST_ONLY), int(AmendFlags.REDUCE_ONLY)

ARRIVALS_S = 13.5
"""Submissions and takes a second, on average; the rest follows from the orders' lives."""
TAKE_SHARE = 0.0697
REDUCE_SHARE = 0.0108
"""Of the submissions, those that are reduced once; some end before."""
FULL_SHARE = 0.66
"""Of the takes, those that leave nothing of the last order they meet."""
REPEAT_SHARE = 0.81
FILLS = (0.825, 0.966, 0.988, 0.995, 0.998, 1.0)
"""Shares of the takes that meet at most 1, 2, … orders."""
INSIDE_SHARE = 0.21
NEAR_SHARE = 0.28
"""Inside the spread or at best. What has no room inside a closed spread goes to the best price."""
POST_ONLY_SHARE = 0.3
GTD_SHARE = 0.1
GTD_GRACE_MS = 60_000
"""A GTD order's expiry is a safety net this long after the planned cancel, so blocks may lag a minute."""

# Tuned until the counts per second and the gaps between rows came out as recorded.
REGIME_US = 500_000
REGIME_SIGMA = 1.2
REGIME_MEMORY = 0.75
MICROBURST_SHARE = 0.7
MICROBURST_US = 400
REACTION_US = 150_000
REACTION_SHARE = 0.5
"""Of the cancels of orders that lived longer than REACTION_US, those that wait for the next arrival."""

COUPLING = 0.7
"""The share of the orders whose life has the rank of their distance: the nearer the shorter. Without it, orders
inside the spread live long enough to close it. Both distributions are as recorded whatever the share is."""

TABLE = 2_000


def _geometric(points: list[tuple[float, float]], size: int = TABLE) -> list[int]:
    """A table of quantiles, interpolated geometrically between (share, value) points."""
    table = []
    for i in range(size):
        share = (i + 0.5) / size
        (p, low), (q, high) = next(pair for pair in pairwise(points) if share <= pair[1][0])
        table.append(int(low * (high / low) ** ((share - p) / (q - p))))
    return table


LIVES_US = _geometric([(0, 200), (0.25, 43e3), (0.5, 393e3), (0.75, 2.6e6), (0.95, 23e6), (0.99, 150e6), (1, 1800e6)])
BEHIND_TICKS = [0] * round(NEAR_SHARE * TABLE) + _geometric(
    [(0, 1), (0.234, 6), (0.622, 21), (0.804, 51), (0.96, 400), (1, 4000)], TABLE - round(NEAR_SHARE * TABLE)
)
"""How far behind the best price of their side orders start, by rank; ranks below INSIDE_SHARE are in the spread."""

_SIZES = ((0.22, 0), (0.87, 100), (0.89, 150), (0.965, 200), (0.975, 300), (0.98, 400), (0.988, 500), (1.0, 1000))
SIZES_LOTS = [next(size for share, size in _SIZES if i < share * TABLE) for i in range(TABLE)]
"""0 stands for an odd lot below 100."""

REST_QUOTES = 70  # a side of the prelude
CANCEL_DUE, REACTION_DUE, REDUCE_DUE = 0, 1, 2


def generated_flow(
    seed: int, *, makers: int = 8, takers: int = 2, start_ms: int | None = None, price_ticks: int = 58_500
) -> Flow:
    """A prelude of resting orders at time 0, then endless steps. The same arguments give the same flow.

    Prices move around ``price_ticks``. With ``start_ms``, the block time in ms at the flow's time 0, a share of the
    orders is GTD. No step is refused by an engine that ran all the steps before it and has no price band.
    """
    assert min(makers, takers) > 0, "needs at least one of each"
    assert price_ticks > 1000, "the book needs room below"
    generator = _Generator(random.Random(seed), makers, takers, start_ms, price_ticks)
    return Flow(generator.prelude(), generator.steps())


class _Generator:
    def __init__(self, rng: random.Random, makers: int, takers: int, start_ms: int | None, anchor: int) -> None:
        self._rng = rng
        self._draw: Callable[[], float] = rng.random
        self._makers, self._takers = makers, takers
        self._start_ms, self._anchor = start_ms, anchor
        self._sides: dict[int, QuoteSide[Quote]] = {BUY: QuoteSide(BUY), SELL: QuoteSide(SELL)}
        self._last_ids = [0] * (makers + takers)
        self._due: list[tuple[int, int, int, Quote]] = []  # time, tie-break, what, whom
        self._planned = 0
        self._take_side = BUY
        self._mood = 0.0
        self._rate = ARRIVALS_S / 1e6
        self._regime_end = 0

    def prelude(self) -> list[FlowStep]:
        """Orders whose remaining lives are long, as those met in a book at any one moment are."""
        steps = []
        for i in range(2 * REST_QUOTES):
            side = BUY if i % 2 else SELL
            behind = 10 + (0 if i < 2 else BEHIND_TICKS[int((NEAR_SHARE + (1 - NEAR_SHARE) * self._draw()) * TABLE)])
            price = max(1, self._anchor - behind if side == BUY else self._anchor + behind)
            life = int(LIVES_US[int(TABLE * (0.9 + 0.1 * self._draw()))] * self._draw())
            steps.append(self._submit(0, side, price, life))
        return steps

    def steps(self) -> Iterator[FlowStep]:
        due, heappop = self._due, heapq.heappop
        reacting: list[Quote] = []
        arrival = self._next_arrival(0)
        while True:
            while due and due[0][0] <= arrival:
                now, _, what, quote = heappop(due)
                if not quote.open_lots:
                    continue  # Filled meanwhile. Plans are never withdrawn.
                if what == REACTION_DUE:
                    reacting.append(quote)
                else:
                    yield self._cancel(now, quote) if what == CANCEL_DUE else self._reduce(now, quote)
            for quote in reacting:
                yield self._cancel(arrival, quote)
            reacting.clear()
            if self._draw() < TAKE_SHARE:
                step = self._take(arrival)
                if step is not None:
                    yield step
            else:
                yield self._arrive(arrival)
            arrival = self._next_arrival(arrival)

    def _next_arrival(self, now: int) -> int:
        """Poisson within a regime, whose rate is a log-normal first-order process, with microbursts on top."""
        rng = self._rng
        if self._draw() < MICROBURST_SHARE:
            return now + int(rng.expovariate(1 / MICROBURST_US))
        while True:
            later = now + int(rng.expovariate(self._rate))
            if later < self._regime_end:
                return later
            now = max(now, self._regime_end)
            self._regime_end = now + REGIME_US
            noise = REGIME_SIGMA * (1 - REGIME_MEMORY**2) ** 0.5
            self._mood = REGIME_MEMORY * self._mood + rng.gauss(0.0, noise)
            mean = ARRIVALS_S * (1 - MICROBURST_SHARE) / 1e6
            self._rate = mean * math.exp(self._mood - REGIME_SIGMA**2 / 2)

    def _arrive(self, now: int) -> FlowStep:
        draw = self._draw
        bids, asks = self._sides[BUY], self._sides[SELL]
        bid, ask = bids.best_ticks(), asks.best_ticks()
        if bid is None or ask is None:
            side, price = self._first_price(bid, ask)
            return self._submit(now, side, price, LIVES_US[int(draw() * TABLE)])
        lean = min(0.2, max(-0.2, (2 * self._anchor - bid - ask) / 4000))
        spread = ask - bid
        rank = draw()
        life = LIVES_US[int((rank if draw() < COUPLING else draw()) * TABLE)]
        if rank < INSIDE_SHARE and spread > 1:
            # Whoever narrows the spread leans towards the anchor: without it, prices would wander off for ever.
            better = 1 + int((spread - 1) * draw() ** 2)
            if draw() < 0.5 + lean:
                return self._submit(now, BUY, bid + better, life)
            return self._submit(now, SELL, ask - better, life)
        behind = BEHIND_TICKS[int(rank * TABLE)]
        if draw() < 0.5:
            return self._submit(now, BUY, max(1, bid - behind), life)
        return self._submit(now, SELL, ask + behind, life)

    def _first_price(self, bid: int | None, ask: int | None) -> tuple[int, int]:
        """A side that is empty gets its first order ten ticks from the other, or from the anchor."""
        if bid is None:
            return BUY, max(1, (ask or self._anchor) - 10)
        return SELL, bid + 10

    def _submit(self, now: int, side: int, price: int, life_us: int) -> FlowStep:
        draw = self._draw
        author = int(draw() * self._makers)
        lots = SIZES_LOTS[int(draw() * TABLE)] or 1 + int(draw() * 99)
        client_id = self._last_ids[author] = self._last_ids[author] + 1
        quote = Quote(author, client_id, side, price, lots, now)
        self._sides[side].rest(quote)
        reacts = life_us > REACTION_US and draw() < REACTION_SHARE
        self._plan(now + life_us, REACTION_DUE if reacts else CANCEL_DUE, quote)
        if draw() < REDUCE_SHARE and lots > 1:
            self._plan(now + int(life_us * draw()), REDUCE_DUE, quote)
        flags = POST_ONLY if draw() < POST_ONLY_SHARE else 0
        if self._start_ms is not None and draw() < GTD_SHARE:
            expires_ms = self._start_ms + (now + life_us) // 1000 + GTD_GRACE_MS
            return FlowStep(now, author, Place(client_id, side, LIMIT, price, lots, GTD, flags, 1, expires_ms))
        return FlowStep(now, author, Place(client_id, side, LIMIT, price, lots, GTC, flags, 1))

    def _plan(self, when: int, what: int, quote: Quote) -> None:
        self._planned += 1
        heapq.heappush(self._due, (when, self._planned, what, quote))

    def _cancel(self, now: int, quote: Quote) -> FlowStep:
        self._sides[quote.side].remove(quote)
        quote.open_lots = 0
        return FlowStep(now, quote.author, Cancel(quote.client_id))

    def _reduce(self, now: int, quote: Quote) -> FlowStep:
        """To something between one lot and what is open."""
        less = 1 + int(self._draw() * (quote.open_lots - 1)) if quote.open_lots > 1 else 0
        quote.open_lots -= less
        quote.total_lots -= less
        return FlowStep(now, quote.author, Amend(quote.client_id, 0, quote.total_lots, REDUCE_ONLY))

    def _take(self, now: int) -> FlowStep | None:
        draw = self._draw
        if draw() > REPEAT_SHARE:
            self._take_side = SELL if self._take_side == BUY else BUY
        side = self._take_side
        makers = self._sides[SELL if side == BUY else BUY]
        dice = draw()
        front = makers.front(1 + sum(dice > share for share in FILLS))
        if not front:
            return None
        lots = sum(quote.open_lots for quote in front)
        last = front[-1].open_lots
        if last > 1 and draw() > FULL_SHARE:
            lots -= 1 + int(draw() * (last - 1))
        limit = front[-1].price_ticks
        makers.take(limit, lots)
        author = self._makers + int(draw() * self._takers)
        client_id = self._last_ids[author] = self._last_ids[author] + 1
        return FlowStep(now, author, Place(client_id, side, LIMIT, limit, lots, IOC))
