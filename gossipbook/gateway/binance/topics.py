"""The dialect's market streams: what each is called, and what it says when a market moves.

Depth is told as differences whose first number is one after the last one's final number. They are gathered for 100 ms
or a second. After a market began anew from another peer the difference from what was told before is told.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from gossipbook.accounts.asking import WIDTHS_MS
from gossipbook.accounts.rows import Candle
from gossipbook.gateway.amounts import price_text, qty_text, quote_text
from gossipbook.gateway.binance.market import best_json, depth_levels, now_ms, ticker_json
from gossipbook.gateway.market import Market, Step, Traded
from gossipbook.matching.commands import Side

Told = dict[str, Any]
Put = Callable[[str], None]
Who = tuple[object, bool]
"""A socket, and whether it wants each message with its stream's name."""

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


class Teller:
    """One stream, with its subscribers. A text is made once for all of them."""

    def __init__(self, market: Market, name: str, symbol: str, topic: Topic) -> None:
        self.market = market
        self.name = name
        self.topic = topic
        self.subscribers: dict[Who, Put] = {}
        self._symbol = symbol
        self._due_ms = 0
        self._told = market.update.sequence if market.update is not None else 0
        self._changed: dict[tuple[int, int], int] = {}  # what is gathered: side and price, with the lots
        self._levels: dict[tuple[int, int], int] = {}  # what subscribers have
        if topic.kind == "depth" and not topic.levels:
            self._levels = _levels(market)
        self._candle: Candle | None = None
        self._moved = False
        market.listeners.append(self._on_step)

    def close(self) -> None:
        """Listen no more."""
        self.market.listeners.remove(self._on_step)

    def load_candle(self, rows: list[list[int]]) -> None:
        """Take the newest candle of the archive, from which the live one goes on."""
        if rows and self._candle is None:
            self._candle = Candle(self.market.symbol, WIDTHS_MS[self.topic.kind[6:]], *rows[-1])

    def tick(self, now: int) -> None:
        """Tell what was gathered, if it is time."""
        if self.topic.every_ms and self._moved and now >= self._due_ms:
            self._moved, self._due_ms = False, now + self.topic.every_ms
            told = self._gathered()
            if told is not None:
                self._tell(told)

    def _tell(self, told: Told) -> None:
        texts = {
            combined: json.dumps({"stream": self.name, "data": told} if combined else told, separators=(",", ":"))
            for combined in {combined for _, combined in self.subscribers}
        }
        for (_, combined), put in [*self.subscribers.items()]:
            put(texts[combined])

    # -- steps --------------------------------------------------------------------------------------

    def _on_step(self, step: Step) -> None:
        kind = self.topic.kind
        if kind.startswith("kline_"):
            self._follow_candle(step.trades)
            self._moved = self._moved or bool(step.trades)
        elif kind == "depth":
            self._gather(step)
        elif kind in ("ticker", "miniTicker"):
            self._moved = True
        elif kind == "bookTicker":
            self._tell(self._book_ticker(step.update.sequence))
        else:
            for trade in step.trades:
                self._tell(self._trade(trade))

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
        if kind.startswith("kline_"):
            return None if self._candle is None else self._kline(self._candle)
        if kind in ("ticker", "miniTicker"):
            return self._ticker(mini=kind == "miniTicker")
        if self.topic.levels:
            return {"lastUpdateId": market.update.sequence, **depth_levels(market, self.topic.levels)}
        last = market.update.sequence
        if last <= self._told and not self._changed:
            return None
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

    def _ticker(self, *, mini: bool) -> Told:
        told = ticker_json(self._symbol, self.market)
        names = {"c": "lastPrice", "o": "openPrice", "h": "highPrice", "l": "lowPrice", "v": "volume"}
        names["q"] = "quoteVolume"
        if not mini:
            names |= {"p": "priceChange", "P": "priceChangePercent", "w": "weightedAvgPrice", "x": "prevClosePrice"}
            names |= {"Q": "lastQty", "b": "bidPrice", "B": "bidQty", "a": "askPrice", "A": "askQty", "O": "openTime"}
            names |= {"C": "closeTime", "F": "firstId", "L": "lastId", "n": "count"}
        event = "24hrMiniTicker" if mini else "24hrTicker"
        head: Told = {"e": event, "E": now_ms(), "s": self._symbol}
        return head | {short: told[name] for short, name in names.items()}

    def _kline(self, candle: Candle) -> Told:
        spec, width = self.market.spec, self.topic.kind[6:]
        now, end_ms = now_ms(), candle.start_ms + candle.width_ms - 1
        k: Told = {"t": candle.start_ms, "T": end_ms, "s": self._symbol, "i": width, "f": -1, "L": -1}
        prices = {"o": candle.open_ticks, "c": candle.close_ticks, "h": candle.high_ticks, "l": candle.low_ticks}
        k |= {name: price_text(spec, ticks) for name, ticks in prices.items()}
        k |= {"v": qty_text(spec, candle.lots), "n": candle.trades, "x": now > end_ms}
        k |= {"q": quote_text(spec, candle.quote), "V": qty_text(spec, 0), "Q": quote_text(spec, 0), "B": "0"}
        return {"e": "kline", "E": now, "s": self._symbol, "k": k}

    def _follow_candle(self, trades: tuple[Traded, ...]) -> None:
        width_ms = WIDTHS_MS[self.topic.kind[6:]]
        for trade in trades:
            self._candle = joined(self._candle, self.market.symbol, width_ms, trade)


def joined(candle: Candle | None, symbol: str, width_ms: int, trade: Traded) -> Candle:
    """The live candle with one more trade, or the next one."""
    price, lots = trade.price_ticks, trade.qty_lots
    start_ms = trade.time_ms - trade.time_ms % width_ms
    one = Candle(symbol, width_ms, start_ms, price, price, price, price, lots, price * lots, 1)
    return candle.joined(one) if candle is not None and candle.start_ms == start_ms else one


def _levels(market: Market) -> dict[tuple[int, int], int]:
    return {(int(side), level.price_ticks): level.lots for side in Side for level in market.levels(side)}
