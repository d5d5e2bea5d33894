"""Committees of real peers: finality, partitions, restarts."""

import random

import pytest

from gossipbook.client_messages import Ack, AckLevel
from gossipbook.matching.commands import OrderType, Place, Side, TimeInForce
from gossipbook.peer.events import Begun, LinkDown
from gossipbook.peer.peer import Peer

from .cluster import Author, Cluster, S
from .kit import SYMBOL, buy, sell

SIZES = [(n, "crash") for n in range(1, 8)] + [(n, "byzantine") for n in range(4, 8)]


@pytest.mark.parametrize(("n", "fault_model"), SIZES)
def test_committees_of_every_size_reach_finality(n: int, fault_model: str) -> None:
    cluster = Cluster(n, fault_model, followers=1).start()
    alice, bob = Author("alice", cluster.manifest), Author("bob", cluster.manifest)
    first, second = alice.sign(buy(1)), bob.sign(sell(1))
    cluster.submit(0, first)
    cluster.submit(n - 1, second)
    assert cluster.world.run(3 * S, lambda: cluster.fins().count(max(cluster.fins())) == n + 1 and cluster.idle())
    assert cluster.certified() == {first.id, second.id}
    assert cluster.acked(AckLevel.CERTIFIED) == {first.id, second.id}
    cluster.check()


@pytest.mark.parametrize(("n", "fault_model"), SIZES)
def test_f_silent_members_do_not_stop_a_committee(n: int, fault_model: str) -> None:
    cluster = Cluster(n, fault_model)
    f = cluster.manifest.quorum.f
    for peer in cluster.ids[f:]:  # the first f leaders never come up
        cluster.world.start(peer)
    cluster.world.run(2 * S)
    op = Author("alice", cluster.manifest).sign(buy(1))
    cluster.submit(n - 1, op)
    assert cluster.world.run(30 * S, lambda: set(cluster.fins()) == {1})


@pytest.mark.parametrize(("n", "fault_model"), [(4, "byzantine"), (3, "crash"), (7, "byzantine")])
def test_a_minority_finalizes_nothing_and_takes_ops_all_the_same(n: int, fault_model: str) -> None:
    cluster = Cluster(n, fault_model).start()
    quorum = cluster.manifest.quorum
    alone = range(quorum.q - 1)
    cluster.cut(alone, range(quorum.q - 1, n))
    op = Author("alice", cluster.manifest).sign(buy(1))
    cluster.submit(0, op)
    cluster.world.run(20 * S)
    assert cluster.fins()[: quorum.q - 1] == [0] * (quorum.q - 1)
    assert op.id in cluster.acked(AckLevel.DURABLE)
    cluster.heal()
    assert cluster.settle(60)
    assert op.id in cluster.certified()
    cluster.check()


def test_a_block_locked_before_a_long_partition_is_the_one_that_finalizes() -> None:
    """Cut just after a prepare certificate exists; 60 s pass; the very same block becomes final."""
    cluster = Cluster().start()
    cluster.submit(0, Author("alice", cluster.manifest).sign(buy(1)))

    def locks() -> list:
        return [lock for i in range(4) if (lock := cluster.pair(i).replica.member.ballot.lock) is not None]

    assert cluster.world.run(S, lambda: bool(locks()))
    assert set(cluster.fins()) == {0}
    (locked,) = {lock.block_id for lock in locks()}
    cluster.cut([0], [1], [2], [3])
    cluster.world.run(60 * S)
    assert set(cluster.fins()) == {0}
    cluster.heal()
    assert cluster.world.run(60 * S, lambda: set(cluster.fins()) == {1})
    assert {cluster.pair(i).replica.tip for i in range(4)} == {locked}
    cluster.check()


def test_a_lagging_member_catches_up_by_blocks() -> None:
    cluster = Cluster().start()
    alice = Author("alice", cluster.manifest)
    cluster.cut([0, 1, 2], [3])
    for number in range(1, 81):  # more than one batch of a sync
        cluster.submit(0, alice.sign(buy(number, 90)))
        cluster.world.run(100)
    assert cluster.fins()[0] > 64
    assert cluster.fins()[3] == 0
    cluster.heal()
    assert cluster.settle(30)
    assert len(set(cluster.fins())) == 1
    roots = {cluster.pair(i).certified.root() for i in range(4)}
    assert len(roots) == 1


@pytest.mark.parametrize("seat", range(4))
@pytest.mark.parametrize("after_ms", [2, 4, 6, 8, 11])
def test_each_member_restarts_in_the_middle_of_a_height(seat: int, after_ms: int) -> None:
    cluster = Cluster(seed=seat + 1).start()
    alice = Author("alice", cluster.manifest)
    ops = [alice.sign(buy(i, 90)) for i in range(1, 4)]
    cluster.submit((seat + 1) % 4, ops[0])
    cluster.world.run(after_ms)
    cluster.world.crash(cluster.ids[seat])
    cluster.submit((seat + 1) % 4, ops[1])
    cluster.world.run(500)
    cluster.world.start(cluster.ids[seat])
    cluster.submit(seat, ops[2])
    assert cluster.settle(30)
    assert cluster.certified() == {op.id for op in ops}
    cluster.check()


def test_all_members_restart_at_once_with_a_lock() -> None:
    cluster = Cluster().start()
    cluster.submit(0, Author("alice", cluster.manifest).sign(buy(1)))
    assert cluster.world.run(S, lambda: any(cluster.pair(i).replica.member.ballot.lock for i in range(4)))
    for peer in cluster.ids:
        cluster.world.crash(peer)
    for peer in cluster.ids:
        cluster.world.start(peer)
    assert cluster.world.run(30 * S, lambda: set(cluster.fins()) == {1})
    cluster.check()


def test_a_peer_without_its_journal_observes() -> None:
    """It follows and signs nothing."""
    cluster = Cluster().start()
    host = cluster.world.hosts[cluster.ids[1]]
    peer = Peer(cluster.manifest, host.identity, rng=random.Random(1))
    assert peer.restore({}, cluster.now(), "the journal is missing") == []
    replica = peer.pairs[SYMBOL].replica
    assert replica.member.ballot.seat is None
    assert replica.member.observer_reason == "the journal is missing"
    peer.handle(Begun(), cluster.now())
    assert not replica.voting


def test_an_idle_pair_sends_no_consensus_messages() -> None:
    cluster = Cluster().start()
    cluster.submit(0, Author("alice", cluster.manifest).sign(buy(1)))
    assert cluster.settle(10)
    cluster.world.run(5 * S)
    terms = [cluster.pair(i).replica.member.ballot.term for i in range(4)]
    votes = [cluster.pair(i).replica.member.ballot.state.encode() for i in range(4)]
    cluster.world.run(300 * S)
    assert [cluster.pair(i).replica.member.ballot.term for i in range(4)] == terms
    assert [cluster.pair(i).replica.member.ballot.state.encode() for i in range(4)] == votes


def test_an_equivocating_author_is_frozen_and_its_orders_cancelled() -> None:
    cluster = Cluster().start()
    eve = Author("eve", cluster.manifest)
    resting = eve.sign(buy(1, 90))
    cluster.submit(0, resting)
    assert cluster.settle(10)
    one = eve.sign(buy(2, 91))
    eve.ops.pop()
    other = eve.sign(buy(2, 92))
    cluster.submit(0, one)
    cluster.submit(3, other)
    assert cluster.world.run(
        30 * S,
        lambda: all(cluster.pair(i).certified.author(eve.identity.public_key).frozen for i in range(4)),
    )
    assert cluster.settle(10)
    assert [cluster.pair(i).certified.engine.depth(1, 5) for i in range(4)] == [[]] * 4
    cluster.check()


def test_an_op_that_expired_in_a_minority_does_not_execute_after_the_heal() -> None:
    cluster = Cluster().start()
    cluster.cut([0], [1, 2, 3])
    alice = Author("alice", cluster.manifest)
    stale = alice.sign(buy(1, 100), expiry_ms=cluster.now().wall_ms + 5 * S)
    cluster.submit(0, stale)
    cluster.world.run(20 * S)
    cluster.heal()
    assert cluster.settle(30)
    assert stale.id in cluster.certified()
    assert cluster.pair(1).certified.engine.depth(1, 5) == []
    assert cluster.pair(1).certified.author(alice.identity.public_key).next_seq == 1


# -- links that are not there -----------------------------------------------------------------------------


def joined(n: int, edges: set[tuple[int, int]]) -> Cluster:
    """A committee in which only these pairs of seats have a link; everything else goes by the topic."""
    cluster = Cluster(n).start()
    for i in range(n):
        for j in range(n):
            if i != j and (i, j) not in edges and (j, i) not in edges:
                cluster.world.push(0, cluster.ids[i], LinkDown(cluster.ids[j]))
    cluster.world.run(10)
    return cluster


@pytest.mark.parametrize(
    ("n", "edges"),
    [
        (7, {(i, (i + 1) % 7) for i in range(7)}),
        (7, {(i, i + 1) for i in range(6)}),
        (4, {(3, 0), (3, 1), (3, 2)}),
    ],
    ids=["ring", "line", "star"],
)
def test_votes_go_by_the_topic_where_there_is_no_link(n: int, edges: set[tuple[int, int]]) -> None:
    """Rule 10: everybody is connected with everybody, if not directly; no term needs to be given up."""
    cluster = joined(n, edges)
    cluster.submit(0, Author("alice", cluster.manifest).sign(buy(1)))
    assert cluster.world.run(20 * S, lambda: set(cluster.fins()) == {1})
    assert {cluster.pair(i).replica.member.ballot.term for i in range(n)} == {0}


def test_an_author_cannot_stop_a_pair() -> None:
    """Three ops of one sequence number, the largest id first: it is in a proposed block when the others come."""
    cluster = Cluster(seed=3).start()
    eve = Author("eve", cluster.manifest)
    forks = []
    for price in (90, 91, 92):
        forks.append(eve.sign(buy(1, price)))
        eve.ops.pop()
    forks.sort(key=lambda op: op.id)
    cluster.submit(0, forks[2])

    def prepared() -> bool:
        return sum(bool(cluster.pair(i).replica.member.ballot.state.prepared) for i in range(4)) >= 3

    assert cluster.world.run(S, prepared)
    for seat in range(4):
        cluster.submit(seat, forks[0])
        cluster.submit(seat, forks[1])
    bob = Author("bob", cluster.manifest).sign(buy(1, 80))
    cluster.submit(1, bob)
    assert cluster.world.run(120 * S, lambda: bob.id in cluster.certified())


def test_a_lapsed_resting_order_is_no_work() -> None:
    """It lapses in the next block, and calls for none of its own."""
    cluster = Cluster().start()
    alice, bob = Author("alice", cluster.manifest), Author("bob", cluster.manifest)
    until = cluster.now().wall_ms + 5 * S
    cluster.submit(0, alice.sign(Place(1, Side.BUY, OrderType.LIMIT, 90, 5, TimeInForce.GTD, expires_ms=until)))
    assert cluster.settle(5)
    cluster.world.run(60 * S)
    assert set(cluster.fins()) == {1}
    assert {cluster.pair(i).replica.member.ballot.term for i in range(4)} == {0}
    assert cluster.pair(0).certified.engine.depth(Side.BUY, 5)
    cluster.submit(1, bob.sign(sell(1, 90)))
    assert cluster.world.run(5 * S, lambda: set(cluster.fins()) == {2})
    assert cluster.pair(0).certified.engine.depth(Side.BUY, 5) == []
    assert cluster.pair(0).fills_certified == 0


def test_block_times_only_rise() -> None:
    cluster = Cluster().start()
    alice = Author("alice", cluster.manifest)
    for i in range(1, 9):
        cluster.submit(i % 4, alice.sign(buy(i, 90)))
        cluster.world.run(S if i == 1 else i)  # Newcomers wait for company.
    assert cluster.settle(10)
    stored = cluster.world.hosts[cluster.ids[0]].journal.load()[SYMBOL]
    times = [block.time_ms for block, _, _ in stored.chain]
    assert times == sorted(set(times))
    assert len(times) > 1


def test_an_op_is_relayed_when_enough_members_hold_it_however_late() -> None:
    """Taken while cut off; later one more member holds it. Two of four: that is relayed (I3)."""
    cluster = Cluster().start()
    cluster.cut([0], [1], [2], [3])
    op = Author("alice", cluster.manifest).sign(buy(1))
    cluster.submit(0, op)
    cluster.world.run(5 * S)
    cluster.cut([0, 1], [2], [3])
    assert cluster.world.run(60 * S, lambda: len(cluster.pair(1).ops) == 1)
    assert cluster.world.run(60 * S, lambda: op.id in cluster.acked(AckLevel.RELAYED))


def test_newcomers_for_whom_no_row_is_left_are_told_and_forgotten() -> None:
    """Accepted on one side of a partition while the table filled up on the other: no block can ever name their ops."""
    c = Cluster(4, seed=1, limits={"max_authors_per_pair": 1}).start()
    c.cut([0, 1, 2], [3])
    bob, alice = Author("bob", c.manifest), Author("alice", c.manifest)
    for number in range(3):
        c.submit(3, bob.sign(buy(number + 1)))
    c.submit(0, alice.sign(buy(1)))
    c.world.run(3_000)
    c.heal()
    c.world.run(10_000)
    assert [len(c.pair(i).ops) for i in range(4)] == [0, 0, 0, 0]
    assert len({c.pair(i).ops.digest() for i in range(4)}) == 1
    ids = {op.id for op in bob.ops}
    acks = [e for e in c.diary.events if isinstance(e, Ack) and e.op_id in ids]
    assert [ack.reason for ack in acks if ack.level == AckLevel.REFUSED] == ["author-table-full"] * 3
