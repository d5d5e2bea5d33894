"""What is asked of a market beside orders: leases, groups, and a warden's states with the auctions that they end."""

from collections.abc import Sequence

from gossipbook.limits import Limits
from gossipbook.manifest import Pair
from gossipbook.matching.auction import MEETING, TRADING, Walk, uncrossing_price
from gossipbook.matching.commands import (
    ADMIT_TO_GROUP,
    JOIN_GROUP,
    LEASE,
    LEASE_CAP_MS,
    SET_STATE,
    AdmitToGroup,
    JoinGroup,
)
from gossipbook.matching.constants import ALLOW, AUCTION, CANCELLING, HALTED, OPEN, POSTING, UNBOUNDED
from gossipbook.matching.events import (
    GROUPED,
    LEASE_ENDED,
    LEASED,
    LEFT,
    PAIR_STATE,
    UNCROSSED,
    CancelCause,
    RejectReason,
)
from gossipbook.matching.ladder import RESTING, Account, Order
from gossipbook.matching.market import Market

R = RejectReason


class Controls(Market):
    """A market with its switches. ``wardens`` may set its state."""

    __slots__ = ("_wardens",)

    def __init__(self, pair: Pair, limits: Limits, wardens: Sequence[bytes] = (), rules: int = 2) -> None:
        super().__init__(pair, limits, rules)
        self._wardens = frozenset(wardens)

    def _lease(self, author: bytes, for_ms: int, void: bool) -> None:
        if void or for_ms > LEASE_CAP_MS:
            self._reject(author, 0, LEASE, R.INVALID_COMBINATION if for_ms > LEASE_CAP_MS else R.OP_EXPIRED)
            return
        self._drop_lease(author)
        until_ms = self._time_ms + for_ms if for_ms else 0
        if until_ms:
            timetable = self.book.timetable
            self.book.set_item(timetable.leases, author, until_ms)
            self.book.add_sorted(timetable.leases_by_end, (until_ms, author))
        self._event((LEASED, self._number(), author, until_ms))

    def _drop_lease(self, author: bytes) -> None:
        timetable = self.book.timetable
        until_ms = timetable.leases.get(author)
        if until_ms is not None:
            self.book.set_item(timetable.leases, author, None)
            self.book.remove_sorted(timetable.leases_by_end, (until_ms, author))

    def _end_lease(self, author: bytes) -> None:
        self._event((LEASE_ENDED, self._number(), author))
        self._drop_lease(author)
        self._cancel_all(author, 0, CancelCause.LEASE)
        account = self.book.accounts.get(author)
        if account is not None:
            self.book.emptied.append(account)

    def is_bare(self, author: bytes) -> bool:
        """Whether an author has no open order, no lease, and is in nobody's group nor has admitted anybody."""
        groups = self.groups
        tied = author in self.book.timetable.leases or author in groups.joined or author in groups.admitted
        return not tied and not self.orders_of(author)

    def orders_of(self, author: bytes) -> int:
        """How many orders an author has open, stops included."""
        account = self.book.accounts.get(author)
        return 0 if account is None else len(account.orders)

    def leave(self, author: bytes) -> None:
        """Let an author leave: all that they have goes, and what they used and wished is forgotten."""
        self._cancel_all(author, 0, CancelCause.DISPLACED)
        if author in self.book.timetable.leases:
            self._drop_lease(author)
            self._event((LEASED, self._number(), author, 0))
        groups = self.groups
        if author in groups.joined:
            groups.join(self.book, author, b"")
            self._event((GROUPED, self._number(), author, b"", 0))
        for member in groups.admitted.get(author, ()):
            consent = groups.admit(self.book, author, member, False)
            self._event((GROUPED, self._number(), member, author, consent))
        self._event((LEFT, self._number(), author))
        self.book.forget(author)

    def _join_group(self, author: bytes, command: JoinGroup, void: bool) -> None:
        reason = self._refuse_group(void) or self.groups.refuse_joining(author, command.owner)
        if reason is not None:
            self._reject(author, 0, JOIN_GROUP, reason)
            return
        consent = self.groups.join(self.book, author, command.owner)
        self._event((GROUPED, self._number(), author, command.owner if consent else b"", consent))

    def _admit_to_group(self, author: bytes, command: AdmitToGroup, void: bool) -> None:
        reason = self._refuse_group(void) or self.groups.refuse_admission(author, command.member, command.admit)
        if reason is not None:
            self._reject(author, 0, ADMIT_TO_GROUP, reason)
            return
        consent = self.groups.admit(self.book, author, command.member, bool(command.admit))
        self._event((GROUPED, self._number(), command.member, author, consent))

    def _refuse_group(self, void: bool) -> RejectReason | None:
        if void:
            return R.OP_EXPIRED
        if self.pair_state == HALTED:
            return R.PAIR_HALTED
        return R.PAIR_IN_AUCTION if self.pair_state == AUCTION else None

    def _set_state(self, author: bytes, state: int) -> None:
        if author not in self._wardens:
            self._reject(author, 0, SET_STATE, R.NOT_A_WARDEN)
            return
        self.pair_state = state
        self._mind_state()
        self._event((PAIR_STATE, self._number(), author, state))
        if state in (OPEN, POSTING, CANCELLING):
            self._uncross()

    def _uncross(self) -> None:
        """Trade what crosses at one price, as at the end of an auction."""
        book = self.book
        if not self._crossed():
            return
        if self._bounded:
            self.auction = Walk.begun(book.bids, book.asks)
            self._go_on_uncrossing()
            return
        self._part_groups()
        if not self._crossed():
            return
        sides = [
            [(level.price_ticks, level.open_lots + level.hidden_lots) for level in ladder.best_first()]
            for ladder in (book.bids, book.asks)
        ]
        price, volume = uncrossing_price(sides[0], sides[1], self.last_trade_ticks)
        self._event((UNCROSSED, self._number(), price, volume))
        while volume:
            volume -= self._fill_front(price, volume)

    def _fill_front(self, price: int, volume: int) -> int:
        """Trade the front of the best bid level with the front of the best offer level; how many lots."""
        bid, ask = self.book.bids.front(), self.book.asks.front()
        maker, taker = (bid, ask) if bid.number < ask.number else (ask, bid)
        lots = min(bid.open_lots, ask.open_lots, volume)
        self._fill(maker, taker, price, lots)
        self._take_filled(maker, lots)
        self._take_filled(taker, lots)
        return lots

    def _go_on_uncrossing(self) -> None:
        """Go on with an auction, as far as the block's work allows.

        Nothing else happens to the book meanwhile, so it does not matter where blocks end.
        """
        book = self.book
        if self.auction[0] == MEETING:
            walk = Walk(book.bids, book.asks, self.auction)
            while self.event_number < self._block_end:
                if walk.step():
                    price, volume = walk.outcome(self.last_trade_ticks)
                    self._event((UNCROSSED, self._number(), price, volume))
                    self.auction = (TRADING, price, volume)
                    break
                self._looked(1)
            else:
                self._keep_auction(walk.position())
                return
        _, price, volume = self.auction
        while volume and self.event_number < self._block_end:
            volume -= self._fill_front(price, volume)
        self._keep_auction((TRADING, price, volume) if volume else ())

    def _keep_auction(self, auction: tuple[int, ...]) -> None:
        """Let nothing else happen while an auction goes on."""
        self.auction = auction
        if auction:
            self._op_end = -UNBOUNDED
        self._mind_state()

    def _crossed(self) -> bool:
        bids, asks = self.book.bids.keys, self.book.asks.keys
        return bool(bids) and bool(asks) and bids[-1] >= -asks[-1]

    def _part_groups(self) -> None:
        """No group may be on both sides of an auction: while one is, its best two orders meet as a self-trade."""
        low, high = -self.book.asks.keys[-1], self.book.bids.keys[-1]
        sides: list[dict[bytes, list[Order]]] = []
        for ladder in (self.book.bids, self.book.asks):
            owned: dict[bytes, list[Order]] = {}
            for order in self.book.live_orders(ladder):
                if not low <= order.price_ticks <= high:
                    break
                owned.setdefault(self.groups.of(order.author), []).append(order)
            sides.append(owned)
        for owner in sorted(sides[0].keys() & sides[1].keys()):
            self._part_group(sides[0][owner], sides[1][owner])

    def _part_group(self, bids: list[Order], asks: list[Order]) -> None:
        """One group's orders, best first."""
        while bids and asks and bids[0].price_ticks >= asks[0].price_ticks:
            maker, taker = (bids[0], asks[0]) if bids[0].number < asks[0].number else (asks[0], bids[0])
            if taker.terms.self_trade == ALLOW:
                del (bids if taker is bids[0] else asks)[0]
                continue
            self._self_trade(taker, maker)
            for orders in (bids, asks):
                if orders[0].place != RESTING:
                    gone = orders.pop(0)
                    renewed = self.book.find(gone.author, gone.client_id)
                    if renewed is not None:  # Its next slice is the last at its price.
                        behind = sum(1 for order in orders if order.price_ticks == gone.price_ticks)
                        orders.insert(behind, renewed)

    # -- small parts --------------------------------------------------------------------------------

    def _over_rate(self, author: bytes) -> bool:
        """Count a command of an author; whether it is one too many in this second of block time."""
        count = self._rates.get(author, 0) + 1
        self._rates[author] = count
        return count > self._max_rate

    def _not_open(self, account: Account, client_id: int) -> RejectReason:
        return R.ORDER_CLOSED if client_id <= account.last_id else R.UNKNOWN_ORDER
