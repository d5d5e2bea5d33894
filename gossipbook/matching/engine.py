"""The rules of matching: what each command may do, and in which order a block does it.

The package docstring is the rule book. How orders meet is in :mod:`~gossipbook.matching.market`.
"""

from collections.abc import Sequence
from typing import Any, Final

from gossipbook.matching.commands import (
    CANCEL_ALL,
    KINDS,
    AdmitToGroup,
    Amend,
    Cancel,
    CancelAll,
    Command,
    JoinGroup,
    Lease,
    Place,
    SetState,
    SpecialPlace,
)
from gossipbook.matching.constants import (
    HALTED,
    OPEN,
    UNBOUNDED,
)
from gossipbook.matching.controls import R
from gossipbook.matching.covering import cover, uncover
from gossipbook.matching.events import (
    EXPIRED,
    FROZEN,
    CancelCause,
    RawEvent,
)
from gossipbook.matching.ladder import NOT_MET, Account, Boxed
from gossipbook.matching.placing import Placing

_PLACE: Final = Place
_CANCEL: Final = Cancel
_AMEND: Final = Amend
"""Names of this module are faster than imported ones when compiled."""


class Engine(Placing):
    """One pair's book with its rules; executes speculative blocks, each on top of the one before.

    ``begin_block`` … ``run`` … ``end_block`` for each, then ``commit`` of the oldest or ``rollback`` of the newest.
    ``wardens`` may set the pair's state.
    Once the block :attr:`is_full`, which it can be from its beginning, nothing may run in it any more.
    """

    __slots__ = ()

    # -- blocks -------------------------------------------------------------------------------------

    def begin_block(self, time_ms: int) -> None:
        """Start a speculative block at a block time in ms; lapses GTD orders and ends leases."""
        if self._in_block:
            self.cover()
        assert not self.book.log
        self._in_block = True
        self._before = (
            (self.event_number, self.order_number),
            (self.reference_ticks, self.last_trade_ticks, self.low_ticks, self.high_ticks),
            self.auction,
            self.pair_state,
        )
        self._time_ms = time_ms
        self.events = []
        if self._bounded:
            self._block_end = self.event_number + self._block_work
            self._op_end = UNBOUNDED
            self._finish_last_block()
        if self._max_rate:
            self._rates_before = (self._rates_second, dict(self._rates))
            if time_ms // 1_000 != self._rates_second:
                self._rates_second = time_ms // 1_000
                self._rates = {}
        timetable = self.book.timetable
        while not self.is_full:
            lapse_ms, lease_ms = timetable.next_expiry_ms(), timetable.next_lease_ms()
            if 0 < lapse_ms < time_ms and (not lease_ms or lapse_ms <= lease_ms):
                order = timetable.expiries.first()
                assert order is not None
                about = (order.author, order.client_id, order.open_lots + order.hidden_lots)
                self._event((EXPIRED, self._number(), *about, *self._past(order)))
                self.book.take_out(order)
            elif 0 < lease_ms < time_ms:
                self._end_lease(timetable.leases_by_end[0][1])
            else:
                break

    def end_block(self) -> list[RawEvent]:
        """Run the line of triggered orders; all events of the block. The block stays speculative."""
        if not self._bounded:
            if self.book.line and self.pair_state == OPEN:
                self._run_line()
            self.reference_ticks = self.last_trade_ticks
        elif not self.auction:
            self._settle_trades()
        return self.events

    @property
    def is_full(self) -> bool:
        """Whether the block has done so much that nothing more may begin in it."""
        return self.event_number >= self._block_end or len(self.auction) > 0

    def _finish_last_block(self) -> None:
        """What the block before was too full for comes first in this one."""
        if not self.has_left_over():
            return
        if self.auction:
            self._go_on_uncrossing()
        if not self.auction:
            self._settle_trades()

    def _settle_trades(self) -> None:
        """Run what trades have triggered; then, as the end of their block, forget them but for the last one's price."""
        if self.pair_state == OPEN and self.book.waiting:
            self._run_line()
            if self.has_left_over():
                return
        self.reference_ticks = self.last_trade_ticks
        if self.pair_state == OPEN:
            self.low_ticks = self.last_trade_ticks or UNBOUNDED
            self.high_ticks = self.last_trade_ticks

    def commit(self) -> None:
        """Keep the oldest block for good."""
        if self._below:
            del self._below[0]
        else:
            self.book.keep()
            self._in_block = False

    def rollback(self) -> None:
        """Undo the newest block exactly."""
        self.book.undo()
        self._restore()
        self._mind_state()
        if self._max_rate:
            self._rates_second, self._rates = self._rates_before
        self.events = []
        self._in_block = self.uncover()

    def cover(self) -> None:
        """Put what undoes the newest block aside: another one begins on top of it."""
        rates = self._rates_before if self._max_rate else None
        self._below.append((cover(self.book), self._before, rates))

    def uncover(self) -> bool:
        """Take back what undoes the block that is the newest again; False if there is none."""
        if not self._below:
            return False
        covered, self._before, rates = self._below.pop()
        uncover(self.book, covered)
        if self._max_rate:
            self._rates_before = rates
        return True

    def _restore(self) -> None:
        """Set all counters back to what they were before the block."""
        numbers, prices, self.auction, self.pair_state = self._before
        self.event_number, self.order_number = numbers
        self.reference_ticks, self.last_trade_ticks, self.low_ticks, self.high_ticks = prices

    def next_expiry_ms(self) -> int:
        """Above which block time the next order lapses; 0 if none does."""
        return self.book.timetable.next_expiry_ms()

    def next_lease_ms(self) -> int:
        """Until when the lease holds that ends next; 0 if there is none."""
        return self.book.timetable.next_lease_ms()

    def has_left_over(self) -> bool:
        """Whether the next block begins with work of this one: triggered orders, or an auction that goes on."""
        if not self._bounded:
            return self.pair_state == OPEN and self.book.in_line > 0
        if self.auction:
            return True
        return self.pair_state == OPEN and self.book.stops.next_reached(self.low_ticks, self.high_ticks) is not None

    # -- commands -----------------------------------------------------------------------------------

    def run(self, author: bytes, commands: Sequence[Command], void: bool = False, seq: Boxed = 0) -> None:
        """Execute one op's commands, in order. ``void``: the op's expiry has passed. ``seq``: its sequence number."""
        self._op_seq = seq
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
        if self._bounded:
            self._op_end = self.event_number + self._op_work
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
        if isinstance(command, SpecialPlace):
            self._place_special(account, command, void)
        elif self.event_number >= self._op_end:
            self._reject(author, 0, KINDS[type(command)], R.WORK_LIMIT)
        elif isinstance(command, CancelAll):
            if self.pair_state == HALTED:
                self._reject(author, 0, CANCEL_ALL, R.PAIR_HALTED)
            else:
                count = len(account.orders) + self.event_number
                self._cancel_all(author, command.side, CancelCause.CANCEL_ALL)
                self._looked(count - self.event_number)
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
