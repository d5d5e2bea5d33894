"""Reads LOBSTER message files: time, type, order id, size, price × 10⁴, direction of the resting order.

Types: 1 submit, 2 reduce, 3 delete, 4 execution of a visible order, 5 of a hidden one, 6 cross trade, 7 halt.
Times are seconds after midnight, read as integer nanoseconds: no float comes near a price, a size or a time.
Digits beyond the ninth decimal are cut off; where they occur they are somebody else's floating point.
A seventh column (the market participant, or "null"), a header as the first line and blank lines at the end are
passed over. Source: the format notes on lobsterdata.com.
"""

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from gossipbook.errors import DecodeError
from gossipbook.matching.commands import Side

SUBMIT, REDUCE, DELETE, EXECUTE, EXECUTE_HIDDEN, CROSS, HALT = 1, 2, 3, 4, 5, 6, 7

_ROW = re.compile(
    rb"(\d{1,9})(?:\.(\d{1,18}))?,([1-7]),(-?\d{1,18}),(\d{1,15}),(-?\d{1,15}),(-1|1)(?:,[^,\r\n]*)?\r?\n?"
)
_HEADER = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s*\"?[A-Za-z_][^,\r\n]*,)+\s*\"?[A-Za-z_][^,\r\n]*\r?\n?")


class RecordedMessage(NamedTuple):
    """One row. ``side`` is that of the resting order."""

    line: int
    time_ns: int
    kind: int
    order_id: int
    size: int
    price_e4: int
    side: int


class Take(NamedTuple):
    """Executions that one aggressive order caused, in the order of the file."""

    executions: tuple[RecordedMessage, ...]

    @property
    def time_ns(self) -> int:
        return self.executions[0].time_ns

    @property
    def side(self) -> int:
        """The aggressor's side."""
        return int(Side.SELL if self.executions[0].side == Side.BUY else Side.BUY)

    @property
    def limit_e4(self) -> int:
        """The worst price that the aggressor paid or got."""
        prices = [execution.price_e4 for execution in self.executions]
        return max(prices) if self.side == Side.BUY else min(prices)

    @property
    def size(self) -> int:
        return sum(execution.size for execution in self.executions)


def read_messages(path: str | Path) -> Iterator[RecordedMessage]:
    """Stream a message file, plain or ``.gz``.

    Raises:
        DecodeError: naming the line of a row that does not follow the format.
    """
    before = 0
    for line, row in read_rows(path):
        message = _message(row, line)
        if message.time_ns < before:
            raise DecodeError(f"line {line}: time goes back")
        before = message.time_ns
        yield message


def read_rows(path: str | Path) -> Iterator[tuple[int, bytes]]:
    """Stream the lines of a file, plain or ``.gz``, with their numbers from 1, without a header and the last blanks.

    Raises:
        DecodeError: for a blank line before others, or a torn gzip file.
    """
    blank = 0
    try:
        with _open(Path(path)) as rows:
            for line, row in enumerate(rows, 1):
                if row.isspace():
                    blank = blank or line
                elif blank:
                    raise DecodeError(f"line {blank}: blank, and more lines follow")
                elif line > 1 or not _HEADER.fullmatch(row):
                    yield line, row
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DecodeError(f"{Path(path).name}: not a whole gzip file: {error}") from None


def group_takes(messages: Iterable[RecordedMessage]) -> Iterator[RecordedMessage | Take]:
    """The same messages, with the executions of one aggressive order joined.

    LOBSTER does not record aggressors. Consecutive executions of visible orders with one time and one side are
    one immediate-or-cancel order of the other side.
    """
    run: list[RecordedMessage] = []
    for message in messages:
        if run and (message.kind != EXECUTE or message.time_ns != run[0].time_ns or message.side != run[0].side):
            yield Take(tuple(run))
            run = []
        if message.kind == EXECUTE:
            run.append(message)
        else:
            yield message
    if run:
        yield Take(tuple(run))


def price_ticks(message: RecordedMessage, tick_e4: int) -> int:
    """A message's price in ticks of ``tick_e4`` ten-thousandths (100: one cent).

    Raises:
        DecodeError: if the price lies between two ticks.
    """
    ticks, rest = divmod(message.price_e4, tick_e4)
    if rest:
        raise DecodeError(f"line {message.line}: price {message.price_e4} is not a multiple of the tick {tick_e4}")
    return ticks


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix.lower() == ".gz" else path.open("rb")


def _message(row: bytes, line: int) -> RecordedMessage:
    match = _ROW.fullmatch(row)
    if match is None:
        shown = row[:80].decode("ascii", "replace").rstrip()
        raise DecodeError(f"line {line}: expected time,type,id,size,price,direction and not {shown!r}")
    seconds, fraction, kind, order_id, size, price, direction = match.groups()
    message = RecordedMessage(
        line,
        int(seconds) * 1_000_000_000 + int((fraction or b"")[:9].ljust(9, b"0")),
        int(kind),
        int(order_id),
        int(size),
        int(price),
        int(Side.BUY if direction == b"1" else Side.SELL),
    )
    # A halt carries a code where the price is, and no size.
    if message.kind != HALT and (message.size <= 0 or message.price_e4 <= 0):
        raise DecodeError(f"line {line}: size and price must be positive")
    return message
