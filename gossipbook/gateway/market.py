"""One pair as the gateway sees it: its book, its last trades and its last day, and who is told when they change.

A book comes from one peer's feed, checked against that peer's checksums at each step, and goes on from another peer
when the first is lost. Trades are the fills of the same blocks; those that happened between two peers are asked for.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sortedcontainers import SortedDict

from gossipbook.accounts.asking import PAGE_CAP
from gossipbook.accounts.rows import DAY_MS
from gossipbook.books.changes import OrderChange, apply_orders
from gossipbook.books.follower import BookUpdate
from gossipbook.books.levels import L1, Level, LevelChange
from gossipbook.books.queues import OrderKey
from gossipbook.errors import GossipbookError, LinkClosed
from gossipbook.gateway.clock import now_ms
from gossipbook.gateway.day import Day
from gossipbook.gateway.network import Network
from gossipbook.gateway.problems import AGAIN_S, Problem
from gossipbook.matching.commands import PairState, Side
from gossipbook.matching.events import FILL, Fill, RawEvent
from gossipbook.trade.account_calls import LOOK_AGAIN_S
from gossipbook.trade.peer_link import MALFORMED_ANSWER

TRADES_CAP: Final = 1_000
"""Trades that are remembered; older ones are asked for."""
READY_S: Final = 5.0
CATCH_UP_S: Final = 3.0
"""How long a book may be behind what was told of the same blocks before it is shown as it is."""
RETRY_S: Final = 0.5
LOOKS_CAP: Final = 64
"""Pages of missed trades that are asked for; older ones than those have to be asked for by whoever wants them."""
STALE_S: Final = 5.0
"""A pair from which nothing was heard for so long is asked how it fares before it is called live."""

log = logging.getLogger("gossipbook.gateway")


class Traded(NamedTuple):
    """A trade. ``number`` is its event's; numbers ascend and are not contiguous."""

    number: int
    height: int
    time_ms: int
    price_ticks: int
    qty_lots: int
    taker_side: int


@dataclass(frozen=True, slots=True)
class Step:
    """One block's step of a market, or a whole book (``reset``), with the trades since the last step.

    ``previous_trade`` is the number of the trade before the first of them; 0 if there was none.
    """

    update: BookUpdate
    trades: tuple[Traded, ...]
    previous_trade: int
    reset: bool


Listener = Callable[[Step], None]


class Market:
    """One pair's book and trades. ``run`` it in a task."""

    def __init__(self, network: Network, symbol: str) -> None:
        self.symbol = symbol
        self.spec = network.spec(symbol)
        self.listeners: list[Listener] = []
        self.trades: deque[Traded] = deque(maxlen=TRADES_CAP)
        self.day = Day(symbol)
        self.update: BookUpdate | None = None
        self.heard_s = time.monotonic()
        self.trouble = ""
        self.network = network
        self._levels: dict[int, SortedDict[int, Level]] = {Side.BUY: SortedDict(), Side.SELL: SortedDict()}
        self._queues: dict[int, dict[int, dict[OrderKey, int]]] = {}
        self._last_trade = 0
        self._day_height = 0
        self._moved = asyncio.Event()

    # -- reading ------------------------------------------------------------------------------------

    async def ready(self) -> BookUpdate:
        """The newest update, once there is a book; as a rule no older than what any account here was told.

        Raises:
            Problem: not soon.
        """
        told = self.network.told.get(self.symbol, 0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_S if self.update is None else CATCH_UP_S):
                while self.update is None or self.update.height < told:
                    await self._moved.wait()
        if self.update is None:
            trouble = self.trouble or self.network.trouble or "no peer has sent it yet"
            raise Problem(503, "no-book", f"there is no book of {self.symbol}: {trouble}", again_s=AGAIN_S)
        return self.update

    @property
    def is_stale(self) -> bool:
        """Whether the book may be of the past: its peer is lost, and no other has taken over."""
        return self.update is None or bool(self.trouble) or not self.network.is_open

    def levels(self, side: Side, depth: int | None = None) -> list[Level]:
        """The best levels of a side, best first."""
        levels = self._levels[side]
        prices: Iterable[int] = reversed(levels) if side == Side.BUY else iter(levels)
        found: list[Level] = []
        for price in prices:
            if depth is not None and len(found) >= depth:
                break
            found.append(levels[price])
        return found

    def orders(self, side: Side, depth: int | None = None) -> list[tuple[int, list[tuple[OrderKey, int]]]]:
        """The best levels of a side as queues: price, and the orders with their shown lots, front first."""
        queues = self._queues.get(side, {})
        return [(level.price_ticks, list(queues[level.price_ticks].items())) for level in self.levels(side, depth)]

    def top(self) -> L1:
        """The best of both sides and the last trade."""
        assert self.update is not None
        return self.update.top

    @property
    def state(self) -> PairState:
        """What the pair takes now."""
        return PairState.OPEN if self.update is None else self.update.state

    # -- following ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the pair until cancelled."""
        while True:
            try:
                client = await self.network.client()
                async with client.book_feed(self.symbol) as feed:
                    async for update in feed:
                        await self._take(update)
            except LinkClosed as error:
                self.trouble = str(error)
                self.network.lose()
            except (GossipbookError, Problem, *MALFORMED_ANSWER) as error:
                self.trouble = str(error) or type(error).__name__
                log.warning("the book of %s: %s", self.symbol, error)
            except Exception:
                self.trouble = "a fault of the gateway"
                log.exception("the book of %s met a fault of the gateway, and begins anew", self.symbol)
            await asyncio.sleep(RETRY_S)

    async def _take(self, update: BookUpdate) -> None:
        fresh = tuple(trade for trade in _trades(update) if trade.number > self._last_trade)
        if update.reset:
            fresh = await self._missed_trades(update.height)
            for side in self._levels.values():
                side.clear()
            self._queues = {}
        self._apply(update.levels, update.orders)
        previous = self._last_trade
        if fresh:
            self._last_trade = fresh[-1].number
            self.trades.extend(fresh)
        for trade in fresh:
            if trade.height > self._day_height:  # Else the day was loaded with it.
                self.day.add(trade.time_ms, trade.price_ticks, trade.qty_lots)
        self.update, self.trouble, self.heard_s = update, "", time.monotonic()
        self._moved.set()
        self._moved = asyncio.Event()
        step = Step(update, fresh, previous, bool(update.reset))
        for listener in list(self.listeners):
            listener(step)

    def _apply(self, levels: Iterable[LevelChange], orders: Iterable[OrderChange]) -> None:
        for side, price, lots, count in levels:
            if lots:
                self._levels[side][price] = Level(price, lots, count)
            else:
                self._levels[side].pop(price, None)
        apply_orders(self._queues, orders)

    async def _missed_trades(self, height: int) -> tuple[Traded, ...]:
        """The trades since the last one that is known, or the last ones of all; and the last day's candles."""
        pair = await self.network.pair(self.symbol)
        since_ms = now_ms() - DAY_MS
        candles = await pair.candles("5m", from_ms=since_ms, limit=1_000)
        self.day.load(candles["candles"])
        self._day_height = candles["height"]
        found: list[Traded] = []
        last = self._last_trade
        for _ in range(LOOKS_CAP):
            page = await pair.trades(after=last) if last else await pair.trades()
            found += map(traded_of_row, page["trades"])
            last = found[-1].number if found else last
            if len(page["trades"]) >= PAGE_CAP and self._last_trade:
                continue
            if page["height"] >= height:
                break
            await asyncio.sleep(LOOK_AGAIN_S)  # A peer's archive is a little behind its book.
        return tuple(found)


def _trades(update: BookUpdate) -> Iterable[Traded]:
    for raw in update.events:
        if raw[0] == FILL:
            yield _of_fill(raw, update.height, update.time_ms)


def _of_fill(raw: RawEvent, height: int, time_ms: int) -> Traded:
    fill = Fill(*raw[1:])
    return Traded(fill.number, height, time_ms, fill.price_ticks, fill.qty_lots, fill.taker_side)


def traded_of_row(row: dict[str, Any]) -> Traded:
    """A trade as peers tell it."""
    side = Side.BUY if row["taker_side"] == "buy" else Side.SELL
    number, height, time_ms = row["number"], row["height"], row["time_ms"]
    return Traded(number, height, time_ms, row["price_ticks"], row["qty_lots"], side)


class Markets:
    """The pairs that somebody has asked for; each is followed from then on."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._markets: dict[str, Market] = {}  # no more than the network has pairs
        self._tasks: list[asyncio.Task[None]] = []

    def get(self, symbol: str) -> Market:
        """A pair's market; followed from now on.

        Raises:
            Problem: the network does not have the pair.
        """
        market = self._markets.get(symbol)
        if market is None:
            market = self._markets[symbol] = Market(self.network, symbol)
            self._tasks.append(asyncio.create_task(market.run(), name=f"market {symbol}"))
        return market

    def known(self, symbol: str) -> Market | None:
        """A pair's market, if it is followed already."""
        return self._markets.get(symbol)

    async def close(self) -> None:
        """Follow none any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
