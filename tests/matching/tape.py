"""Plays a recorded tape into an engine, order by order, so that its takes can be compared with the recorded ones."""

from gossipbook.flow.lobster import DELETE, REDUCE, SUBMIT, RecordedMessage, Take, price_ticks
from gossipbook.flow.replay import UnseenOrder
from gossipbook.limits import Limits
from gossipbook.manifest import Pair
from gossipbook.matching.commands import Amend, AmendFlags, Cancel, Command, OrderType, Place, TimeInForce
from gossipbook.matching.engine import Engine
from gossipbook.matching.events import FILL

TICK_E4 = 100
MAKERS = tuple(bytes([i]) * 32 for i in range(4))
TAKER = b"T" * 32


class TapeOrder:
    """What the tape's order is called in the engine, and what the tape says is left of it."""

    def __init__(self, author: bytes, client_id: int, total_lots: int) -> None:
        self.author, self.client_id = author, client_id
        self.total_lots = self.open_lots = total_lots


class Tape:
    """After every message the engine's book is what the tape says: a take that differs is undone and mended."""

    def __init__(self) -> None:
        self.engine = Engine(Pair("AAPL/USD"), Limits())
        self.orders: dict[int, TapeOrder] = {}
        self.names: dict[tuple[bytes, int], int] = {}
        self.last_ids = dict.fromkeys((*MAKERS, TAKER), 0)
        self.newest = 0
        self.old_ids = self.takes = 0
        self.differing: list[int] = []  # the last line of each

    def play(self, item: RecordedMessage | Take | UnseenOrder) -> None:
        if isinstance(item, UnseenOrder):
            self._submit(*item)
        elif isinstance(item, Take):
            self._take(item)
        elif item.kind == SUBMIT:
            self._submit_in_order_of_ids(item)
        elif item.kind == REDUCE:
            self._lower(item)
        elif item.kind == DELETE:
            order = self._forget(item.order_id)
            assert order.open_lots == item.size
            self._run(order.author, Cancel(order.client_id))

    def _run(self, author: bytes, command: Command) -> None:
        self.engine.begin_block(0)
        self.engine.run(author, [command])
        self.engine.end_block()
        self.engine.commit()

    def _submit(self, order_id: int, side: int, price: int, lots: int) -> None:
        author = MAKERS[order_id % len(MAKERS)]
        self.last_ids[author] += 1
        order = TapeOrder(author, self.last_ids[author], lots)
        self.orders[order_id] = order
        self.names[author, order.client_id] = order_id
        self._run(author, Place(order.client_id, side, OrderType.LIMIT, price, lots, TimeInForce.GTC))

    def _submit_in_order_of_ids(self, message: RecordedMessage) -> None:
        """An id below the newest was in the exchange's queue before: whoever is younger goes behind it again."""
        price = price_ticks(message, TICK_E4)
        younger: list[tuple[int, int]] = []
        if message.order_id < self.newest:
            self.old_ids += 1
            for author, client_id, at, lots, *_ in self.engine.open_orders(message.side):
                if at == price and self.names[author, client_id] > message.order_id:
                    younger.append((self.names[author, client_id], lots))
        for order_id, _ in younger:
            order = self._forget(order_id)
            self._run(order.author, Cancel(order.client_id))
        self._submit(message.order_id, message.side, price, message.size)
        for order_id, lots in younger:
            self._submit(order_id, message.side, price, lots)
        self.newest = max(self.newest, message.order_id)

    def _take(self, take: Take) -> None:
        self.takes += 1
        self.last_ids[TAKER] += 1
        limit = price_ticks(take.executions[0]._replace(price_e4=take.limit_e4), TICK_E4)
        place = Place(self.last_ids[TAKER], take.side, OrderType.LIMIT, limit, take.size, TimeInForce.IOC)
        self.engine.begin_block(0)
        self.engine.run(TAKER, [place])
        fills = [
            (self.names[maker, client_id], lots, price)
            for kind, _, price, lots, maker, client_id, *_ in (e for e in self.engine.end_block() if e[0] == FILL)
        ]
        if fills == [(e.order_id, e.size, price_ticks(e, TICK_E4)) for e in take.executions]:
            self.engine.commit()
            for execution in take.executions:
                order = self.orders[execution.order_id]
                order.open_lots -= execution.size
                if not order.open_lots:
                    self._forget(execution.order_id)
            return
        self.differing.append(take.executions[-1].line)
        self.engine.rollback()
        for execution in take.executions:
            self._lower(execution)

    def _lower(self, message: RecordedMessage) -> None:
        order = self.orders[message.order_id]
        order.open_lots -= message.size
        order.total_lots -= message.size
        if order.open_lots:
            self._run(order.author, Amend(order.client_id, 0, order.total_lots, AmendFlags.REDUCE_ONLY))
        else:
            self._forget(message.order_id)
            self._run(order.author, Cancel(order.client_id))

    def _forget(self, order_id: int) -> TapeOrder:
        order = self.orders.pop(order_id)
        del self.names[order.author, order.client_id]
        return order
