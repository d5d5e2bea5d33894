"""What happens to an author core, what comes out of it, and how patient it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

from gossipbook.client_messages import Ack, AckLevel, AuthorWord
from gossipbook.crdt.op import GENESIS_PREV, Op
from gossipbook.effects import LinkId
from gossipbook.ids import OpId, PublicKey
from gossipbook.matching.commands import Command
from gossipbook.trade.blocks import CheckedBlock
from gossipbook.trade.op_chain import StoredChain
from gossipbook.trade.outcome import Certified


@dataclass(frozen=True, slots=True)
class AuthorConfig:
    """How patient an author is. Times in milliseconds.

    ``in_flight_cap``: uncertified ops a pair, beyond which signing waits; a guess at some blocks' worth. ``copies``:
    links that each op goes over at first, so that one dead peer costs no time. An op that is not certified is sent
    again after ``resend_ms``, doubled each time up to ``resend_cap_ms``, ``resends_at_once`` of them to the next
    link. A block that an ack names is asked for if it does not come by itself within ``block_patience_ms``.
    ``ask_heads``: whether peers are asked what the key signed elsewhere, once a pair and start; answers are waited
    for ``head_patience_ms``. ``accept_fewer``: sign without the answers of a quorum though the wallet was lost.
    ``want_outcomes``: find out what each certified op did.
    """

    in_flight_cap: int = 256
    copies: int = 2
    resend_ms: int = 2_000
    resend_cap_ms: int = 8_000
    resends_at_once: int = 64
    block_patience_ms: int = 200
    ask_heads: bool = True
    head_patience_ms: int = 1_000
    accept_fewer: bool = False
    want_outcomes: bool = True

    def __post_init__(self) -> None:
        assert 0 < self.resends_at_once <= self.in_flight_cap
        assert self.copies > 0
        assert 0 < self.resend_ms <= self.resend_cap_ms


# -- events -----------------------------------------------------------------------------------------


MakeCommands: TypeAlias = Callable[[int], Sequence[Command]]
"""The commands of an op, given the lowest client order id that its places may use."""


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A peer is linked. ``own``: its word is as good as this program's own."""

    link: LinkId
    public_key: PublicKey
    own: bool


@dataclass(frozen=True, slots=True)
class LinkDown:
    link: LinkId


@dataclass(frozen=True, slots=True)
class Sign:
    """Sign one op. ``request`` comes back with :class:`Signed` or :class:`Withheld`."""

    request: int
    pair: str
    make: MakeCommands
    expiry_ms: int


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The wallet was read anew: another program signed with it, or it could not record what was signed last."""

    pair: str
    stored: StoredChain


@dataclass(frozen=True, slots=True)
class Acked:
    link: LinkId
    ack: Ack


@dataclass(frozen=True, slots=True)
class WordHeard:
    link: LinkId
    word: AuthorWord


@dataclass(frozen=True, slots=True)
class BlockSeen:
    """A block that was checked."""

    block: CheckedBlock


@dataclass(frozen=True, slots=True)
class ResendTimer:
    pair: str


@dataclass(frozen=True, slots=True)
class HeadTimer:
    pair: str


@dataclass(frozen=True, slots=True)
class BlockTimer:
    """The block that an ack named has had its time to come."""

    pair: str
    height: int
    link: LinkId


@dataclass(frozen=True, slots=True)
class FollowBlocks:
    """Bring an op that is signed already to peers, and find out what became of it, whether or not it is certified."""

    op: Op


AuthorEvent: TypeAlias = (
    FollowBlocks
    | LinkUp
    | LinkDown
    | Sign
    | Reloaded
    | Acked
    | WordHeard
    | BlockSeen
    | ResendTimer
    | HeadTimer
    | BlockTimer
)

# -- what comes out ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpRecord:
    """Persisted: an op of this key. It must be durable before anybody sees it."""

    op: Op


@dataclass(frozen=True, slots=True)
class ChainRecord:
    """Persisted: where a chain is that goes beyond the wallet's own ops, or how far it is certified."""

    pair: str
    next_seq: int
    head: OpId
    last_client_id: int
    certified_seq: int
    certified_height: int

    def certified_only(self) -> "ChainRecord":
        """Return what it says of certificates, and nothing of what was signed."""
        return replace(self, next_seq=0, head=GENESIS_PREV, last_client_id=0)


class Hold(Enum):
    """Why nothing is signed in a pair at the moment."""

    NO_ANSWER = "no-answer"
    BUSY = "wallet-busy"
    IN_FLIGHT = "in-flight-full"
    WALLET_LOST = "wallet-lost"
    PEERS_BEHIND = "peers-behind"
    NETWORK_BEHIND = "network-behind"
    KEY_USED_ELSEWHERE = "key-used-elsewhere"
    KEY_FROZEN = "key-frozen"

    @property
    def passes(self) -> bool:
        """Whether it is worth waiting for."""
        return self not in (Hold.NETWORK_BEHIND, Hold.KEY_USED_ELSEWHERE, Hold.KEY_FROZEN)


@dataclass(frozen=True, slots=True)
class Signed:
    """Emitted: the op of a request."""

    request: int
    op: Op


@dataclass(frozen=True, slots=True)
class Withheld:
    """Emitted: a request was not signed, and nothing has changed. ``error``: what is wrong with its commands."""

    request: int
    hold: Hold | None
    text: str
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class MayChange:
    """Emitted: a request that was withheld in this pair may be worth another try."""

    pair: str


@dataclass(frozen=True, slots=True)
class MembersWanted:
    """Emitted: words of so many committee members of a pair are needed; links to them are wanted."""

    pair: str
    seats: int


@dataclass(frozen=True, slots=True)
class OpLevel:
    """Emitted: a peer says how far an op is. From others than the own peer it is a hint."""

    op_id: OpId
    level: AckLevel
    height: int
    own: bool


@dataclass(frozen=True, slots=True)
class OpTrouble:
    """Emitted: why an op is not certified yet, in a peer's words."""

    op_id: OpId
    reason: str
    link: LinkId


@dataclass(frozen=True, slots=True)
class OpLost:
    """Emitted: an op's number is used up, and the op is not among the latest: certified long ago, or never to be.

    So are ops of a life that is over (:mod:`gossipbook.crdt.stays`).
    """

    op_id: OpId


@dataclass(frozen=True, slots=True)
class OpCertified:
    """Emitted: an op is proven to be certified, and what it did."""

    op: Op
    certified: Certified
