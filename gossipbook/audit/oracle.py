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
    BUY,
    CANCEL_ONLY,
    CANCELLED,
    EXPIRED,
    FILL,
    FOK,
    FROZEN,
    GROUPED,
    HALTED,
    LEASE_CAP_MS,
    LEASE_ENDED,
    LEASED,
    OPEN,
    PAIR_STATE,
    POST_ONLY_STATE,
    REDUCE_ONLY,
    REJECTED,
    STOP_ACCEPTED,
    TRIGGERED,
    Ask,
    Cause,
    Refusal,
)
from gossipbook.audit.oracle_market import OracleMarket, RawEvent
from gossipbook.audit.oracle_order import Fields, OracleOrder

Command: TypeAlias = tuple[Any, ...]

NAMES_AN_ORDER = (Ask.PLACE, Ask.PLACE_SPECIAL, Ask.CANCEL, Ask.AMEND)


class OracleBook(OracleMarket):
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
    ) -> None:
        super().__init__()
        self.min_qty, self.max_qty, self.max_price = min_qty_lots, max_qty_lots, max_price_ticks
        self.band_bps, self.max_own, self.max_all = price_band_bps, max_open_orders_per_author, max_open_orders_per_pair
        self.max_rate, self.max_triggers = max_commands_per_author_per_s, max_triggers_per_block
        self.wardens = wardens

        self.lease_ends: dict[bytes, int] = {}
        self.last_ids: dict[bytes, int] = {}
        self.counted: dict[bytes, int] = {}  # commands of this second, by author
        self.reference = 0  # the price band's; 0: none yet
        self.time_ms = 0

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
        late = [order for order in self.open_orders.values() if order.expires and time_ms > order.expires]
        ends: list[tuple[int, int, int | bytes]] = [(order.expires, 0, order.entered) for order in late]
        ends += [(until, 1, author) for author, until in self.lease_ends.items() if time_ms > until]
        for _, _, which in sorted(ends):
            if isinstance(which, bytes):
                self._end_lease(which)
            for order in late:
                if order.entered == which and order.where is not None:  # a lease's end may have taken it
                    self._leave(order)
                    self._emit(EXPIRED, order.author, order.client_id, order.open)

    def end_block(self) -> list[RawEvent]:
        self._run_line()
        if any(event[0] == FILL for event in self.events):
            self.reference = self.last_trade
        return self.events

    def _run_line(self) -> None:
        ran = 0
        while self.pair_state == OPEN and self.triggered and ran < self.max_triggers:
            order = self.triggered[0]
            ran += 1
            order.entered = self._next_entry()
            self._emit(TRIGGERED, order.author, order.client_id, order.price, order.open)
            if self._is_beyond_band(order):
                self._cancel_order(order, Cause.PRICE_BAND)
            else:
                self._leave(order)
                self._enter(order)

    def run(self, author: bytes, commands: Sequence[Command], void: bool = False) -> None:
        for kind, *fields in commands:
            refusal = self._execute(author, kind, tuple(fields), void)
            if refusal:
                client_id = fields[0] if kind in NAMES_AN_ORDER else 0
                self._emit(REJECTED, author, client_id, kind, int(refusal))

    def freeze(self, author: bytes) -> None:
        self._emit(FROZEN, author)
        self.lease_ends.pop(author, None)
        self._cancel_own(author, 0, Cause.AUTHOR_FROZEN)

    def _execute(self, author: bytes, kind: int, fields: Fields, void: bool) -> Refusal:
        match kind:
            case Ask.PLACE | Ask.PLACE_SPECIAL:
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
        if self._is_above_rate(author):
            return Refusal.RATE_LIMITED
        refusal = self._refuse_by_state(order) or self._refuse_fields(order) or self._refuse_by_market(order)
        if refusal:
            return refusal
        order.entered = self._next_entry()
        if order.is_stop:
            what = (order.side, order.stop, order.price, order.total)
            self._emit(STOP_ACCEPTED, author, order.client_id, *what)
            self._keep(order, self.stops)
            return Refusal.NONE
        order.price = self._price_that_takes_nothing(order) if order.post_only else order.price
        self._emit(ACCEPTED, author, order.client_id, order.side, order.price, order.total)
        if order.tif == FOK and not self._can_fill(order, order.total):
            self._emit(CANCELLED, author, order.client_id, order.open, 0, int(Cause.UNFILLED))
        elif order.minimum and not self._can_fill(order, order.minimum):
            self._emit(CANCELLED, author, order.client_id, order.open, 0, int(Cause.BELOW_MINIMUM))
        else:
            self._enter(order)
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
        if order.is_stop and self.last_trade and order.triggered_by(self.last_trade):
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
        order = self.open_orders.get((author, client_id))
        if order is None:
            return self._why_not_open(author, client_id)
        self._cancel_order(order, Cause.REQUESTED)
        return Refusal.NONE

    def _cancel_all(self, author: bytes, side: int) -> Refusal:
        if self.pair_state == HALTED:
            return Refusal.PAIR_HALTED
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
        self._emit(AMENDED, order.author, order.client_id, order.price, total, new_open)
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
        self._emit(AMENDED, order.author, order.client_id, price, total, new_open)
        if not outside:
            self._enter(order)
        return Refusal.NONE

    # Leases, groups, states.

    def _lease(self, author: bytes, for_ms: int, *, void: bool) -> Refusal:
        if for_ms > LEASE_CAP_MS:
            return Refusal.INVALID_COMBINATION
        if void:
            return Refusal.OP_EXPIRED
        if for_ms:
            self.lease_ends[author] = self.time_ms + for_ms
        else:
            self.lease_ends.pop(author, None)
        self._emit(LEASED, author, self.lease_ends.get(author, 0))
        return Refusal.NONE

    def _end_lease(self, author: bytes) -> None:
        del self.lease_ends[author]
        self._emit(LEASE_ENDED, author)
        self._cancel_own(author, 0, Cause.LEASE)

    def _refuse_group(self, void: bool) -> Refusal:
        if void:
            return Refusal.OP_EXPIRED
        if self.pair_state == HALTED:
            return Refusal.PAIR_HALTED
        return Refusal.PAIR_IN_AUCTION if self.pair_state == AUCTION else Refusal.NONE

    def _join_group(self, author: bytes, owner: bytes, *, void: bool) -> Refusal:
        refusal = self._refuse_group(void)
        if refusal:
            return refusal
        if self.groups.has_admitted(owner, author) and self._would_nest(author, owner):
            return Refusal.INVALID_COMBINATION
        if owner in (b"", author):
            self.groups.leave(author)
            self._emit(GROUPED, author, b"", 0)
        else:
            self.groups.join(author, owner)
            self._emit(GROUPED, author, owner, self.groups.holds(author, owner))
        return Refusal.NONE

    def _admit_to_group(self, author: bytes, member: bytes, admit: int, *, void: bool) -> Refusal:
        refusal = self._refuse_group(void)
        if refusal:
            return refusal
        if admit and (member == author or (self.groups.wants(member, author) and self._would_nest(member, author))):
            return Refusal.INVALID_COMBINATION
        if admit and self.groups.is_full_for(author, member):
            return Refusal.GROUP_FULL
        if admit:
            self.groups.admit(author, member)
        else:
            self.groups.expel(author, member)
        self._emit(GROUPED, member, author, self.groups.holds(member, author))
        return Refusal.NONE

    def _would_nest(self, member: bytes, owner: bytes) -> bool:
        """Who has members is in nobody's group, and who is in a group has no members."""
        return self.groups.has_members(member) or self.groups.of(owner) != owner

    def _set_state(self, author: bytes, state: int) -> Refusal:
        if author not in self.wardens:
            return Refusal.NOT_A_WARDEN
        self.pair_state = state
        self._emit(PAIR_STATE, author, state)
        if state in (OPEN, POST_ONLY_STATE, CANCEL_ONLY):
            self._uncross()
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
