"""What happens to a replica core."""

from dataclasses import dataclass
from typing import TypeAlias

from gossipbook.consensus.messages import ConsensusMessage
from gossipbook.ids import PeerId


@dataclass(frozen=True, slots=True)
class Started:
    """The state was restored and the driver runs."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message of this pair and epoch from an authenticated peer."""

    sender: PeerId
    message: ConsensusMessage


@dataclass(frozen=True, slots=True)
class PoolGrew:
    """Ops were added to the op set."""


@dataclass(frozen=True, slots=True)
class MemberUp:
    """There is a live link to a member of the committee."""

    peer: PeerId


@dataclass(frozen=True, slots=True)
class MemberDown:
    """The link to a member of the committee is gone."""

    peer: PeerId


@dataclass(frozen=True, slots=True)
class Stopping:
    """This peer is about to stop, and knows it."""


@dataclass(frozen=True, slots=True)
class RoundTimer:
    """A term went on for long enough without a finalized block. Stale if ``generation`` is not the replica's."""

    pair: str
    generation: int


@dataclass(frozen=True, slots=True)
class RetryTimer:
    """Look whether something that was asked for has come."""

    pair: str


@dataclass(frozen=True, slots=True)
class GraceTimer:
    """Ask for bodies that a message named and that have not come by themselves meanwhile."""

    pair: str


@dataclass(frozen=True, slots=True)
class RelayTimer:
    """Send certificates to the members who have not shown that they have them."""

    pair: str


@dataclass(frozen=True, slots=True)
class SettleTimer:
    """Stop waiting for the others' record of my own votes."""

    pair: str


@dataclass(frozen=True, slots=True)
class WakeTimer:
    """Look whether a proposal that came early, by this peer's clock, is acceptable now, or a lease has ended."""

    pair: str


Timer: TypeAlias = RoundTimer | RetryTimer | GraceTimer | RelayTimer | SettleTimer | WakeTimer
Event: TypeAlias = Started | Stopping | Message | PoolGrew | MemberUp | MemberDown | Timer
