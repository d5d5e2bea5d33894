"""Laws that every event stream of a book must obey. Knows neither the engine nor the oracle."""

from collections.abc import Sequence
from typing import Any

from gossipbook.matching.commands import (
    AnyPlace,
    Command,
    OrderType,
    PairState,
    PlaceFlags,
    PlaceSpecial,
    SelfTrade,
    Side,
    TimeInForce,
)
from gossipbook.matching.events import (
    Accepted,
    Amended,
    CancelCause,
    Cancelled,
    Expired,
    Fill,
    Frozen,
    Grouped,
    Leased,
    LeaseEnded,
    Left,
    PairStateSet,
    Rejected,
    RejectReason,
    Sliced,
    StopAccepted,
    Triggered,
    Uncrossed,
    name_event,
)

MAY_BE_CROSSED = (PairState.AUCTION, PairState.HALTED)
SWEEPS = (CancelCause.AUTHOR_FROZEN, CancelCause.LEASE)


class Account:
    """One order: total = filled + cancelled + expired + open, at every event; open includes what is hidden."""

    def __init__(self, place: PlaceSpecial, price_ticks: int) -> None:
        self.place = place
        self.side, self.limit = place.side, price_ticks
        self.total = self.open = place.qty_lots
        self.filled = self.cancelled = self.expired = 0
        self.waits = place.type in (OrderType.STOP, OrderType.STOP_LIMIT)
        self.below_minimum = False

    def lower(self, lots: int) -> None:
        assert 0 < lots <= self.open, "takes out more than is open"
        self.open -= lots

    def check(self) -> None:
        assert self.total == self.filled + self.cancelled + self.expired + self.open

    def fits(self, price_ticks: int) -> bool:
        return price_ticks <= self.limit if self.side == Side.BUY else price_ticks >= self.limit

    @property
    def may_rest(self) -> bool:
        resting_type = self.place.type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
        return resting_type and self.place.tif in (TimeInForce.GTC, TimeInForce.GTD)

    @property
    def post_only(self) -> bool:
        return bool(self.place.flags & PlaceFlags.POST_ONLY)


class Memberships:
    """Who is in whose group, from events alone."""

    def __init__(self) -> None:
        self.joined: dict[bytes, bytes] = {}
        self.admitted: set[tuple[bytes, bytes]] = set()  # (owner, member)

    def take(self, event: Grouped) -> None:
        if not event.owner:
            assert event.consent == 0
            self.joined.pop(event.member, None)
            return
        had = (self.joined.get(event.member) == event.owner, (event.owner, event.member) in self.admitted)
        has = (bool(event.consent & 1), bool(event.consent & 2))
        assert had[0] == has[0] or had[1] == has[1], "one side's word changes only that side"
        if has[0]:
            self.joined[event.member] = event.owner
        if has[1]:
            self.admitted.add((event.owner, event.member))
        else:
            self.admitted.discard((event.owner, event.member))

    def of(self, author: bytes) -> bytes:
        owner = self.joined.get(author, author)
        return owner if (owner, author) in self.admitted else author


class Audit:
    """Feed it every placed command and every block's events, then the book as it is after the block.

    Rows of the book are (author, client_id, price, shown, hidden), rows of stop orders that wait or are in line
    (author, client_id, side, stop, price, open).
    """

    def __init__(self) -> None:
        self.last_number = 0
        self.places: dict[tuple[bytes, int], PlaceSpecial] = {}
        self.accounts: dict[tuple[bytes, int], Account] = {}
        self.state = int(PairState.OPEN)
        self.groups = Memberships()
        self.leased: set[bytes] = set()
        self.swept: tuple[bytes, CancelCause] | None = None  # whose orders all go now, and why
        self.auction_price = self.auction_left = 0
        self.just_triggered: tuple[bytes, int] | None = None

    def sent(self, author: bytes, commands: Sequence[Command]) -> None:
        for command in commands:
            if isinstance(command, AnyPlace):
                # A reused id is refused, so the first use stands; only one of them is ever accepted.
                self.places.setdefault((author, command.client_id), PlaceSpecial(*command[: len(PlaceSpecial._fields)]))

    def left(self, author: bytes) -> None:
        """An author leaves before what they send next: their ids are as good as new."""
        self.places = {identity: place for identity, place in self.places.items() if identity[0] != author}

    def block(
        self,
        events: Sequence[tuple[Any, ...]],
        bids: Sequence[Any],
        asks: Sequence[Any],
        stops: Sequence[Any] = (),
        *,
        auction_goes_on: bool = False,
    ) -> None:
        for raw in events:
            assert all(type(value) in (int, bytes) for value in raw), "an event holds plain integers and bytes"
            self.last_number += 1
            assert raw[1] == self.last_number, "event numbers are contiguous"
            event = name_event(raw)
            self._check_sequel(event)
            self._event(event)
        if not auction_goes_on:
            self._check_sequel(None)
            assert not self._is_crossed(bids, asks) or self.state in MAY_BE_CROSSED, "the book is crossed"
        self._book(bids, asks, stops)

    def _is_crossed(self, bids: Sequence[Any], asks: Sequence[Any]) -> bool:
        return bool(bids) and bool(asks) and bids[0][2] >= asks[0][2]

    def _check_sequel(self, event: Any) -> None:
        """What some events promise about the next ones."""
        if self.auction_left:
            held_up = isinstance(event, Rejected) and event.reason == RejectReason.WORK_LIMIT
            assert held_up or isinstance(event, Fill | Sliced), "an auction's volume is not done"
        if self.swept is not None:
            author, cause = self.swept
            if not (isinstance(event, Cancelled) and (event.author, event.cause) == (author, cause)):
                left = [account for (owner, _), account in self.accounts.items() if owner == author and account.open]
                assert not left, "a frozen author or one whose lease ended keeps an order"
                self.swept = None
        if isinstance(event, Cancelled):
            assert event.cause not in SWEEPS or self.swept == (event.author, event.cause)
            banned = event.cause == CancelCause.PRICE_BAND
            assert not banned or self.just_triggered == (event.author, event.client_id)
        self.just_triggered = None

    def _event(self, event: Any) -> None:
        match event:
            case Accepted() | StopAccepted():
                self._accept(event)
            case Fill():
                self._fill(event)
            case Cancelled() | Expired() | Amended():
                self._change(event)
            case Triggered():
                account = self.accounts[event.author, event.client_id]
                assert account.waits, "an order triggers once"
                assert self.state == PairState.OPEN
                assert (event.price_ticks, event.qty_lots) == (account.limit, account.open)
                account.waits = False
                self.just_triggered = event.author, event.client_id
            case Sliced():
                account = self.accounts[event.author, event.client_id]
                assert account.may_rest
                assert event.shown_lots + event.hidden_lots == account.open
                assert 0 < event.shown_lots <= account.place.display_lots
                assert event.hidden_lots == 0 or event.shown_lots == account.place.display_lots
            case PairStateSet():
                self.state = event.state
            case Uncrossed():
                assert self.state not in MAY_BE_CROSSED
                assert event.qty_lots > 0
                self.auction_price, self.auction_left = event.price_ticks, event.qty_lots
            case Leased():
                (self.leased.add if event.until_ms else self.leased.discard)(event.author)
            case LeaseEnded():
                self.leased.remove(event.author)
                self.swept = event.author, CancelCause.LEASE
            case Left():
                own = [identity for identity in self.accounts if identity[0] == event.author]
                assert not any(self.accounts[identity].open for identity in own), "who leaves keeps an order"
                for identity in own:
                    del self.accounts[identity]
            case Frozen():
                self.leased.discard(event.author)
                self.swept = event.author, CancelCause.AUTHOR_FROZEN
            case Grouped():
                assert self.state not in MAY_BE_CROSSED or not event.consent & 2, "but for who leaves the table"
                self.groups.take(event)

    def _accept(self, event: Accepted | StopAccepted) -> None:
        place = self.places[event.author, event.client_id]
        assert (event.author, event.client_id) not in self.accounts, "an id is accepted once"
        account = Account(place, event.price_ticks)
        assert (event.side, event.qty_lots) == (place.side, place.qty_lots)
        slid = bool(place.flags & PlaceFlags.SLIDE) and event.price_ticks != place.price_ticks
        assert place.price_ticks == event.price_ticks or (slid and not account.fits(place.price_ticks))
        assert account.waits == isinstance(event, StopAccepted)
        if isinstance(event, StopAccepted):
            assert event.stop_ticks == place.stop_ticks
        assert self.state not in (PairState.HALTED, PairState.CANCEL_ONLY)
        assert self.state != PairState.POST_ONLY or account.post_only
        if self.state == PairState.AUCTION:
            assert account.may_rest or place.type == OrderType.STOP
            assert not account.post_only
            assert not place.min_lots
        self.accounts[event.author, event.client_id] = account

    def _change(self, event: Cancelled | Expired | Amended) -> None:
        account = self.accounts[event.author, event.client_id]
        if isinstance(event, Amended):
            assert self.state != PairState.HALTED
            assert event.open_lots == event.qty_lots - account.filled - account.cancelled > 0
            reduction = event.price_ticks == account.limit and event.open_lots <= account.open
            assert reduction or self.state != PairState.CANCEL_ONLY
            assert reduction or self.state != PairState.POST_ONLY or account.post_only
            account.total, account.open, account.limit = event.qty_lots, event.open_lots, event.price_ticks
        else:
            account.lower(event.qty_lots)
            if isinstance(event, Expired):
                assert account.open == 0
                account.expired += event.qty_lots
            else:
                assert account.open == event.open_lots
                assert account.open == 0 or event.cause == CancelCause.SELF_TRADE
                account.cancelled += event.qty_lots
                if event.cause == CancelCause.BELOW_MINIMUM:
                    assert account.place.min_lots
                if event.cause == CancelCause.BELOW_MINIMUM or (
                    event.cause == CancelCause.WORK_LIMIT and account.place.min_lots > account.filled
                ):
                    assert not account.filled
                    account.below_minimum = True
        account.check()

    def _fill(self, fill: Fill) -> None:
        maker = self.accounts[fill.maker, fill.maker_client_id]
        taker = self.accounts[fill.taker, fill.taker_client_id]
        allowed = SelfTrade.ALLOW in (maker.place.self_trade, taker.place.self_trade)
        apart = self.groups.of(fill.maker) != self.groups.of(fill.taker)
        assert apart or allowed, "nobody trades with themselves or their group, who does not want to"
        assert taker.side == fill.taker_side != maker.side
        assert not maker.waits
        assert not taker.waits, "an order trades before it is triggered"
        assert self._may_meet(maker)
        assert maker.fits(fill.price_ticks), "worse than the maker's limit"
        assert taker.fits(fill.price_ticks), "worse than the taker's limit"
        if self.auction_left:
            assert fill.price_ticks == self.auction_price, "an auction has one price"
            assert self._may_meet(taker)
            assert fill.qty_lots <= self.auction_left
            self.auction_left -= fill.qty_lots
        else:
            assert self.state == PairState.OPEN, "a trade while the pair is not open"
            assert fill.price_ticks == maker.limit, "a fill is at the maker's price"
            assert not taker.post_only, "a post-only order never takes"
        for account in (maker, taker):
            account.lower(fill.qty_lots)
            account.filled += fill.qty_lots
            account.check()

    def _may_meet(self, account: Account) -> bool:
        """Whether an order may be in the book, or in an auction."""
        return account.may_rest

    def _has_its_minimum(self, account: Account) -> bool:
        return account.below_minimum or account.filled >= account.place.min_lots

    def _book(self, bids: Sequence[Any], asks: Sequence[Any], stops: Sequence[Any]) -> None:
        held = {}
        for side, rows in ((Side.BUY, bids), (Side.SELL, asks)):
            prices = [row[2] for row in rows]
            assert prices == sorted(prices, reverse=side == Side.BUY)
            for author, client_id, price, shown, hidden in rows:
                account = self.accounts[author, client_id]
                assert (account.side, account.limit, account.open) == (side, price, shown + hidden)
                assert account.may_rest, "an immediate order rests"
                assert not account.waits
                assert shown > 0
                assert hidden >= 0
                display = account.place.display_lots
                assert shown <= display if display else hidden == 0
                held[author, client_id] = shown + hidden
        for author, client_id, side, stop, price, lots in stops:
            account = self.accounts[author, client_id]
            assert account.waits
            assert (account.side, account.place.stop_ticks, account.limit, account.open) == (side, stop, price, lots)
            assert account.filled == 0
            held[author, client_id] = lots
        for identity, account in self.accounts.items():
            assert account.open == held.get(identity, 0)
            if account.place.tif == TimeInForce.FOK:
                assert account.filled in (0, account.total), "fill or kill filled in part"
            assert self._has_its_minimum(account), "rests without its minimum"
        # What has ended is checked for good; only the open orders are kept.
        self.accounts = {identity: account for identity, account in self.accounts.items() if account.open}
