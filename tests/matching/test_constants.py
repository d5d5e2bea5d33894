"""The plain integers of the hot paths are those of the enumerations."""

from enum import IntEnum, IntFlag

import pytest

from gossipbook.matching import constants as plain
from gossipbook.matching.commands import AmendFlags, OrderType, PairState, PlaceFlags, SelfTrade, Side, TimeInForce
from gossipbook.matching.events import CancelCause

OTHER_NAMES = {
    "POSTING": PairState.POST_ONLY,
    "CANCELLING": PairState.CANCEL_ONLY,
    "SELF_TRADE": CancelCause.SELF_TRADE,
}
ENUMS: tuple[type[IntEnum] | type[IntFlag], ...] = (
    Side,
    OrderType,
    TimeInForce,
    PlaceFlags,
    AmendFlags,
    SelfTrade,
    PairState,
    CancelCause,
)
NAMES = [name for name in vars(plain) if name.isupper() and name != "UNBOUNDED"]


@pytest.mark.parametrize("name", NAMES)
def test_a_plain_integer_is_its_member(name: str) -> None:
    if name in OTHER_NAMES:
        assert getattr(plain, name) == OTHER_NAMES[name]
        return
    first = next(enum for enum in ENUMS if name in enum.__members__)
    assert getattr(plain, name) == first[name]
