"""One pair's book with its events and counters: what can be asked of it, and how far it can be taken back."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, NamedTuple

from gossipbook import cbor
from gossipbook.ids import Digest, digest
from gossipbook.limits import Limits
from gossipbook.manifest import Pair
from gossipbook.matching.book import Book
from gossipbook.matching.constants import (
    BUY,
    HALTED,
    OPEN,
    UNBOUNDED,
)
from gossipbook.matching.events import (
    REJECTED,
    RawEvent,
    RejectReason,
)
from gossipbook.matching.groups import Groups
from gossipbook.matching.ladder import Boxed, Ladder, Order

BPS: Final = 10_000

BOOK_SHARE: Final = 8
"""An author may have one in so many of the orders that a book has room for."""

BOUNDED_SINCE: Final = 3
"""The rules version since when a block's work is bounded."""


class Mark(NamedTuple):
    """How far a block had come."""

    events: int
    changes: int
    numbers: tuple[int, int]
    prices: tuple[int, int, int]


class Counters:
    """A book, its events and its counters.

    Work is counted in event numbers: a block is full, and an op has done all that it may, once an event has a certain
    number, which each look at an order or level lowers by one.
    """

    __slots__ = (
        "_band",
        "_before",
        "_below",
        "_block_end",
        "_block_work",
        "_bounded",
        "_calm",
        "_holds_all",
        "_in_block",
        "_max_orders",
        "_max_own_orders",
        "_max_price",
        "_max_qty",
        "_max_rate",
        "_max_triggers",
        "_min_qty",
        "_op_end",
        "_op_seq",
        "_op_work",
        "_rates",
        "_rates_before",
        "_rates_second",
        "_time_ms",
        "_was_cut",
        "auction",
        "book",
        "event_number",
        "events",
        "groups",
        "high_ticks",
        "last_trade_ticks",
        "low_ticks",
        "order_number",
        "pair",
        "pair_state",
        "reference_ticks",
    )

    def __init__(self, pair: Pair, limits: Limits, rules: int) -> None:
        self.pair = pair
        self._bounded = rules >= BOUNDED_SINCE
        self._op_seq: Boxed = 0  # of the op that runs
        self._op_work = limits.max_op_work
        self._block_work = limits.max_block_work
        self._op_end = UNBOUNDED
        self._was_cut = False  # an order met as many as its op may
        self._block_end = UNBOUNDED
        self.book = Book()
        self.groups = Groups()
        self.events: list[RawEvent] = []
        self.event_number = 0  # the last event's
        self.order_number = 0  # the last entry's
        self.reference_ticks = 0  # last trade's price at the end of the previous block; 0: none yet
        self.last_trade_ticks = 0
        self.low_ticks = UNBOUNDED  # the lowest price of trades that stops may still wait to run for
        self.high_ticks = 0  # and the highest
        self.auction: tuple[int, ...] = ()  # how far an auction has come that goes on in the next block
        self.pair_state = OPEN
        self._calm = False
        self._holds_all = False  # the pair is halted, or an auction goes on: not even cancels run
        self._max_price = pair.max_price_ticks
        self._min_qty = pair.min_qty_lots
        self._max_qty = pair.max_qty_lots
        self._band = pair.price_band_bps
        self._max_own_orders = limits.max_open_orders_per_author
        self._max_orders = limits.max_open_orders_per_pair
        if self._bounded:
            self._max_own_orders = min(self._max_own_orders, -(-self._max_orders // BOOK_SHARE))
        self._max_rate = limits.max_commands_per_author_per_s
        self._max_triggers = limits.max_triggers_per_block
        self._time_ms = 0
        self._rates: dict[bytes, int] = {}  # commands by author in the second of block time that is under way
        self._rates_second = 0
        self._rates_before: tuple[int, dict[bytes, int]] = (0, {})
        self._before: tuple[tuple[int, int], tuple[int, int, int, int], tuple[int, ...], int]
        self._in_block = False
        self._below: list[Any] = []  # what undoes each speculative block under the newest, the oldest first
        self._mind_state()

    def _mind_state(self) -> None:
        """Whether an order can be forbidden only by its own numbers and for want of room, and whether all is held."""
        self._calm = self.pair_state == OPEN and not self._band and not self._max_rate
        self._holds_all = self.pair_state == HALTED or len(self.auction) > 0

    # -- work ---------------------------------------------------------------------------------------

    def _mark(self) -> Mark:
        numbers = (self.event_number, self.order_number)
        prices = (self.last_trade_ticks, self.low_ticks, self.high_ticks)
        return Mark(len(self.events), len(self.book.log), numbers, prices)

    def _return_to(self, mark: Mark) -> None:
        """Undo what a block did since then."""
        del self.events[mark.events :]
        self.book.undo_to(mark.changes)
        self.event_number, self.order_number = mark.numbers
        self.last_trade_ticks, self.low_ticks, self.high_ticks = mark.prices

    def _looked(self, orders: int) -> None:
        """Count looks at so many orders or levels as work."""
        if self._bounded:
            self._op_end -= orders
            self._block_end -= orders

    # -- questions ----------------------------------------------------------------------------------

    def depth(self, side: int, levels: int) -> list[tuple[int, int, int]]:
        """The best ``levels`` of a side, best first: (price_ticks, open_lots, live orders)."""
        ladder = self._ladder(side)
        best = [ladder.levels[key] for key in islice(ladder.keys_best_first(), levels)]
        return [(level.price_ticks, level.open_lots, sum(1 for _ in level.orders())) for level in best]

    def open_orders(self, side: int) -> Iterator[tuple[bytes, int, int, int, int, int]]:
        """A side's resting orders by priority: (author, client_id, price_ticks, shown lots, number, hidden lots)."""
        for order in self.book.live_orders(self._ladder(side)):
            shown, hidden = order.open_lots, order.hidden_lots
            yield order.author, order.client_id, order.price_ticks, shown, order.number, hidden

    def waiting_orders(self) -> list[tuple[bytes, int, int, int, int, int, int]]:
        """Stop orders that wait, by number: (author, client_id, side, stop_ticks, price_ticks, open_lots, number)."""
        return [_stop_fields(order) for order in self.book.stops.waiting()]

    def line(self) -> list[tuple[bytes, int, int, int, int, int, int]]:
        """Triggered stop orders that were not run yet, the next first; fields as of :meth:`waiting_orders`."""
        return [_stop_fields(order) for order in self.book.lined_up()]

    def leases(self) -> list[tuple[bytes, int]]:
        """(author, until ms) of each lease, by author."""
        leases = self.book.timetable.leases
        return [(author, leases[author]) for author in sorted(leases)]

    def state(self) -> list[Any]:
        """Everything that decides what later commands do, in one canonical form, queue order included."""
        book, groups = self.book, self.groups
        stops = (book.stops.waiting(), book.lined_up())
        sides = (list(book.live_orders(book.bids)), list(book.live_orders(book.asks)), *stops)
        return [
            *[[[*_fields(order), *self._past(order)[::2]] for order in orders] for orders in sides],
            [list(last) for last in book.last_ids()],
            [list(lease) for lease in self.leases()],
            [[author, groups.joined[author]] for author in sorted(groups.joined)],
            [[owner, list(groups.admitted[owner])] for owner in sorted(groups.admitted)],
            [self._rates_second, [[author, self._rates[author]] for author in sorted(self._rates)]],
            self.event_number,
            self.order_number,
            self.reference_ticks,
            self.last_trade_ticks,
            self.pair_state,
            *([[self.low_ticks, self.high_ticks], list(self.auction)] if self._bounded else []),
        ]

    def digest(self) -> Digest:
        """SHA-256 of :meth:`state`."""
        return digest(b"engine", cbor.encode(self.state()))

    # -- small parts --------------------------------------------------------------------------------

    def _ladder(self, side: int) -> Ladder:
        return self.book.bids if side == BUY else self.book.asks

    def _crosses(self, side: int, price_ticks: int) -> bool:
        if side == BUY:
            keys = self.book.asks.keys
            return bool(keys) and -keys[-1] <= price_ticks
        keys = self.book.bids.keys
        return bool(keys) and keys[-1] >= price_ticks

    def _outside_band(self, side: int, price_ticks: int) -> bool:
        reference, band = self.reference_ticks, self._band
        if not reference or not band:
            return False
        if side == BUY:
            return price_ticks * BPS > reference * (BPS + band)
        return price_ticks * BPS < reference * (BPS - band)

    def _grouped(self, one: bytes, other: bytes) -> bool:
        return one == other or self.groups.of(one) == self.groups.of(other)

    def _reject(self, author: bytes, client_id: int, command: int, reason: RejectReason) -> None:
        self._event((REJECTED, self._number(), author, client_id, command, int(reason), *self._answered()))

    def _answered(self) -> tuple[int, ...]:
        """What an event that answers a command ends with: the sequence number of the op that runs."""
        return (self._op_seq,) if self._bounded else ()

    def _past(self, order: Order) -> tuple[int, ...]:
        """What an event about an order ends with: (lots filled so far, total lots, number of the event before)."""
        return (order.filled_lots, order.total_lots, order.last_event) if self._bounded else ()

    def _number(self) -> int:
        self.event_number += 1
        return self.event_number

    def _event(self, event: RawEvent) -> None:
        self.events.append(event)


def _stop_fields(order: Order) -> tuple[bytes, int, int, int, int, int, int]:
    stop_ticks = order.terms.stop_ticks
    return order.author, order.client_id, order.side, stop_ticks, order.price_ticks, order.open_lots, order.number


def _fields(order: Order) -> list[Any]:
    """An order's part of the state."""
    terms = order.terms
    return [
        *(order.author, order.client_id, order.price_ticks, order.total_lots, order.open_lots, order.hidden_lots),
        *(order.number, terms.type, terms.flags, terms.self_trade, terms.expires_ms),
        *(terms.display_lots, terms.stop_ticks),
    ]
