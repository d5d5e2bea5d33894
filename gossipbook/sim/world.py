"""Peer cores on virtual time: the driver that is not a network.

Messages travel as encoded bytes; records go to a journal that loses what was not synced; a crash may fall
between turns and a restart reloads what was durable. Everything random comes from one seed.
"""

import hashlib
import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gossipbook.effects import Disconnect, Effect, Emit, LinkId, Now, Persist, Send, SendStored, SetTimer
from gossipbook.identity import Identity, Verifier
from gossipbook.ids import PeerId
from gossipbook.manifest import Manifest
from gossipbook.peer.config import PeerConfig
from gossipbook.peer.events import Begun, LinkDown, LinkUp, PeerEvent, Received, TimerFired
from gossipbook.peer.peer import Peer
from gossipbook.storage.memory import MemoryJournal
from gossipbook.wire.codec import decode_message, encode_message

START_WALL_MS = 1_700_000_000_000
US_PER_MS = 1_000

Delay = Callable[[PeerId, PeerId, random.Random], int | None]
"""Microseconds that a message takes from one peer to another; None loses it."""


def even_delay(_a: PeerId, _b: PeerId, rng: random.Random) -> int:
    """Between 1 and 3 ms, uniformly."""
    return rng.randint(1_000, 3_000)


@dataclass
class Host:
    """One machine: a peer core that is up or not, and the journal that outlives it."""

    identity: Identity
    journal: MemoryJournal
    peer: Peer | None = None
    life: int = 0  # counts starts; what was addressed to an earlier life is lost
    emitted: list[Any] | None = None


class World:
    """A few peers, their links and one queue of what happens next."""

    def __init__(
        self,
        manifest: Manifest,
        identities: list[Identity],
        *,
        seed: int,
        delay: Delay = even_delay,
        config: PeerConfig | None = None,
    ) -> None:
        self.manifest = manifest
        self.rng = random.Random(seed)
        self.delay = delay
        self.config = config or PeerConfig.local()
        self.verifier = Verifier()
        self.hosts = {identity.peer_id: Host(identity, MemoryJournal(), emitted=[]) for identity in identities}
        self.now_us = 0
        self.deliveries = 0
        self._queue: list[tuple[int, int, PeerId, int, PeerEvent | bytes, PeerId]] = []
        self._order = 0
        self._trace = hashlib.sha256()

    # -- peers --------------------------------------------------------------------------------------

    def start(self, peer_id: PeerId) -> Peer:
        """Start or restart a peer from its journal and link it to all that are up."""
        host = self.hosts[peer_id]
        assert host.peer is None
        seed = self.rng.getrandbits(64)
        peer = Peer(self.manifest, host.identity, rng=random.Random(seed), config=self.config, verifier=self.verifier)
        problems = peer.restore(host.journal.load(), self.now())
        assert not problems, problems
        host.peer = peer
        host.life += 1
        self._perform(peer_id, peer.handle(Begun(), self.now()))
        for other_id, other in self.hosts.items():
            if other.peer is not None and other_id != peer_id:
                self.link(peer_id, other_id)
        return peer

    def crash(self, peer_id: PeerId) -> None:
        """Stop a peer between two turns; what it had not synced is lost."""
        host = self.hosts[peer_id]
        host.peer = None
        host.journal.crash()
        for other_id, other in self.hosts.items():
            if other.peer is not None and other_id != peer_id:
                self.push(0, other_id, LinkDown(peer_id))

    def link(self, dialler: PeerId, listener: PeerId) -> None:
        for here, there, outbound in ((dialler, listener, True), (listener, dialler, False)):
            self.push(0, here, LinkUp(there, self.hosts[there].identity.public_key, "peer", outbound))

    def up(self) -> list[Peer]:
        return [host.peer for host in self.hosts.values() if host.peer is not None]

    # -- time ---------------------------------------------------------------------------------------

    def now(self) -> Now:
        ms = self.now_us // US_PER_MS
        return Now(START_WALL_MS + ms, ms)

    def push(self, after_us: int, peer_id: PeerId, event: PeerEvent | bytes, sender: PeerId = b"") -> None:
        """Let an event happen to a peer after a while; bytes are a message from ``sender``."""
        self._order += 1
        life = self.hosts[peer_id].life
        heapq.heappush(self._queue, (self.now_us + after_us, self._order, peer_id, life, event, sender))

    def run(self, for_ms: int, until: Callable[[], bool] | None = None) -> bool:
        """Let time pass; True as soon as ``until`` holds."""
        end_us = self.now_us + for_ms * US_PER_MS
        while self._queue and self._queue[0][0] <= end_us:
            self.step()
            if until is not None and until():
                return True
        self.now_us = end_us
        return until is not None and until()

    def step(self) -> None:
        """The next thing happens."""
        self.now_us, _, peer_id, life, event, sender = heapq.heappop(self._queue)
        host = self.hosts[peer_id]
        peer = host.peer
        if peer is None or life != host.life:
            return
        if isinstance(event, bytes):
            self.deliveries += 1
            self._note(peer_id, event)
            event = Received(sender, decode_message(event))
        effects = peer.handle(event, self.now()) + peer.flush(self.now())
        self._perform(peer_id, effects)

    def trace_hash(self) -> str:
        """Digest of every message delivered, in order, with its time and receiver."""
        return self._trace.hexdigest()

    # -- parts --------------------------------------------------------------------------------------

    def _note(self, peer_id: PeerId, raw: bytes) -> None:
        self._trace.update(self.now_us.to_bytes(8, "big") + peer_id + len(raw).to_bytes(4, "big") + raw)

    def _perform(self, peer_id: PeerId, effects: list[Effect]) -> None:
        host = self.hosts[peer_id]
        records = [effect.record for effect in effects if isinstance(effect, Persist)]
        if records:
            host.journal.append(records)
            host.journal.sync()
        for effect in effects:
            match effect:
                case Persist():
                    pass  # Durable already: one transaction before all of the turn's outputs.
                case Send(to, message, _):
                    self._send(peer_id, to, encode_message(message))
                case SendStored(to, pair, first, last):
                    for block in host.journal.blocks(pair, first, last, self.manifest.epoch):
                        self._send(peer_id, (to,), encode_message(block))
                case SetTimer(after_ms, timer):
                    self.push(after_ms * US_PER_MS, peer_id, TimerFired(timer))
                case Emit(event):
                    assert host.emitted is not None
                    host.emitted.append(event)
                case Disconnect(link, _):
                    self.push(0, peer_id, LinkDown(link))

    def _send(self, sender: PeerId, to: tuple[LinkId, ...], raw: bytes) -> None:
        for receiver in to:
            after_us = self.delay(sender, receiver, self.rng) if receiver in self.hosts else None
            if after_us is not None:
                self.push(after_us, receiver, raw, sender)
