"""The enumerations' values as plain integers, for the hot paths.

An enum member costs an attribute look-up and a slower comparison each time, in the interpreter as when compiled; a
``Final`` integer costs neither. ``tests/matching/test_constants.py`` holds them to the enumerations.
"""

from typing import Final

BUY: Final = 1
LIMIT: Final = 1
MARKET: Final = 2
STOP: Final = 3
GTC: Final = 1
GTD: Final = 2
IOC: Final = 3
FOK: Final = 4
POST_ONLY: Final = 1
SLIDE: Final = 2
REDUCE_ONLY: Final = 1
CANCEL_TAKER: Final = 1
CANCEL_MAKER: Final = 2
CANCEL_BOTH: Final = 3
ALLOW: Final = 5
OPEN: Final = 1
POSTING: Final = 2
CANCELLING: Final = 3
HALTED: Final = 4
AUCTION: Final = 5

# Causes of cancellations.
REQUESTED: Final = 1
UNFILLED: Final = 3
SELF_TRADE: Final = 4
WORK_LIMIT: Final = 10

UNBOUNDED: Final = 1 << 62
"""An event number, and a price, that nothing reaches."""
