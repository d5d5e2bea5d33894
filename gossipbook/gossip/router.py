"""The router: dispatch between mesh, chokes, message cache and lazy pull.

It moves opaque payloads and decides nothing about them.

The composition around it validates: for each :class:`Push` it works out the id, asks :meth:`seen`, judges the
payload, and calls :meth:`accepted` (relay it) or nothing (drop it). An id counts as seen only once accepted.
"""

import random
from collections import Counter
from dataclasses import dataclass

from gossipbook.effects import Effect, Lane, Now, Send, SetTimer
from gossipbook.gossip.chokes import Chokes
from gossipbook.gossip.config import GossipConfig
from gossipbook.gossip.lazy import Promises
from gossipbook.gossip.mcache import MessageCache
from gossipbook.gossip.mesh import Mesh
from gossipbook.gossip.messages import (
    IHAVE_IDS_CAP,
    TOPICS_CAP,
    Choke,
    GossipMessage,
    Graft,
    IHave,
    IWant,
    MessageId,
    Prune,
    Push,
    Source,
    Subscribe,
    Topic,
    Unchoke,
)
from gossipbook.ids import PeerId
from gossipbook.ordered import BoundedCounter, BoundedDict


@dataclass(frozen=True, slots=True)
class GossipTick:
    """The router's own timer: something is to be announced, or asked for."""


class Router:
    """One peer's gossip, over all topics."""

    def __init__(self, topics: list[Topic], config: GossipConfig, rng: random.Random) -> None:
        self.config = config
        self._rng = rng
        self._topics = list(topics)
        self._links: dict[PeerId, bool] = {}
        self._followed: dict[PeerId, tuple[Topic, ...]] = {}
        self._seen: BoundedDict[MessageId, None] = BoundedDict(config.seen_cap)
        self._cache = MessageCache(config)
        self._promises = Promises(config)
        self._ihaves: Counter[tuple[PeerId, Topic]] = Counter()  # since the last heartbeat
        self.chokes = Chokes(config)
        # To be announced, to whom: in a moment to who asked for that, to others who are choked with a heartbeat.
        self._soon: dict[tuple[PeerId, Topic], list[MessageId]] = {}
        self._later: dict[tuple[PeerId, Topic], list[MessageId]] = {}
        self._announced_ms = 0
        self._ticks = False  # the timer runs
        self.mesh = Mesh(config, rng, self._links)
        self.counts: Counter[str] = BoundedCounter()
        for topic in topics:
            self.mesh.join(topic)

    # -- links --------------------------------------------------------------------------------------

    def link_up(self, peer: PeerId, outbound: bool) -> list[Effect]:
        if len(self._links) >= self.config.peers_cap:
            return []
        self._links[peer] = outbound
        return [Send((peer,), Subscribe(tuple(self._topics)), Lane.SYNC)]

    def link_down(self, peer: PeerId) -> list[Effect]:
        self._links.pop(peer, None)
        self._followed.pop(peer, None)
        topics = [topic for topic in self._topics if peer in self.mesh.members(topic)]
        self.mesh.drop_peer(peer)
        self._promises.forget_peer(peer)
        return [effect for topic in topics for effect in self._lost(peer, topic)]

    def followers(self, topic: Topic) -> list[PeerId]:
        """Live peers subscribed to a topic."""
        return [peer for peer, topics in self._followed.items() if topic in topics]

    # -- messages -----------------------------------------------------------------------------------

    def receive(self, sender: PeerId, message: GossipMessage, now: Now) -> list[Effect]:
        """Everything but a Push, which its topic's owner judges first."""
        match message:
            case Subscribe(topics):
                return self._on_subscribe(sender, topics, now)
            case Graft(topic):
                return self.mesh.on_graft(sender, topic, now)
            case Prune(topic, backoff_s):
                was_there = self.mesh.on_prune(sender, topic, backoff_s, now)
                return self._lost(sender, topic) if was_there else []
            case Choke(topic, source, announces):
                if topic in self._topics and sender in self.mesh.members(topic):
                    self.chokes.on_choke(sender, topic, source, announces)
                return []
            case Unchoke(topic, source):
                self.chokes.on_unchoke(sender, topic, source)
                return []
            case IHave(topic, ids):
                return self._on_ihave(sender, topic, ids, now)
            case IWant(ids):
                return self._on_iwant(sender, ids)
            case Push():
                raise AssertionError("a push is validated by the composition before the router relays it")

    def seen(self, message_id: MessageId) -> bool:
        """Whether a message was accepted before; counts the duplicate if so."""
        if message_id in self._seen:
            self.counts["duplicates"] += 1
            return True
        return False

    def duplicate(self, sender: PeerId, topic: Topic, source: Source | None) -> list[Effect]:
        """A message that was accepted before was pushed once more."""
        return [] if source is None or topic not in self._topics else self.chokes.duplicate(topic, source, sender)

    def accepted(
        self,
        sender: PeerId | None,
        message_id: MessageId,
        push: Push,
        besides: tuple[PeerId, ...] = (),
        source: Source | None = None,
    ) -> list[Effect]:
        """Relay a message that was judged good, from a peer or our own (``sender`` None).

        ``besides``: who has it already. ``source``: whose messages come from one peer; None pushes to all.
        """
        self._seen[message_id] = None
        self._promises.keep(message_id)
        self._cache.put(push.topic, message_id, push.payload)
        self.counts["accepted"] += 1
        effects = [] if source is None else self.chokes.delivered(push.topic, source, sender)
        to: list[PeerId] = []
        for peer in self.mesh.members(push.topic):
            if peer == sender or peer in besides:
                continue
            announces = self.chokes.announces(peer, push.topic, source)
            if announces is None:
                to.append(peer)
            else:
                told = (self._soon if announces else self._later).setdefault((peer, push.topic), [])
                if len(told) < IHAVE_IDS_CAP:
                    told.append(message_id)
        return [*effects, Send(tuple(to), push, Lane.OPS)] if to else effects

    def have(self, message_id: MessageId) -> None:
        """Note that a message is here by another way than gossip."""
        self._seen[message_id] = None
        self._promises.keep(message_id)

    def wait_ms(self, now: Now) -> int | None:
        """How long until :meth:`tick` has something to do; None if nothing is to be announced or awaited."""
        waits = [self._promises.wait_ms(now.timer_ms)]
        if self._soon:
            waits.append(max(self._announced_ms + self.config.announce_ms - now.timer_ms, 1))
        return min((wait for wait in waits if wait is not None), default=None)

    def flush(self, now: Now) -> list[Effect]:
        """End a turn: see to it that :meth:`tick` is called in time."""
        wait_ms = None if self._ticks else self.wait_ms(now)
        self._ticks = self._ticks or wait_ms is not None
        return [] if wait_ms is None else [SetTimer(wait_ms, GossipTick())]

    def tick(self, now: Now) -> list[Effect]:
        """Announce to who is choked, and ask for what was announced and did not come."""
        self._ticks = False
        effects: list[Effect] = []
        if self._soon and now.timer_ms >= self._announced_ms + self.config.announce_ms:
            self._announced_ms = now.timer_ms
            soon, self._soon = self._soon, {}
            effects += _announcements(soon)
        effects += self._chase(now)
        return effects

    def heartbeat(self, now: Now) -> list[Effect]:
        """Mend the meshes, announce what is recent to a few outside them, and chase broken promises."""
        effects: list[Effect] = []
        self._ihaves.clear()
        for topic in self._topics:
            followers = self.followers(topic)
            before = list(self.mesh.members(topic))
            effects += self.mesh.heartbeat(topic, followers, now)
            for peer in [peer for peer in before if peer not in self.mesh.members(topic)]:
                effects += self._lost(peer, topic)
            effects += self._announce(topic, followers)
        later, self._later = self._later, {}
        effects += _announcements(later)
        effects += self._chase(now)
        self._cache.shift()
        return effects

    def next_heartbeat_ms(self) -> int:
        jitter = self.config.heartbeat_jitter_ms
        return self.config.heartbeat_ms + self._rng.randint(-jitter, jitter)

    # -- parts --------------------------------------------------------------------------------------

    def _on_subscribe(self, sender: PeerId, topics: tuple[Topic, ...], now: Now) -> list[Effect]:
        if sender not in self._links:
            return []
        self._followed[sender] = topics[:TOPICS_CAP]
        effects: list[Effect] = []
        for topic in self._topics:
            # Do not wait for a heartbeat to join up: a fresh link is where messages are missed.
            if topic in topics and len(self.mesh.members(topic)) < self.config.degree_low:
                effects += self.mesh.heartbeat(topic, [sender], now)
        return effects

    def _on_ihave(self, sender: PeerId, topic: Topic, ids: tuple[MessageId, ...], now: Now) -> list[Effect]:
        if topic in self._topics:
            self._ihaves[sender, topic] += 1
        if not 0 < self._ihaves[sender, topic] <= self.config.ihave_per_heartbeat_cap:
            self.counts["ihaves ignored"] += 1
            return []
        is_coming = sender in self.mesh.members(topic)
        wanted = [
            message_id
            for message_id in ids[:IHAVE_IDS_CAP]
            if message_id not in self._seen
            and self._promises.announce(sender, message_id, now.timer_ms, is_coming=is_coming)
        ]
        return [Send((sender,), IWant(tuple(wanted)), Lane.DIGESTS)] if wanted else []

    def _chase(self, now: Now) -> list[Effect]:
        """Ask for what was announced and did not come, or did not come from who was asked."""
        return [
            Send((peer,), IWant(tuple(ids[start : start + IHAVE_IDS_CAP])), Lane.DIGESTS)
            for peer, ids in self._promises.overdue(now.timer_ms, self._links).items()
            for start in range(0, len(ids), IHAVE_IDS_CAP)
        ]

    def _lost(self, peer: PeerId, topic: Topic) -> list[Effect]:
        """A peer is no longer in a topic's mesh."""
        self._soon.pop((peer, topic), None)
        self._later.pop((peer, topic), None)
        return self.chokes.lost(peer, topic, tuple(self.mesh.members(topic)))

    def _on_iwant(self, sender: PeerId, ids: tuple[MessageId, ...]) -> list[Effect]:
        effects: list[Effect] = []
        for message_id in ids[:IHAVE_IDS_CAP]:
            found = self._cache.get(message_id, sender)
            if found is not None:
                effects.append(Send((sender,), Push(*found), Lane.OPS))
        return effects

    def _announce(self, topic: Topic, followers: list[PeerId]) -> list[Effect]:
        ids = self._cache.recent_ids(topic)[:IHAVE_IDS_CAP]
        outside = [peer for peer in followers if peer not in self.mesh.members(topic)]
        if not ids or not outside:
            return []
        chosen = self._rng.sample(outside, min(self.config.lazy_degree, len(outside)))
        return [Send(tuple(chosen), IHave(topic, tuple(ids)), Lane.DIGESTS)]


def _announcements(told: dict[tuple[PeerId, Topic], list[MessageId]]) -> list[Effect]:
    return [Send((peer,), IHave(topic, tuple(ids)), Lane.DIGESTS) for (peer, topic), ids in told.items()]
