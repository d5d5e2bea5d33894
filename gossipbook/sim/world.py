"""Drive peer cores on virtual time.

Messages travel as encoded bytes; records go to a journal that loses what was not synced; a crash may fall between any
two effects, and a restart reloads what was durable. Everything random comes from one seed.

    World        starts and stops peers, hands each its next event, performs what its core wants
    ├─ Timeline  what is due when
    ├─ Links     who is linked to whom, and since when not
    └─ Network   how long a message takes, and whether it arrives
"""

import hashlib
import random
from collections.abc import Callable
from typing import Any

from gossipbook.effects import Disconnect, Effect, Emit, LinkId, Now, Persist, Send, SendStored, SetTimer
from gossipbook.errors import DecodeError, JournalFull
from gossipbook.identity import Identity, Verifier
from gossipbook.ids import PeerId
from gossipbook.manifest import Manifest
from gossipbook.ordered import BoundedDict
from gossipbook.peer.config import PeerConfig
from gossipbook.peer.events import Begun, PeerEvent, Received, TimerFired
from gossipbook.peer.peer import Peer
from gossipbook.peer.turns import at_once, transactions
from gossipbook.sim.clocks import US_PER_MS, HostClock
from gossipbook.sim.host import Host, Observer
from gossipbook.sim.links import Links
from gossipbook.sim.network import Network
from gossipbook.sim.timeline import Timeline
from gossipbook.wire.codec import decode_message, encode_message

CLIENT_DELAY_US = 500

HEARD_CAP = 4_096
"""Messages kept decoded, by their bytes: the same bytes reach many peers, and mean the same to each."""


class Flooded(Exception):
    """Raised when a run delivers more messages than its budget."""


class FuseBurnt(Exception):
    """Raised when a host has to crash in the middle of a turn."""


class World:
    """Simulated peers, their links, and the queue of what happens next."""

    def __init__(
        self,
        manifest: Manifest,
        identities: list[Identity],
        *,
        seed: int,
        network: Network | None = None,
        config: PeerConfig | None = None,
        verifier: Verifier | None = None,
    ) -> None:
        self.manifest = manifest
        self.rng = random.Random(seed)
        self.network = network or Network(random.Random(self.rng.getrandbits(64)))
        self.config = config or PeerConfig.local()
        self.verifier = verifier or Verifier()
        self.hosts: dict[PeerId, Host] = {}
        for index, identity in enumerate(identities):
            host = Host(index, identity.peer_id, identity, random.Random(self.rng.getrandbits(64)))
            self.hosts[identity.peer_id] = host
        self.timeline = Timeline()
        self.links = Links(self.hosts, self.network, self.timeline, self.rng)
        self.clients: dict[LinkId, Callable[[bytes], None]] = {}
        self.deliveries = 0
        self.deliveries_cap = 2**63
        self._trace = hashlib.sha256()
        self._heard: BoundedDict[bytes, Any] = BoundedDict(HEARD_CAP)
        self._watching: dict[str, list[Callable[..., None]]] = {
            name: [] for name in vars(Observer) if not name.startswith("_")
        }

    def watch(self, observer: Observer) -> None:
        """Call an observer's hooks, those that it overrides, from now on."""
        for name, watchers in self._watching.items():
            if getattr(type(observer), name) is not getattr(Observer, name):
                watchers.append(getattr(observer, name))

    # -- peers --------------------------------------------------------------------------------------

    def start(self, address: PeerId) -> Peer:
        """Start or restart a peer from its journal and link it to those that it wants and that are up.

        Raises:
            JournalError: its journal is damaged; it stays down.
        """
        host = self.hosts[address]
        assert host.peer is None
        seed = host.rng.getrandbits(64)
        stored = host.journal.load()
        peer = Peer(self.manifest, host.identity, rng=random.Random(seed), config=self.config, verifier=self.verifier)
        host.clock.restart(self.now_us, host.rng.randrange(1_000_000))
        problems = peer.restore(stored, host.clock.now(self.now_us), host.observer_reason)
        assert not problems, problems
        host.peer = peer
        host.life += 1
        host.fuse = None
        host.why_down = ""
        for hook in self._watching["started"]:
            hook(host, self.now_us)
        self._turn(host, Begun())
        self.links.link_all(host.peer_id)
        return peer

    def crash(self, address: PeerId, why: str = "killed") -> None:
        """Stop a peer between two turns; what it had not synced is lost or torn."""
        host = self.hosts[address]
        host.peer = None
        host.backlog = None
        host.why_down = why
        host.journal.crash(host.rng if host.torn else None)
        host.torn = False
        for hook in self._watching["crashed"]:
            hook(host, self.now_us)
        if address == host.peer_id:
            self.links.unlink_all(address)

    def crash_within(self, address: PeerId, effects: int) -> None:
        """Let a peer crash after so many more effects, wherever in a turn that is."""
        self.hosts[address].fuse = effects

    def pause(self, address: PeerId) -> None:
        """Stop a process without ending it; its links die of silence if that takes long."""
        host = self.hosts[address]
        if host.up:
            host.backlog = []
            self.links.paused(host)

    def resume(self, address: PeerId) -> None:
        """Let a paused process go on; everything that waited happens to it at once, in order."""
        host = self.hosts[address]
        if host.backlog is None:
            return
        backlog, host.backlog = host.backlog, None
        self.timeline.push_back(host, backlog)
        self.links.redial(host.peer_id)

    def up(self) -> list[Peer]:
        """Return the cores of all running peers, paused ones included."""
        return [host.peer for host in self.hosts.values() if host.peer is not None]

    # -- time ---------------------------------------------------------------------------------------

    @property
    def now_us(self) -> int:
        """Microseconds since the world began."""
        return self.timeline.now_us

    def now(self) -> Now:
        """Return the world's own clock, which no host has to agree with."""
        return HostClock().now(self.now_us)

    def push(self, after_us: int, address: PeerId, event: PeerEvent | bytes, sender: PeerId = b"") -> None:
        """Let an event happen to a peer after a while; bytes are a message from ``sender``."""
        self.timeline.push(after_us, self.hosts[address], event, sender)

    def call(self, after_us: int, what: Callable[[], object]) -> None:
        """Schedule a call after a delay."""
        self.timeline.call(after_us, what)

    def run(self, for_ms: int, until: Callable[[], bool] | None = None) -> bool:
        """Let time pass; return True as soon as ``until`` holds."""
        end_us = self.now_us + for_ms * US_PER_MS
        while self.timeline.has_until(end_us):
            self.step()
            if until is not None and until():
                return True
        self.timeline.now_us = end_us
        return until is not None and until()

    def step(self) -> None:
        """Let the next event happen."""
        _, order, host, life, event, sender = self.timeline.pop()
        if host is None:
            assert not isinstance(event, bytes)
            event()  # type: ignore[operator]  # only calls are put there without a host
            return
        if host.peer is None or life != host.life:
            return
        if host.backlog is not None:
            host.backlog.append((order, event, sender))  # type: ignore[arg-type]
            return
        if isinstance(event, bytes):
            received = self._receive(host, event, sender)
            if received is None:
                return
            event = received
        elif isinstance(event, TimerFired) and host.peer.is_over(event.timer):
            return
        self._turn(host, event)  # type: ignore[arg-type]

    def in_flight(self) -> dict[PeerId, int]:
        """Count the messages on their way to each running host, by address, with those that wait for a paused one."""
        found = self.timeline.in_flight()
        for host in self.hosts.values():
            for _, event, _ in host.backlog or ():
                found[host.address] = found.get(host.address, 0) + isinstance(event, bytes)
        return found

    def trace_hash(self) -> str:
        """Return the digest of every message delivered, in order, with its time and receiver."""
        return self._trace.hexdigest()

    # -- turns --------------------------------------------------------------------------------------

    def _receive(self, host: Host, raw: bytes, sender: PeerId) -> Received | None:
        self.deliveries += 1
        if self.deliveries > self.deliveries_cap:
            raise Flooded(f"more than {self.deliveries_cap} messages were delivered, the budget of this run")
        self._trace.update(b"%x %b %x" % (self.now_us, host.address, len(raw)))
        self._trace.update(raw)
        for hook in self._watching["delivered"]:
            hook(host, sender, raw, self.now_us)
        message = self._heard.get(raw)
        if message is None:
            try:
                message = self._heard[raw] = decode_message(raw)
            except DecodeError as error:
                self._disconnect(host, sender, f"malformed message: {error}")
                return None
        if host.behaviour is not None and not host.behaviour.hears(sender, message):
            return None
        assert host.peer is not None
        refused = host.peer.refuse(sender, message, host.clock.now(self.now_us))
        if refused is not None:
            for hook in self._watching["refused"]:
                hook(host, sender, message, self.now_us)
            self._perform(host, refused)
            return None
        return Received(sender, message)

    def _turn(self, host: Host, event: PeerEvent) -> None:
        """Let a peer handle one event; its effects are cut into transactions as the real driver cuts them."""
        assert host.peer is not None
        now = host.clock.now(self.now_us)
        effects = host.peer.handle(event, now) + host.peer.flush(now)
        if not effects:
            return
        try:
            free, effects = at_once(effects)
            for effect in free:
                if host.fuse is not None:
                    self._burn(host, 1)
                self._perform_one(host, effect)
            for together in transactions(effects):
                self._perform(host, together)
        except FuseBurnt:
            self.crash(host.address, "crashed between two effects")
        except JournalFull as error:
            self.crash(host.address, str(error))

    def _perform(self, host: Host, effects: list[Effect]) -> None:
        """Write all records in one transaction and sync it, then perform the effects in order."""
        records = [effect.record for effect in effects if isinstance(effect, Persist)]
        if records:
            host.journal.append(records)
            if host.fuse is not None:
                self._burn(host, len(records))
            host.journal.sync()
            for hook in self._watching["synced"]:
                hook(host, records, self.now_us)
        for effect in effects:
            if host.fuse is not None and not isinstance(effect, Persist):
                self._burn(host, 1)
            self._perform_one(host, effect)

    def _burn(self, host: Host, effects: int) -> None:
        assert host.fuse is not None
        host.fuse -= effects
        if host.fuse < 0:
            raise FuseBurnt

    def _perform_one(self, host: Host, effect: Effect) -> None:
        match effect:
            case Persist():
                pass  # Durable by now.
            case Send(to, message):
                self._say(host, to, message)
            case SendStored(link, pair, first, last):
                for block in host.journal.blocks(pair, first, last, self.manifest.epoch):
                    self._say(host, (link,), block)
            case SetTimer(after_ms, timer):
                self.timeline.push(host.clock.lasts_us(after_ms), host, TimerFired(timer))
            case Emit(event):
                for hook in self._watching["emitted"]:
                    hook(host, event, self.now_us)
            case Disconnect(link, reason):
                self._disconnect(host, link, reason)

    def _disconnect(self, host: Host, link: LinkId, reason: str) -> None:
        for hook in self._watching["disconnected"]:
            hook(host, link, reason, self.now_us)
        if link in self.hosts:
            self.links.unlink(host.peer_id, link)
            self.links.redial(host.peer_id, (link,))

    # -- messages -----------------------------------------------------------------------------------

    def _say(self, host: Host, to: tuple[LinkId, ...], message: object) -> None:
        """Send what a core wants to send, or what its behaviour makes of it."""
        if host.behaviour is None:
            self.send(host, to, encode_message(message))
            return
        for receivers, said in host.behaviour.sends(to, message):
            self.send(host, receivers, encode_message(said))

    def send(self, host: Host, to: tuple[LinkId, ...], raw: bytes) -> None:
        """Put one encoded message on the wires to each receiver that there is a link to."""
        for hook in self._watching["sent"]:
            hook(host, to, raw, self.now_us)
        me, size, now_us, arrivals = host.peer_id, len(raw), self.now_us, self.network.arrivals
        for receiver in to:
            if receiver not in host.linked:
                if receiver in self.clients:
                    self._answer_client(receiver, raw)
                continue
            if host.audience is not None and receiver not in host.audience:
                continue
            there = self.hosts[receiver]
            if there.twin is not None:
                there = self.links.faces(there, me)[0]
            for at_us in arrivals(me, receiver, size, now_us):
                self.timeline.push_at(at_us, there, raw, me)

    def submit(self, address: PeerId, client: LinkId, raw: bytes) -> None:
        """Bring a client's message to a peer, if the peer is up."""
        self.push(CLIENT_DELAY_US, address, raw, client)

    def _answer_client(self, link: LinkId, raw: bytes) -> None:
        hear = self.clients[link]
        self.call(CLIENT_DELAY_US, lambda: hear(raw))
