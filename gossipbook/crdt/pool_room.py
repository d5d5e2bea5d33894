"""What a pool takes of whom, and how much room it has."""

from collections.abc import Collection

from gossipbook.crdt.inserted import Inserted
from gossipbook.crdt.interpretation import Interpretation
from gossipbook.crdt.op import LIFE, Op
from gossipbook.crdt.stays import STAYS_SINCE, begins_life
from gossipbook.ids import PublicKey
from gossipbook.limits import Limits

POOL_OPS_CAP = 65_536
POOL_BYTES_CAP = 64 * 2**20
POOL_AUTHORS_CAP = 20_000
NEWCOMERS_SHARE = 2
"""Authors who are not certified yet may fill one in so many parts of the pool: their keys are free."""
OPENING_SLACK_MS = 60_000
"""By how much clocks may differ for a life's first op to be kept until a block can take it; a guess."""
CANCELS_SHARE = 8
"""Cancels of certified authors have such a part of the pool beyond its caps: who has orders can take them out."""


def refusal(op: Op, certified: Interpretation, limits: Limits, block_ms: int | None) -> Inserted | None:
    """Why no pool takes an op, whatever room it has; None if it may.

    ``block_ms``: the time that a block would have which was made now; None if a block names the op, so that nothing
    counts but what no block can take.
    """
    state = certified.author(op.author)
    if is_too_large(op, limits):
        return Inserted.TOO_LARGE
    if state.frozen:
        return Inserted.FROZEN
    if op.seq < state.next_seq:
        return Inserted.STALE
    if not certified.admitted(op.author):
        return Inserted.NOT_ADMITTED
    if is_barred(op.author, certified, limits):
        return Inserted.TABLE_FULL  # For good, since by these rules nobody leaves it.
    has_lives = certified.is_newcomer(op.author)
    if has_lives and begins_life(op) and op.expiry_ms < certified.time_ms:
        return Inserted.LIFE_OVER
    if block_ms is None:
        return None
    if (op.seq % LIFE if has_lives else op.seq - state.next_seq) >= limits.author_window:
        return Inserted.WINDOW
    latest_ms = block_ms + limits.author_retention_ms + OPENING_SLACK_MS
    return Inserted.LIFE_TOO_EARLY if has_lives and begins_life(op) and op.expiry_ms > latest_ms else None


def is_full_for(op: Op, certified: Interpretation, held: int, size: int, newcomers: Collection[PublicKey]) -> bool:
    """Whether a pool has no room for an op that a block could take.

    ``held`` ops of ``size`` bytes are in it that blocks could take, and ``newcomers`` are the authors of some of them.
    """
    ops_cap, bytes_cap = POOL_OPS_CAP, POOL_BYTES_CAP
    if certified.needs_place(op.author):
        ops_cap, bytes_cap = ops_cap // NEWCOMERS_SHARE, bytes_cap // NEWCOMERS_SHARE
        if op.author not in newcomers and len(newcomers) >= POOL_AUTHORS_CAP // NEWCOMERS_SHARE:
            return True
    elif op.priority_class == 0:
        ops_cap, bytes_cap = ops_cap + ops_cap // CANCELS_SHARE, bytes_cap + bytes_cap // CANCELS_SHARE
    return held >= ops_cap or size + op.size > bytes_cap


def is_barred(author: PublicKey, certified: Interpretation, limits: Limits) -> bool:
    """Whether no block can ever take anything of an author, because nobody leaves a table that is full."""
    is_full = len(certified.authors) >= limits.max_authors_per_pair
    return certified.rules < STAYS_SINCE and is_full and author not in certified.authors


def is_hopeless(author: PublicKey, certified: Interpretation, limits: Limits) -> bool:
    """Whether no block can take anything of an author in this life."""
    return certified.author(author).frozen or not certified.admitted(author) or is_barred(author, certified, limits)


def is_too_large(op: Op, limits: Limits) -> bool:
    """Whether an op is above what the network takes."""
    return len(op.signed) > limits.max_op_bytes or len(op.commands) > limits.max_commands_per_op
