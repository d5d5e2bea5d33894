"""Thirty routers in memory: every message reaches everybody, in spite of loss."""

import heapq
import random

import pytest

from gossipbook.effects import Now, Send
from gossipbook.gossip.config import GossipConfig
from gossipbook.gossip.messages import Push
from gossipbook.gossip.router import Router
from gossipbook.ids import digest

T = "GOLD/USD"


class Net:
    """Routers joined by links of 1 to 3 ms; ``loss`` of the pushes go astray."""

    def __init__(self, n: int, links_each: int, seed: int, loss: float = 0.0) -> None:
        self.rng = random.Random(seed)
        self.loss = loss
        self.ids = [digest(b"router", bytes([i]))[:20] for i in range(n)]
        self.routers = {p: Router([T], GossipConfig(), random.Random(seed * 1_000 + i)) for i, p in enumerate(self.ids)}
        self.got: dict[bytes, dict[bytes, int]] = {p: {} for p in self.ids}
        self.pushes = 0
        self.ms = 0
        self._queue: list = []
        self._order = 0
        edges = {tuple(sorted((i, (i + 1) % n))) for i in range(n)}
        while len(edges) < n * links_each // 2:
            edges.add(tuple(sorted(self.rng.sample(range(n), 2))))
        for a, b in sorted(edges):
            self.perform(self.ids[a], self.routers[self.ids[a]].link_up(self.ids[b], True))
            self.perform(self.ids[b], self.routers[self.ids[b]].link_up(self.ids[a], False))
        for p in self.ids:
            self.push_event(self.rng.randint(0, 1_000), p, None, b"")

    def push_event(self, after_ms: int, to: bytes, message: object, sender: bytes) -> None:
        self._order += 1
        heapq.heappush(self._queue, (self.ms + after_ms, self._order, to, message, sender))

    def perform(self, sender: bytes, effects: list) -> None:
        for effect in effects:
            assert isinstance(effect, Send)
            for to in effect.to:
                lost = isinstance(effect.message, Push) and self.rng.random() < self.loss
                if not lost:
                    self.push_event(self.rng.randint(1, 3), to, effect.message, sender)

    def run(self, for_ms: int) -> None:
        end = self.ms + for_ms
        while self._queue and self._queue[0][0] <= end:
            self.ms, _, to, message, sender = heapq.heappop(self._queue)
            router, now = self.routers[to], Now(self.ms, self.ms)
            if message is None:
                self.perform(to, router.heartbeat(now))
                self.push_event(router.next_heartbeat_ms(), to, None, b"")
            elif isinstance(message, Push):
                self.pushes += 1
                message_id = digest(b"id", message.payload)
                if not router.seen(message_id):
                    self.got[to][message_id] = self.ms
                    self.perform(to, router.accepted(sender, message_id, message))
            else:
                self.perform(to, router.receive(sender, message, now))
        self.ms = end

    def publish(self, at: int, payload: bytes) -> bytes:
        message_id = digest(b"id", payload)
        self.got[self.ids[at]][message_id] = self.ms
        self.perform(self.ids[at], self.routers[self.ids[at]].accepted(None, message_id, Push(T, payload)))
        return message_id

    def reached(self, message_id: bytes) -> int:
        return sum(message_id in got for got in self.got.values())


def test_every_message_reaches_everybody() -> None:
    net = Net(30, 10, seed=1)
    net.run(3_000)
    ids = [net.publish(i % 30, b"message %d" % i) for i in range(60)]
    net.run(100)
    assert [net.reached(i) for i in ids] == [30] * 60


def test_eager_pushes_are_bounded_by_the_mesh() -> None:
    net = Net(30, 14, seed=2)
    net.run(5_000)
    for i in range(20):
        net.publish(i, b"message %d" % i)
    net.run(100)
    assert net.pushes <= 20 * 30 * GossipConfig().degree_high


@pytest.mark.parametrize("loss", [0.3, 0.5])
def test_what_was_lost_is_pulled(loss: float) -> None:
    net = Net(30, 20, seed=3)
    net.run(5_000)
    net.loss = loss
    ids = [net.publish(i % 30, b"message %d" % i) for i in range(30)]
    net.run(200)
    net.loss = 0.0
    net.run(5_000)
    assert [net.reached(i) for i in ids] == [30] * 30


def test_meshes_are_of_their_degree() -> None:
    net = Net(30, 16, seed=5)
    net.run(20_000)
    config = GossipConfig()
    for p in net.ids:
        members = net.routers[p].mesh.members(T)
        assert config.degree_low <= len(members) <= config.degree_high
