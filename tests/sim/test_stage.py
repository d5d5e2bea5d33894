"""The stage reads roles off the world, and turns indices into hosts and wires."""

import random
from functools import cache

from gossipbook.scenario.parts import FaultPart
from gossipbook.sim.exchange import Exchange

from .support import opened, small


@cache
def exchange(peers: int = 7) -> Exchange:
    return opened(small(peers=peers, ops_per_s=0))[0]


def test_roles_are_those_of_the_hosts() -> None:
    stage = exchange().stage
    roles = stage.roles()
    assert [stage.hosts[peer] for peer in roles.members] == stage.members
    assert [stage.hosts[peer] for peer in roles.followers] == stage.followers
    assert [host.index for host in stage.hosts] == list(roles.peers)
    assert stage.leader() is stage.members[0]


def test_whom_a_fault_hits() -> None:
    stage, rng = exchange().stage, random.Random(1)
    assert stage.hit(FaultPart("pause"), rng) == [stage.members[0]]
    assert stage.hit(FaultPart("pause", who="followers"), rng) == stage.followers
    assert stage.hit(FaultPart("pause", who="home of taker 0"), rng) == [stage.home("taker 0")]


def test_a_partition_cuts_wires_between_hosts() -> None:
    stage = exchange().stage
    cut = stage.cuts(FaultPart("partition", shape="one-way"), random.Random(1))
    leader = stage.leader()
    assert cut == [(leader.peer_id, host.peer_id) for host in stage.hosts if host is not leader]


def test_seats_are_those_of_the_members_themselves() -> None:
    """The stage reads the manifest as the peers do."""
    for host in exchange().stage.hosts:
        assert host.peer is not None
        committee = host.peer.pairs[exchange().stage.symbol].committee
        assert [seat.public_key for seat in committee.seats] == [
            m.identity.public_key for m in exchange().stage.members
        ]
        assert committee.quorum.q == exchange().stage.quorum
