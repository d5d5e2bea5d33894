"""Facts (messages that honest members sent) and actions (what happens to them); blocks go by name.

Names and not bytes, so that a state reads the same in every process and two states can be compared up to renaming.
A missing lock or certificate has term ``NONE``; the block of no lock has the name ``""``.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

NONE = -1


class Cast(NamedTuple):
    """A signed PREPARE or COMMIT; as a certificate, the NC or FC made of q of them."""

    kind: int
    term: int
    height: int
    block: str


class TimeoutClaim(NamedTuple):
    """What a TIMEOUT states: the finalized tip, the term of the FC that proves it, and the lock on top of it."""

    fin: int
    tip: str
    fin_term: int
    lock_term: int
    lock: str


class Binding(NamedTuple):
    """What a TC binds to: its highest claim as computed here, and the lock that the core reads from it."""

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


Delivery: TypeAlias = DeliverProposal | DeliverNotarization | DeliverFinality | DeliverTermChange | DeliverBody
Action: TypeAlias = Delivery | RoundOver | Crash

KINDS: dict[type, str] = {
    DeliverProposal: "proposal",
    DeliverNotarization: "nc",
    DeliverFinality: "fc",
    DeliverTermChange: "tc",
    DeliverBody: "body",
    RoundOver: "timer",
    Crash: "restart",
}
"""What the figures call each type of action."""
