"""Links between simulated peers: who wants one to whom, who has one, and when one comes or goes.

Upon a peer's start, or a wire that is whole again: link at once, or redial within :data:`REDIAL_US`. Upon a cut wire or
a paused end: both ends give the link up after :data:`LINK_DEADLINE_US`, if it cannot live by then. Upon a crash: both
ends learn of it at once, as the kernel of a dead process closes its connections.
"""

import random
from collections.abc import Iterable
from functools import partial

from gossipbook.ids import PeerId
from gossipbook.peer.events import LinkDown, LinkUp
from gossipbook.sim.host import Host
from gossipbook.sim.network import Network, Wire
from gossipbook.sim.timeline import Timeline
from gossipbook.wire.handshake import Role

LINK_DEADLINE_US = (2_000_000, 4_000_000)
"""How long a link may be silent before both ends give it up; about what the pings of the real one allow."""

REDIAL_US = (100_000, 1_000_000)
"""How soon two peers that may reach each other again do so."""


class Links:
    """The links of a world's hosts. ``wanted`` are the peers that each peer wants links to, symmetric."""

    def __init__(self, hosts: dict[PeerId, Host], network: Network, timeline: Timeline, rng: random.Random) -> None:
        self.wanted: dict[PeerId, tuple[PeerId, ...]] = {a: tuple(b for b in hosts if b != a) for a in hosts}
        self._hosts = hosts
        self._network = network
        self._timeline = timeline
        self._rng = rng

    def linked(self, a: PeerId, b: PeerId) -> bool:
        return b in self._hosts[a].linked

    def link_all(self, peer: PeerId) -> None:
        """Link a peer that has started to those that it wants and that run."""
        for other in self.wanted[peer]:
            if self._hosts[other].peer is not None:
                self.link(peer, other)

    def link(self, dialler: PeerId, listener: PeerId) -> None:
        """Link two peers at once, if both run and may reach each other."""
        ends = (self._hosts[dialler], self._hosts[listener])
        if listener in ends[0].linked or any(end.peer is None for end in ends):
            return
        if self._network.severed(dialler, listener):
            return
        self._note(dialler, listener, True)
        for here, there, outbound in ((dialler, listener, True), (listener, dialler, False)):
            up = LinkUp(there, self._hosts[there].identity.public_key, Role.PEER, outbound)
            for host in self.faces(self._hosts[here], there):
                self._timeline.push(0, host, up)

    def unlink(self, a: PeerId, b: PeerId) -> None:
        """Let both ends learn that their link is gone."""
        if not self.linked(a, b):
            return
        self._note(a, b, False)
        for here, there in ((a, b), (b, a)):
            for host in self.faces(self._hosts[here], there):
                if host.peer is not None:
                    self._timeline.push(0, host, LinkDown(there))

    def unlink_all(self, peer: PeerId) -> None:
        """Let a peer that crashed, and all that it had links to, lose them."""
        for other in self.wanted[peer]:
            self.unlink(peer, other)

    def faces(self, host: Host, other: PeerId) -> tuple[Host, ...]:
        """Return which of a key's processes another peer talks to: one, unless it has a twin."""
        if host.twin is None or (host.audience is not None and other in host.audience):
            return (host,)
        return (host.twin,)

    def _note(self, a: PeerId, b: PeerId, up: bool) -> None:
        """Mark a link as up or down at both ends; a twin shares the links of its key."""
        for here, there in ((a, b), (b, a)):
            host = self._hosts[here]
            (host.linked.add if up else host.linked.discard)(there)
            if host.twin is not None:
                host.twin.linked = host.linked

    # -- coming and going ---------------------------------------------------------------------------

    def cut(self, wires: list[Wire]) -> None:
        """Lose from now on what is sent over some wires; the links on them die of silence."""
        for wire in wires:
            self._network.cut(*wire)
        self._reconsider(wires)

    def mend(self, wires: list[Wire]) -> None:
        """Undo one :meth:`cut`; links that can live again come back."""
        for wire in wires:
            self._network.mend(*wire)
        self._reconsider(wires)

    def paused(self, host: Host) -> None:
        """Let the links of a paused host die of silence, unless it goes on before that."""
        for other in self.wanted[host.peer_id]:
            self._later(LINK_DEADLINE_US, partial(self._give_up_paused, host, host.life, other))

    def redial(self, peer: PeerId, others: Iterable[PeerId] | None = None) -> None:
        """Dial some peers soon, of those that a peer wants: all of them, or those of ``others``."""
        for other in self.wanted[peer] if others is None else others:
            if other in self.wanted[peer]:
                self._later(REDIAL_US, partial(self.link, peer, other))

    def _reconsider(self, wires: list[Wire]) -> None:
        """Give up or redial the link on each touched wire, once if both directions were touched."""
        for a, b in dict.fromkeys((a, b) if a < b else (b, a) for a, b in wires):
            if self._network.severed(a, b):
                self._later(LINK_DEADLINE_US, partial(self._give_up_severed, a, b))
            else:
                self.redial(a, (b,))

    def _give_up_severed(self, a: PeerId, b: PeerId) -> None:
        if self._network.severed(a, b):
            self.unlink(a, b)

    def _give_up_paused(self, host: Host, life: int, other: PeerId) -> None:
        if host.backlog is not None and host.life == life:
            self.unlink(host.peer_id, other)

    def _later(self, span_us: tuple[int, int], act: partial[None]) -> None:
        """Schedule a call after a delay that is drawn from a span."""
        after_us = span_us[0] + int(self._rng.random() * (span_us[1] - span_us[0]))
        self._timeline.call(after_us, act)
