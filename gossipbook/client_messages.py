"""What a client says to a peer, and what it hears back. A client is an authenticated link with the role ``client``."""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from gossipbook.consensus.certificate import Certificate
from gossipbook.crdt.op import Evidence, Op
from gossipbook.ids import BlockId, Digest, OpId, PublicKey
from gossipbook.matching.events import RawEvent

PENDING_OPS_CAP = 64
"""Pending ops that one :class:`AuthorWord` carries."""
PENDING_BYTES_CAP = 48 * 1024
"""Their bytes together, so that the word fits a message beside a whole block."""


class AckLevel(IntEnum):
    """How safe a submitted op is.

    DURABLE: synced to the disk of the peer that took it. RELAYED: n-q+1 distinct committee members said that
    they hold it, synced, with all its ancestors. PREPARED: in a block that a quorum prepared, which may be taken back,
    and no peer acks. CERTIFIED: in a finalized block. REFUSED: not taken; nothing changed.
    """

    REFUSED = 0
    DURABLE = 1
    RELAYED = 2
    PREPARED = 3
    CERTIFIED = 4


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
class AskAuthor:
    """Ask where an author's chain of ops is in a pair; :class:`AuthorWord` answers.

    ``from_seq``: pending ops below it are not wanted.
    """

    pair: str
    author: PublicKey
    from_seq: int


@dataclass(frozen=True, slots=True)
class AuthorWord:
    """One peer's word on an author's chain of ops, with what proves it.

    ``next_seq`` is the certified one. Above zero, ``newest`` is the author's certified op ``next_seq - 1``, ``block``
    the finalized block that holds it, and ``fc`` that block's certificate; all three are None while the sender cannot
    find them. ``last_client_id`` is the highest that the author used, pending ops included; nothing proves it.
    ``evidence`` proves that the author signed two ops with one sequence number. ``pending`` are the ops that the sender
    holds above the certified one, from ``from_seq`` on and in order; ``more``: not all of them fit. ``height`` is the
    sender's, and ``synced`` says whether it believes that it has caught up.
    """

    pair: str
    author: PublicKey
    height: int
    synced: bool
    next_seq: int
    last_client_id: int
    newest: Op | None
    block: bytes
    fc: Certificate | None
    evidence: Evidence | None
    pending: tuple[Op, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class WatchProven:
    """Send me every finalized block of a pair from now on, as :class:`ProvenBlock`."""

    pair: str


@dataclass(frozen=True, slots=True)
class AskBlock:
    """Ask for one finalized block of a pair; :class:`ProvenBlock` answers, or nothing if it is not there."""

    pair: str
    height: int


@dataclass(frozen=True, slots=True)
class ProvenBlock:
    """A finalized block with its certificate and all its events, or one part of it; ``last`` marks its end.

    The first part (``part`` 0) has ``block``, ``fc`` and the ``previous`` block's events digest; in the others these
    are empty, None and zeros. The block's events digest covers ``previous`` and all events: the receiver can check
    each of them.
    """

    pair: str
    height: int
    part: int
    block: bytes
    fc: Certificate | None
    previous: Digest
    events: tuple[RawEvent, ...]
    last: bool


@dataclass(frozen=True, slots=True)
class PreparedPart:
    """As :class:`ProvenBlock`, of a block that is prepared and not final: ``nc`` is its prepare certificate.

    It goes to those who asked with the question ``prepared``. Another block may become final at its height.
    """

    pair: str
    height: int
    part: int
    block: bytes
    nc: Certificate | None
    previous: Digest
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


@dataclass(frozen=True, slots=True)
class Follow:
    """Send me a pair's certified book, and from then on every block's events with a mark. Again: a new snapshot."""

    pair: str


@dataclass(frozen=True, slots=True)
class Unfollow:
    """No more of that pair's book."""

    pair: str


@dataclass(frozen=True, slots=True)
class BookPart:
    """A part of a pair's certified book as of a height: rows as in ``books.snapshot``. ``last`` marks the end.

    ``state`` is the pair's, a ``commands.PairState``.
    """

    pair: str
    height: int
    block_id: BlockId
    time_ms: int
    sequence: int
    last_ticks: int
    state: int
    part: int
    rows: tuple[RawEvent, ...]
    last: bool


@dataclass(frozen=True, slots=True)
class BookMark:
    """What the sender's book is after a block, or as of a snapshot: for the receiver to compare its own with.

    ``previous`` and ``sequence``: the last event's number before and after it; equal for a snapshot. ``digest`` (of
    what the book shows) and ``unseen`` (of the rest) are None after most blocks of a large book.
    """

    pair: str
    height: int
    previous: int
    sequence: int
    checksum: int
    digest: Digest | None
    unseen: Digest | None


@dataclass(frozen=True, slots=True)
class FeedEnded:
    """No more of that pair's book until it is asked for again; ``reason`` is one of the words below."""

    pair: str
    reason: str


LAGGED = "lagged"
"""The receiver was too slow. Ask again."""
UNKNOWN_PAIR = "unknown-pair"
TOO_LARGE = "too-large"
"""There are more orders than a snapshot may have."""
BROKEN = "broken"
"""The peer cannot keep the book itself; its log says why."""

FeedMessage: TypeAlias = PairEvents | BookPart | BookMark | FeedEnded
ClientMessage: TypeAlias = (
    Submit
    | Ack
    | Watch
    | Query
    | Answer
    | Follow
    | Unfollow
    | FeedMessage
    | AskAuthor
    | AuthorWord
    | WatchProven
    | AskBlock
    | ProvenBlock
    | PreparedPart
)
