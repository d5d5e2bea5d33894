"""Authors who sign twice, under loss and partitions: they are frozen, honest authors' ops all get certified."""

import random

import pytest
from consensus.cluster import Author, Cluster
from consensus.kit import SYMBOL

from gossipbook.crdt.op import Op


def fork_of(author: Author, rng: random.Random) -> list[Op]:
    """One or two other ops at the place of one that the author signed before."""
    at = rng.randrange(len(author.ops))
    forks = []
    for _ in range(rng.randint(1, 2)):
        twin = Author("twin", author.manifest)
        twin.identity, twin.ops, twin.next_client_id = author.identity, author.ops[:at], at + 1
        forks.append(twin.order(rng))
    return forks


@pytest.mark.parametrize("seed", range(12))
def test_equivocators_do_not_keep_peers_apart(seed: int) -> None:
    rng = random.Random(seed)
    cluster = Cluster(4, seed=seed, followers=1).start()
    cluster.wires.loss = 0.05
    alice = Author("alice", cluster.manifest)
    liars = [Author(f"liar {i}", cluster.manifest) for i in range(2)]
    forked: set[bytes] = set()
    for _ in range(25):
        cluster.submit(rng.randrange(5), alice.order(rng))
        liar = rng.choice(liars)
        if liar.ops and liar.identity.public_key not in forked and rng.random() < 0.25:
            forked.add(liar.identity.public_key)
            for op in fork_of(liar, rng):
                cluster.submit(rng.randrange(5), op)
        else:
            cluster.submit(rng.randrange(5), liar.order(rng))
        if rng.random() < 0.2:
            order = rng.sample(range(5), 5)
            cluster.cut(order[:2], order[2:])
        elif rng.random() < 0.3:
            cluster.wires.side = {}
        cluster.world.run(rng.choice([1, 3, 8, 50, 400]))
        cluster.check()
    cluster.heal()
    assert cluster.settle(120)
    cluster.check()
    assert {op.id for op in alice.ops} <= cluster.certified()
    assert not cluster.pair(0).certified.author(alice.identity.public_key).frozen
    assert {peer.pairs[SYMBOL].replica.member.halted for peer in cluster.world.up()} == {""}
