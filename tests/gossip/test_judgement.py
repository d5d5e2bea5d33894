"""What a peer passes on, what it holds against whom, and what an unsigned frame can make it keep."""

import random

import pytest
from consensus.kit import START_MS, SYMBOL, Bench, buy, identity

from gossipbook.consensus.certificate import Vote
from gossipbook.consensus.committee import COMMIT, PREPARE
from gossipbook.consensus.messages import Bodies, CastVote, FinalizedBlock, GiveUp, Propose
from gossipbook.crdt import pool_room
from gossipbook.crdt.op import GENESIS_PREV, open_op, sign_op
from gossipbook.effects import Disconnect, Now, Send
from gossipbook.gossip.messages import Graft, Push, Subscribe
from gossipbook.ids import digest
from gossipbook.peer.events import LinkUp, Received
from gossipbook.peer.peer import Peer
from gossipbook.wire.codec import encode_message
from gossipbook.wire.handshake import Role

STRANGER, NEIGHBOUR = identity("stranger"), identity("neighbour")


class Watched:
    """A follower peer with two links, a stranger's and a mesh neighbour's."""

    def __init__(self, bench: Bench) -> None:
        self.peer = Peer(bench.manifest, identity("watched"), rng=random.Random(1))
        self.sent: list[tuple[bytes, object]] = []
        self.closed: list[bytes] = []
        for other in (STRANGER, NEIGHBOUR):
            self.do(LinkUp(other.peer_id, other.public_key, Role.PEER, True))
            self.receive(Subscribe((SYMBOL,)), other)
        self.receive(Graft(SYMBOL), NEIGHBOUR)
        self.sent.clear()

    def do(self, event: object) -> None:
        now = Now(START_MS, 0)
        effects = self.peer.handle(event, now)  # type: ignore[arg-type]
        for effect in effects + self.peer.flush(now):
            if isinstance(effect, Send):
                self.sent += [(to, effect.message) for to in effect.to]
            if isinstance(effect, Disconnect):
                self.closed.append(effect.link)

    def receive(self, message: object, sender=STRANGER) -> None:  # type: ignore[no-untyped-def]
        self.do(Received(sender.peer_id, message))

    def gossip(self, message: object, sender=STRANGER) -> None:  # type: ignore[no-untyped-def]
        self.receive(Push(SYMBOL, encode_message(message)), sender)

    def relayed(self) -> int:
        return sum(1 for to, m in self.sent if isinstance(m, Push) and to == NEIGHBOUR.peer_id)

    def pair(self):  # type: ignore[no-untyped-def]
        return self.peer.pairs[SYMBOL]


@pytest.fixture
def bench() -> Bench:
    made = Bench("b")
    made.op("o1", "alice", buy(1))
    made.op("o2", "alice", buy(2))
    made.block("b1", ["o1"])
    made.block("b2", ["o2"], parent="b1")
    return made


def ahead(bench: Bench) -> Watched:
    """A peer that has finalized b1."""
    watched = Watched(bench)
    final = FinalizedBlock(SYMBOL, 0, bench.blocks["b1"].raw, bench.certificate(COMMIT, "b1", 0), (bench.ops["o1"],))
    watched.receive(final)
    assert watched.pair().replica.fin == 1
    watched.sent.clear()
    return watched


def test_a_good_op_is_passed_on_once(bench: Bench) -> None:
    watched = Watched(bench)
    for _ in range(3):
        watched.gossip(Bodies(SYMBOL, (bench.ops["o1"],)))
    assert watched.relayed() == 1
    assert not watched.peer.faults.counts


def test_a_forged_op_is_held_against_who_sent_it_and_does_not_censor_the_true_one(bench: Bench) -> None:
    watched = Watched(bench)
    forged = open_op(bench.ops["o1"].signed, bytes(64))  # type: ignore[union-attr]
    watched.gossip(Bodies(SYMBOL, (forged,)))
    assert (watched.relayed(), watched.peer.faults.counts[STRANGER.peer_id]) == (0, 1)
    for _ in range(100):
        watched.gossip(Bodies(SYMBOL, (forged,)))
    watched.gossip(Bodies(SYMBOL, (bench.ops["o1"],)), NEIGHBOUR)
    assert len(watched.pair().ops) == 1
    assert watched.closed == [STRANGER.peer_id]
    assert watched.peer.faults.counts[NEIGHBOUR.peer_id] == 0


def test_garbage_is_held_against_who_sent_it(bench: Bench) -> None:
    watched = Watched(bench)
    watched.receive(Push(SYMBOL, b"garbage"))
    watched.receive(Push("OTHER", encode_message(Bodies(SYMBOL, (bench.ops["o1"],)))))
    assert watched.peer.faults.counts[STRANGER.peer_id] == 2
    assert watched.relayed() == 0


def test_a_forged_vote_of_a_past_height_is_not_passed_on(bench: Bench) -> None:
    """Who lags still checks it, and would blame the relay for it (I9)."""
    watched = ahead(bench)
    true = bench.vote(PREPARE, "b1", 0, "a")
    forged = Vote(true.kind, true.term, true.height, true.block_id, true.seat, bytes(64))
    watched.gossip(CastVote(SYMBOL, 0, forged))
    assert watched.relayed() == 0


def test_a_certificate_of_a_past_term_that_was_not_checked_is_not_passed_on(bench: Bench) -> None:
    """A genuine proposal with a forged FC of a height that is final here: a laggard would blame the relay."""
    watched = ahead(bench)
    p = bench.proposal("b2", 0)
    good = bench.certificate(COMMIT, "b1", 0)
    junk = type(good)(good.kind, good.term, good.height, good.block_id, tuple((s, bytes(64)) for s, _ in good.signers))
    watched.gossip(Propose(p.pair, 0, p.term, p.height, p.block, None, junk, p.signature))
    assert watched.relayed() == 0


def test_unsigned_parts_do_not_make_new_messages(bench: Bench) -> None:
    """One TIMEOUT with other due ids each time: anybody could flood the network with it, and nobody is to blame."""
    watched = Watched(bench)
    genuine = bench.timeout(0, "a")
    for i in range(20):
        due = (digest(b"junk", bytes([i])),)
        watched.gossip(GiveUp(SYMBOL, 0, genuine.timeout, genuine.fc, genuine.nc, due))
    assert watched.relayed() <= 1


def test_bodies_beside_a_forged_certificate_are_not_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends a BLOCK may not fill the pool beyond its caps before its certificate was looked at (I8)."""
    monkeypatch.setattr(pool_room, "POOL_OPS_CAP", 10)
    watched = Watched(bench)
    chain_id = bench.manifest.chain_id
    many = tuple(sign_op(identity(f"mule {i}"), chain_id, SYMBOL, 10**6, GENESIS_PREV, [buy(1)]) for i in range(50))
    good = bench.certificate(COMMIT, "b1", 0)
    junk = type(good)(good.kind, good.term, good.height, good.block_id, tuple((s, bytes(64)) for s, _ in good.signers))
    watched.receive(FinalizedBlock(SYMBOL, 0, bench.blocks["b1"].raw, junk, many))
    assert len(watched.pair().ops) <= 10


def test_ids_that_a_timeout_names_do_not_lift_the_pools_caps(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The due ids are unsigned: anybody may put their own there, and then send the bodies (I8)."""
    monkeypatch.setattr(pool_room, "POOL_OPS_CAP", 10)
    watched = Watched(bench)
    chain_id = bench.manifest.chain_id
    many = tuple(sign_op(identity(f"mule {i}"), chain_id, SYMBOL, 10**6, GENESIS_PREV, [buy(1)]) for i in range(50))
    genuine = bench.timeout(0, "a")
    watched.receive(GiveUp(SYMBOL, 0, genuine.timeout, None, None, tuple(op.id for op in many)))
    watched.receive(Bodies(SYMBOL, many))
    assert len(watched.pair().ops) <= 10


def test_a_block_with_another_ones_bodies_is_not_passed_on_with_them(bench: Bench) -> None:
    """A genuine block on the topic, with ops beside it that nobody checked."""
    watched = Watched(bench)
    final = FinalizedBlock(SYMBOL, 0, bench.blocks["b1"].raw, bench.certificate(COMMIT, "b1", 0), (bench.ops["o2"],))
    watched.gossip(final)
    passed = [m for _, m in watched.sent if isinstance(m, Push)]
    assert all(len(m.payload) < len(encode_message(final)) for m in passed)


def test_a_client_may_only_submit(bench: Bench) -> None:
    watched = Watched(bench)
    link = identity("client").peer_id + b"\0\0\0\1"
    watched.do(LinkUp(link, identity("client").public_key, Role.CLIENT, False))
    watched.do(Received(link, Bodies(SYMBOL, (bench.ops["o1"],))))
    assert watched.peer.faults.counts[link] == 1
    assert len(watched.pair().ops) == 0
