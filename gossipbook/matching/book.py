"""One pair's open orders: two ladders, the stops, an index by author, and the undo log of the block being executed."""

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from gossipbook.matching.ladder import IN_LINE, NOBODY, NOT_MET, OUT, RESTING, WAITING, Account, Ladder, Level, Order
from gossipbook.matching.stops import Stops
from gossipbook.matching.timetable import Timetable
from gossipbook.matching.undo import (
    HIDDEN,
    INDEXED,
    LINED_UP,
    MAPPED,
    OPEN,
    ORDER,
    PLACE,
    RUN,
    SORTED_ADDED,
    SORTED_REMOVED,
    TIDIED,
    TOLD,
    UNINDEXED,
    UndoEntry,
)

LINE_SLACK: Final = 32
"""Cancelled orders in the line of triggered ones never outnumber the open ones by more."""


class Book:
    """The structure, without the rules: put an order in, take it out, lower it, undo all that."""

    __slots__ = (
        "accounts",
        "asks",
        "bids",
        "emptied",
        "in_line",
        "line",
        "log",
        "made",
        "met",
        "open_count",
        "stops",
        "timetable",
        "waiting",
    )

    def __init__(self) -> None:
        self.bids = Ladder(1)
        self.asks = Ladder(-1)
        self.stops = Stops()
        self.waiting = 0  # orders among the stops
        self.in_line = 0  # orders in the line that are still open
        self.line: deque[Order] = deque()  # triggered stop orders, those that were cancelled among them
        self.timetable = Timetable()
        self.accounts: dict[bytes, Account] = {}  # of all who ever had commands
        self.met, self.made = list[Account](), list[Account]()  # those that this block had commands of, and made
        self.emptied: list[Account] = []  # who had no open order left at some moment of the block
        self.open_count, self.log = 0, list[UndoEntry]()

    def find(self, author: bytes, client_id: int) -> Order | None:
        """An open order by its identity."""
        return None if (account := self.accounts.get(author)) is None else account.orders.get(client_id)

    def meet(self, author: bytes) -> Account:
        """An author's account, for the first of their commands in a block."""
        account = self.accounts.get(author)
        if account is None:
            account = self.accounts[author] = Account(author)
            self.made.append(account)
        account.before = account.last_id
        self.met.append(account)
        return account

    def forget(self, author: bytes) -> None:
        """Forget an author without open orders, and which client ids they used."""
        self.set_item(self.accounts, author, None)

    def own_orders(self, author: bytes) -> list[Order]:
        """An author's open orders in order of entry."""
        return sorted(account.orders.values(), key=_number) if (account := self.accounts.get(author)) else []

    def last_id(self, author: bytes) -> int:
        """The highest client id that an author used; 0 for none."""
        return account.last_id if (account := self.accounts.get(author)) else 0

    def last_ids(self) -> list[tuple[bytes, int]]:
        """(author, highest client id used) of all who used one, by author."""
        return [(author, last) for author in sorted(self.accounts) if (last := self.accounts[author].last_id)]

    def is_waiting(self, order: Order) -> bool:
        """Whether an open order is a stop order that has not entered the market yet."""
        return order.place > RESTING

    # -- resting orders -----------------------------------------------------------------------------

    def rest(self, order: Order, ladder: Ladder, key: int) -> None:
        """Join the back of the queue at the order's price, with nothing hidden. ``key``: its level's on its side.

        It is among its author's already, as one that leaves a queue is not any more.
        """
        level = ladder.levels.get(key)
        if level is None:
            level = Level(key, ladder, order)
            ladder.insert(level)
            order.before = None
        else:
            last = level.last
            last.behind = order
            order.before = last
            level.last = order
            level.open_lots += order.open_lots
        order.behind = None
        order.level = level
        order.place = RESTING
        self.open_count += 1
        if order.terms.expires_ms:
            self.timetable.expiries.add(order)
        self.log.append(order)

    def take_out(self, order: Order) -> None:
        """Take an open order out of the book, wherever it is."""
        if order.place == RESTING:
            del order.account.orders[order.client_id]
            self.unlink(order)
        else:
            self._take_out_waiting(order)

    def unlink(self, order: Order) -> None:
        """Take a resting order out of its queue.

        It keeps its level and its neighbours, and a level that it leaves empty its sums, for the undo.
        """
        level = order.level
        before = order.before
        behind = order.behind
        if before is behind:  # None both: it was alone.
            level.ladder.remove(level.key)
            level.first = level.last = NOBODY  # Or the two would keep one another in memory.
        else:
            level.open_lots -= order.open_lots
            if order.hidden_lots:
                level.hidden_lots -= order.hidden_lots
            if before is None:
                assert behind is not None
                level.first = behind
                behind.before = None
            elif behind is None:
                level.last = before
                before.behind = None
            else:
                before.behind = behind
                behind.before = before
        order.place = OUT
        self.open_count -= 1
        if not order.account.orders:
            self.emptied.append(order.account)
        if order.terms.expires_ms:
            self.timetable.expiries.remove(order)
        self.log.append(order)

    def lower(self, order: Order, lots: int) -> None:
        """Take ``lots`` of what a resting order shows, leaving some."""
        self.log.append((OPEN, order, order.open_lots))
        order.open_lots -= lots
        order.level.open_lots -= lots

    def set_hidden(self, order: Order, lots: int) -> None:
        """Change what is hidden behind an order, in its level or on its way to it."""
        self.log.append((HIDDEN, order, order.hidden_lots))
        self._hide(order, lots)

    def live_orders(self, ladder: Ladder) -> Iterator[Order]:
        """All resting orders of a side in priority order."""
        for level in ladder.best_first():
            yield from level.orders()

    def change(self, order: Order, price: int, total: int, open_lots: int, number: int) -> None:
        """Set what an amend may set: of an order that waits, or of a resting one its total alone."""
        self.log.append((ORDER, order, order.price_ticks, order.total_lots, order.open_lots, order.number))
        order.price_ticks, order.total_lots, order.open_lots, order.number = price, total, open_lots, number

    def tell(self, order: Order, filled_lots: int, event_number: int) -> None:
        """Note what the last event about an order said."""
        if order.place != OUT:
            self.log.append((TOLD, order, order.filled_lots, order.last_event))
        order.filled_lots, order.last_event = filled_lots, event_number

    # -- stop orders --------------------------------------------------------------------------------

    def wait(self, order: Order) -> None:
        """Let a stop order wait for its trigger."""
        self._index(order)
        self.log.append((INDEXED, order))
        self.set_place(order, WAITING)
        self.add_sorted(self.stops.side(order), order)

    def renumber_waiting(self, order: Order, price: int, total: int, open_lots: int, number: int) -> None:
        """Amend a stop order so that it loses its place among those at its stop price (but not its place in line)."""
        side, expiries = self.stops.side(order), self.timetable.expiries
        if order.place == WAITING:
            self.remove_sorted(side, order)
        if order.terms.expires_ms:
            self.remove_sorted(expiries, order)
        self.change(order, price, total, open_lots, number)
        if order.terms.expires_ms:
            self.add_sorted(expiries, order)
        if order.place == WAITING:
            self.add_sorted(side, order)

    def trigger(self, price_ticks: int) -> None:
        """A trade at a price: the waiting orders that it triggers join the line."""
        for order in self.stops.reached(price_ticks):
            self.remove_sorted(self.stops.side(order), order)
            self.set_place(order, IN_LINE)
            self.line.append(order)
            self.log.append((LINED_UP, order))

    def next_in_line(self) -> Order | None:
        """Take the first triggered order that is still open out of the line, and out of the open orders."""
        while self.line:
            order = self.line.popleft()
            self.log.append((RUN, order))
            if order.place == IN_LINE:
                self._end_wait(order)
                return order
        return None

    def stop_waiting(self, order: Order) -> None:
        """Take a waiting order out of those that wait, and out of the open orders."""
        self.remove_sorted(self.stops.side(order), order)
        self._end_wait(order)

    def lined_up(self) -> list[Order]:
        """The line, first first."""
        return [order for order in self.line if order.place == IN_LINE]

    def set_place(self, order: Order, place: int) -> None:
        """Note where a stop order is."""
        self.log.append((PLACE, order, order.place))
        self._move(order, place)

    def _take_out_waiting(self, order: Order) -> None:
        if order.place == WAITING:
            self.remove_sorted(self.stops.side(order), order)
        self._end_wait(order)
        if len(self.line) > 2 * self.in_line + LINE_SLACK:
            self.log.append((TIDIED, self.line))
            self.line = deque(self.lined_up())

    def _end_wait(self, order: Order) -> None:
        self.set_place(order, OUT)
        self._unindex(order)
        if not order.account.orders:
            self.emptied.append(order.account)
        self.log.append((UNINDEXED, order))

    # -- undoing ------------------------------------------------------------------------------------

    def set_item(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        """Set an entry of a table, or delete it with None, so that it can be undone."""
        self.log.append((MAPPED, mapping, key, mapping.get(key)))
        if value is None:
            mapping.pop(key, None)
        else:
            mapping[key] = value

    def add_sorted(self, items: Any, item: Any) -> None:
        """Add to a sorted list, so that it can be undone."""
        items.add(item)
        self.log.append((SORTED_ADDED, items, item))

    def remove_sorted(self, items: Any, item: Any) -> None:
        """Remove from a sorted list, so that it can be undone."""
        items.remove(item)
        self.log.append((SORTED_REMOVED, items, item))

    def keep(self) -> None:
        """What was changed since the last call stays."""
        self.log.clear()
        self.emptied.clear()
        for account in self.met:
            account.before = NOT_MET
        self.met.clear()
        self.made.clear()

    def undo(self) -> None:
        """Put back everything that was changed since the last call of :meth:`keep`."""
        self.undo_to(0)
        self.emptied.clear()
        for account in self.met:
            account.last_id = account.before
            account.before = NOT_MET
        for account in self.made:  # Others stay, though nothing is in them: who speculated has what all others have.
            if self.accounts.get(account.author) is account:
                del self.accounts[account.author]
        self.met.clear()
        self.made.clear()

    def undo_to(self, changes: int) -> None:
        """Put back what was changed in the book after so many changes."""
        for entry in reversed(self.log[changes:]):
            if type(entry) is Order:
                self._undo_order(entry)
            else:
                self._undo_entry(entry)
        del self.log[changes:]

    def _undo_order(self, order: Order) -> None:
        if order.place == RESTING:
            self.take_out(order)  # What it logs is not looked at any more.
            return
        level, before, behind = order.level, order.before, order.behind
        if before is behind:
            level.ladder.insert(level)
        else:
            level.open_lots += order.open_lots
            level.hidden_lots += order.hidden_lots
        if before is None:
            level.first = order
        else:
            before.behind = order
        if behind is None:
            level.last = order
        else:
            behind.before = order
        order.place = RESTING
        self._index(order)

    def _undo_entry(self, entry: Any) -> None:
        kind: int = entry[0]
        order: Order
        if kind == OPEN:
            order = entry[1]
            order.level.open_lots += entry[2] - order.open_lots
            order.open_lots = entry[2]
        elif kind == ORDER:
            order = entry[1]
            order.price_ticks, order.total_lots, order.open_lots, order.number = entry[2:]
        elif kind == HIDDEN:
            self._hide(entry[1], entry[2])
        elif kind == TOLD:
            order = entry[1]
            order.filled_lots, order.last_event = entry[2:]
        elif kind == MAPPED:
            if entry[3] is None:
                entry[1].pop(entry[2], None)
            else:
                entry[1][entry[2]] = entry[3]
        elif kind == TIDIED:
            self.line = entry[1]
        elif kind == SORTED_ADDED:
            entry[1].remove(entry[2])
        elif kind == SORTED_REMOVED:
            entry[1].add(entry[2])
        else:
            self._undo_waiting(kind, entry[1], entry)

    def _undo_waiting(self, kind: int, order: Order, entry: Any) -> None:
        if kind == INDEXED:
            self._unindex(order)
        elif kind == UNINDEXED:
            self._index(order)
        elif kind == LINED_UP:
            self.line.pop()
        elif kind == RUN:
            self.line.appendleft(order)
        else:
            assert kind == PLACE
            self._move(order, entry[2])

    # -- small parts --------------------------------------------------------------------------------

    def _move(self, order: Order, place: int) -> None:
        self.waiting += (place == WAITING) - (order.place == WAITING)
        self.in_line += (place == IN_LINE) - (order.place == IN_LINE)
        order.place = place

    def _hide(self, order: Order, lots: int) -> None:
        if order.place == RESTING:
            order.level.hidden_lots += lots - order.hidden_lots
        order.hidden_lots = lots

    def _index(self, order: Order) -> None:
        order.account.orders[order.client_id] = order
        self.open_count += 1
        if order.terms.expires_ms:
            self.timetable.expiries.add(order)

    def _unindex(self, order: Order) -> None:
        del order.account.orders[order.client_id]
        self.open_count -= 1
        if order.terms.expires_ms:
            self.timetable.expiries.remove(order)


def _number(order: Order) -> int:
    return order.number
