"""What an author may ask of a pair's book: place, cancel, amend, cancel all.

Commands travel inside ops as arrays ``[kind, field, …]`` in the field order of the classes here. Prices
are integer ticks, quantities integer lots, times integer milliseconds of block time.
"""

from enum import IntEnum, IntFlag
from typing import NamedTuple, TypeAlias


class Side(IntEnum):
    BUY = 1
    SELL = 2


class OrderType(IntEnum):
    LIMIT = 1
    MARKET = 2
    """Takes at any price up to its *protection price*, which is the command's price; never rests."""


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


Command: TypeAlias = Place | Cancel | Amend | CancelAll

PLACE, CANCEL, AMEND, CANCEL_ALL = 1, 2, 3, 4
KINDS: dict[type, int] = {Place: PLACE, Cancel: CANCEL, Amend: AMEND, CancelAll: CANCEL_ALL}
