"""How a pair fares at a peer, in one word."""

from enum import StrEnum

from gossipbook.consensus.words import Halt


class PairCondition(StrEnum):
    """Whether a pair certifies, as one peer sees it, or why it does not."""

    CERTIFYING = "certifying"
    NO_QUORUM = "no-quorum"  # too many seats are absent, or do not vote
    SYNCING = "syncing"  # this peer is behind what it knows to be final
    FAULTY = Halt.FAULTY.value
    FROZEN = Halt.FROZEN.value
