"""What a client says to a peer, and what it hears back. A client is an authenticated link with the role ``client``."""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from gossipbook.crdt.op import Op
from gossipbook.ids import BlockId, OpId
from gossipbook.matching.events import RawEvent


class AckLevel(IntEnum):
    """How safe a submitted op is.

    DURABLE: synced to the disk of the peer that took it. RELAYED: n-q+1 distinct committee members said that
    they hold it, synced, with all its ancestors. CERTIFIED: in a finalized block. REFUSED: not taken; nothing changed.
    """

    REFUSED = 0
    DURABLE = 1
    RELAYED = 2
    CERTIFIED = 3


@dataclass(frozen=True, slots=True)
class Submit:
    """Take this op, and tell me how it fares. Submitting the same op again is harmless."""

    op: Op


@dataclass(frozen=True, slots=True)
class Ack:
    """An op reached a level.

    ``height`` is its block's once it is certified, else 0; ``reason`` says why it was refused.
    """

    pair: str
    op_id: OpId
    level: AckLevel
    height: int
    reason: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Send me every finalized block's events of a pair from now on."""

    pair: str


@dataclass(frozen=True, slots=True)
class PairEvents:
    """The numbered events of one finalized block, or of one part of a large one; ``last`` marks its end."""

    pair: str
    height: int
    block_id: BlockId
    time_ms: int
    events: tuple[RawEvent, ...]
    last: bool


@dataclass(frozen=True, slots=True)
class Query:
    """Ask for something to read; ``number`` comes back with the answer."""

    number: int
    what: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """JSON text. ``good`` is False for an error, whose text is then under "error"."""

    number: int
    good: bool
    json: bytes


ClientMessage: TypeAlias = Submit | Ack | Watch | PairEvents | Query | Answer
