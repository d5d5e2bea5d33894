"""Follows a recording: decides which commands each of its items becomes."""

from gossipbook.errors import DecodeError
from gossipbook.flow.figures import Fills, Tally
from gossipbook.flow.lobster import DELETE, REDUCE, SUBMIT, RecordedMessage, Take, price_ticks
from gossipbook.flow.orderbook import BookRow
from gossipbook.flow.picture import BUY
from gossipbook.flow.recorded_book import SELL, RecordedBook, RecordedOrder
from gossipbook.flow.step import FlowStep
from gossipbook.flow.unseen import UnseenOrder

ANONYMOUS = -(10**18)
"""Orders without a name are numbered downwards from here, where no file's ids are."""


class RecordingFollower:
    """A replay's own book, kept such that no command fills what the recording did not fill.

    An order is *certain* while a later message names it: until then it is in the book. Any other may have left it
    unseen, at a level that the file does not record.

    - Upon an order that comes to rest, those on the other side that it would meet leave first.
    - Upon a take, those that it would fill and the recording does not leave first; and an uncertain order that the
      recording fills before another is reduced to the lots that it gets. (A certain one is not: it is filled early.)
    - An uncertain order that leaves is gone. A certain one comes back after the take, or when a message names it.
    - An order that enters out of view and would meet a certain one has an older id than its entry, and waits until a
      message names it.
    - In a file of one level, uncertain orders better than an event's price leave.

    Each queue is in order of ids: one that comes late, or comes back, is placed before those of higher ids.
    """

    def __init__(
        self, tally: Tally, removed_lots: dict[int, int], makers: int, takers: int, tick_e4: int, levels: int
    ) -> None:
        """``removed_lots`` is that of the outline; ``levels`` are those that the file records, 0 if that is unknown."""
        self._tally, self._tick_e4 = tally, tick_e4
        self._book = RecordedBook(makers, takers, tally.names)
        self._later = removed_lots.copy()  # What later messages take out of each order.
        self._one_level = levels == 1
        self._away: dict[int, RecordedOrder] = {}  # The certain orders that are not in the book.
        self._early: set[int] = set()  # Those that a take filled whole, where the recording left some for later.
        self._newest = self._anonymous = ANONYMOUS
        self.recorded: Fills = []  # What the last take got in the recording,
        self.expected: Fills = []  # and in this book.

    def open(self, start_ns: int, resting: list[UnseenOrder]) -> list[FlowStep]:
        """Build the book of the open; ``resting`` is in the order in which messages name the orders first.

        Where two of them would meet, the one that is named later was not there yet, and waits until then.
        """
        self._book.time_us = start_ns // 1000
        together: list[RecordedOrder] = []
        best: dict[int, int] = {}
        for item in resting:
            order = self._new(item)
            sign = 1 if order.side == BUY else -1
            other = best.get(SELL if order.side == BUY else BUY)
            if other is not None and order.price_ticks * sign >= other * sign:
                self._away[order.order_id] = order
                continue
            together.append(order)
            best[order.side] = max(order.price_ticks * sign, best.get(order.side, order.price_ticks) * sign) * sign
        for order in sorted(together, key=lambda order: order.order_id):
            self._rest(order)
        return self._book.drain()

    def follow(self, item: RecordedMessage | Take | UnseenOrder) -> list[FlowStep]:
        """Return the commands for one item.

        Raises:
            DecodeError: the item contradicts those before.
        """
        if isinstance(item, UnseenOrder):  # At the time of the item before: the next may be long in coming.
            self._enter_unseen(item)
            return self._book.drain()
        self._book.time_us = item.time_ns // 1000
        if isinstance(item, Take):
            self._take(item)
        elif item.kind == SUBMIT:
            self._submit(item)
        elif item.kind in (REDUCE, DELETE):
            self._lower(item)
        return self._book.drain()

    def show(self, view: BookRow) -> list[FlowStep]:
        """Bring the book to what an orderbook file shows: quantity without a name enters, what is not shown leaves."""
        sides = ((BUY, view.bids), (SELL, view.asks))
        for side, levels in sides:
            whole = len(levels) < view.levels
            if levels or whole:
                for order in self._book.within(side, None if whole else next(reversed(levels))):
                    if order.price_ticks not in levels:
                        self._leave(order)
        for side, levels in sides:
            for price, lots in levels.items():
                self._match_level(side, price, lots)
        return self._book.drain()

    def _match_level(self, side: int, price: int, lots: int) -> None:
        """Bring a level to its lots: less of orders without a name, then of uncertain ones; then certain ones leave."""
        orders = self._book.at(side, price)
        missing = lots - sum(order.open_lots for order in orders)
        if missing < 0:
            for order in sorted(orders, key=self._standing):
                part = min(-missing, order.open_lots - self._later.get(order.order_id, 0))
                if part > 0:
                    missing += part
                    self._tally.orders_taken_out += part == order.open_lots
                    self._book.reduce(order, part)
        while missing < 0:  # One is there too early: of one lot count if there is such a one, else the last.
            orders = self._book.at(side, price)
            early = next((order for order in orders if order.open_lots == -missing), orders[-1])
            missing += early.open_lots
            self._leave(early)
        if missing > 0:
            self._anonymous -= 1
            self._rest(self._book.order(self._anonymous, self._newest, side, price, missing))

    def _standing(self, order: RecordedOrder) -> int:
        if order.order_id < ANONYMOUS:
            return 0
        return 2 if self._is_certain(order) else 1

    def _submit(self, message: RecordedMessage) -> None:
        order_id = message.order_id
        if order_id in self._book.orders or order_id in self._away:
            raise DecodeError(f"line {message.line}: order {order_id} is submitted twice")
        price = price_ticks(message, self._tick_e4)
        self._leave_if_better(message.side, price)
        self._rest(self._new(UnseenOrder(order_id, message.side, price, message.size)))

    def _enter_unseen(self, item: UnseenOrder) -> None:
        order = self._new(item)
        if any(self._is_certain(other) for other in self._book.crossed_by(order.side, order.price_ticks)):
            self._away[order.order_id] = order
        else:
            self._rest(order)

    def _lower(self, message: RecordedMessage) -> None:
        self._named(message)
        order = self._book.orders.get(message.order_id)
        if order is None:
            return
        self._leave_if_better(order.side, order.price_ticks)
        if message.kind == REDUCE:
            self._book.reduce(order, message.size)
        else:
            self._book.cancel(order)

    def _take(self, take: Take) -> None:
        wanted: dict[int, int] = {}
        for message in take.executions:
            self._named(message)
            wanted[message.order_id] = wanted.get(message.order_id, 0) + message.size
        price_ticks(take.executions[0]._replace(price_e4=take.limit_e4), self._tick_e4)
        named = [self._book.orders[order_id] for order_id in wanted if order_id in self._book.orders]
        if not named:
            self._tally.takes_not_sent += 1
            return
        side = take.executions[0].side
        passed_over = self._clear_way(side, {order.order_id: wanted[order.order_id] for order in named})
        limit = (max if take.side == BUY else min)(order.price_ticks for order in named)
        lots = sum(min(order.open_lots, wanted[order.order_id]) for order in named)
        if lots < take.size and sum(order.open_lots for order in self._book.within(side, limit)) == lots:
            lots = take.size  # What is too much fills nothing.
        self.recorded = _fills(take)
        self.expected = self._book.take(side, limit, lots)
        self._tally.takes_mended += bool(passed_over)
        for order in passed_over:
            self._rest(self._away.pop(order.order_id))

    def _clear_way(self, side: int, wanted: dict[int, int]) -> list[RecordedOrder]:
        """Have a take fill the wanted lots by order id, and no others. Returns the certain orders that had to leave."""
        left = len(wanted)
        leaving: list[RecordedOrder] = []
        excess: list[tuple[RecordedOrder, int]] = []
        for order in self._book.line(side):
            lots = wanted.get(order.order_id)
            if lots is None:
                leaving.append(order)
                continue
            left -= 1
            if not left:
                break
            if order.open_lots > lots:
                excess.append((order, order.open_lots - lots))
        for order in leaving:
            self._leave(order)
        for order, lots in excess:
            if self._is_certain(order):
                self._early.add(order.order_id)
            else:
                self._book.reduce(order, lots)
        return [order for order in leaving if self._is_certain(order)]

    def _leave_if_better(self, side: int, price_ticks: int) -> None:
        if self._one_level:
            for order in self._book.better_than(side, price_ticks):
                if not self._is_certain(order):
                    self._leave(order)

    def _new(self, item: UnseenOrder) -> RecordedOrder:
        order_id, side, price, lots = item
        return self._book.order(order_id, order_id, side, price, lots)

    def _rest(self, order: RecordedOrder) -> None:
        for other in self._book.crossed_by(order.side, order.price_ticks):
            self._leave(other)
        self._book.rest(order)
        self._newest = max(self._newest, order.order_id)

    def _leave(self, order: RecordedOrder) -> None:
        self._book.cancel(order)
        if self._is_certain(order):
            self._away[order.order_id] = order
        else:
            self._tally.orders_taken_out += 1

    def _is_certain(self, order: RecordedOrder) -> bool:
        return self._later.get(order.order_id, 0) > 0

    def _named(self, message: RecordedMessage) -> None:
        """Have the order that a message names in the book, unless it was filled early."""
        order_id = message.order_id
        if order_id in self._away:
            self._rest(self._away.pop(order_id))
        order = self._book.orders.get(order_id)
        if order is None and order_id not in self._early:
            what = "is deleted after its end" if message.kind == DELETE else "has ended before"
            raise DecodeError(f"line {message.line}: order {order_id} {what}")
        if order is not None and order.side != message.side:
            raise DecodeError(f"line {message.line}: order {order_id} rests on the other side")
        self._later[order_id] -= message.size


def _fills(take: Take) -> Fills:
    """What a take got in the recording; consecutive executions of one order are one fill."""
    fills: Fills = []
    for message in take.executions:
        before = fills.pop()[1] if fills and fills[-1][0] == message.order_id else 0
        fills.append((message.order_id, before + message.size))
    return fills
