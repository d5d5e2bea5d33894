"""How a pool answers an op that is offered to it. A trader's program knows these words, and no engine."""

from enum import Enum


class Inserted(Enum):
    """What became of an op that was offered to the set."""

    ACCEPTED = "accepted"
    PARKED = "parked"
    FORKED = "equivocation"
    DUPLICATE = "duplicate"
    STALE = "stale"
    FROZEN = "author-frozen"
    NOT_ADMITTED = "author-not-admitted"
    WINDOW = "author-window-full"
    POOL_FULL = "pool-full"
    TABLE_FULL = "author-table-full"
    LIFE_OVER = "life-over"
    LIFE_TOO_EARLY = "life-too-early"
    TOO_FAST = "too-fast"
    TOO_LARGE = "op-too-large"
