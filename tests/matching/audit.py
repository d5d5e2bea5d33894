"""Laws that every event stream of a book must obey. Knows neither the engine nor the oracle."""

from collections.abc import Sequence
from typing import Any

from gossipbook.matching.commands import Command, OrderType, Place, PlaceFlags, Side, TimeInForce
from gossipbook.matching.events import (
    Accepted,
    Amended,
    CancelCause,
    Cancelled,
    Expired,
    Fill,
    name_event,
)


class Account:
    """One order: total = filled + cancelled + expired + open, at every event."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.side, self.limit = place.side, place.price_ticks
        self.total = self.open = place.qty_lots
        self.filled = self.cancelled = self.expired = 0

    def lower(self, lots: int) -> None:
        assert 0 < lots <= self.open, "takes out more than is open"
        self.open -= lots

    def check(self) -> None:
        assert self.total == self.filled + self.cancelled + self.expired + self.open

    @property
    def may_rest(self) -> bool:
        return self.place.type == OrderType.LIMIT and self.place.tif in (TimeInForce.GTC, TimeInForce.GTD)


class Audit:
    """Feed it every placed command and every block's events, then the book as it rests after the block."""

    def __init__(self) -> None:
        self.last_number = 0
        self.places: dict[tuple[bytes, int], Place] = {}
        self.accounts: dict[tuple[bytes, int], Account] = {}

    def sent(self, author: bytes, commands: Sequence[Command]) -> None:
        for command in commands:
            if isinstance(command, Place):
                # A reused id is refused, so the first use stands; only one of them is ever accepted.
                self.places.setdefault((author, command.client_id), command)

    def block(self, events: Sequence[tuple[Any, ...]], bids: list[Any], asks: list[Any]) -> None:
        for raw in events:
            assert all(type(value) in (int, bytes) for value in raw), "an event holds plain integers and bytes"
            self.last_number += 1
            assert raw[1] == self.last_number, "event numbers are contiguous"
            self._event(name_event(raw))
        self._book(bids, asks)

    def _event(self, event: Any) -> None:
        if isinstance(event, Accepted):
            place = self.places[event.author, event.client_id]
            assert (event.author, event.client_id) not in self.accounts, "an id is accepted once"
            assert (event.side, event.price_ticks, event.qty_lots) == (place.side, place.price_ticks, place.qty_lots)
            self.accounts[event.author, event.client_id] = Account(place)
        elif isinstance(event, Fill):
            self._fill(event)
        elif isinstance(event, Cancelled | Expired | Amended):
            account = self.accounts[event.author, event.client_id]
            if isinstance(event, Amended):
                assert event.open_lots == event.qty_lots - account.filled - account.cancelled > 0
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
            account.check()

    def _fill(self, fill: Fill) -> None:
        maker = self.accounts[fill.maker, fill.maker_client_id]
        taker = self.accounts[fill.taker, fill.taker_client_id]
        assert fill.maker != fill.taker, "nobody trades with themselves"
        assert taker.side == fill.taker_side != maker.side
        assert fill.price_ticks == maker.limit, "a fill is at the maker's price"
        worse = fill.price_ticks - taker.limit
        assert (worse if taker.side == Side.BUY else -worse) <= 0, "worse than the taker's limit"
        assert maker.may_rest
        assert not taker.place.flags & PlaceFlags.POST_ONLY, "a post-only order never takes"
        for account in (maker, taker):
            account.lower(fill.qty_lots)
            account.filled += fill.qty_lots
            account.check()

    def _book(self, bids: list[Any], asks: list[Any]) -> None:
        if bids and asks:
            assert bids[0][2] < asks[0][2], "the book is crossed"
        resting = {}
        for side, rows in ((Side.BUY, bids), (Side.SELL, asks)):
            prices = [row[2] for row in rows]
            assert prices == sorted(prices, reverse=side == Side.BUY)
            for author, client_id, price, lots in rows:
                account = self.accounts[author, client_id]
                assert (account.side, account.limit, account.open) == (side, price, lots)
                assert account.may_rest, "an immediate order rests"
                resting[author, client_id] = lots
        for identity, account in self.accounts.items():
            assert account.open == resting.get(identity, 0)
            if account.place.tif == TimeInForce.FOK:
                assert account.filled in (0, account.total), "fill or kill filled in part"
        # What has ended is checked for good; only the open orders are kept.
        self.accounts = {identity: account for identity, account in self.accounts.items() if account.open}
