"""The router: dispatch between mesh, message cache and lazy pull.

It moves opaque payloads and decides nothing about them.

The composition around it validates: for each :class:`Push` it works out the id, asks :meth:`seen`, judges the
payload, and calls :meth:`accepted` (relay it) or nothing (drop it). An id counts as seen only once accepted.
"""

import random
from collections import Counter

from gossipbook.effects import Effect, Lane, Now, Send
from gossipbook.gossip.config import GossipConfig
from gossipbook.gossip.lazy import Promises
from gossipbook.gossip.mcache import MessageCache
from gossipbook.gossip.mesh import Mesh
from gossipbook.gossip.messages import (
    IHAVE_IDS_CAP,
    TOPICS_CAP,
    GossipMessage,
    Graft,
    IHave,
    IWant,
    MessageId,
    Prune,
    Push,
    Subscribe,
    Topic,
)
from gossipbook.ids import PeerId
from gossipbook.ordered import BoundedCounter, BoundedDict


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
        self._ihaves: Counter[PeerId] = Counter()
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

    def link_down(self, peer: PeerId) -> None:
        self._links.pop(peer, None)
        self._followed.pop(peer, None)
        self._ihaves.pop(peer, None)
        self.mesh.drop_peer(peer)
        self._promises.forget_peer(peer)

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
                self.mesh.on_prune(sender, topic, backoff_s, now)
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

    def accepted(
        self, sender: PeerId | None, message_id: MessageId, push: Push, besides: tuple[PeerId, ...] = ()
    ) -> list[Effect]:
        """Relay a message that was judged good, from a peer or our own (``sender`` None)."""
        self._seen[message_id] = None
        self._promises.keep(message_id)
        self._cache.put(push.topic, message_id, push.payload)
        self.counts["accepted"] += 1
        to = tuple(p for p in self.mesh.members(push.topic) if p != sender and p not in besides)
        return [Send(to, push, Lane.OPS)] if to else []

    def have(self, message_id: MessageId) -> None:
        """Note that a message is here by another way than gossip."""
        self._seen[message_id] = None
        self._promises.keep(message_id)

    def heartbeat(self, now: Now) -> list[Effect]:
        """Mend the meshes, announce what is recent to a few outside them, and chase broken promises."""
        effects: list[Effect] = []
        self._ihaves.clear()
        for topic in self._topics:
            followers = self.followers(topic)
            effects += self.mesh.heartbeat(topic, followers, now)
            effects += self._announce(topic, followers)
        for peer, ids in self._promises.overdue(now.timer_ms, self._links).items():
            for start in range(0, len(ids), IHAVE_IDS_CAP):
                effects.append(Send((peer,), IWant(tuple(ids[start : start + IHAVE_IDS_CAP])), Lane.DIGESTS))
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
        self._ihaves[sender] += 1
        if topic not in self._topics or self._ihaves[sender] > self.config.ihave_per_heartbeat_cap:
            self.counts["ihaves ignored"] += 1
            return []
        wanted = [
            message_id
            for message_id in ids[:IHAVE_IDS_CAP]
            if message_id not in self._seen and self._promises.announce(sender, message_id, now.timer_ms)
        ]
        return [Send((sender,), IWant(tuple(wanted)), Lane.DIGESTS)] if wanted else []

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
