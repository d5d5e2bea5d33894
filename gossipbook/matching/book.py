"""One pair's resting orders: two ladders, an index by author, and the undo log of the block being executed."""

from collections import deque
from collections.abc import Iterator

from sortedcontainers import SortedKeyList

from gossipbook.matching.commands import Side
from gossipbook.matching.ladder import TOMBSTONE_SLACK, Ladder, Level, Order
from gossipbook.matching.undo import (
    BURIED,
    COMPACTED,
    LAST_ID,
    LEVEL_ADDED,
    LEVEL_REMOVED,
    OPEN,
    POPPED,
    RESTED,
    SWEPT,
    TOTAL,
    UndoEntry,
)


def _lapse_order(order: Order) -> tuple[int, int]:
    return order.expires_ms, order.number


class Book:
    """The structure, without the rules: put an order in, take it out, lower it, undo all that."""

    __slots__ = ("asks", "bids", "expiries", "last_ids", "log", "open_count", "orders")

    def __init__(self) -> None:
        self.bids = Ladder(Side.BUY)
        self.asks = Ladder(Side.SELL)
        self.orders: dict[bytes, dict[int, Order]] = {}
        self.open_count = 0
        self.last_ids: dict[bytes, int] = {}
        self.expiries: SortedKeyList[Order, tuple[int, int]] = SortedKeyList(key=_lapse_order)
        self.log: list[UndoEntry] = []

    def find(self, author: bytes, client_id: int) -> Order | None:
        """An open order by its identity."""
        own = self.orders.get(author)
        return None if own is None else own.get(client_id)

    def own_orders(self, author: bytes) -> list[Order]:
        """An author's open orders in order of entry."""
        return sorted(self.orders.get(author, {}).values(), key=lambda order: order.number)

    def use_id(self, author: bytes, client_id: int) -> None:
        """Make ``client_id`` the author's last."""
        self.log.append((LAST_ID, author, self.last_ids.get(author, 0)))
        self.last_ids[author] = client_id

    def rest(self, order: Order) -> None:
        """Join the back of the queue at the order's price."""
        ladder = self.bids if order.side == Side.BUY else self.asks
        key = order.price_ticks * ladder.sign
        level = ladder.levels.get(key)
        if level is None:
            level = Level(key, order.price_ticks)
            ladder.insert(level)
            self.log.append((LEVEL_ADDED, ladder, level))
        level.queue.append(order)
        level.open_lots += order.open_lots
        level.live += 1
        self._index(order)
        self.log.append((RESTED, order, level))

    def lower(self, order: Order, level: Level, lots: int) -> None:
        """Take ``lots`` of an order's open quantity, leaving some."""
        self.log.append((OPEN, order, level, order.open_lots))
        order.open_lots -= lots
        level.open_lots -= lots

    def take_front(self, order: Order, ladder: Ladder, level: Level) -> None:
        """Take the order at the front of its queue out of the book."""
        self.log.append((POPPED, order, level, order.open_lots))
        level.queue.popleft()
        level.open_lots -= order.open_lots
        level.live -= 1
        order.open_lots = 0
        self._unindex(order)
        if not level.live:
            ladder.remove(level)
            self.log.append((LEVEL_REMOVED, ladder, level))

    def take_out(self, order: Order) -> None:
        """Take an order out of the book, wherever in its queue it is."""
        ladder = self.bids if order.side == Side.BUY else self.asks
        level = ladder.levels[order.price_ticks * ladder.sign]
        if level.queue[0] is order:
            self.take_front(order, ladder, level)
            return
        self.log.append((BURIED, order, level, order.open_lots))
        level.open_lots -= order.open_lots
        level.live -= 1
        order.open_lots = 0
        self._unindex(order)
        if not level.live:
            ladder.remove(level)
            self.log.append((LEVEL_REMOVED, ladder, level))
        elif len(level.queue) > 2 * level.live + TOMBSTONE_SLACK:
            self.log.append((COMPACTED, level, level.queue))
            level.queue = deque([other for other in level.queue if other.open_lots])

    def front(self, level: Level) -> Order:
        """The first live order of a level, dropping tombstones before it."""
        queue = level.queue
        while not queue[0].open_lots:
            self.log.append((SWEPT, queue.popleft(), level))
        return queue[0]

    def set_total(self, order: Order, total_lots: int) -> None:
        self.log.append((TOTAL, order, order.total_lots))
        order.total_lots = total_lots

    def level_of(self, order: Order) -> Level:
        ladder = self.bids if order.side == Side.BUY else self.asks
        return ladder.levels[order.price_ticks * ladder.sign]

    def live_orders(self, ladder: Ladder) -> Iterator[Order]:
        """All open orders of a side in priority order."""
        for level in ladder.best_first():
            for order in level.queue:
                if order.open_lots:
                    yield order

    def undo(self) -> None:
        """Put back everything that was changed since the log was last cleared."""
        for entry in reversed(self.log):
            kind = entry[0]
            if kind == RESTED:
                self._undo_rested(entry[1], entry[2])
            elif kind <= BURIED:
                self._undo_lots(kind, entry[1], entry[2], entry[3])
            elif kind == SWEPT:
                entry[2].queue.appendleft(entry[1])
            elif kind == LEVEL_ADDED:
                entry[1].remove(entry[2])
            elif kind == LEVEL_REMOVED:
                entry[1].insert(entry[2])
            elif kind == COMPACTED:
                entry[1].queue = entry[2]
            elif kind == TOTAL:
                entry[1].total_lots = entry[2]
            else:
                assert kind == LAST_ID
                self._undo_last_id(entry[1], entry[2])
        self.log.clear()

    def _undo_lots(self, kind: int, order: Order, level: Level, lots: int) -> None:
        level.open_lots += lots - order.open_lots
        order.open_lots = lots
        if kind == OPEN:
            return
        if kind == POPPED:
            level.queue.appendleft(order)
        level.live += 1
        self._index(order)

    def _undo_rested(self, order: Order, level: Level) -> None:
        level.queue.pop()
        level.open_lots -= order.open_lots
        level.live -= 1
        self._unindex(order)

    def _undo_last_id(self, author: bytes, before: int) -> None:
        if before:
            self.last_ids[author] = before
        else:
            del self.last_ids[author]

    def _index(self, order: Order) -> None:
        own = self.orders.get(order.author)
        if own is None:
            own = self.orders[order.author] = {}
        own[order.client_id] = order
        self.open_count += 1
        if order.expires_ms:
            self.expiries.add(order)

    def _unindex(self, order: Order) -> None:
        own = self.orders[order.author]
        del own[order.client_id]
        if not own:
            del self.orders[order.author]
        self.open_count -= 1
        if order.expires_ms:
            self.expiries.remove(order)
