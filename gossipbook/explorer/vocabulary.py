"""Facts (messages that honest members sent) and actions (what happens to them); blocks go by name.

Names and not bytes, so that a state reads the same in every process and two states can be compared up to renaming.
A missing lock or certificate has term ``NONE``; the block of no lock has the name ``""``.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

NONE = -1
GENESIS = "genesis"
NO_BLOCK = ""


def height_of(block: str) -> int:
    """Return the height of a block, which follows from its name; 0 for the genesis and for no block."""
    return 0 if block in (GENESIS, NO_BLOCK) else block.count("/") + 1


def parent_of(block: str) -> str:
    return block.partition("/")[2] or GENESIS


def descends(block: str, other: str) -> bool:
    """Return whether a block is another one or descends from it."""
    return other in (GENESIS, block) or block.endswith(f"/{other}")


class Cast(NamedTuple):
    """A signed PREPARE or COMMIT; as a certificate, the NC or FC made of q of them."""

    kind: int
    term: int
    height: int
    block: str


class TimeoutClaim(NamedTuple):
    """What a TIMEOUT states: the finalized tip, the term of the FC that proves it, and the lock.

    The lock's height follows from its block; where one height is in flight it is ``fin + 1``.
    """

    fin: int
    tip: str
    fin_term: int
    lock_term: int
    lock: str

    @property
    def locked(self) -> tuple[int, int]:
        """The lock's (term, height), which is lower than any other without a lock."""
        return (self.lock_term, height_of(self.lock)) if self.lock else (NONE, 0)


class Binding(NamedTuple):
    """What a TC binds to: its highest claim as computed here, and the lock that the core reads from it.

    Where several heights are in flight, the highest claim has the lock that binds, or none; no terms, which decide
    nothing any more; and ``read_lock`` is the block that the core begins the next term on, locked or final.
    """

    term: int
    highest: TimeoutClaim
    read_term: int
    read_lock: str


class GaveUp(NamedTuple):
    """A signed TIMEOUT."""

    term: int
    claim: TimeoutClaim


class Offer(NamedTuple):
    """A signed proposal, with the TC attached."""

    term: int
    height: int
    block: str
    binding: Binding | None


class FinalTold(NamedTuple):
    """A block that a member told its subscribers to be final."""

    height: int
    block: str


class Crashed(NamedTuple):
    """A restart, where restarts are counted."""

    times: int


class Standing(NamedTuple):
    """How far a member has come, as its core knows it: what it may still sign follows from this.

    ``last`` is the block that it prepared last in its term, if its tip does not descend from it already; ``committed``
    are the heights above ``fin`` that it committed to in its term.
    """

    term: int
    timed_out: bool
    fin: int
    tip: str
    fin_term: int
    lock_term: int
    lock: str
    last: str
    committed: tuple[int, ...]


Fact: TypeAlias = Cast | GaveUp | Offer | FinalTold | Crashed


@dataclass(frozen=True, slots=True)
class DeliverProposal:
    """A leader's proposal arrives."""

    offer: Offer


@dataclass(frozen=True, slots=True)
class DeliverNotarization:
    """An NC arrives."""

    nc: Cast


@dataclass(frozen=True, slots=True)
class DeliverFinality:
    """An FC arrives."""

    fc: Cast


@dataclass(frozen=True, slots=True)
class DeliverTermChange:
    """A TC arrives."""

    tc: Binding


@dataclass(frozen=True, slots=True)
class DeliverBody:
    """A block arrives that was asked for, because a certificate named it."""

    block: str


@dataclass(frozen=True, slots=True)
class RoundOver:
    """The round timer fires."""


@dataclass(frozen=True, slots=True)
class Crash:
    """The member loses all memory and comes back with what was durable."""


@dataclass(frozen=True, slots=True)
class TornTurn:
    """Something happens, and the member crashes before any record of the turn is durable: what it sent at once left."""

    action: "Action"


Delivery: TypeAlias = DeliverProposal | DeliverNotarization | DeliverFinality | DeliverTermChange | DeliverBody
Action: TypeAlias = Delivery | RoundOver | Crash | TornTurn

KINDS: dict[type, str] = {
    DeliverProposal: "proposal",
    DeliverNotarization: "nc",
    DeliverFinality: "fc",
    DeliverTermChange: "tc",
    DeliverBody: "body",
    RoundOver: "timer",
    Crash: "restart",
    TornTurn: "restart",
}
"""What the figures call each type of action."""
