"""What members and followers of a pair say to one another. The codec in ``wire`` gives each its bytes."""

from dataclasses import dataclass
from typing import TypeAlias

from gossipbook.consensus.certificate import Certificate, TermChange, Timeout, Vote
from gossipbook.crdt.op import Evidence, Op
from gossipbook.ids import BlockId, Digest, OpId

DUE_IDS_CAP = 256
FETCH_IDS_CAP = 448
IDS_READ_CAP = 1_024
"""Ids in one message that is taken; no more than the former caps are looked at."""


@dataclass(frozen=True, slots=True)
class Propose:
    """A leader's block for (term, height), the TC that made it leader, and the FC of its parent."""

    pair: str
    epoch: int
    term: int
    height: int
    block: bytes
    tc: TermChange | None
    fc: Certificate | None
    signature: bytes


@dataclass(frozen=True, slots=True)
class CastVote:
    """A PREPARE or COMMIT on its way to the members."""

    pair: str
    epoch: int
    vote: Vote


@dataclass(frozen=True, slots=True)
class GiveUp:
    """A TIMEOUT with the certificates that back it and, unsigned, the ids of ops that are due."""

    pair: str
    epoch: int
    timeout: Timeout
    fc: Certificate | None
    nc: Certificate | None
    due: tuple[OpId, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """One certificate, relayed."""

    pair: str
    epoch: int
    certificate: Certificate | TermChange


@dataclass(frozen=True, slots=True)
class Status:
    """Where a replica is: its finalized height and tip, its term, the digest of its pending ops; whether it votes."""

    pair: str
    epoch: int
    height: int
    tip: BlockId
    term: int
    pending_digest: Digest
    voting: bool


@dataclass(frozen=True, slots=True)
class Sync:
    """Asks for finalized blocks from a height on."""

    pair: str
    epoch: int
    first: int


@dataclass(frozen=True, slots=True)
class FinalizedBlock:
    """A block with its FC; ``items`` are its op bodies, given to those who catch up, empty on the topic."""

    pair: str
    epoch: int
    block: bytes
    fc: Certificate
    items: tuple[Op | Evidence, ...]


@dataclass(frozen=True, slots=True)
class Fetch:
    """Asks for op bodies by id."""

    pair: str
    ids: tuple[OpId, ...]


@dataclass(frozen=True, slots=True)
class Bodies:
    """Op bodies that were asked for, or that anti-entropy found missing (``solicited`` is the reader's business)."""

    pair: str
    items: tuple[Op | Evidence, ...]


@dataclass(frozen=True, slots=True)
class FetchBlock:
    """Asks for a block that is locked or certified but not held."""

    pair: str
    epoch: int
    block_id: BlockId


@dataclass(frozen=True, slots=True)
class BlockBody:
    """A block that was asked for by id."""

    pair: str
    epoch: int
    block: bytes


@dataclass(frozen=True, slots=True)
class AskVotes:
    """Asks members for my own newest signed votes, before the first vote after a start."""

    pair: str
    epoch: int


@dataclass(frozen=True, slots=True)
class OwnVotes:
    """The newest votes of the asking seat that this member has seen."""

    pair: str
    epoch: int
    votes: tuple[Vote, ...]
    timeout: Timeout | None


ConsensusMessage: TypeAlias = (
    Propose
    | CastVote
    | GiveUp
    | Proof
    | Status
    | Sync
    | FinalizedBlock
    | Fetch
    | Bodies
    | FetchBlock
    | BlockBody
    | AskVotes
    | OwnVotes
)
