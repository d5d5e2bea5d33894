"""What replicas say about their pending ops."""

from dataclasses import dataclass
from typing import TypeAlias

from gossipbook.crdt.author_log import FrontierEntry
from gossipbook.ids import OpId


@dataclass(frozen=True, slots=True)
class Frontier:
    """A page of the sender's frontier, over the authors in (after, until]; ``until`` empty: to the end.

    ``reply``: sent because of the receiver's own frontier, so that it is not answered with another.
    """

    pair: str
    after: bytes
    until: bytes
    entries: tuple[FrontierEntry, ...]
    reply: bool


@dataclass(frozen=True, slots=True)
class AskHeld:
    """Asks a committee member to say when it holds these ops."""

    pair: str
    ids: tuple[OpId, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """A committee member holds these ops: synced to its disk, with all their ancestors, not parked."""

    pair: str
    ids: tuple[OpId, ...]


CrdtMessage: TypeAlias = Frontier | AskHeld | Held
