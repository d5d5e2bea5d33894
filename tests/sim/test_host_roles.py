"""Roles are read off the world, and indices become hosts and wires."""

import random
from functools import cache

from gossipbook.scenario.parts import FaultPart
from gossipbook.sim.exchange import Exchange

from .support import opened, small


@cache
def exchange(peers: int = 7) -> Exchange:
    return opened(small(peers=peers, ops_per_s=0))[0]


def test_roles_are_those_of_the_hosts() -> None:
    roles = exchange().roles
    now = roles.now()
    assert [roles.hosts[peer] for peer in now.members] == roles.members
    assert [roles.hosts[peer] for peer in now.followers] == roles.followers
    assert [host.index for host in roles.hosts] == list(now.peers)
    assert roles.leader() is roles.members[0]


def test_whom_a_fault_hits() -> None:
    roles, rng = exchange().roles, random.Random(1)
    assert roles.hit(FaultPart("pause"), rng) == [roles.members[0]]
    assert roles.hit(FaultPart("pause", who="followers"), rng) == roles.followers
    assert roles.hit(FaultPart("pause", who="home of taker 0"), rng) == [roles.home("taker 0")]


def test_a_partition_cuts_wires_between_hosts() -> None:
    roles = exchange().roles
    cut = roles.cuts(FaultPart("partition", shape="one-way"), random.Random(1))
    leader = roles.leader()
    assert cut == [(leader.peer_id, host.peer_id) for host in roles.hosts if host is not leader]


def test_seats_are_those_of_the_members_themselves() -> None:
    """The manifest is read as the peers read it."""
    for host in exchange().roles.hosts:
        assert host.peer is not None
        committee = host.peer.pairs[exchange().roles.symbol].committee
        assert [seat.public_key for seat in committee.seats] == [
            m.identity.public_key for m in exchange().roles.members
        ]
        assert committee.quorum.q == exchange().roles.quorum
