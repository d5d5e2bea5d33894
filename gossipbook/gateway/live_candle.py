"""The newest candle of one width of a market, as it grows: the archive's, and the trades since."""

from collections.abc import Iterable

from gossipbook.accounts.asking import WIDTHS_MS
from gossipbook.accounts.rows import Candle
from gossipbook.gateway.market import Market, Traded


class LiveCandle:
    """``row``: the candle as peers tell one, from its start on; None before the pair's first trade."""

    def __init__(self, market: Market, width: str, candles: list[list[int]], height: int) -> None:
        """``candles``: the archive's last one, if there is any, which has the trades up to block ``height``."""
        self.width_ms = WIDTHS_MS[width]
        self.candle: Candle | None = Candle(market.symbol, self.width_ms, *candles[-1]) if candles else None
        self._symbol = market.symbol
        self._height = height
        self.take(market.trades)

    @classmethod
    async def load(cls, market: Market, width: str) -> "LiveCandle":
        """Ask a peer.

        Raises:
            Problem: no peer can be asked.
        """
        answer = await market.network.ask(market.symbol, lambda pair: pair.candles(width, limit=1))
        return cls(market, width, answer["candles"], answer["height"])

    @property
    def row(self) -> list[int] | None:
        return None if self.candle is None else [*self.candle[2:]]

    def take(self, trades: Iterable[Traded]) -> None:
        """Grow by trades; those that the archive's candle has already are left out."""
        for trade in trades:
            if trade.height > self._height:
                self.candle = self._with(trade)

    def _with(self, trade: Traded) -> Candle:
        one = Candle.of_trade(self._symbol, self.width_ms, trade.time_ms, trade.price_ticks, trade.qty_lots)
        if self.candle is not None and self.candle.start_ms == one.start_ms:
            return self.candle.joined(one)
        return one
