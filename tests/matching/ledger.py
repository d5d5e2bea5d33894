"""One step of a book, and every order's account over all of them: what the laws are asked about."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gossipbook.matching.commands import (
    AnyPlace,
    Command,
    OrderType,
    PlaceSpecial,
    Side,
)
from gossipbook.matching.engine import Engine
from gossipbook.matching.events import (
    Accepted,
    Amended,
    Cancelled,
    Expired,
    Fill,
    Grouped,
    Rejected,
    RejectReason,
    StopAccepted,
    Triggered,
)

from .audit import Memberships

Identity = tuple[bytes, int]


class Row(NamedTuple):
    """A resting order."""

    author: bytes
    client_id: int
    price: int
    shown: int
    number: int
    hidden: int

    @property
    def identity(self) -> Identity:
        return self.author, self.client_id

    @property
    def lots(self) -> int:
        return self.shown + self.hidden


class StopRow(NamedTuple):
    """A stop order that waits or is in line."""

    author: bytes
    client_id: int
    side: int
    stop: int
    price: int
    lots: int
    number: int

    @property
    def identity(self) -> Identity:
        return self.author, self.client_id


class Book(NamedTuple):
    """All open orders at one moment, by priority."""

    bids: list[Row]
    asks: list[Row]
    waiting: list[StopRow]
    line: list[StopRow]
    state: int

    @classmethod
    def of(cls, engine: Engine) -> "Book":
        return cls(
            [Row._make(row) for row in engine.open_orders(Side.BUY)],
            [Row._make(row) for row in engine.open_orders(Side.SELL)],
            [StopRow._make(row) for row in engine.waiting_orders()],
            [StopRow._make(row) for row in engine.line()],
            engine.pair_state,
        )

    def open(self) -> Iterator[Row | StopRow]:
        yield from self.bids
        yield from self.asks
        yield from self.waiting
        yield from self.line

    def find(self, identity: Identity) -> Row | StopRow | None:
        return next((row for row in self.open() if row.identity == identity), None)

    def level(self, row: Row) -> list[Row]:
        """All that rest beside a row, itself included."""
        side = self.bids if row in self.bids else self.asks
        return [other for other in side if other.price == row.price]

    def highest_number(self) -> int:
        return max((row.number for row in self.open()), default=0)

    def is_crossed(self) -> bool:
        return bool(self.bids and self.asks) and self.bids[0].price >= self.asks[0].price


class Step(NamedTuple):
    """One command, or without one the start or the end of a block or a freeze; its events, and the book around it."""

    author: bytes
    command: Command | None
    last_id: int  # the author's last client id before it
    events: Sequence[Any]
    before: Book
    after: Book

    def of_type(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def entered(self) -> PlaceSpecial | None:
        """The order that the command placed, if it was accepted."""
        if isinstance(self.command, AnyPlace) and self.of_type(Accepted):
            return special(self.command)
        return None

    def amended(self) -> tuple[Row | StopRow, Amended] | None:
        """What the command amended, as it was before, and what became of it."""
        events = self.of_type(Amended)
        if not events:
            return None
        row = self.before.find((events[0].author, events[0].client_id))
        assert row is not None
        return row, events[0]

    def is_refusal(self, reason: RejectReason) -> bool:
        """Whether nothing happened but one refusal, for this reason."""
        refused = len(self.events) == 1 and isinstance(self.events[0], Rejected)
        return refused and self.events[0].reason == reason and self.before == self.after


@dataclass
class Entry:
    """One order's account, from its command and its events."""

    place: PlaceSpecial
    limit: int
    total: int
    filled: int = 0
    cancelled: int = 0
    expired: int = 0
    reached_by: int = 0  # number of the first fill at its stop price or beyond
    triggered_by: int = 0  # number of its trigger

    def allows(self, price: int) -> bool:
        return price <= self.limit if self.place.side == Side.BUY else price >= self.limit

    def is_stop(self) -> bool:
        return self.place.type in (OrderType.STOP, OrderType.STOP_LIMIT)

    def is_reached(self, price: int) -> bool:
        return price >= self.place.stop_ticks if self.place.side == Side.BUY else price <= self.place.stop_ticks


class Ledger:
    """All orders' accounts, and who is in whose group."""

    def __init__(self) -> None:
        self.entries: dict[Identity, Entry] = {}
        self.groups = Memberships()

    def take(self, step: Step) -> None:
        for event in step.events:
            match event:
                case Accepted() | StopAccepted():
                    assert isinstance(step.command, AnyPlace)
                    place = special(step.command)
                    self.entries[event.author, event.client_id] = Entry(place, event.price_ticks, place.qty_lots)
                case Fill(number, price, lots):
                    for identity in parties(event):
                        self.entries[identity].filled += lots
                    for entry in self.entries.values():
                        if entry.is_stop() and not entry.reached_by and entry.is_reached(price):
                            entry.reached_by = number
                case Cancelled():
                    self.entries[event.author, event.client_id].cancelled += event.qty_lots
                case Expired():
                    self.entries[event.author, event.client_id].expired += event.qty_lots
                case Amended():
                    entry = self.entries[event.author, event.client_id]
                    entry.limit, entry.total = event.price_ticks, event.qty_lots
                case Triggered():
                    self.entries[event.author, event.client_id].triggered_by = event.number
                case Grouped():
                    self.groups.take(event)

    def share_group(self, one: bytes, other: bytes) -> bool:
        return self.groups.of(one) == self.groups.of(other)


def special(place: AnyPlace) -> PlaceSpecial:
    """A place as one that has all that the book looks at."""
    return PlaceSpecial(*place[: len(PlaceSpecial._fields)])


def parties(fill: Fill) -> tuple[Identity, Identity]:
    return (fill.maker, fill.maker_client_id), (fill.taker, fill.taker_client_id)
