"""The numbers of the format, as the oracle reads them: commands, events, and the words in their fields.

They are written down a second time here so that a slip in ``matching`` is not copied.
"""

from enum import IntEnum

BUY, SELL = 1, 2
LIMIT, MARKET, STOP, STOP_LIMIT = 1, 2, 3, 4
GTC, GTD, IOC, FOK = 1, 2, 3, 4
POST_ONLY, SLIDE = 1, 2  # flags of a place
REDUCE_ONLY = 1  # flag of an amend
CANCEL_TAKER, CANCEL_MAKER, CANCEL_BOTH, DECREMENT, ALLOW = 1, 2, 3, 4, 5
OPEN, POST_ONLY_STATE, CANCEL_ONLY, HALTED, AUCTION = 1, 2, 3, 4, 5
JOINED, ADMITTED = 1, 2  # bits of a grouped event

LEASE_CAP_MS = 30 * 24 * 3_600_000
GROUP_CAP = 64
SLICES_CAP = 100
BOOK_SHARE = 8

ACCEPTED, REJECTED, FILL, CANCELLED, EXPIRED, AMENDED, FROZEN = 1, 2, 3, 4, 5, 6, 7
TRIGGERED, SLICED, PAIR_STATE, UNCROSSED, LEASED, LEASE_ENDED, GROUPED = 8, 9, 10, 11, 12, 13, 14
STOP_ACCEPTED, LEFT = 15, 16


class Ask(IntEnum):
    """The kinds of commands."""

    PLACE = 1
    CANCEL = 2
    AMEND = 3
    CANCEL_ALL = 4
    PLACE_SPECIAL = 5
    LEASE = 6
    SET_STATE = 7
    JOIN_GROUP = 8
    ADMIT_TO_GROUP = 9
    PLACE_NAMED = 10


class Refusal(IntEnum):
    """Why a command changes nothing. ``NONE`` is no refusal, and false."""

    NONE = 0
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


class Cause(IntEnum):
    """Why open quantity is cancelled."""

    REQUESTED = 1
    CANCEL_ALL = 2
    UNFILLED = 3
    SELF_TRADE = 4
    AMENDED_AWAY = 5
    AUTHOR_FROZEN = 6
    BELOW_MINIMUM = 7
    PRICE_BAND = 8
    LEASE = 9
    WORK_LIMIT = 10
    DISPLACED = 11
