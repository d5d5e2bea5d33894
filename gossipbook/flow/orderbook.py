"""Reads LOBSTER orderbook files: per message, the best levels after it.

A row has ask price, ask size, bid price and bid size of the best level, then of the next, and so on; prices are × 10⁴.
A level that is not there has size 0. The rows are those of the message file, one for one.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from gossipbook.errors import DecodeError
from gossipbook.flow.lobster import DELETE, EXECUTE, REDUCE, SUBMIT, RecordedMessage, price_ticks, read_rows
from gossipbook.flow.picture import BUY

_ROW = re.compile(rb"-?\d{1,15}(?:,-?\d{1,15})*\r?\n?")

Side = dict[int, int]
"""Lots by price in ticks, the best price first."""


class BookRow(NamedTuple):
    """The best levels of a book. A side with fewer than ``levels`` is shown whole."""

    levels: int
    bids: Side
    asks: Side

    def before(self, message: RecordedMessage, tick_e4: int) -> "BookRow":
        """Return the book before a message that left it like this, without a level that the message put out of view."""
        if message.kind not in (SUBMIT, REDUCE, DELETE, EXECUTE):
            return self
        own = dict(self.bids if message.side == BUY else self.asks)
        price = price_ticks(message, tick_e4)
        lots = own.pop(price, 0) + (-message.size if message.kind == SUBMIT else message.size)
        if lots > 0:
            own[price] = lots
        own = dict(sorted(own.items(), reverse=message.side == BUY))
        return BookRow(0, own, self.asks) if message.side == BUY else BookRow(0, self.bids, own)


def read_books(path: str | Path, tick_e4: int = 100) -> Iterator[BookRow]:
    """Stream an orderbook file, plain or ``.gz``.

    Raises:
        DecodeError: naming the line of a row that does not follow the format, or has other levels than the first.
    """
    columns = 0
    for line, row in read_rows(path):
        if not _ROW.fullmatch(row):
            shown = row[:80].decode("ascii", "replace").rstrip()
            raise DecodeError(f"line {line} of the orderbook: expected integers and not {shown!r}")
        numbers = [int(number) for number in row.split(b",")]
        columns = columns or len(numbers)
        if len(numbers) != columns or columns % 4:
            raise DecodeError(f"line {line} of the orderbook: {len(numbers)} columns, where 4 a level were expected")
        asks = _side(numbers[0::4], numbers[1::4], 1, tick_e4, line)
        bids = _side(numbers[2::4], numbers[3::4], -1, tick_e4, line)
        yield BookRow(columns // 4, bids, asks)


def _side(prices: list[int], sizes: list[int], sign: int, tick_e4: int, line: int) -> Side:
    side: Side = {}
    for price, size in zip(prices, sizes, strict=True):
        if size:
            ticks, rest = divmod(price, tick_e4)
            if size < 0 or price <= 0 or rest:
                raise DecodeError(f"line {line} of the orderbook: {size} at {price} is no level on ticks of {tick_e4}")
            side[ticks] = size
    if any(before * sign >= after * sign for before, after in pairwise(side)):
        raise DecodeError(f"line {line} of the orderbook: prices are not in order")
    return side
