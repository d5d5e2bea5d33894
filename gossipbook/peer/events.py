"""What happens to a peer core."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from gossipbook.books.snapshot import BookSnapshot
from gossipbook.crdt.op import Op
from gossipbook.effects import LinkId
from gossipbook.ids import PEER_ID_BYTES, PublicKey
from gossipbook.wire.handshake import Role


@dataclass(frozen=True, slots=True)
class LinkUp:
    """An authenticated link is there. ``outbound``: we opened it."""

    link: LinkId
    public_key: PublicKey
    role: Role
    outbound: bool


@dataclass(frozen=True, slots=True)
class Ending:
    """This peer is about to stop, and knows it."""


@dataclass(frozen=True, slots=True)
class LinkDown:
    link: LinkId


@dataclass(frozen=True, slots=True)
class Received:
    """A decoded message from a link."""

    link: LinkId
    message: Any


@dataclass(frozen=True, slots=True)
class Submitted:
    """An op from this program itself; its acks are emitted."""

    op: Op


@dataclass(frozen=True, slots=True)
class BookAsked:
    """This program itself asks for a pair's certified book; :class:`BookRead` is emitted."""

    pair: str


@dataclass(frozen=True, slots=True)
class BookRead:
    """Emitted: a pair's certified book, for who asked. It comes after the ``Finalized`` of its height, if there was one
    in this run, and before that of the next."""

    asker: LinkId
    snapshot: BookSnapshot


@dataclass(frozen=True, slots=True)
class TimerFired:
    timer: object


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The peer core's own timer."""


@dataclass(frozen=True, slots=True)
class AskTimer:
    """A pair asks other members about the ops that it took and that are not certified yet."""

    pair: str


@dataclass(frozen=True, slots=True)
class Begun:
    """The driver runs; the first event after restoring."""


PeerEvent: TypeAlias = Begun | Ending | LinkUp | LinkDown | Received | Submitted | BookAsked | TimerFired

LOCAL: LinkId = b""
"""Stands for this program itself where a link is named."""


def is_peer_link(link: LinkId) -> bool:
    """Peer links are named by the 20-byte peer id; client links carry a serial number after it."""
    return len(link) == PEER_ID_BYTES
