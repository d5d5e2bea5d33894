"""A recorder of a market in LOBSTER's two formats, at as many levels as wanted: what a file of fewer levels lacks.

A row is kept if it changes one of the best levels of its side: for a submission in the book after it, for what takes
an order out in the book before. Cut to ten levels, AAPL's hour begins with the 999 rows of the ten-level file.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from pathlib import Path

from gossipbook.flow.lobster import DELETE, EXECUTE, REDUCE, SUBMIT, RecordedMessage, read_messages
from gossipbook.flow.unseen import UnseenOrder, merge_unseen, unseen_orders
from gossipbook.matching.commands import Side

HOUR = Path(__file__).resolve().parents[3] / "shared" / "data" / "AAPL_2012-06-21_34200000_37800000_message_50.csv"
BUY = Side.BUY


class ExactBook:
    """The lots at each price, and the orders: prices as recorded, negative for bids so that the best comes first."""

    def __init__(self) -> None:
        self.lots: dict[tuple[int, int], int] = {}
        self.keys: dict[int, list[int]] = {Side.BUY: [], Side.SELL: []}
        self.orders: dict[int, list[int]] = {}  # side, price, lots

    def enter(self, order_id: int, side: int, price: int, lots: int) -> None:
        assert order_id not in self.orders
        self.orders[order_id] = [side, price, lots]
        self._add(side, price, lots)

    def lower(self, order_id: int, lots: int) -> None:
        order = self.orders[order_id]
        order[2] -= lots
        assert order[2] >= 0
        if not order[2]:
            del self.orders[order_id]
        self._add(order[0], order[1], -lots)

    def rank(self, side: int, price: int) -> int:
        """How many levels are better than a price."""
        return bisect_left(self.keys[side], -price if side == BUY else price)

    def row(self, levels: int) -> str:
        """A row of an orderbook file."""
        numbers = []
        for i in range(levels):
            for side, nothing in ((Side.SELL, 9_999_999_999), (Side.BUY, -9_999_999_999)):
                price = abs(self.keys[side][i]) if i < len(self.keys[side]) else nothing
                numbers += [price, self.lots.get((side, price), 0)]
        return ",".join(map(str, numbers))

    def _add(self, side: int, price: int, lots: int) -> None:
        key = -price if side == BUY else price
        if (side, price) not in self.lots:
            insort(self.keys[side], key)
        left = self.lots[side, price] = self.lots.get((side, price), 0) + lots
        if not left:
            del self.lots[side, price]
            self.keys[side].remove(key)


class Recorder:
    """Follows a market, and keeps the rows that a file of so many levels has, with the book after each."""

    def __init__(self, levels: int) -> None:
        self.book = ExactBook()
        self.rows: list[str] = []
        self.books: list[str] = []
        self._levels = levels

    def take(self, message: RecordedMessage) -> None:
        seen = True
        if message.kind == SUBMIT:
            self.book.enter(message.order_id, message.side, message.price_e4, message.size)
        if message.kind in (SUBMIT, REDUCE, DELETE, EXECUTE):
            seen = self.book.rank(message.side, message.price_e4) < self._levels
        if message.kind in (REDUCE, DELETE, EXECUTE):
            self.book.lower(message.order_id, message.size)
        if seen:
            seconds, nanoseconds = divmod(message.time_ns, 10**9)
            kind, order_id, size, price = message.kind, message.order_id, message.size, message.price_e4
            direction = 1 if message.side == BUY else -1
            self.rows.append(f"{seconds}.{nanoseconds:09},{kind},{order_id},{size},{price},{direction}\n")
            self.books.append(self.book.row(self._levels) + "\n")

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write the message file and the orderbook file."""
        paths = folder / f"cut_message_{self._levels}.csv", folder / f"cut_orderbook_{self._levels}.csv"
        for path, rows in zip(paths, (self.rows, self.books), strict=True):
            path.write_text("".join(rows))
        return paths


def cut(path: Path, levels: int, anonymous: Iterable[UnseenOrder] = ()) -> Recorder:
    """A recording as it would be with fewer levels. ``anonymous``: what else rests, for ever; prices × 10⁴."""
    messages = list(read_messages(path))
    recorder = Recorder(levels)
    resting, unseen = unseen_orders(messages, tick_e4=1)
    for order in (*anonymous, *resting):
        recorder.book.enter(*order)
    for item in merge_unseen(messages, unseen):
        if isinstance(item, UnseenOrder):
            recorder.book.enter(*item)
        else:
            assert isinstance(item, RecordedMessage)
            recorder.take(item)
    return recorder
