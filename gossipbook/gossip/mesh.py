"""The mesh: per topic, the links over which messages are pushed eagerly.

Upon a heartbeat: below ``degree_low`` graft up to ``degree``; above ``degree_high`` prune down to it, keeping at least
``outbound_least`` links that we opened ourselves (whom we chose, an attacker did not). Upon GRAFT: accept, or
PRUNE if the topic is not ours, the mesh is full, or the peer is in a pause.
"""

import random

from gossipbook.effects import Effect, Lane, Now, Send
from gossipbook.gossip.backoff import Backoff
from gossipbook.gossip.config import GossipConfig
from gossipbook.gossip.messages import Graft, Prune, Topic
from gossipbook.ids import PeerId
from gossipbook.ordered import OrderedSet


class Mesh:
    """Mesh links by topic. ``links`` maps each live peer to whether we opened the link."""

    def __init__(self, config: GossipConfig, rng: random.Random, links: dict[PeerId, bool]) -> None:
        self._config = config
        self._rng = rng
        self._links = links
        self._mesh: dict[Topic, OrderedSet[PeerId]] = {}
        self.backoff = Backoff()
        self.graft_floods = 0

    def join(self, topic: Topic) -> None:
        self._mesh.setdefault(topic, OrderedSet())

    def members(self, topic: Topic) -> OrderedSet[PeerId]:
        return self._mesh[topic]

    def drop_peer(self, peer: PeerId) -> None:
        for members in self._mesh.values():
            members.discard(peer)

    def on_graft(self, peer: PeerId, topic: Topic, now: Now) -> list[Effect]:
        members = self._mesh.get(topic)
        if members is None or peer not in self._links:
            return [_prune(peer, topic, self._config.prune_backoff_s)]
        if peer in members:
            return []
        paused = self.backoff.active(topic, peer, now.timer_ms)
        if paused:
            self.graft_floods += 1
            self.backoff.pause(topic, peer, now.timer_ms + self._config.graft_flood_ms)
        full = len(members) >= self._config.degree_high and not self._links.get(peer, False)
        if paused or full:
            return [self._pause(peer, topic, now)]
        members.add(peer)
        return []

    def on_prune(self, peer: PeerId, topic: Topic, backoff_s: int, now: Now) -> bool:
        """Whether the peer was in the mesh until now."""
        members = self._mesh.get(topic)
        if members is None:
            return False
        was_there = peer in members
        members.discard(peer)
        pause_s = min(backoff_s, self._config.backoff_cap_s)
        self.backoff.pause(topic, peer, now.timer_ms + 1_000 * pause_s)
        return was_there

    def heartbeat(self, topic: Topic, followers: list[PeerId], now: Now) -> list[Effect]:
        """Bring a topic's mesh back to its degree. ``followers``: live peers subscribed to it."""
        members = self._mesh[topic]
        config = self._config
        effects: list[Effect] = []
        if len(members) < config.degree_low:
            effects += self._graft(topic, followers, config.degree - len(members), now)
        elif len(members) > config.degree_high:
            outbound = [peer for peer in members if self._links.get(peer, False)]
            kept = OrderedSet(self._rng.sample(outbound, min(config.outbound_least, len(outbound))))
            others = [peer for peer in members if peer not in kept]
            for peer in self._rng.sample(others, len(members) - config.degree):
                members.discard(peer)
                effects.append(self._pause(peer, topic, now))
        outbound_count = sum(1 for peer in members if self._links.get(peer, False))
        if outbound_count < config.outbound_least:
            wanted = config.outbound_least - outbound_count
            effects += self._graft(topic, [p for p in followers if self._links.get(p, False)], wanted, now)
        return effects

    def _graft(self, topic: Topic, followers: list[PeerId], count: int, now: Now) -> list[Effect]:
        members = self._mesh[topic]
        free = [p for p in followers if p not in members and not self.backoff.active(topic, p, now.timer_ms)]
        effects: list[Effect] = []
        for peer in self._rng.sample(free, min(count, len(free))):
            members.add(peer)
            effects.append(Send((peer,), Graft(topic), Lane.SYNC))
        return effects

    def _pause(self, peer: PeerId, topic: Topic, now: Now) -> Effect:
        self.backoff.pause(topic, peer, now.timer_ms + 1_000 * self._config.prune_backoff_s)
        return _prune(peer, topic, self._config.prune_backoff_s)


def _prune(peer: PeerId, topic: Topic, backoff_s: int) -> Effect:
    return Send((peer,), Prune(topic, backoff_s), Lane.SYNC)
