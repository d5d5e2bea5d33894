"""One simulated machine, the behaviour that may replace its core's, and the hooks to observe it."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gossipbook.effects import LinkId
from gossipbook.identity import Identity
from gossipbook.ids import PeerId
from gossipbook.peer.events import PeerEvent
from gossipbook.peer.peer import Peer
from gossipbook.sim.clocks import HostClock
from gossipbook.sim.disk import SimDisk


class Behaviour:
    """Alters what a core sends and hears. This base class changes nothing."""

    def begin(self) -> None:
        """Start to misbehave."""

    def end(self) -> None:
        """Stop; from now on the core acts by itself."""

    def sends(self, to: tuple[LinkId, ...], message: Any) -> Iterable[tuple[tuple[LinkId, ...], Any]]:
        """Return what leaves instead of a message that the core sends."""
        return ((to, message),)

    def hears(self, sender: LinkId, message: Any) -> bool:
        """Return whether the core gets to see a message."""
        return True


@dataclass(eq=False)
class Host:
    """A machine: a peer core that is up or not, its clock, and the journal that outlives it.

    ``address`` is the peer id, but for a twin, who has another's key and an address of its own. ``audience`` is whom a
    twin talks to; None is everybody. ``fuse`` counts the effects until a crash that was ordered.
    """

    index: int
    address: PeerId
    identity: Identity
    rng: random.Random
    journal: SimDisk = field(default_factory=SimDisk)
    clock: HostClock = field(default_factory=HostClock)
    peer: Peer | None = None
    life: int = 0  # counts starts; what was addressed to an earlier life is lost
    backlog: list[tuple[int, PeerEvent | bytes, PeerId]] | None = None  # what waits for a paused process, by order
    fuse: int | None = None
    torn: bool = False  # the next crash leaves what was not synced half written
    behaviour: Behaviour | None = None
    faulty: bool = False  # it lies, or is made to: no checker holds it to the rules of the honest
    observer_reason: str = ""  # its journal was lost: it must not vote
    why_down: str = ""
    linked: set[PeerId] = field(default_factory=set)  # the peers at the other ends of its links; never iterated
    twin: "Host | None" = None
    audience: frozenset[PeerId] | None = None

    @property
    def peer_id(self) -> PeerId:
        return self.identity.peer_id

    @property
    def name(self) -> str:
        return f"p{self.index}" + ("'" if self.address != self.peer_id else "")

    @property
    def up(self) -> bool:
        return self.peer is not None and self.backlog is None


class Observer:
    """Hooks that a world calls. A subclass overrides those that it needs; the others are not called."""

    def started(self, host: Host, now_us: int) -> None:
        """A peer was started from its journal, and has not acted yet."""

    def crashed(self, host: Host, now_us: int) -> None:
        """A peer is gone; its journal has lost what it had not synced."""

    def synced(self, host: Host, records: list[object], now_us: int) -> None:
        """Records became durable."""

    def sent(self, host: Host, to: tuple[LinkId, ...], raw: bytes, now_us: int) -> None:
        """A message left a peer, over links that may or may not carry it."""

    def delivered(self, host: Host, sender: PeerId, raw: bytes, now_us: int) -> None:
        """A message is about to be handed to a peer's core."""

    def emitted(self, host: Host, event: object, now_us: int) -> None:
        """A peer told its own subscribers something."""

    def refused(self, host: Host, sender: PeerId, message: object, now_us: int) -> None:
        """A peer did not take a message, because its sender sends more than it may."""

    def disconnected(self, host: Host, link: LinkId, reason: str, now_us: int) -> None:
        """A peer closed a link for what came over it."""
