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


SOURCE = b"somebody"
TICK = object()


class Net:
    """Routers joined by links of 1 to 3 ms; ``loss`` of the pushes go astray.

    ``held_ms``: how long a router sits on what it should push; None for ever.
    """

    def __init__(self, n: int, links_each: int, seed: int, loss: float = 0.0) -> None:
        self.rng = random.Random(seed)
        self.loss = loss
        self.ids = [digest(b"router", bytes([i]))[:20] for i in range(n)]
        self.routers = {p: Router([T], GossipConfig(), random.Random(seed * 1_000 + i)) for i, p in enumerate(self.ids)}
        self.got: dict[bytes, dict[bytes, int]] = {p: {} for p in self.ids}
        self.pushes = 0
        self.held_ms: dict[bytes, int | None] = {}
        self._ticking: set[bytes] = set()
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
            is_push = isinstance(effect.message, Push)
            held_ms = self.held_ms.get(sender, 0) if is_push else 0
            for to in effect.to:
                if held_ms is not None and not (is_push and self.rng.random() < self.loss):
                    self.push_event(held_ms + self.rng.randint(1, 3), to, effect.message, sender)
        wait_ms = self.routers[sender].wait_ms(Now(self.ms, self.ms))
        if wait_ms is not None and sender not in self._ticking:
            self._ticking.add(sender)
            self.push_event(wait_ms, sender, TICK, b"")

    def run(self, for_ms: int) -> None:
        end = self.ms + for_ms
        while self._queue and self._queue[0][0] <= end:
            self.ms, _, to, message, sender = heapq.heappop(self._queue)
            router, now = self.routers[to], Now(self.ms, self.ms)
            if message is None:
                self.perform(to, router.heartbeat(now))
                self.push_event(router.next_heartbeat_ms(), to, None, b"")
            elif message is TICK:
                self._ticking.discard(to)
                self.perform(to, router.tick(now))
            elif isinstance(message, Push):
                self.pushes += 1
                message_id = digest(b"id", message.payload)
                if not router.seen(message_id):
                    self.got[to][message_id] = self.ms
                    self.perform(to, router.accepted(sender, message_id, message, source=SOURCE))
                else:
                    self.perform(to, router.duplicate(sender, T, SOURCE))
            else:
                self.perform(to, router.receive(sender, message, now))
        self.ms = end

    def publish(self, at: int, payload: bytes) -> bytes:
        message_id = digest(b"id", payload)
        self.got[self.ids[at]][message_id] = self.ms
        self.perform(
            self.ids[at], self.routers[self.ids[at]].accepted(None, message_id, Push(T, payload), source=SOURCE)
        )
        return message_id

    def delays_ms(self, first: int, count: int, every_ms: int = 50) -> list[int]:
        """Publish so many messages at the first router; how long each took to each other one, in order."""
        ids = []
        for number in range(first, first + count):
            ids.append(self.publish(0, b"message %d" % number))
            self.run(every_ms)
        self.run(5_000)
        assert [self.reached(i) for i in ids] == [len(self.ids)] * count
        return sorted(self.got[p][i] - self.got[self.ids[0]][i] for i in ids for p in self.ids[1:])

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


def p99(delays_ms: list[int]) -> int:
    return delays_ms[len(delays_ms) * 99 // 100]


@pytest.mark.parametrize("n", [4, 30, 64])
def test_a_settled_network_moves_each_message_over_a_tree(n: int) -> None:
    net = Net(n, min(14, n - 1), seed=7)
    net.run(5_000)
    net.delays_ms(0, 5)
    before = net.pushes
    net.delays_ms(5, 100)
    assert net.pushes - before <= 1.02 * 100 * (n - 1)


@pytest.mark.parametrize("held_ms", [None, 500], ids=["withholds", "is late"])
def test_a_lying_parent_delays_little(held_ms: int | None) -> None:
    """The time until an announcer is asked, once; then others are the parents."""
    net = Net(30, 14, seed=8)
    net.run(5_000)
    calm = net.delays_ms(0, 50)
    liars = sorted(net.ids[1:], key=lambda p: -len(net.routers[p].mesh.members(T)))[:3]
    net.held_ms = dict.fromkeys(liars, held_ms)
    config = GossipConfig()
    lied_to = net.delays_ms(50, 100)
    assert max(lied_to) <= 3 * (config.announce_ms + config.announced_wait_ms) + max(calm)
    assert p99(net.delays_ms(150, 50)) <= 3 * p99(calm), "by now nobody waits for a liar"
