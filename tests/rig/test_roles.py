"""Who sits where among real peers, and who leads by their word."""

from pathlib import Path

import pytest

from gossipbook.rig.processes import RealNetwork
from gossipbook.rig.roles import RealRoles
from gossipbook.scenario.parts import NetworkPart


class Word:
    """Peers who say that a pair is in some term."""

    def __init__(self, term):
        self.term = term

    def leading(self, _symbol):
        return None if self.term is None else {"term": self.term}


@pytest.fixture
def make_roles(tmp_path: Path):
    networks = []

    def make(term=None, **part):
        networks.append(RealNetwork(tmp_path, NetworkPart(**part)))
        return RealRoles(networks[-1].manifest, len(networks[-1].peers), 1, Word(term))

    yield make
    for network in networks:
        network.__exit__(None, None, None)


def test_roles_are_those_of_the_first_pair(make_roles):
    real = make_roles(term=5, peers=7, committee=4, pairs=2)
    roles = real.now()
    assert sorted(roles.members) == [0, 1, 2, 3]
    assert roles.members == next(iter(real.seats.values()))
    assert roles.followers == [4, 5, 6]
    assert roles.quorum == 3
    assert roles.leader() == roles.members[1]


def test_before_anybody_answers_the_first_seat_leads(make_roles):
    roles = make_roles().now()
    assert roles.leader() == roles.members[0]
