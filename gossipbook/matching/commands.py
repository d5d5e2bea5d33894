"""What an author may ask of a pair's book: place, cancel, amend, and more.

Commands travel inside ops as arrays ``[kind, field, …]`` in the field order of the classes here. Prices
are integer ticks, quantities integer lots, times integer milliseconds of block time.
"""

from enum import IntEnum, IntFlag
from typing import Final, NamedTuple, TypeAlias


class Side(IntEnum):
    BUY = 1
    SELL = 2


class OrderType(IntEnum):
    LIMIT = 1
    MARKET = 2
    """Takes at any price up to its *protection price*, which is the command's price; never rests."""
    STOP = 3
    """Waits until a trade reaches its stop price; then a market order with its protection price."""
    STOP_LIMIT = 4
    """Waits until a trade reaches its stop price; then a limit order."""


class TimeInForce(IntEnum):
    GTC = 1
    """Good till cancelled."""
    GTD = 2
    """Good till date: lapses in the first block whose time is above ``expires_ms``."""
    IOC = 3
    """Immediate or cancel: what does not fill at once is cancelled."""
    FOK = 4
    """Fill or kill: fills whole at once, or not at all."""


class PlaceFlags(IntFlag):
    NONE = 0
    POST_ONLY = 1
    """Rejected if it would take liquidity on arrival."""
    SLIDE = 2
    """With post-only: goes to the nearest price that takes nothing, instead of being rejected."""


class AmendFlags(IntFlag):
    NONE = 0
    REDUCE_ONLY = 1
    """Rejected unless it keeps the price and does not raise the open quantity."""


class SelfTrade(IntEnum):
    """What happens when an author's order meets one of their own; the taker's mode decides."""

    CANCEL_TAKER = 1
    CANCEL_MAKER = 2
    CANCEL_BOTH = 3
    DECREMENT = 4
    """Both are reduced by the smaller open quantity; what reaches zero is gone."""
    ALLOW = 5
    """Nothing is prevented: the two trade. Only a :class:`PlaceNamed` can say so."""


class PairState(IntEnum):
    """What a pair's book takes. Only a warden's certified command changes it."""

    OPEN = 1
    POST_ONLY = 2
    CANCEL_ONLY = 3
    HALTED = 4
    AUCTION = 5
    """Orders rest without matching, until the pair opens at one price for all."""

    @property
    def word(self) -> str:
        return self.name.lower().replace("_", "-")


class Place(NamedTuple):
    """Enter an order.

    ``client_id`` is strictly increasing per (author, pair), from 1; it is used up even by a refusal.
    """

    client_id: int
    side: int
    type: int
    price_ticks: int
    qty_lots: int
    tif: int
    flags: int = 0
    self_trade: int = SelfTrade.CANCEL_TAKER
    expires_ms: int = 0


class PlaceSpecial(NamedTuple):
    """Enter an order that uses something which :class:`Place` has no field for, or one of the later flags and types.

    ``display_lots``: an iceberg shows at most so much. ``min_lots``: cancelled unless so much fills on arrival.
    ``stop_ticks``: the stop price of a stop or stop-limit order. 0 is none.
    """

    client_id: int
    side: int
    type: int
    price_ticks: int
    qty_lots: int
    tif: int
    flags: int = 0
    self_trade: int = SelfTrade.CANCEL_TAKER
    expires_ms: int = 0
    display_lots: int = 0
    min_lots: int = 0
    stop_ticks: int = 0

    def is_special(self) -> bool:
        """Whether a :class:`Place` would not do."""
        extras = self.display_lots or self.min_lots or self.stop_ticks
        return bool(extras) or self.flags > PlaceFlags.POST_ONLY or self.type > OrderType.MARKET


class PlaceNamed(NamedTuple):
    """Enter an order under a text of its author's own, or one that may trade with its author's other orders.

    ``text_id`` (up to :data:`TEXT_ID_CAP` printable ASCII characters, or empty) means nothing to the book, which does
    not look whether it was used before: it is certified with the order, and any peer finds the order by it.
    """

    client_id: int
    side: int
    type: int
    price_ticks: int
    qty_lots: int
    tif: int
    flags: int = 0
    self_trade: int = SelfTrade.CANCEL_TAKER
    expires_ms: int = 0
    display_lots: int = 0
    min_lots: int = 0
    stop_ticks: int = 0
    text_id: str = ""

    def is_named(self) -> bool:
        """Whether a :class:`PlaceSpecial` would not do."""
        return bool(self.text_id) or self.self_trade == SelfTrade.ALLOW


class Cancel(NamedTuple):
    """Take an own open order out of the book."""

    client_id: int


class Amend(NamedTuple):
    """Change an own open order. ``qty_lots`` is the new *total*, fills included; 0 keeps the price or the quantity.

    The same price and no more open quantity keeps the order's place in its queue. Anything else loses
    it: the order enters anew, and matches if it crosses.
    """

    client_id: int
    price_ticks: int
    qty_lots: int
    flags: int = 0


class CancelAll(NamedTuple):
    """Cancel all own open orders of one side, or of both (0), in order of entry."""

    side: int = 0


class Lease(NamedTuple):
    """Dead man's switch: unless renewed within ``for_ms`` of block time, all own orders are cancelled. 0: none."""

    for_ms: int


class SetState(NamedTuple):
    """A warden's: what the pair takes from now on, a :class:`PairState`."""

    state: int


class JoinGroup(NamedTuple):
    """Say whose group one wants to be in; empty for none. Orders of one group do not trade with each other."""

    owner: bytes


class AdmitToGroup(NamedTuple):
    """Say whom one wants in the own group (``admit`` 1), or no more (0). It takes both to make a member."""

    member: bytes
    admit: int = 1


SpecialPlace: TypeAlias = PlaceSpecial | PlaceNamed
AnyPlace: TypeAlias = Place | SpecialPlace
Command: TypeAlias = AnyPlace | Cancel | Amend | CancelAll | Lease | SetState | JoinGroup | AdmitToGroup

PLACE: Final = 1
CANCEL: Final = 2
AMEND: Final = 3
CANCEL_ALL: Final = 4
PLACE_SPECIAL: Final = 5
LEASE: Final = 6
SET_STATE: Final = 7
JOIN_GROUP: Final = 8
ADMIT_TO_GROUP: Final = 9
PLACE_NAMED: Final = 10
KINDS: dict[type, int] = {
    Place: PLACE,
    Cancel: CANCEL,
    Amend: AMEND,
    CancelAll: CANCEL_ALL,
    PlaceSpecial: PLACE_SPECIAL,
    Lease: LEASE,
    SetState: SET_STATE,
    JoinGroup: JOIN_GROUP,
    AdmitToGroup: ADMIT_TO_GROUP,
    PlaceNamed: PLACE_NAMED,
}
PLACE_KINDS: Final = (PLACE, PLACE_SPECIAL, PLACE_NAMED)
SINCE: Final = {
    **dict.fromkeys((PLACE, CANCEL, AMEND, CANCEL_ALL), 1),
    **dict.fromkeys((PLACE_SPECIAL, LEASE, SET_STATE, JOIN_GROUP, ADMIT_TO_GROUP), 2),
    PLACE_NAMED: 4,
}
"""The rules version that a kind came with."""

LEASE_CAP_MS: Final = 30 * 24 * 3_600_000
TEXT_ID_CAP: Final = 36
GROUP_CAP: Final = 64
"""Members that an author may have admitted at once."""

SLICES_CAP: Final = 100
"""Slices that an iceberg may have: else one command could trade with it a thousand million times."""
