"""What a book did: numbered events, the only output of the engine.

Inside the engine an event is a plain tuple ``(kind, number, …)``, which is also its encoded form (an
array) and what the events digest covers. The classes here name the fields; :func:`name_event` turns one
into the other. Numbers are contiguous per pair, from 1, over the whole chain.
"""

from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias

ACCEPTED, REJECTED, FILL, CANCELLED, EXPIRED, AMENDED, FROZEN = 1, 2, 3, 4, 5, 6, 7

RawEvent: TypeAlias = tuple[Any, ...]


class RejectReason(IntEnum):
    """Why a command was refused. The numbers are part of the format and never reused."""

    ID_REUSED = 1
    OP_EXPIRED = 2
    INVALID_COMBINATION = 3
    ALREADY_EXPIRED = 4
    PRICE_OUT_OF_RANGE = 5
    QUANTITY_OUT_OF_RANGE = 6
    PRICE_BAND = 7
    TOO_MANY_OPEN_ORDERS = 8
    BOOK_FULL = 9
    POST_ONLY_WOULD_CROSS = 10
    UNKNOWN_ORDER = 11
    ORDER_CLOSED = 12
    NOT_A_REDUCTION = 13

    @property
    def word(self) -> str:
        return self.name.lower().replace("_", "-")


class CancelCause(IntEnum):
    """Why open quantity was taken out of the book without a fill."""

    REQUESTED = 1
    CANCEL_ALL = 2
    UNFILLED = 3
    """The remainder of an IOC, FOK or market order."""
    SELF_TRADE = 4
    AMENDED_AWAY = 5
    """Amended to a total that was already filled or less."""
    AUTHOR_FROZEN = 6

    @property
    def word(self) -> str:
        return self.name.lower().replace("_", "-")


class Accepted(NamedTuple):
    """An order entered: it may fill, rest, or be cancelled by the events that follow."""

    number: int
    author: bytes
    client_id: int
    side: int
    price_ticks: int
    qty_lots: int


class Rejected(NamedTuple):
    """A command changed nothing, but for the client order id that a place uses up. ``command`` is its kind."""

    number: int
    author: bytes
    client_id: int
    command: int
    reason: int


class Fill(NamedTuple):
    """A trade at the maker's price."""

    number: int
    price_ticks: int
    qty_lots: int
    maker: bytes
    maker_client_id: int
    taker: bytes
    taker_client_id: int
    taker_side: int


class Cancelled(NamedTuple):
    """``qty_lots`` left the book unfilled; ``open_lots`` remain (above zero only for a self-trade decrement)."""

    number: int
    author: bytes
    client_id: int
    qty_lots: int
    open_lots: int
    cause: int


class Expired(NamedTuple):
    """A GTD order lapsed with ``qty_lots`` open."""

    number: int
    author: bytes
    client_id: int
    qty_lots: int


class Amended(NamedTuple):
    """The total is now ``qty_lots``, of which ``open_lots`` are open at ``price_ticks``, before fills that follow."""

    number: int
    author: bytes
    client_id: int
    price_ticks: int
    qty_lots: int
    open_lots: int


class Frozen(NamedTuple):
    """An author was proven to have signed two ops with one sequence number; its orders are cancelled next."""

    number: int
    author: bytes


Event: TypeAlias = Accepted | Rejected | Fill | Cancelled | Expired | Amended | Frozen

EVENT_TYPES: dict[int, type[Any]] = {
    ACCEPTED: Accepted,
    REJECTED: Rejected,
    FILL: Fill,
    CANCELLED: Cancelled,
    EXPIRED: Expired,
    AMENDED: Amended,
    FROZEN: Frozen,
}


def name_event(raw: RawEvent) -> Event:
    """The event with its fields named."""
    event: Event = EVENT_TYPES[raw[0]]._make(raw[1:])
    return event
