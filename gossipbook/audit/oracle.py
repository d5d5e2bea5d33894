"""A deliberately dumb matching engine that judges the real one.

It follows the rule book in the docstring of :mod:`gossipbook.matching` sentence by sentence and shares nothing
with that package, not even its constants: a mistake in one is not a mistake in the other. Both sides, the stop
orders that wait and the line of triggered ones are plain lists, nearly every question is a scan, and undoing a
block means keeping a :meth:`OracleBook.copy` from before it.

Here are blocks, and commands with their refusals, each in the order of the rule book. Beside it are
:mod:`~gossipbook.audit.oracle_market`, where orders meet, and smaller modules for one order, groups, the price of
an auction and the numbers of the format.

Commands are tuples ``(kind, *fields)`` in the field order of ``matching.commands``; events are the raw tuples
of ``matching.events``.
"""

import copy
from collections.abc import Sequence
from typing import Any, TypeAlias

from gossipbook.audit.oracle_codes import (
    ACCEPTED,
    AMENDED,
    AUCTION,
    BOOK_SHARE,
    BUY,
    CANCEL_ONLY,
    EXPIRED,
    FILL,
    FOK,
    FROZEN,
    HALTED,
    OPEN,
    POST_ONLY_STATE,
    REDUCE_ONLY,
    REJECTED,
    STOP_ACCEPTED,
    TRIGGERED,
    Ask,
    Cause,
    Refusal,
)
from gossipbook.audit.oracle_controls import OracleControls
from gossipbook.audit.oracle_market import RawEvent
from gossipbook.audit.oracle_order import Fields, OracleOrder

Command: TypeAlias = tuple[Any, ...]

PLACES = (Ask.PLACE, Ask.PLACE_SPECIAL, Ask.PLACE_NAMED)
NAMES_AN_ORDER = (*PLACES, Ask.CANCEL, Ask.AMEND)


class OracleBook(OracleControls):
    """One pair's book. ``begin_block``, ``run`` and ``freeze``, ``end_block``."""

    def __init__(
        self,
        min_qty_lots: int,
        max_qty_lots: int,
        max_price_ticks: int,
        price_band_bps: int,
        max_open_orders_per_author: int,
        max_open_orders_per_pair: int,
        max_commands_per_author_per_s: int = 0,
        max_triggers_per_block: int = 256,
        wardens: tuple[bytes, ...] = (),
        rules: int = 2,
        max_block_work: int = 0,
        max_op_work: int = 0,
    ) -> None:
        super().__init__()
        self.is_bounded, self.max_block_work, self.max_op_work = rules >= 3, max_block_work, max_op_work
        self.min_qty, self.max_qty, self.max_price = min_qty_lots, max_qty_lots, max_price_ticks
        self.band_bps, self.max_own, self.max_all = price_band_bps, max_open_orders_per_author, max_open_orders_per_pair
        self.max_rate, self.max_triggers = max_commands_per_author_per_s, max_triggers_per_block
        if self.is_bounded:
            self.max_own = min(self.max_own, (self.max_all + BOOK_SHARE - 1) // BOOK_SHARE)
        self.wardens = wardens

        self.counted: dict[bytes, int] = {}  # commands of this second, by author
        self.reference = 0  # the price band's; 0: none yet

    def copy(self) -> "OracleBook":
        return copy.deepcopy(self)

    def leases(self) -> list[tuple[bytes, int]]:
        """Sorted: (author, until_ms)."""
        return sorted(self.lease_ends.items())

    # Blocks.

    def begin_block(self, time_ms: int) -> None:
        if time_ms // 1000 != self.time_ms // 1000:
            self.counted = {}
        self.time_ms = time_ms
        self.events = []
        self.block_work = self.op_work = 0
        if self.has_left_over() and self.is_bounded:
            if self.auction is not None:
                self._go_on_uncrossing()
            self._close()
        late = [order for order in self.open_orders.values() if order.expires and time_ms > order.expires]
        ends: list[tuple[int, int, int | bytes]] = [(order.expires, 0, order.entered) for order in late]
        ends += [(until, 1, author) for author, until in self.lease_ends.items() if time_ms > until]
        for _, _, which in sorted(ends):
            if self.is_full():
                return
            if isinstance(which, bytes):
                self._end_lease(which)
            for order in late:
                if order.entered == which and order.where is not None:  # a lease's end may have taken it
                    self._leave(order)
                    self._tell(EXPIRED, order, order.open)

    def has_left_over(self) -> bool:
        """Whether the next block begins with work of this one."""
        line = self._reached() if self.is_bounded else self.triggered
        return self.auction is not None or (self.pair_state == OPEN and bool(line))

    def has_lapses(self, time_ms: int) -> bool:
        return any(order.expires and time_ms > order.expires for order in self.open_orders.values())

    def _close(self) -> None:
        """Run what trades have triggered, and if that is all of it, end the block that they were in."""
        if self.auction is not None:
            return
        while self.pair_state == OPEN and self._reached() and not self.is_full():
            self.op_work = 0
            self._run_triggered(self._reached()[0])
        if not self.has_left_over():
            self.reference = self.last_trade
            if self.pair_state == OPEN:
                self.trades = [self.last_trade] if self.last_trade else []

    def end_block(self) -> list[RawEvent]:
        if self.is_bounded:
            self._close()
            return self.events
        self._run_line()
        if any(event[0] == FILL for event in self.events):
            self.reference = self.last_trade
        return self.events

    def _run_line(self) -> None:
        ran = 0
        while self.pair_state == OPEN and self.triggered and ran < self.max_triggers:
            ran += 1
            self._run_triggered(self.triggered[0])

    def _run_triggered(self, order: OracleOrder) -> None:
        order.entered = self._next_entry()
        self._tell(TRIGGERED, order, order.price, order.open)
        if self._is_beyond_band(order):
            self._cancel_order(order, Cause.PRICE_BAND)
        else:
            self._leave(order)
            self._enter(order)

    def run(self, author: bytes, commands: Sequence[Command], void: bool = False, seq: int = 0) -> None:
        self.op_work = 0
        self.answered = (seq,) if self.is_bounded else ()
        for kind, *fields in commands:
            refusal = self._execute(author, kind, tuple(fields), void)
            if refusal:
                client_id = fields[0] if kind in NAMES_AN_ORDER else 0
                self._emit(REJECTED, author, client_id, kind, int(refusal), *self.answered)

    def freeze(self, author: bytes) -> None:
        self._emit(FROZEN, author)
        self.lease_ends.pop(author, None)
        self._cancel_own(author, 0, Cause.AUTHOR_FROZEN)

    def _may_do_no_more(self) -> bool:
        return self._op_is_spent() or self.auction is not None

    def _execute(self, author: bytes, kind: int, fields: Fields, void: bool) -> Refusal:
        if kind not in (*PLACES, Ask.CANCEL) and self._may_do_no_more():
            return Refusal.WORK_LIMIT
        match kind:
            case Ask.PLACE | Ask.PLACE_SPECIAL | Ask.PLACE_NAMED:
                return self._place(author, fields, void)
            case Ask.CANCEL:
                return self._cancel(author, *fields)
            case Ask.AMEND:
                return self._amend(author, *fields, void=void)
            case Ask.CANCEL_ALL:
                return self._cancel_all(author, *fields)
            case Ask.LEASE:
                return self._lease(author, *fields, void=void)
            case Ask.SET_STATE:
                return self._set_state(author, *fields)
            case Ask.JOIN_GROUP:
                return self._join_group(author, *fields, void=void)
            case _:
                return self._admit_to_group(author, *fields, void=void)

    # Places.

    def _place(self, author: bytes, place: Fields, void: bool) -> Refusal:
        order = OracleOrder(author, place)
        if order.client_id <= self.last_ids.get(author, 0):
            return Refusal.ID_REUSED
        self.last_ids[author] = order.client_id
        if void:
            return Refusal.OP_EXPIRED
        if self._may_do_no_more():
            return Refusal.WORK_LIMIT
        if self._is_above_rate(author):
            return Refusal.RATE_LIMITED
        refusal = self._refuse_by_state(order) or self._refuse_fields(order) or self._refuse_by_market(order)
        if refusal:
            return refusal
        order.entered = self._next_entry()
        if order.is_stop:
            waits = (order.side, order.stop, order.price, order.total)
            self._emit(STOP_ACCEPTED, author, order.client_id, *waits, *self.answered)
            order.last_event = self.event_number
            self._keep(order, self.stops)
            return Refusal.NONE
        order.price = self._price_that_takes_nothing(order) if order.post_only else order.price
        what = (order.side, order.price, order.total)
        self._emit(ACCEPTED, author, order.client_id, *what, *self.answered)
        order.last_event = self.event_number
        wanted = order.total if order.tif == FOK else order.minimum
        short = Cause.UNFILLED if order.tif == FOK else Cause.BELOW_MINIMUM
        can_fill = self._can_fill(order, wanted) if wanted else True
        why_not = (
            (short if can_fill is False else Cause.WORK_LIMIT) if not can_fill else self._try_out(order, wanted, short)
        )
        if why_not is None:
            self._enter(order)
        else:
            self._drop(order, why_not)
        return Refusal.NONE

    def _refuse_by_state(self, order: OracleOrder) -> Refusal:
        if self.pair_state == HALTED:
            return Refusal.PAIR_HALTED
        if self.pair_state == CANCEL_ONLY:
            return Refusal.PAIR_CANCEL_ONLY
        if self.pair_state == POST_ONLY_STATE and not order.post_only:
            return Refusal.PAIR_POST_ONLY
        if self.pair_state == AUCTION and not order.fits_an_auction():
            return Refusal.PAIR_IN_AUCTION
        return Refusal.NONE

    def _refuse_fields(self, order: OracleOrder) -> Refusal:
        if order.is_nonsense():
            return Refusal.INVALID_COMBINATION
        if order.expires and self.time_ms > order.expires:
            return Refusal.ALREADY_EXPIRED
        if not self._is_price(order.price) or (order.is_stop and not self._is_price(order.stop)):
            return Refusal.PRICE_OUT_OF_RANGE
        if not self.min_qty <= order.total <= self.max_qty or (order.display and order.display < self.min_qty):
            return Refusal.QUANTITY_OUT_OF_RANGE
        if order.has_too_many_slices():
            return Refusal.TOO_MANY_SLICES
        return Refusal.NONE

    def _refuse_by_market(self, order: OracleOrder) -> Refusal:
        if not order.is_stop and self._is_beyond_band(order):
            return Refusal.PRICE_BAND
        trades = self.trades if self.is_bounded else [self.last_trade] if self.last_trade else []
        if order.is_stop and any(order.triggered_by(price) for price in trades):
            return Refusal.STOP_WOULD_TRIGGER
        if order.rests and sum(author == order.author for author, _ in self.open_orders) >= self.max_own:
            return Refusal.TOO_MANY_OPEN_ORDERS
        if order.rests and len(self.open_orders) >= self.max_all:
            return Refusal.BOOK_FULL
        if order.post_only and not self._price_that_takes_nothing(order):
            return Refusal.POST_ONLY_WOULD_CROSS
        return Refusal.NONE

    # Cancels and amends.

    def _cancel(self, author: bytes, client_id: int) -> Refusal:
        if self.pair_state == HALTED:
            return Refusal.PAIR_HALTED
        if self.auction is not None:
            return Refusal.WORK_LIMIT
        order = self.open_orders.get((author, client_id))
        if order is None:
            return self._why_not_open(author, client_id)
        self._cancel_order(order, Cause.REQUESTED)
        return Refusal.NONE

    def _cancel_all(self, author: bytes, side: int) -> Refusal:
        if self.pair_state == HALTED:
            return Refusal.PAIR_HALTED
        self._look(sum(side not in (0, order.side) for order in self._own(author)))
        self._cancel_own(author, side, Cause.CANCEL_ALL)
        return Refusal.NONE

    def _amend(self, author: bytes, client_id: int, price: int, total: int, flags: int, *, void: bool) -> Refusal:
        reduce_only = bool(flags & REDUCE_ONLY)
        if not reduce_only and self._is_above_rate(author):
            return Refusal.RATE_LIMITED
        if self.pair_state == HALTED:
            return Refusal.PAIR_HALTED
        order = self.open_orders.get((author, client_id))
        if order is None:
            return self._why_not_open(author, client_id)
        price, total = price or order.price, total or order.total
        new_open = total - (order.total - order.open)
        reduction = price == order.price and new_open <= order.open
        if reduce_only and not reduction:
            return Refusal.NOT_A_REDUCTION
        if void and not reduction:
            return Refusal.OP_EXPIRED
        if new_open <= 0:
            self._cancel_order(order, Cause.AMENDED_AWAY)
            return Refusal.NONE
        if self.pair_state == CANCEL_ONLY and not reduction:
            return Refusal.PAIR_CANCEL_ONLY
        if self.pair_state == POST_ONLY_STATE and not reduction and not order.post_only:
            return Refusal.PAIR_POST_ONLY
        if not self.min_qty <= total <= self.max_qty:
            return Refusal.QUANTITY_OUT_OF_RANGE
        if reduction:
            return self._reduce(order, total, new_open)
        return self._amend_anew(order, price, total, new_open)

    def _reduce(self, order: OracleOrder, total: int, new_open: int) -> Refusal:
        """An amend that keeps the order in its place."""
        order.total, order.open = total, new_open
        order.shown = min(order.shown, new_open)  # what is hidden goes first
        self._tell(AMENDED, order, order.price, total, new_open)
        return Refusal.NONE

    def _amend_anew(self, order: OracleOrder, price: int, total: int, new_open: int) -> Refusal:
        """An amend that loses the order its place."""
        wish = copy.copy(order)
        wish.price, wish.total = price, total
        if wish.has_too_many_slices():
            return Refusal.TOO_MANY_SLICES
        if not self._is_price(price):
            return Refusal.PRICE_OUT_OF_RANGE
        if price != order.price and order.where is not self.stops and self._is_beyond_band(wish):
            return Refusal.PRICE_BAND
        if order.post_only and self.pair_state != AUCTION:
            price = self._price_that_takes_nothing(wish)
            if not price:
                return Refusal.POST_ONLY_WOULD_CROSS
            if price == order.price and new_open <= order.open:
                return self._reduce(order, total, new_open)
        outside = order.where is self.stops or order.where is self.triggered
        if not outside:
            self._leave(order)
        order.price, order.total = price, total
        order.show_all(new_open)
        order.entered = self._next_entry()
        self._tell(AMENDED, order, price, total, new_open)
        if not outside:
            self._enter(order)
        return Refusal.NONE

    # Questions.

    def _is_price(self, price: int) -> bool:
        return 1 <= price <= self.max_price

    def _is_beyond_band(self, order: OracleOrder) -> bool:
        if self.reference == 0 or self.band_bps == 0:
            return False
        if order.side == BUY:
            return order.price * 10_000 > self.reference * (10_000 + self.band_bps)
        return order.price * 10_000 < self.reference * (10_000 - self.band_bps)

    def _price_that_takes_nothing(self, order: OracleOrder) -> int:
        """Its own price if that does not cross; else the nearest that does not, if it slides; 0 if there is none."""
        others = self._other_side(order)
        if not others or not order.allows(others[0].price):
            return order.price
        nearest = others[0].price - 1 if order.side == BUY else others[0].price + 1
        return nearest if order.slide and self._is_price(nearest) else 0

    def _is_above_rate(self, author: bytes) -> bool:
        """Count one command of the author's, refused or not."""
        self.counted[author] = self.counted.get(author, 0) + 1
        return 0 < self.max_rate < self.counted[author]

    def _why_not_open(self, author: bytes, client_id: int) -> Refusal:
        return Refusal.ORDER_CLOSED if client_id <= self.last_ids.get(author, 0) else Refusal.UNKNOWN_ORDER
