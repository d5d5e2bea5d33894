"""What gossip routers say to one another. ``payload`` is opaque here; its id is worked out by who validates it."""

from dataclasses import dataclass
from typing import TypeAlias

Topic: TypeAlias = str
MessageId: TypeAlias = bytes
Source: TypeAlias = bytes
"""Of a message: its author's public key, or empty for what is of no author."""

IHAVE_IDS_CAP = 512  # GossipSub v1.1 has MaxIHaveLength 5,000, which costs its reader milliseconds here
IHAVE_IDS_READ_CAP = 1_024  # of a message that is taken
TOPICS_CAP = 1_024


@dataclass(frozen=True, slots=True)
class Subscribe:
    """All topics that the sender follows; replaces what it said before."""

    topics: tuple[Topic, ...]


@dataclass(frozen=True, slots=True)
class Graft:
    """Take me into your mesh."""

    topic: Topic


@dataclass(frozen=True, slots=True)
class Prune:
    """You are not in my mesh; do not graft me again for a while."""

    topic: Topic
    backoff_s: int


@dataclass(frozen=True, slots=True)
class IHave:
    """Ids of messages that the sender could send."""

    topic: Topic
    ids: tuple[MessageId, ...]


@dataclass(frozen=True, slots=True)
class IWant:
    """Ids of messages that the sender asks for."""

    ids: tuple[MessageId, ...]


@dataclass(frozen=True, slots=True)
class Choke:
    """Do not push messages of a source to me any more; others do. ``announces``: announce them soon instead."""

    topic: Topic
    source: Source
    announces: bool


@dataclass(frozen=True, slots=True)
class Unchoke:
    """Push messages of a source to me again, or of all of a topic if that is None."""

    topic: Topic
    source: Source | None


@dataclass(frozen=True, slots=True)
class Push:
    """One message in full."""

    topic: Topic
    payload: bytes


GossipMessage: TypeAlias = Subscribe | Graft | Prune | IHave | IWant | Choke | Unchoke | Push
