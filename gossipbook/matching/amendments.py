"""Amends: which are allowed, and what becomes of the order."""

from gossipbook.matching.commands import AMEND, SLICES_CAP, Amend
from gossipbook.matching.constants import AUCTION, BUY, CANCELLING, HALTED, POST_ONLY, POSTING, REDUCE_ONLY, SLIDE
from gossipbook.matching.controls import Controls, R
from gossipbook.matching.events import AMENDED, CancelCause, RejectReason
from gossipbook.matching.ladder import WAITING, Account, Order


class Amendments(Controls):
    """A market whose orders can be amended."""

    __slots__ = ()

    def _amend(self, account: Account, c: Amend, void: bool) -> None:
        client_id, new_price, new_total, flags = c
        book, author = self.book, account.author
        if self.event_number >= self._op_end:
            self._reject(author, client_id, AMEND, R.WORK_LIMIT)
            return
        if self._max_rate and not flags & REDUCE_ONLY and self._over_rate(author):
            self._reject(author, client_id, AMEND, R.RATE_LIMITED)
            return
        order = account.orders.get(client_id)
        if order is None or self.pair_state == HALTED:
            reason = R.PAIR_HALTED if self.pair_state == HALTED else self._not_open(account, client_id)
            self._reject(author, client_id, AMEND, reason)
            return
        whole = order.open_lots + order.hidden_lots
        price = new_price or order.price_ticks
        total = new_total or order.total_lots
        open_lots = total - (order.total_lots - whole)
        reduction = price == order.price_ticks and open_lots <= whole
        refused = self._refuse_amend(order, flags, price, total, open_lots, reduction, void)
        if refused is None and not reduction and open_lots > 0 and self._would_post_across(order, price):
            price = self._slid(order.side) if order.terms.flags & SLIDE else 0
            refused = None if price else R.POST_ONLY_WOULD_CROSS
            reduction = price == order.price_ticks and open_lots <= whole
        if refused is not None:
            self._reject(author, client_id, AMEND, refused)
        elif open_lots <= 0:
            self._take_out(order, CancelCause.AMENDED_AWAY)
        else:
            past = self._past(order)[::2]  # The total is the new one.
            self._event((AMENDED, self._number(), author, client_id, price, total, open_lots, *past))
            if self._bounded:
                book.tell(order, order.filled_lots, self.event_number)
            if reduction:
                self._reduce(order, total, whole - open_lots)
            elif book.is_waiting(order):
                self.order_number += 1
                book.renumber_waiting(order, price, total, open_lots, self.order_number)
            else:
                book.take_out(order)
                self._enter(self._renewed(order, price, total, open_lots), rests=True)

    def _refuse_amend(
        self, order: Order, flags: int, price: int, total: int, open_lots: int, reduction: bool, void: bool
    ) -> RejectReason | None:
        if not reduction and flags & REDUCE_ONLY:
            return R.NOT_A_REDUCTION
        if not reduction and void:
            return R.OP_EXPIRED
        if open_lots <= 0:
            return None
        if not reduction and self.pair_state == CANCELLING:
            return R.PAIR_CANCEL_ONLY
        if not reduction and self.pair_state == POSTING and not order.terms.flags & POST_ONLY:
            return R.PAIR_POST_ONLY
        if not self._min_qty <= total <= self._max_qty:
            return R.QUANTITY_OUT_OF_RANGE
        if reduction:
            return None
        display = order.terms.display_lots
        if display and total > display * SLICES_CAP:
            return R.TOO_MANY_SLICES
        if not 1 <= price <= self._max_price:
            return R.PRICE_OUT_OF_RANGE
        if price != order.price_ticks and order.place != WAITING and self._outside_band(order.side, price):
            return R.PRICE_BAND
        return None

    def _reduce(self, order: Order, total: int, lots: int) -> None:
        """Take ``lots`` out of an order in place, hidden ones first."""
        book = self.book
        book.change(order, order.price_ticks, total, order.open_lots, order.number)
        if order.hidden_lots:
            hidden = min(lots, order.hidden_lots)
            book.set_hidden(order, order.hidden_lots - hidden)
            lots -= hidden
        if not lots:
            return
        if book.is_waiting(order):
            book.change(order, order.price_ticks, total, order.open_lots - lots, order.number)
        else:
            book.lower(order, lots)

    def _slid(self, side: int) -> int:
        """The nearest price that takes nothing, given that there is an opposite side; 0 if there is none."""
        if side == BUY:
            return -self.book.asks.keys[-1] - 1
        price = self.book.bids.keys[-1] + 1
        return price if price <= self._max_price else 0

    def _would_post_across(self, order: Order, price: int) -> bool:
        """Whether a post-only order may not be amended to a price for what it would take there."""
        post_only = order.terms.flags & POST_ONLY and self.pair_state != AUCTION
        return bool(post_only) and self._crosses(order.side, price)
