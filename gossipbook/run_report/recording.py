"""The recording of one run, as plain values. Times are in microseconds since the world began.

Whatever can grow with a run has a cap that is named where it is filled; ``left_out`` says what went beyond one.
"""

from dataclasses import dataclass, field

from gossipbook.scenario.parts import FaultPart

OrderKey = tuple[str, bytes, int]  # pair, author's public key, client order id

UP, PARTLY_CUT, CUT_OFF, PAUSED, DOWN = "up", "partly cut", "cut off", "paused", "down"


@dataclass(frozen=True, slots=True)
class PeerNote:
    """A peer. ``seat`` is its seat in the first pair's committee, -1 for a follower."""

    index: int
    name: str
    seat: int
    honest: bool
    observer_reason: str


@dataclass(frozen=True, slots=True)
class FaultSpan:
    """When a fault was on: -1 if it never began, or never ended. ``sides`` are a partition's, if it has any."""

    fault: FaultPart
    began_us: int
    ended_us: int
    hosts: tuple[str, ...]
    sides: str = ""


@dataclass(slots=True)
class Spread:
    """How one op or block spread over the peers.

    ``arrivals`` are the first arrivals by peer, counted from ``born_us``, when the first peer sent it (op) or had it
    (block); ``copies`` counts every copy that a peer was handed by another one.
    """

    born_us: int
    origin: int
    arrivals: dict[int, int] = field(default_factory=dict)
    copies: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Top:
    """The top of a certified book: best prices in ticks, 0 for an empty side; lots at the best five levels a side."""

    bid_ticks: int
    ask_ticks: int
    bid_lots: int
    ask_lots: int

    @property
    def spread_ticks(self) -> int:
        """The spread; -1 unless both sides have an order."""
        return self.ask_ticks - self.bid_ticks if self.bid_ticks and self.ask_ticks else -1

    @property
    def depth_lots(self) -> int:
        return self.bid_lots + self.ask_lots


@dataclass(frozen=True, slots=True)
class Look:
    """A sample of the whole network at one moment.

    ``states`` counts different (height, tip, pending set) among honest peers that run, over all pairs, less the one
    of each pair that has to be; ``pending`` is the longest pending set. The tuples are by shown peer; -1 where down.
    """

    at_us: int
    states: int
    pending: int
    term: int
    all_up: bool
    heights: tuple[int, ...]
    pendings: tuple[int, ...]
    waiting: tuple[int, ...]
    pool_bytes: tuple[int, ...]
    books: tuple[Top, ...]


@dataclass(frozen=True, slots=True)
class OpNote:
    """One trader's op. ``certified_us`` is when its trader heard of it, ``final_us`` when a first peer had it final."""

    author: str
    key: bytes
    id: bytes
    pair: str
    seq: int
    home: str
    commands: tuple[str, ...]
    places: tuple[int, ...]  # client order ids that it uses
    signed_us: int
    durable_us: int
    relayed_us: int
    certified_us: int
    final_us: int
    height: int
    refused: str
    sends: int


@dataclass(frozen=True, slots=True)
class FillNote:
    """One certified trade; ``at_us`` is when its block was first final."""

    at_us: int
    pair: str
    height: int
    price_ticks: int
    lots: int
    maker: OrderKey
    taker: OrderKey


@dataclass(slots=True)
class OrderFate:
    """What happened to an order's lots. ``cancelled_lots`` are those that its author cancelled."""

    filled_lots: int = 0
    cancelled_lots: int = 0


@dataclass(slots=True)
class BlockNote:
    """One final block; there may be several at a height. ``votes`` are [kind, term, seat, first sent]."""

    pair: str
    height: int
    id: bytes
    parent: bytes
    proposer: str
    created_term: int
    final_term: int
    signers: tuple[int, ...]
    op_ids: tuple[bytes, ...]
    fills: tuple[tuple[OrderKey, OrderKey, int, int], ...]  # maker, taker, price, lots
    first_us: int
    first_at: str
    hosts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class VoteNote:
    """The first time that a member sent one of its own votes."""

    kind: str
    term: int
    seat: int
    block_id: bytes
    at_us: int


@dataclass(slots=True)
class Arrow:
    """One message between two members; ``arrived_us`` -1 if it never did."""

    sent_us: int
    arrived_us: int
    sender: str
    receiver: str
    label: str


@dataclass(frozen=True, slots=True)
class Slice:
    """The messages around one event."""

    why: str
    at_us: int
    arrows: tuple[Arrow, ...]


@dataclass(slots=True)
class Traffic:
    """Messages of one kind. Sent counts each receiver, links that are down or cut included."""

    sent: int = 0
    sent_bytes: int = 0
    delivered: int = 0


@dataclass(frozen=True)
class Recording:
    """Everything that a report needs of one run."""

    symbols: tuple[str, ...]
    peers: tuple[PeerNote, ...]
    shown: tuple[int, ...]  # indices of the peers that per-peer charts show
    members: tuple[str, ...]
    quorum: int
    opened_us: int
    traded_until_us: int
    healed_us: int
    rested_us: int
    ended_us: int
    period_us: int
    faults: tuple[FaultSpan, ...]
    looks: tuple[Look, ...]
    states: dict[int, tuple[tuple[int, str], ...]]  # by shown peer: (since, up or why not)
    terms: dict[int, tuple[tuple[int, int], ...]]  # by seat: (since, term), -1 while down
    heights: dict[int, tuple[tuple[int, int], ...]]  # by peer: (since, height of all pairs together)
    backlog_us: int  # when the last honest peer had everything final that was signed before the faults ended, or -1
    ops: tuple[OpNote, ...]
    fills: tuple[FillNote, ...]
    fates: dict[OrderKey, OrderFate]
    voided: int
    blocks: tuple[BlockNote, ...]
    votes: dict[tuple[str, int], tuple[VoteNote, ...]]
    op_spreads: tuple[Spread, ...]
    block_spreads: tuple[Spread, ...]
    traffic: dict[str, Traffic]
    tables: dict[str, int]
    slice: Slice | None
    authors: dict[bytes, str]
    left_out: dict[str, int]
