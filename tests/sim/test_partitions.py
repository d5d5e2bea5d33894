"""Shapes of partitions, and whom a scenario's words mean."""

import random
from functools import cache

import pytest

from gossipbook.scenario.parts import FaultPart
from gossipbook.sim.exchange import Exchange
from gossipbook.sim.host import Host
from gossipbook.sim.network import Wire
from gossipbook.sim.partitions import cuts, halves

from .support import opened, small

DRAWS = [random.Random(seed) for seed in range(40)]


@cache
def exchange(peers: int = 7) -> Exchange:
    return opened(small(peers=peers, ops_per_s=0))[0]


def drawn(rng: random.Random, **keys: object) -> list[Wire]:
    made = cuts(FaultPart("partition", **keys), exchange().stage, rng)  # type: ignore[arg-type]
    assert len(made) == len(set(made)), "each direction once"
    assert all(a != b for a, b in made)
    return made


def sides(made: list[Wire], hosts: list[Host]) -> list[list[Host]]:
    """Who can still reach whom, by any way."""
    cut, left, found = set(made), list(hosts), []
    while left:
        side = [left.pop()]
        for one in side:
            near = [h for h in left if (one.peer_id, h.peer_id) not in cut and (h.peer_id, one.peer_id) not in cut]
            side += near
            left = [h for h in left if h not in near]
        found.append(side)
    return found


def votes(side: list[Host]) -> int:
    return sum(host in exchange().stage.members for host in side)


@pytest.mark.parametrize("leader", ["minority", "majority", "anywhere"])
def test_halves(leader: str) -> None:
    stage = exchange().stage
    splits = set()
    for rng in DRAWS:
        made = cuts(FaultPart("partition", leader=leader), stage, rng)
        found = sides(made, stage.hosts)
        assert len(found) <= 2
        assert set(made) == {(b, a) for a, b in made}, "both directions"
        (with_leader,) = [side for side in found if stage.leader() in side]
        splits.add(votes(with_leader))
        others = len(stage.members) - votes(with_leader)
        if leader == "minority":
            assert others >= stage.quorum
        if leader == "majority":
            assert votes(with_leader) >= stage.quorum
    assert splits == {"minority": {1}, "majority": {3, 4}, "anywhere": {1, 2, 3, 4}}[leader]


def test_halves_leave_nobody_out() -> None:
    stage = exchange().stage
    for rng in DRAWS:
        one, other = halves(stage, rng, "anywhere")
        assert sorted(host.index for host in one + other) == [host.index for host in stage.hosts]


def test_a_bridge_reaches_both_sides() -> None:
    stage = exchange().stage
    for rng in DRAWS:
        made = drawn(rng, shape="bridge", leader="minority")
        assert len(sides(made, stage.hosts)) == 1
        bridges = [host for host in stage.hosts if not any(host.peer_id in cut for cut in made)]
        assert len(bridges) >= 1


def test_a_ring_leaves_two_neighbours() -> None:
    stage = exchange().stage
    for rng in DRAWS[:10]:
        made = set(drawn(rng, shape="ring"))
        for host in stage.hosts:
            reached = [b for b in stage.hosts if b is not host and (host.peer_id, b.peer_id) not in made]
            assert len(reached) == 2
        assert len(sides(list(made), stage.hosts)) == 1


def test_one_way() -> None:
    stage = exchange().stage
    lost = stage.leader().peer_id
    assert {a for a, _ in drawn(DRAWS[0], shape="one-way")} == {lost}
    assert len(drawn(DRAWS[0], shape="one-way")) == len(stage.hosts) - 1
    two = drawn(DRAWS[0], shape="one-way", who="2 members")
    assert len({a for a, _ in two}) == 2
    assert not {a for a, _ in two} & {b for _, b in two}


def test_isolate() -> None:
    stage = exchange().stage
    made = drawn(DRAWS[0], shape="isolate", who="seat 2")
    alone = stage.members[2].peer_id
    assert set(made) == {
        cut for h in stage.hosts if h.peer_id != alone for cut in ((alone, h.peer_id), (h.peer_id, alone))
    }
    assert drawn(DRAWS[0], shape="isolate", who="everyone") == []


@pytest.mark.parametrize("shape", ["halves", "ring", "bridge", "one-way", "isolate"])
def test_four_members_can_be_cut_in_every_shape(shape: str) -> None:
    """The least network there is."""
    stage = exchange(4).stage
    for rng in DRAWS:
        cuts(FaultPart("partition", shape=shape, leader="anywhere", who="member"), stage, rng)


def test_whom_words_mean() -> None:
    stage, rng = exchange().stage, random.Random(1)

    def chosen(who: str) -> list[Host]:
        found = stage.chosen(who, rng, "leader")
        assert len(found) == len(set(map(id, found)))
        return found

    assert chosen("") == chosen("leader") == [stage.members[0]]
    assert chosen("successor") == [stage.members[1]]
    assert chosen("members") == stage.members
    assert chosen("followers") == stage.followers
    assert chosen("everyone") == stage.hosts
    assert chosen("peer 2") == chosen("peer 9") == [stage.hosts[2]]
    assert chosen("seat 3") == chosen("seat 7") == [stage.members[3]]
    for word, pool, count in (
        ("member", stage.members, 1),
        ("follower", stage.followers, 1),
        ("anyone", stage.hosts, 1),
    ):
        some = [chosen(word) for _ in range(60)]
        assert {len(hosts) for hosts in some} == {count}
        assert {host.index for hosts in some for host in hosts} == {host.index for host in pool}
    assert all(len(chosen("3 members")) == 3 and set(chosen("3 members")) <= set(stage.members) for _ in DRAWS)
    assert sorted(h.index for h in chosen("99 peers")) == [h.index for h in stage.hosts]
    assert all(set(chosen("2 followers")) <= set(stage.followers) for _ in DRAWS)


def test_seats_are_those_of_the_members_themselves() -> None:
    """The stage reads the manifest as the peers do."""
    for host in exchange().stage.hosts:
        assert host.peer is not None
        committee = host.peer.pairs[exchange().stage.symbol].committee
        assert [seat.public_key for seat in committee.seats] == [
            m.identity.public_key for m in exchange().stage.members
        ]
        assert committee.quorum.q == exchange().stage.quorum
