"""What a book did: numbered events, the only output of the engine.

Inside the engine an event is a plain tuple ``(kind, number, …)``, which is also its encoded form (an
array) and what the events digest covers. The classes here name the fields; :func:`name_event` turns one
into the other. Numbers are contiguous per pair, from 1, over the whole chain.

From rules version 3 on an event about an open order ends with its past: the lots that it has filled so far, its total,
and the number of the event about it before this one (``previous``), so that one event proves where an order stands and
an event that is missing shows. One that answers a command ends with the sequence number of its op (``seq``), so that it
is known which of several ops it answers, and in which of its author's lives. In earlier ones these fields are None.
"""

from enum import IntEnum
from typing import Any, Final, NamedTuple, TypeAlias

ACCEPTED: Final = 1
REJECTED: Final = 2
FILL: Final = 3
CANCELLED: Final = 4
EXPIRED: Final = 5
AMENDED: Final = 6
FROZEN: Final = 7
TRIGGERED: Final = 8
SLICED: Final = 9
PAIR_STATE: Final = 10
UNCROSSED: Final = 11
LEASED: Final = 12
LEASE_ENDED: Final = 13
GROUPED: Final = 14
STOP_ACCEPTED: Final = 15
LEFT: Final = 16

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
    RATE_LIMITED = 14
    PAIR_HALTED = 15
    PAIR_CANCEL_ONLY = 16
    PAIR_POST_ONLY = 17
    PAIR_IN_AUCTION = 18
    STOP_WOULD_TRIGGER = 19
    NOT_A_WARDEN = 20
    GROUP_FULL = 21
    TOO_MANY_SLICES = 22
    WORK_LIMIT = 23
    """The op had done as much as one op may."""

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
    BELOW_MINIMUM = 7
    """The minimum quantity could not fill on arrival."""
    PRICE_BAND = 8
    """A triggered order was outside the price band."""
    LEASE = 9
    """The author did not renew their lease."""
    WORK_LIMIT = 10
    """The op had done as much as one op may."""
    DISPLACED = 11
    """The author did nothing for long, and others need the room."""

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
    seq: int | None = None


class Rejected(NamedTuple):
    """A command changed nothing, but for the client order id that a place uses up. ``command`` is its kind."""

    number: int
    author: bytes
    client_id: int
    command: int
    reason: int
    seq: int | None = None


class Fill(NamedTuple):
    """A trade at the maker's price. From rules version 3 on with what it leaves of both orders."""

    number: int
    price_ticks: int
    qty_lots: int
    maker: bytes
    maker_client_id: int
    taker: bytes
    taker_client_id: int
    taker_side: int
    maker_filled_lots: int | None = None
    maker_open_lots: int | None = None
    maker_total_lots: int | None = None
    maker_previous: int | None = None
    taker_filled_lots: int | None = None
    taker_open_lots: int | None = None
    taker_total_lots: int | None = None
    taker_previous: int | None = None


class Cancelled(NamedTuple):
    """``qty_lots`` left the book unfilled; ``open_lots`` remain (above zero only for a self-trade decrement)."""

    number: int
    author: bytes
    client_id: int
    qty_lots: int
    open_lots: int
    cause: int
    filled_lots: int | None = None
    total_lots: int | None = None
    previous: int | None = None


class Expired(NamedTuple):
    """A GTD order lapsed with ``qty_lots`` open."""

    number: int
    author: bytes
    client_id: int
    qty_lots: int
    filled_lots: int | None = None
    total_lots: int | None = None
    previous: int | None = None


class Amended(NamedTuple):
    """The total is now ``qty_lots``, of which ``open_lots`` are open at ``price_ticks``, before fills that follow."""

    number: int
    author: bytes
    client_id: int
    price_ticks: int
    qty_lots: int
    open_lots: int
    filled_lots: int | None = None
    previous: int | None = None


class Triggered(NamedTuple):
    """A waiting stop order enters the market, as a limit order at ``price_ticks``."""

    number: int
    author: bytes
    client_id: int
    price_ticks: int
    qty_lots: int
    filled_lots: int | None = None
    total_lots: int | None = None
    previous: int | None = None


class Sliced(NamedTuple):
    """An iceberg's slice joined the back of its level's queue; ``hidden_lots`` stay behind it."""

    number: int
    author: bytes
    client_id: int
    shown_lots: int
    hidden_lots: int
    filled_lots: int | None = None
    total_lots: int | None = None
    previous: int | None = None


class PairStateSet(NamedTuple):
    """A warden set what the pair takes, a ``commands.PairState``."""

    number: int
    warden: bytes
    state: int


class Uncrossed(NamedTuple):
    """An auction found its price; ``qty_lots`` trade at it in the fills that follow."""

    number: int
    price_ticks: int
    qty_lots: int


class Leased(NamedTuple):
    """The author's orders are cancelled at the start of the first block later than ``until_ms``; 0: no lease."""

    number: int
    author: bytes
    until_ms: int


class LeaseEnded(NamedTuple):
    """The author did not renew in time; their orders are cancelled next."""

    number: int
    author: bytes


class Grouped(NamedTuple):
    """``consent``: 1 if the member wants to be in the owner's group, plus 2 if the owner admits them; 3 is a member.

    Who leaves without joining another has an empty ``owner``.
    """

    number: int
    member: bytes
    owner: bytes
    consent: int


class StopAccepted(NamedTuple):
    """An order waits outside the book until a trade reaches ``stop_ticks``."""

    number: int
    author: bytes
    client_id: int
    side: int
    stop_ticks: int
    price_ticks: int
    qty_lots: int
    seq: int | None = None


class Left(NamedTuple):
    """An author left the pair's table, with nothing open. Only with a new life's first op do they come back."""

    number: int
    author: bytes


class Frozen(NamedTuple):
    """An author was proven to have signed two ops with one sequence number; its orders are cancelled next."""

    number: int
    author: bytes


Event: TypeAlias = (
    Accepted
    | Rejected
    | Fill
    | Cancelled
    | Expired
    | Amended
    | Frozen
    | Triggered
    | Sliced
    | PairStateSet
    | Uncrossed
    | Leased
    | LeaseEnded
    | Grouped
    | StopAccepted
    | Left
)

EVENT_TYPES: dict[int, type[Any]] = {
    ACCEPTED: Accepted,
    REJECTED: Rejected,
    FILL: Fill,
    CANCELLED: Cancelled,
    EXPIRED: Expired,
    AMENDED: Amended,
    FROZEN: Frozen,
    TRIGGERED: Triggered,
    SLICED: Sliced,
    PAIR_STATE: PairStateSet,
    UNCROSSED: Uncrossed,
    LEASED: Leased,
    LEASE_ENDED: LeaseEnded,
    GROUPED: Grouped,
    STOP_ACCEPTED: StopAccepted,
    LEFT: Left,
}


def name_event(raw: RawEvent) -> Event:
    """The event with its fields named. Raises TypeError: they are too few or too many."""
    named = EVENT_TYPES[raw[0]]
    if not is_whole(raw):
        raise TypeError(f"a {named.__name__} does not have {len(raw)} fields")
    event: Event = named(*raw[1:])
    return event


def whole(raw: RawEvent) -> RawEvent:
    """The event itself, of a known kind. Raises ValueError: its fields are too few or too many."""
    if not is_whole(raw):
        raise ValueError("a wrong number of fields")
    return raw


def is_whole(raw: RawEvent) -> bool:
    """Whether an event of a known kind has as many fields as such have, with their past or without."""
    named = EVENT_TYPES[raw[0]]
    missing = len(named._fields) + 1 - len(raw)
    return missing in (0, len(named._field_defaults))


_KINDS: Final = {cls: kind for kind, cls in EVENT_TYPES.items()}


def raw_event(event: Event) -> RawEvent:
    """The event as the engine makes it and as it is encoded; the opposite of :func:`name_event`."""
    return (_KINDS[type(event)], *(value for value in event if value is not None))
