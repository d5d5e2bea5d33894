"""A stranger's ops that no block can take: honest traders do not notice them."""

import hashlib

import pytest

from gossipbook.client_messages import Ack
from gossipbook.crdt.op import sign_op
from gossipbook.crdt.parked import PARKED_AUTHORS_CAP, PARKED_BYTES_CAP, PARKED_MS
from gossipbook.matching.commands import OrderType, Place, Side, TimeInForce

from .cluster import Author, Cluster, S
from .kit import SYMBOL, buy, identity

NOWHERE = hashlib.sha256(b"an op that nobody has").digest()
BIG = 2**62


def certified(cluster: Cluster, author: Author, seat: int) -> bool:
    """Whether an order is certified within two seconds."""
    op = author.sign(buy(author.next_client_id))
    author.next_client_id += 1
    before = len(cluster.diary.events)
    cluster.submit(seat, op)
    cluster.world.run(2 * S)
    acks = [event for event in cluster.diary.events[before:] if isinstance(event, Ack) and event.op_id == op.id]
    return any(ack.level.name == "CERTIFIED" for ack in acks)


@pytest.mark.parametrize("kind", ["authors", "bytes"])
def test_honest_orders_are_certified_during_the_attack_and_after_it(kind: str) -> None:
    """Before, 20,000 keys, or 24 of them with 256 large ops each, filled every member's pool for good."""
    cluster = Cluster(4, seed=3).start()
    chain_id = cluster.manifest.chain_id
    large = [Place(n + 1 + BIG, Side.BUY, OrderType.LIMIT, BIG, BIG, TimeInForce.GTD, 0, 1, BIG) for n in range(256)]
    honest = Author("honest", cluster.manifest)
    assert certified(cluster, honest, 1)
    attack = (
        [(f"junk {n}", 1, [buy(1)]) for n in range(6_000)]
        if kind == "authors"
        else [(f"junk {k}", seq, large) for k in range(8) for seq in range(1, 200)]
    )
    for number, (name, seq, commands) in enumerate(attack):
        cluster.submit(0, sign_op(identity(name), chain_id, SYMBOL, seq, NOWHERE, commands))
        if number % 1_000 == 999:
            assert certified(cluster, honest, 2)
    assert certified(cluster, honest, 0)
    assert certified(cluster, Author("newcomer", cluster.manifest), 3)
    for seat in range(4):
        ops = cluster.pair(seat).ops
        assert len(ops.logs) <= PARKED_AUTHORS_CAP + 2
        assert ops.bytes <= PARKED_BYTES_CAP + 10_000
        assert seat == 0 or len(ops.parked) == 0, "it is not passed on"
    cluster.world.run((PARKED_MS + 2_000) // 1_000 * S)
    assert len(cluster.pair(0).ops) == 0
    assert certified(cluster, Author("newcomer 2", cluster.manifest), 1)
    cluster.check()


def test_what_waited_reaches_everybody_once_its_ancestors_do() -> None:
    cluster = Cluster(4, seed=3).start()
    alice = Author("alice", cluster.manifest)
    ops = [alice.sign(buy(n)) for n in (1, 2, 3)]
    for op in reversed(ops[1:]):
        cluster.submit(2, op)
    cluster.world.run(2 * S)
    assert cluster.fins() == [0] * 4
    cluster.submit(1, ops[0])
    assert cluster.settle(30)
    assert cluster.certified() == {op.id for op in ops}
    cluster.check()
