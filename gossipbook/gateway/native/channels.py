"""The channels of the native stream: what each begins with, and what follows. A text is made once for all subscribers.

Every message has ``channel`` and ``pair``. ``book``, ``top`` and ``l3`` begin with a ``snapshot`` and go on with
``update``, each from ``previous`` to ``sequence``, without a gap; ``checksum`` is that of the ten best levels after it.
``trades`` and ``candles`` go on from one trade's number to the next.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from gossipbook.books.levels import L1, LevelChange
from gossipbook.gateway.amounts import price_text, qty_text
from gossipbook.gateway.live_candle import LiveCandle
from gossipbook.gateway.market import Market, Step, Traded
from gossipbook.gateway.native import reads
from gossipbook.gateway.rows import candle_json, trade_json
from gossipbook.matching.commands import Side

Told = dict[str, Any]
Put = Callable[[str], None]
MARKET_CHANNELS: Final = ("book", "top", "l3", "trades", "candles")
TRADES_AT_FIRST: Final = 50


def text(told: Told) -> str:
    """JSON, as short as it can be."""
    return json.dumps(told, separators=(",", ":"))


class Channel:
    """One channel of one market, and who has subscribed to it. ``candle`` is that of the candles' channel."""

    def __init__(self, market: Market, name: str, width: str = "", candle: LiveCandle | None = None) -> None:
        self.market = market
        self.name = name
        self.width = width
        self.subscribers: dict[object, Put] = {}
        self._candle = candle
        self._top: L1 | None = None
        self._told = 0  # the sequence that subscribers of the top were told last
        market.listeners.append(self._on_step)

    def close(self) -> None:
        """Listen no more."""
        self.market.listeners.remove(self._on_step)

    def _head(self, kind: str) -> Told:
        told: Told = {"channel": self.name, "type": kind, "pair": self.market.symbol}
        return told | {"width": self.width} if self.width else told

    # -- beginning ----------------------------------------------------------------------------------

    def snapshot(self) -> str:
        """What a subscriber begins with."""
        market = self.market
        if self.name == "trades":
            rows = [_trade_row(trade) for trade in [*market.trades][-TRADES_AT_FIRST:]]
            return text(self._head("snapshot") | {"trades": [trade_json(market.spec, row) for row in rows]})
        if self.name == "candles":
            return text(self._head("snapshot") | {"candle": self._candle_json()})
        assert market.update is not None
        self._top, self._told = market.top(), market.update.sequence
        levels = {"book": (2, None), "top": (1, 1), "l3": (3, None)}
        return text(self._head("snapshot") | reads.book_json(market, *levels[self.name]))

    # -- following ----------------------------------------------------------------------------------

    def _on_step(self, step: Step) -> None:
        if self._candle is not None:
            self._candle.take(step.trades)
        if not self.subscribers:
            return
        made = self._update(step)
        if made is not None:
            for put in [*self.subscribers.values()]:
                put(made)

    def _update(self, step: Step) -> str | None:
        """The text of a step; None if it changes nothing here."""
        market, update = self.market, step.update
        if self.name == "trades":
            if not step.trades:
                return None
            rows = [trade_json(market.spec, _trade_row(trade)) for trade in step.trades]
            return text(self._head("update") | {"previous": step.previous_trade, "trades": rows})
        if self.name == "candles":
            return text(self._head("update") | {"candle": self._candle_json()}) if step.trades else None
        if step.reset:
            return self.snapshot()
        if self.name == "top" and self._top == (top := update.top):
            return None
        previous = self._told if self.name == "top" else update.previous
        told = self._head("update") | {
            "height": update.height,
            "time_ms": update.time_ms,
            "previous": previous,
            "sequence": update.sequence,
            "checksum": update.checksum,
            "state": update.state.word,
        }
        if self.name == "top":
            self._top, self._told = top, update.sequence
            return text(told | {key: reads.levels_json(market, side, 1, 1) for key, side in _SIDES.items()})
        if self.name == "l3":
            return text(told | {"orders": [_order_json(market, change) for change in update.orders]})
        return text(told | {key: self._changes(update.levels, side) for key, side in _SIDES.items()})

    def _changes(self, levels: tuple[LevelChange, ...], side: Side) -> list[list[Any]]:
        spec = self.market.spec
        return [
            [price_text(spec, change.price_ticks), qty_text(spec, change.lots), change.orders]
            for change in levels
            if change.side == side
        ]

    def _candle_json(self) -> Told | None:
        row = None if self._candle is None else self._candle.row
        return None if row is None else candle_json(self.market.spec, row)


_SIDES: Final = {"bids": Side.BUY, "asks": Side.SELL}


def _trade_row(trade: Traded) -> Told:
    return trade._asdict() | {"taker_side": Side(trade.taker_side).name.lower()}


def _order_json(market: Market, change: Any) -> Told:
    return {
        "action": change.action.name.lower(),
        "side": Side(change.side).name.lower(),
        "price": price_text(market.spec, change.price_ticks),
        "author": change.author.hex(),
        "client_id": change.client_id,
        "qty": qty_text(market.spec, change.lots),
    }
