"""The rules of matching: what each command may do, and in which order a block does it.

The package docstring is the rule book. How orders meet is in :mod:`~gossipbook.matching.market`.
"""

from collections.abc import Sequence
from typing import Any, Final

from gossipbook.matching.amendments import Amendments
from gossipbook.matching.commands import (
    CANCEL,
    CANCEL_ALL,
    PLACE,
    PLACE_SPECIAL,
    SLICES_CAP,
    AdmitToGroup,
    Amend,
    Cancel,
    CancelAll,
    Command,
    JoinGroup,
    Lease,
    Place,
    PlaceSpecial,
    SetState,
)
from gossipbook.matching.constants import (
    AUCTION,
    BUY,
    CANCEL_TAKER,
    CANCELLING,
    FOK,
    GTD,
    HALTED,
    LIMIT,
    MARKET,
    OPEN,
    POST_ONLY,
    POSTING,
    REQUESTED,
    SLIDE,
    STOP,
)
from gossipbook.matching.controls import R
from gossipbook.matching.events import (
    ACCEPTED,
    CANCELLED,
    EXPIRED,
    FROZEN,
    STOP_ACCEPTED,
    CancelCause,
    RawEvent,
    RejectReason,
)
from gossipbook.matching.ladder import NOT_MET, RESTING, Account, Boxed, Order, Terms

SHARED: Final = [[Terms(LIMIT, flags, mode, 0, 0, 0) for mode in range(5)] for flags in (0, POST_ONLY)]
"""The terms of orders that were placed with neither a special wish nor a time, by flags and self-trade mode."""

PLAIN: Final = SHARED[0][CANCEL_TAKER]


_PLACE: Final = Place
_CANCEL: Final = Cancel
_AMEND: Final = Amend
"""Names of this module are faster than imported ones when compiled."""


class Engine(Amendments):
    """One pair's book with its rules; executes one speculative block at a time.

    ``begin_block`` … ``run`` … ``end_block``, then ``commit`` or ``rollback``. ``wardens`` may set the pair's state.
    """

    # -- blocks -------------------------------------------------------------------------------------

    def begin_block(self, time_ms: int) -> None:
        """Start a speculative block at a block time in ms; lapses GTD orders and ends leases."""
        assert not self._in_block, "one block at a time: commit or roll back first"
        assert not self.book.log
        self._in_block = True
        self._before = (
            (self.event_number, self.order_number),
            self.reference_ticks,
            self.last_trade_ticks,
            self.pair_state,
        )
        self._time_ms = time_ms
        self.events = []
        if self._max_rate:
            self._rates_before = (self._rates_second, dict(self._rates))
            if time_ms // 1_000 != self._rates_second:
                self._rates_second = time_ms // 1_000
                self._rates = {}
        timetable = self.book.timetable
        while True:
            lapse_ms, lease_ms = timetable.next_expiry_ms(), timetable.next_lease_ms()
            if 0 < lapse_ms < time_ms and (not lease_ms or lapse_ms <= lease_ms):
                order = timetable.expiries[0]
                self._event(
                    (EXPIRED, self._number(), order.author, order.client_id, order.open_lots + order.hidden_lots)
                )
                self.book.take_out(order)
            elif 0 < lease_ms < time_ms:
                self._end_lease(timetable.leases_by_end[0][1])
            else:
                break

    def end_block(self) -> list[RawEvent]:
        """Run the line of triggered orders; all events of the block. The block stays speculative."""
        if self.book.line and self.pair_state == OPEN:
            self._run_line()
        self.reference_ticks = self.last_trade_ticks
        return self.events

    def commit(self) -> None:
        """Keep the block for good."""
        self.book.keep()
        self._in_block = False

    def rollback(self) -> None:
        """Undo the block exactly."""
        self.book.undo()
        numbers, self.reference_ticks, self.last_trade_ticks, self.pair_state = self._before
        self.event_number, self.order_number = numbers
        self._mind_state()
        if self._max_rate:
            self._rates_second, self._rates = self._rates_before
        self.events = []
        self._in_block = False

    def next_lease_ms(self) -> int:
        """Until when the lease holds that ends next; 0 if there is none."""
        return self.book.timetable.next_lease_ms()

    def has_triggered(self) -> bool:
        """Whether the next block will run triggered orders, whatever ops it holds."""
        return self.pair_state == OPEN and self.book.in_line > 0

    # -- commands -----------------------------------------------------------------------------------

    def run(self, author: bytes, commands: Sequence[Command], void: bool = False) -> None:
        """Execute one op's commands, in order. ``void``: the op's expiry has passed."""
        book = self.book
        account = book.accounts.get(author)
        if account is None or account.before == NOT_MET:
            account = book.meet(author)
        calm = (
            self._calm
            and not void
            and len(account.orders) + len(commands) <= self._max_own_orders
            and book.open_count + len(commands) <= self._max_orders
        )
        command: Any  # its kind is looked at by hand, which narrows no types
        for command in commands:
            kind = type(command)
            if kind is _PLACE:
                self._place(account, command, calm, void)
            elif kind is _CANCEL:
                self._cancel(account, command[0])
            elif kind is _AMEND:
                self._amend(account, command, void)
            else:
                self._run_rare(account, command, void)
                calm = False  # It may have changed what places may do.

    def _run_rare(self, account: Account, command: Command, void: bool) -> None:
        author = account.author
        if isinstance(command, CancelAll):
            if self.pair_state == HALTED:
                self._reject(author, 0, CANCEL_ALL, R.PAIR_HALTED)
            else:
                self._cancel_all(author, command.side, CancelCause.CANCEL_ALL)
        elif isinstance(command, PlaceSpecial):
            self._place_special(account, command, void)
        elif isinstance(command, Lease):
            self._lease(author, command.for_ms, void)
        elif isinstance(command, SetState):
            self._set_state(author, command.state)
        elif isinstance(command, JoinGroup):
            self._join_group(author, command, void)
        else:
            assert isinstance(command, AdmitToGroup)
            self._admit_to_group(author, command, void)

    def freeze(self, author: bytes) -> None:
        """Cancel all that a proven equivocator has in the book."""
        self._event((FROZEN, self._number(), author))
        self._drop_lease(author)
        self._cancel_all(author, 0, CancelCause.AUTHOR_FROZEN)

    # -- placing ------------------------------------------------------------------------------------

    def _place(self, account: Account, c: Place, calm: bool, void: bool) -> None:
        """``calm``: nothing but the order's own numbers can forbid it."""
        the_id: Boxed
        the_price: Boxed
        the_qty: Boxed
        the_id, side, type_, the_price, the_qty, tif, flags, self_trade, expires_ms = c
        client_id: int = the_id
        price: int = the_price
        qty: int = the_qty
        if client_id <= account.last_id:
            self._reject(account.author, client_id, PLACE, R.ID_REUSED)
            return
        account.last_id = client_id
        terms = PLAIN
        if (
            not calm
            or flags
            or tif == GTD
            or expires_ms
            or self_trade != CANCEL_TAKER
            or type_ != LIMIT
            or not 1 <= price <= self._max_price
            or not self._min_qty <= qty <= self._max_qty
        ):
            author = account.author
            reason = self._refuse_now(author, type_, tif, flags, 0, void) or self._refuse_place(account, c)
            if reason is not None:
                self._reject(author, client_id, PLACE, reason)
                return
            terms = Terms(LIMIT, flags, self_trade, expires_ms, 0, 0) if expires_ms else SHARED[flags][self_trade]
        self.event_number = number = self.event_number + 1
        self.events.append((ACCEPTED, number, account.author, the_id, side, the_price, the_qty))
        self.order_number = entry = self.order_number + 1
        order = Order(account, the_id, side, price, qty, entry, terms)
        if tif > GTD:
            self._take(order, tif == FOK)
            return
        book = self.book
        if side == BUY:
            ladder, key, opposite = book.bids, price, book.asks.keys
        else:
            ladder, key, opposite = book.asks, -price, book.bids.keys
        if opposite and opposite[-1] >= -key:
            self._enter(order, rests=True)
        else:
            account.orders[the_id] = order
            book.rest(order, ladder, key)

    def _take(self, order: Order, whole: bool) -> None:
        """Match what may not rest, whole or in part."""
        if whole and not self._can_fill(order, order.open_lots):
            self._cancel_rest(order)
        else:
            self._enter(order, rests=False)

    def _refuse_now(
        self, author: bytes, type_: int, tif: int, flags: int, min_lots: int, void: bool
    ) -> RejectReason | None:
        """What forbids a place at this time, whatever its numbers."""
        if void:
            return R.OP_EXPIRED
        if self._max_rate and self._over_rate(author):
            return R.RATE_LIMITED
        state = self.pair_state
        if state == HALTED:
            return R.PAIR_HALTED
        if state == CANCELLING:
            return R.PAIR_CANCEL_ONLY
        if state == POSTING and not flags & POST_ONLY:
            return R.PAIR_POST_ONLY
        if state == AUCTION and (flags & POST_ONLY or min_lots or tif > GTD or type_ == MARKET):
            return R.PAIR_IN_AUCTION
        return None

    def _refuse_place(self, account: Account, c: Place) -> RejectReason | None:
        """What is wrong with a place's numbers, or with them in this book."""
        immediate = c.tif > GTD
        if (c.type == MARKET and not immediate) or (c.flags and (immediate or c.type == MARKET)):
            return R.INVALID_COMBINATION
        if (c.tif == GTD) != (c.expires_ms > 0):
            return R.INVALID_COMBINATION
        if c.tif == GTD and self._time_ms > c.expires_ms:
            return R.ALREADY_EXPIRED
        if not 1 <= c.price_ticks <= self._max_price:
            return R.PRICE_OUT_OF_RANGE
        if not self._min_qty <= c.qty_lots <= self._max_qty:
            return R.QUANTITY_OUT_OF_RANGE
        if self._outside_band(c.side, c.price_ticks):
            return R.PRICE_BAND
        if immediate:
            return None
        return self._refuse_resting(account) or (
            R.POST_ONLY_WOULD_CROSS if c.flags and self._crosses(c.side, c.price_ticks) else None
        )

    def _refuse_resting(self, account: Account) -> RejectReason | None:
        """Whether there is room for one order more."""
        if len(account.orders) >= self._max_own_orders:
            return R.TOO_MANY_OPEN_ORDERS
        return R.BOOK_FULL if self.book.open_count >= self._max_orders else None

    def _place_special(self, account: Account, c: PlaceSpecial, void: bool) -> None:
        book, author = self.book, account.author
        if c.client_id <= account.last_id:
            self._reject(author, c.client_id, PLACE_SPECIAL, R.ID_REUSED)
            return
        account.last_id = c.client_id
        reason = self._refuse_now(author, c.type, c.tif, c.flags, c.min_lots, void) or self._refuse_special(account, c)
        price = c.price_ticks
        if reason is None and c.flags & POST_ONLY and self._crosses(c.side, price):
            price = self._slid(c.side) if c.flags & SLIDE else 0
            reason = None if price else R.POST_ONLY_WOULD_CROSS
        if reason is not None:
            self._reject(author, c.client_id, PLACE_SPECIAL, reason)
            return
        terms = Terms(c.type, c.flags, c.self_trade, c.expires_ms, c.display_lots, c.stop_ticks)
        self.order_number += 1
        order = Order(account, c.client_id, c.side, price, c.qty_lots, self.order_number, terms)
        if c.stop_ticks:
            self._event((STOP_ACCEPTED, self._number(), author, c.client_id, c.side, c.stop_ticks, price, c.qty_lots))
            book.wait(order)
            return
        self._event((ACCEPTED, self._number(), author, c.client_id, c.side, price, c.qty_lots))
        if c.min_lots and not self._can_fill(order, c.min_lots):
            self._event((CANCELLED, self._number(), author, c.client_id, c.qty_lots, 0, int(CancelCause.BELOW_MINIMUM)))
        elif c.tif > GTD:
            self._take(order, c.tif == FOK)
        else:
            self._enter(order, rests=True)

    def _refuse_special(self, account: Account, c: PlaceSpecial) -> RejectReason | None:
        """As :meth:`_refuse_place`, but for post-only orders that would cross."""
        immediate = c.tif > GTD
        post_only = c.flags & POST_ONLY
        stop = c.type >= STOP
        if (
            (c.type == MARKET and not immediate)
            or (post_only and (immediate or c.type == MARKET))
            or (c.tif == GTD) != (c.expires_ms > 0)
            or (c.flags & SLIDE and not post_only)
            or stop != (c.stop_ticks != 0)
            or (stop and (immediate or post_only or c.min_lots))
            or (c.display_lots and (c.type in (MARKET, STOP) or immediate or c.display_lots >= c.qty_lots))
            or (c.min_lots and (c.tif == FOK or post_only or c.min_lots > c.qty_lots))
        ):
            return R.INVALID_COMBINATION
        if c.tif == GTD and self._time_ms > c.expires_ms:
            return R.ALREADY_EXPIRED
        if not 1 <= c.price_ticks <= self._max_price or (stop and not 1 <= c.stop_ticks <= self._max_price):
            return R.PRICE_OUT_OF_RANGE
        if not self._min_qty <= c.qty_lots <= self._max_qty or 0 < c.display_lots < self._min_qty:
            return R.QUANTITY_OUT_OF_RANGE
        if c.display_lots and c.qty_lots > c.display_lots * SLICES_CAP:
            return R.TOO_MANY_SLICES
        if not stop and self._outside_band(c.side, c.price_ticks):
            return R.PRICE_BAND
        last = self.last_trade_ticks
        if stop and last and (last >= c.stop_ticks if c.side == BUY else last <= c.stop_ticks):
            return R.STOP_WOULD_TRIGGER
        return None if immediate else self._refuse_resting(account)

    # -- cancelling --------------------------------------------------------------------

    def _cancel(self, account: Account, client_id: Boxed) -> None:
        if self.pair_state == HALTED:
            self._reject(account.author, client_id, CANCEL, R.PAIR_HALTED)
            return
        order = account.orders.pop(client_id, None)
        if order is None:
            self._reject(account.author, client_id, CANCEL, self._not_open(account, client_id))
            return
        self.event_number = number = self.event_number + 1
        lots = order.open_lots + order.hidden_lots
        self.events.append((CANCELLED, number, account.author, client_id, lots, 0, REQUESTED))
        if order.place == RESTING:
            self.book.unlink(order)
        else:
            account.orders[client_id] = order
            self.book.take_out(order)
