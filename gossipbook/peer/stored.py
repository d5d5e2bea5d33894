"""What a journal gives back to a pair at a start."""

from dataclasses import dataclass

from gossipbook.consensus.block import Block
from gossipbook.consensus.certificate import Certificate
from gossipbook.consensus.records import VoteState
from gossipbook.crdt.interpretation import Item


@dataclass(frozen=True, slots=True)
class StoredPair:
    """What a journal holds of one pair, in order; empty for a new one."""

    chain: list[tuple[Block, Certificate, list[Item]]]
    blocks: list[Block]
    votes: VoteState | None
    pending: list[Item]
