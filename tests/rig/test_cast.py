"""Whom a scenario's words mean, and which directions a partition cuts."""

import random
from pathlib import Path

import pytest

from gossipbook.rig.cast import Cast
from gossipbook.rig.processes import RealNetwork
from gossipbook.scenario.parts import FaultPart, NetworkPart
from gossipbook.scenario.rules import SHAPES


class Word:
    """Peers who say that a pair is in some term."""

    def __init__(self, term):
        self.term = term

    def leading(self, _symbol):
        return None if self.term is None else {"term": self.term}


@pytest.fixture
def make_cast(tmp_path: Path):
    networks = []

    def make(term=None, **part):
        networks.append(RealNetwork(tmp_path, NetworkPart(**part)))
        return Cast(networks[-1].manifest, len(networks[-1].peers), Word(term))

    yield make
    for network in networks:
        network.__exit__(None, None, None)


def test_words_mean_the_seats_of_the_first_pair(make_cast):
    cast = make_cast(term=5, peers=7, committee=4)
    rng = random.Random(1)
    assert sorted(cast.members) == [0, 1, 2, 3]
    assert cast.followers == [4, 5, 6]
    assert cast.chosen("", rng, "leader") == [cast.members[1]]
    assert cast.chosen("successor", rng, "leader") == [cast.members[2]]
    assert cast.chosen("seat 3", rng, "leader") == [cast.members[3]]
    assert cast.chosen("peer 6", rng, "leader") == [6]
    assert cast.chosen("followers", rng, "leader") == [4, 5, 6]
    assert cast.chosen("everyone", rng, "leader") == list(range(7))
    assert cast.chosen("anyone", rng, "leader")[0] in range(7)
    assert cast.chosen("member", rng, "leader")[0] in cast.members
    assert cast.chosen("follower", rng, "leader")[0] in cast.followers
    assert len(set(cast.chosen("2 members", rng, "leader")) & set(cast.members)) == 2
    assert len(set(cast.chosen("3 peers", rng, "leader"))) == 3


def test_before_anybody_answers_the_first_seat_leads(make_cast):
    cast = make_cast()
    assert cast.leader() == cast.members[0]


@pytest.mark.parametrize("leader", ["minority", "majority"])
def test_halves_put_the_leader_where_the_scenario_says(make_cast, leader):
    cast = make_cast(term=0, peers=9, committee=7)
    for seed in range(30):
        one, other = cast.halves(random.Random(seed), leader)
        assert sorted(one + other) == cast.peers
        assert cast.leader() in one
        with_quorum = one if leader == "majority" else other
        assert len(set(with_quorum) & set(cast.members)) >= cast.quorum


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_cuts_each_direction_once(make_cast, shape):
    cast = make_cast(term=0, peers=6, committee=4)
    cuts = cast.cuts(FaultPart("partition", shape=shape), random.Random(3))
    assert cuts
    assert len(set(cuts)) == len(cuts)
    assert all(a != b for a, b in cuts)
    both = {(b, a) for a, b in cuts} == set(cuts)
    assert both == (shape != "one-way")
    heard = {peer: {a for a in cast.peers if a != peer and (a, peer) not in cuts} for peer in cast.peers}
    if shape == "ring":
        assert all(len(others) == 2 for others in heard.values())
    if shape == "bridge":
        assert [len(others) for others in heard.values()].count(5) == 1
    if shape in ("isolate", "one-way"):
        lost = cast.leader()
        assert all(lost not in others for others in heard.values())
        assert len(heard[lost]) == (5 if shape == "one-way" else 0)
