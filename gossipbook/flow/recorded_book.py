"""The book that a replay builds, and the commands that build it: which recorded order rests where, under what name."""

from collections.abc import Iterator

from gossipbook.flow.picture import BUY, Quote, QuoteSide
from gossipbook.flow.step import FlowStep
from gossipbook.matching.commands import Amend, AmendFlags, Cancel, Command, OrderType, Place, Side, TimeInForce

LIMIT, GTC, IOC = int(OrderType.LIMIT), int(TimeInForce.GTC), int(TimeInForce.IOC)
REDUCE_ONLY = int(AmendFlags.REDUCE_ONLY)
SELL = int(Side.SELL)


class RecordedOrder(Quote):
    """An order of the recording. Its queue is in order of ``rank``, which is its id unless the recording has none."""

    __slots__ = ("order_id", "rank")

    def __init__(self, order_id: int, rank: int, author: int, side: int, price_ticks: int, lots: int) -> None:
        super().__init__(author, 0, side, price_ticks, lots, 0)
        self.order_id, self.rank = order_id, rank


class RecordedBook:
    """A book in which each change makes the steps that change an engine's book alike, at ``time_us``.

    An order keeps its author and gets a new client id whenever it is placed; ``names`` has the order id of each.
    """

    def __init__(self, makers: int, takers: int, names: dict[tuple[int, int], int]) -> None:
        self._makers, self._takers, self._names = makers, takers, names
        self._last_ids = [0] * (makers + takers)
        self._entered = self._taken = 0
        self._sides: tuple[QuoteSide[RecordedOrder], ...] = (QuoteSide(BUY), QuoteSide(SELL))
        self.orders: dict[int, RecordedOrder] = {}
        self.time_us = 0
        self._steps: list[FlowStep] = []

    def drain(self) -> list[FlowStep]:
        """Return the steps made since the last call."""
        steps, self._steps = self._steps, []
        return steps

    def order(self, order_id: int, rank: int, side: int, price_ticks: int, lots: int) -> RecordedOrder:
        """Return a new order of the next maker, which does not rest yet."""
        author = self._entered % self._makers
        self._entered += 1
        return RecordedOrder(order_id, rank, author, side, price_ticks, lots)

    def rest(self, order: RecordedOrder) -> None:
        """Place an order behind all of lower rank at its price; those of higher rank are placed behind it anew."""
        quotes = self._sides[order.side != BUY]
        younger: list[RecordedOrder] = []
        for other in reversed(quotes.queues.get(order.price_ticks * quotes.sign, {})):
            if other.rank <= order.rank:
                break
            younger.append(other)
        for other in younger:
            self.cancel(other)
        self._place(order)
        for other in reversed(younger):
            self._place(other)

    def cancel(self, order: RecordedOrder) -> None:
        self._sides[order.side != BUY].remove(order)
        del self.orders[order.order_id]
        self._add(order.author, Cancel(order.client_id))

    def reduce(self, order: RecordedOrder, lots: int) -> None:
        """Take ``lots`` off an order; one that is left with nothing is cancelled."""
        if lots >= order.open_lots:
            self.cancel(order)
            return
        order.open_lots -= lots
        order.total_lots -= lots
        self._add(order.author, Amend(order.client_id, 0, order.total_lots, REDUCE_ONLY))

    def take(self, side: int, limit_ticks: int, lots: int) -> list[tuple[int, int]]:
        """Send the next taker's order against the resting orders of ``side``; the fills as (order id, lots)."""
        author = self._makers + self._taken % self._takers
        self._taken += 1
        aggressor = SELL if side == BUY else BUY
        self._add(author, Place(self._next_id(author), aggressor, LIMIT, limit_ticks, lots, IOC))
        fills = []
        for order, part in self._sides[side != BUY].take(limit_ticks, lots):
            fills.append((order.order_id, part))
            if not order.open_lots:
                del self.orders[order.order_id]
        return fills

    def at(self, side: int, price_ticks: int) -> list[RecordedOrder]:
        """The orders of a side at a price, in order of their queue."""
        quotes = self._sides[side != BUY]
        return list(quotes.queues.get(price_ticks * quotes.sign, ()))

    def line(self, side: int) -> Iterator[RecordedOrder]:
        """The orders of a side in the order in which they would be filled. The book must not change meanwhile."""
        quotes = self._sides[side != BUY]
        for key in reversed(quotes.keys):
            yield from quotes.queues[key]

    def crossed_by(self, side: int, price_ticks: int) -> list[RecordedOrder]:
        """The orders of the other side that an order of ``side`` at this price would meet."""
        return self.within(SELL if side == BUY else BUY, price_ticks)

    def better_than(self, side: int, price_ticks: int) -> list[RecordedOrder]:
        """The orders of a side at better prices than this."""
        return self.within(side, price_ticks + 1 if side == BUY else price_ticks - 1)

    def within(self, side: int, worst_ticks: int | None) -> list[RecordedOrder]:
        """The orders of a side down to this price, the best first; all of them without one."""
        quotes = self._sides[side != BUY]
        if worst_ticks is not None and (not quotes.keys or quotes.keys[-1] < worst_ticks * quotes.sign):
            return []
        found = []
        for order in self.line(side):
            if worst_ticks is not None and order.price_ticks * quotes.sign < worst_ticks * quotes.sign:
                break
            found.append(order)
        return found

    def _place(self, order: RecordedOrder) -> None:
        order.client_id = self._next_id(order.author)
        order.total_lots = order.open_lots
        self._sides[order.side != BUY].rest(order)
        self.orders[order.order_id] = order
        self._names[order.author, order.client_id] = order.order_id
        place = Place(order.client_id, order.side, LIMIT, order.price_ticks, order.open_lots, GTC)
        self._add(order.author, place)

    def _next_id(self, author: int) -> int:
        self._last_ids[author] += 1
        return self._last_ids[author]

    def _add(self, author: int, command: Command) -> None:
        self._steps.append(FlowStep(self.time_us, author, command))
