"""Twins: two honest cores with one key, each talking to its own part of the network.

As in "Twins: BFT Systems Made Robust" (Bano et al., 2020): no lie has to be thought up, since two honest halves of one
member contradict each other by themselves.
"""

import random

from gossipbook.peer.events import LinkUp
from gossipbook.sim.clocks import HostClock
from gossipbook.sim.host import Host
from gossipbook.sim.host_roles import HostRoles
from gossipbook.wire.handshake import Role

TWIN_MARK = b"\xff" * 4


def make_twin(roles: HostRoles, host: Host, rng: random.Random) -> None:
    """Start a second process with a host's key and a copy of its journal; divide the other peers between the two."""
    world = roles.world
    others = [other.peer_id for other in roles.hosts if other is not host]
    rng.shuffle(others)
    mine = frozenset(others[: max(1, len(others) // 2)])
    address = host.peer_id[:-4] + TWIN_MARK
    clock = HostClock(host.clock.skew_ms)
    twin = Host(host.index, address, host.identity, random.Random(rng.getrandbits(64)), host.journal.copy(), clock)
    twin.faulty = True
    twin.audience = frozenset(others) - mine
    host.twin, host.audience = twin, mine
    twin.linked = host.linked
    world.hosts[address] = twin
    world.links.wanted[address] = ()
    world.start(address)
    assert twin.peer is not None
    for pair in twin.peer.pairs.values():
        ballot = pair.replica.member.ballot
        ballot._proposing = ballot.state.proposing  # It goes on where the other half leads, as no restart would.
    for other in others:
        if other in twin.audience and world.links.linked(host.peer_id, other):
            world.push(0, address, LinkUp(other, world.hosts[other].identity.public_key, Role.PEER, False))
