"""The words for what is wrong: why a pair stopped at a member, and why a block may not be prepared."""

from enum import StrEnum


class Halt(StrEnum):
    """Why a replica stopped for good. It is kept in the vote state as its text.

    ``FROZEN``: two final certificates at one height. ``FAULTY``: a final certificate contradicts what this peer
    executed.
    """

    NONE = ""
    FROZEN = "frozen"
    FAULTY = "faulty"


class BlockFault(StrEnum):
    """Why a member does not prepare a proposed block."""

    ELSEWHERE = "of another network, epoch or pair"
    NOT_NEXT = "does not follow the finalized tip"
    TERM_NOT_BEGUN = "created in a term that has not begun"
    TERM_NOT_OVER = "no certificate that the last term is over"
    FINAL_ALREADY = "at a height that is final already"
    NOT_LOCKED_ONE = "not the block that the last term change is locked on"
    NEITHER = "neither fresh nor locked"
    NOT_ON_BASE = "does not descend from what the last term change is bound to"
    NOT_ON_OWN = "does not descend from what this member prepared"
    EMPTY = "empty"
    OP_TWICE = "names an op twice"
    ABOVE_LIMITS = "above the block limits"
    OUT_OF_ORDER = "out of canonical order"
    NOT_LEADER = "its proposer did not lead the term it was created in"
    NOT_LATER = "not later than its parent"
    TOO_OLD = "too old"
    TOO_NEW = "too new"
    OTHER_EVENTS = "executes to something else"
    OMITS_DUE = "leaves out an op that is due"
    GIVES_UP_OP = "has an author leave whose op waits"
