"""How much room a pool has, and for whom."""

from collections.abc import Collection

from gossipbook.crdt.interpretation import Interpretation
from gossipbook.crdt.op import Op
from gossipbook.crdt.stays import STAYS_SINCE
from gossipbook.ids import PublicKey
from gossipbook.limits import Limits

POOL_OPS_CAP = 65_536
POOL_BYTES_CAP = 64 * 2**20
POOL_AUTHORS_CAP = 20_000
NEWCOMERS_SHARE = 2
"""Authors who are not certified yet may fill one in so many parts of the pool: their keys are free."""
CANCELS_SHARE = 8
"""Cancels of certified authors have such a part of the pool beyond its caps: who has orders can take them out."""


def is_full_for(op: Op, certified: Interpretation, held: int, size: int, newcomers: Collection[PublicKey]) -> bool:
    """Whether a pool has no room for an op that a block could take.

    ``held`` ops of ``size`` bytes are in it that blocks could take, and ``newcomers`` are the authors of some of them.
    """
    ops_cap, bytes_cap = POOL_OPS_CAP, POOL_BYTES_CAP
    if op.author not in certified.authors:
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


def is_too_large(op: Op, limits: Limits) -> bool:
    """Whether an op is above what the network takes."""
    return len(op.signed) > limits.max_op_bytes or len(op.commands) > limits.max_commands_per_op
