"""The dialect's market streams: what each is called, and what it says when a market moves.

Depth is told as differences whose first number is one after the last one's final number. They are gathered for 100 ms
or a second. After a market began anew from another peer the difference from what was told before is told.
"""

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

from gossipbook.accounts.asking import WIDTHS_MS
from gossipbook.accounts.rows import Candle
from gossipbook.gateway.amounts import price_text, qty_text, quote_text
from gossipbook.gateway.binance.market import best_json, depth_levels, ticker_json
from gossipbook.gateway.clock import now_ms
from gossipbook.gateway.live_candle import LiveCandle
from gossipbook.gateway.market import Market, Step, Traded
from gossipbook.matching.commands import Side

Told = dict[str, Any]
Put = Callable[[str], None]
Who = tuple[object, bool]
"""A socket, and whether it wants each message with its stream's name."""

ALL_EVERY_MS: Final = 1_000

_NAME: Final = re.compile(
    r"(?P<symbol>[^@!]+)@(?P<kind>depth|trade|aggTrade|kline_[0-9a-z]+|ticker|miniTicker|bookTicker)"
    r"(?P<levels>5|10|20)?(?:@(?P<speed>100|1000)ms)?",
    re.ASCII,
)


class Topic(NamedTuple):
    """A stream's parts: ``every_ms`` 0 is at once."""

    symbol: str
    kind: str
    levels: int
    every_ms: int

    @property
    def width(self) -> str:
        """Of candles; empty for other streams."""
        return self.kind[6:] if self.kind.startswith("kline_") else ""


def read_topic(name: str, pairs: dict[str, str]) -> Topic | None:
    """A stream of a pair that there is, by its name in lower case; None for any other."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    symbol = pairs.get(found["symbol"].lower())
    kind, levels = found["kind"], int(found["levels"] or 0)
    if symbol is None or (levels and kind != "depth"):
        return None
    if kind.startswith("kline_") and kind[6:] not in WIDTHS_MS:
        return None
    speeds = {"depth": int(found["speed"] or 1_000), "ticker": 1_000, "miniTicker": 1_000, "kline": 1_000}
    return Topic(symbol, kind, levels, speeds.get(kind.partition("_")[0], 0))


class Subscribers:
    """Of one stream. A text is made once for all of them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.subscribers: dict[Who, Put] = {}

    def tell(self, told: Any) -> None:
        """Send all of them what is told."""
        texts = {
            combined: json.dumps({"stream": self.name, "data": told} if combined else told, separators=(",", ":"))
            for combined in {combined for _, combined in self.subscribers}
        }
        for (_, combined), put in [*self.subscribers.items()]:
            put(texts[combined])


class AllTickers(Subscribers):
    """The tickers of all pairs in which something happened within a second, in one message."""

    def __init__(self, markets: dict[str, Market], name: str, *, mini: bool) -> None:
        super().__init__(name)
        self._markets = markets
        self._mini = mini
        self._due_ms = 0
        self._moved: dict[str, None] = {}
        self._listeners = {symbol: partial(self._on_step, symbol) for symbol in markets}

    def begin(self) -> None:
        """Listen from now on."""
        for symbol, market in self._markets.items():
            market.listeners.append(self._listeners[symbol])

    def close(self) -> None:
        """Listen no more."""
        for symbol, market in self._markets.items():
            market.listeners.remove(self._listeners[symbol])

    def tick(self, now: int) -> None:
        """Tell what was gathered, if it is time."""
        if self._moved and now >= self._due_ms:
            moved, self._moved, self._due_ms = self._moved, {}, now + ALL_EVERY_MS
            self.tell([ticker_event(symbol, self._markets[symbol], mini=self._mini) for symbol in moved])

    def _on_step(self, symbol: str, _: Step) -> None:
        self._moved[symbol] = None


class Teller(Subscribers):
    """One stream of one pair. ``candle`` is that of a stream of candles."""

    def __init__(self, market: Market, name: str, symbol: str, topic: Topic, candle: LiveCandle | None = None) -> None:
        super().__init__(name)
        self.market = market
        self.topic = topic
        self._symbol = symbol
        self._due_ms = 0
        self._told = market.update.sequence if market.update is not None else 0
        self._changed: dict[tuple[int, int], int] = {}  # what is gathered: side and price, with the lots
        self._levels: dict[tuple[int, int], int] = {}  # what subscribers have
        if topic.kind == "depth" and not topic.levels:
            self._levels = _levels(market)
        self._candle = candle
        self._moved = False

    def begin(self) -> None:
        """Listen from now on."""
        self.market.listeners.append(self._on_step)

    def close(self) -> None:
        """Listen no more."""
        self.market.listeners.remove(self._on_step)

    def tick(self, now: int) -> None:
        """Tell what was gathered, if it is time."""
        if self.topic.every_ms and self._moved and now >= self._due_ms:
            self._moved, self._due_ms = False, now + self.topic.every_ms
            told = self._gathered()
            if told is not None:
                self.tell(told)

    # -- steps --------------------------------------------------------------------------------------

    def _on_step(self, step: Step) -> None:
        kind = self.topic.kind
        if self._candle is not None:
            self._candle.take(step.trades)
            self._moved = self._moved or bool(step.trades)
        elif kind == "depth":
            self._gather(step)
        elif kind in ("ticker", "miniTicker"):
            self._moved = True
        elif kind == "bookTicker":
            self.tell(self._book_ticker(step.update.sequence))
        else:
            for trade in step.trades:
                self.tell(self._trade(trade))

    def _gather(self, step: Step) -> None:
        self._moved = True
        if self.topic.levels:
            return
        if step.reset:
            now = _levels(self.market)
            gone = [key for key in self._levels if key not in now]
            self._changed = {key: lots for key, lots in now.items() if self._levels.get(key) != lots}
            self._changed |= dict.fromkeys(gone, 0)
        else:
            self._changed |= {(change.side, change.price_ticks): change.lots for change in step.update.levels}

    def _gathered(self) -> Told | None:
        market, spec, kind = self.market, self.market.spec, self.topic.kind
        assert market.update is not None
        if self._candle is not None:
            return None if self._candle.candle is None else self._kline(self._candle.candle)
        if kind in ("ticker", "miniTicker"):
            return ticker_event(self._symbol, market, mini=kind == "miniTicker")
        if self.topic.levels:
            return {"lastUpdateId": market.update.sequence, **depth_levels(market, self.topic.levels)}
        last = market.update.sequence
        if not self._changed:
            return None  # The next difference begins where the last one ended.
        changed, self._changed = self._changed, {}
        self._levels |= changed
        for key in [key for key, lots in changed.items() if not lots]:
            del self._levels[key]
        first, self._told = self._told + 1, max(last, self._told + 1)
        told: Told = {"e": "depthUpdate", "E": now_ms(), "s": self._symbol, "U": first, "u": self._told}
        for name, side in (("b", Side.BUY), ("a", Side.SELL)):
            rows = sorted((price, lots) for (each, price), lots in changed.items() if each == side)
            told[name] = [[price_text(spec, price), qty_text(spec, lots)] for price, lots in rows]
        return told

    # -- shapes -------------------------------------------------------------------------------------

    def _trade(self, trade: Traded) -> Told:
        spec, aggregate = self.market.spec, self.topic.kind == "aggTrade"
        told: Told = {"e": self.topic.kind, "E": now_ms(), "s": self._symbol, "a" if aggregate else "t": trade.number}
        told |= {"p": price_text(spec, trade.price_ticks), "q": qty_text(spec, trade.qty_lots)}
        if aggregate:
            told |= {"f": trade.number, "l": trade.number}
        return told | {"T": trade.time_ms, "m": trade.taker_side == Side.SELL, "M": True}

    def _book_ticker(self, sequence: int) -> Told:
        best = best_json(self.market)
        told: Told = {"u": sequence, "s": self._symbol, "b": best["bidPrice"], "B": best["bidQty"]}
        return told | {"a": best["askPrice"], "A": best["askQty"]}

    def _kline(self, candle: Candle) -> Told:
        spec, width = self.market.spec, self.topic.width
        now, end_ms = now_ms(), candle.start_ms + candle.width_ms - 1
        k: Told = {"t": candle.start_ms, "T": end_ms, "s": self._symbol, "i": width, "f": -1, "L": -1}
        prices = {"o": candle.open_ticks, "c": candle.close_ticks, "h": candle.high_ticks, "l": candle.low_ticks}
        k |= {name: price_text(spec, ticks) for name, ticks in prices.items()}
        k |= {"v": qty_text(spec, candle.lots), "n": candle.trades, "x": now > end_ms}
        k |= {"q": quote_text(spec, candle.quote), "V": qty_text(spec, 0), "Q": quote_text(spec, 0), "B": "0"}
        return {"e": "kline", "E": now, "s": self._symbol, "k": k}


def ticker_event(symbol: str, market: Market, *, mini: bool) -> Told:
    """The last 24 hours, as a stream tells them."""
    told = ticker_json(symbol, market)
    names = {"c": "lastPrice", "o": "openPrice", "h": "highPrice", "l": "lowPrice", "v": "volume"}
    names["q"] = "quoteVolume"
    if not mini:
        names |= {"p": "priceChange", "P": "priceChangePercent", "w": "weightedAvgPrice", "x": "prevClosePrice"}
        names |= {"Q": "lastQty", "b": "bidPrice", "B": "bidQty", "a": "askPrice", "A": "askQty", "O": "openTime"}
        names |= {"C": "closeTime", "F": "firstId", "L": "lastId", "n": "count"}
    event = "24hrMiniTicker" if mini else "24hrTicker"
    head: Told = {"e": event, "E": now_ms(), "s": symbol}
    return head | {short: told[name] for short, name in names.items()}


def _levels(market: Market) -> dict[tuple[int, int], int]:
    return {(int(side), level.price_ticks): level.lots for side in Side for level in market.levels(side)}
