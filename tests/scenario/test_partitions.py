"""Shapes of partitions, by peer index."""

import random

import pytest

from gossipbook.scenario.partitions import SHAPES, Cut, between_groups, cuts, halves
from gossipbook.scenario.parts import FaultPart
from gossipbook.scenario.targets import Roles

PEERS = list(range(7))
ROLES = Roles(PEERS, (1, 0, 3, 2), quorum=3, term=0, seed=0)
LEADER = 1
DRAWS = [random.Random(seed) for seed in range(40)]


def drawn(rng: random.Random, **keys: object) -> list[Cut]:
    made = cuts(FaultPart("partition", **keys), ROLES, rng)  # type: ignore[arg-type]
    assert len(made) == len(set(made)), "each direction once"
    assert all(a != b for a, b in made)
    return made


def sides(made: list[Cut]) -> list[list[int]]:
    """Who can still reach whom, by any way."""
    cut, left, found = set(made), list(PEERS), []
    while left:
        side = [left.pop()]
        for one in side:
            near = [other for other in left if (one, other) not in cut and (other, one) not in cut]
            side += near
            left = [other for other in left if other not in near]
        found.append(side)
    return found


def votes(side: list[int]) -> int:
    return sum(peer in ROLES.members for peer in side)


@pytest.mark.parametrize("leader", ["minority", "majority", "anywhere"])
def test_halves(leader: str) -> None:
    splits = set()
    for rng in DRAWS:
        made = drawn(rng, leader=leader)
        found = sides(made)
        assert len(found) <= 2
        assert set(made) == {(b, a) for a, b in made}, "both directions"
        (with_leader,) = [side for side in found if LEADER in side]
        splits.add(votes(with_leader))
        others = len(ROLES.members) - votes(with_leader)
        if leader == "minority":
            assert others >= ROLES.quorum
        if leader == "majority":
            assert votes(with_leader) >= ROLES.quorum
    assert splits == {"minority": {1}, "majority": {3, 4}, "anywhere": {1, 2, 3, 4}}[leader]


def test_halves_leave_nobody_out() -> None:
    for rng in DRAWS:
        one, other = halves(ROLES, rng, "anywhere")
        assert sorted(one + other) == PEERS
        assert one[0] == LEADER


def test_a_bridge_reaches_both_sides() -> None:
    for rng in DRAWS:
        made = drawn(rng, shape="bridge", leader="minority")
        assert len(sides(made)) == 1
        assert [peer for peer in PEERS if not any(peer in cut for cut in made)]


def test_a_ring_leaves_two_neighbours() -> None:
    for rng in DRAWS[:10]:
        made = drawn(rng, shape="ring")
        for peer in PEERS:
            assert sum(other != peer and (peer, other) not in made for other in PEERS) == 2
        assert len(sides(made)) == 1


def test_one_way() -> None:
    assert drawn(DRAWS[0], shape="one-way") == [(LEADER, other) for other in PEERS if other != LEADER]
    two = drawn(DRAWS[0], shape="one-way", who="2 members")
    assert len({a for a, _ in two}) == 2
    assert not {a for a, _ in two} & {b for _, b in two}


def test_isolate() -> None:
    made = drawn(DRAWS[0], shape="isolate", who="seat 2")
    assert set(made) == {cut for other in PEERS if other != 3 for cut in ((3, other), (other, 3))}
    assert drawn(DRAWS[0], shape="isolate", who="everyone") == []


@pytest.mark.parametrize("shape", SHAPES)
def test_four_members_can_be_cut_in_every_shape(shape: str) -> None:
    """The least network there is."""
    four = Roles(range(4), range(4), quorum=3, term=0, seed=0)
    for rng in DRAWS:
        cuts(FaultPart("partition", shape=shape, leader="anywhere", who="member"), four, rng)


def test_groups_do_not_reach_each_other() -> None:
    made = between_groups(range(4), [[0, 1], [2]])
    assert {frozenset(cut) for cut in made} == {frozenset(pair) for pair in ((0, 2), (0, 3), (1, 2), (1, 3), (2, 3))}
    assert len(made) == 10, "both directions of each"
