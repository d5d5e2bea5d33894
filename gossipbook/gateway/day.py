"""The last 24 hours of a pair, kept from its trades in steps of five minutes."""

from collections import deque
from typing import Final

from gossipbook.accounts.rows import DAY_MS, MINUTE_MS, Candle

STEP_MS: Final = 5 * MINUTE_MS


class Day:
    """Candles of five minutes of a pair, of which those of the last 24 hours count."""

    def __init__(self, pair: str) -> None:
        self._pair = pair
        self._candles: deque[Candle] = deque()

    def load(self, rows: list[list[int]]) -> None:
        """Take candles as peers tell them, in ascending order, instead of what there was."""
        self._candles = deque(Candle(self._pair, STEP_MS, *row) for row in rows)

    def add(self, time_ms: int, price_ticks: int, lots: int) -> None:
        """Take a trade, no earlier than any before."""
        candle = Candle.of_trade(self._pair, STEP_MS, time_ms, price_ticks, lots)
        if self._candles and self._candles[-1].start_ms == candle.start_ms:
            self._candles[-1] = self._candles[-1].joined(candle)
        else:
            self._candles.append(candle)

    def summary(self, now_ms: int) -> Candle | None:
        """One candle of what traded in the 24 hours before a time, to five minutes; None if nothing did."""
        while self._candles and self._candles[0].start_ms < now_ms - DAY_MS:
            self._candles.popleft()
        if not self._candles:
            return None
        whole = self._candles[0]
        for candle in list(self._candles)[1:]:
            whole = whole.joined(candle)
        return whole
