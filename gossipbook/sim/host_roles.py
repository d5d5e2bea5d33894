"""Which simulated hosts sit in which committee, which of them leads, and which of them a fault hits."""

import random

from gossipbook.audit.seats import Seats
from gossipbook.scenario.partitions import Cut, cuts
from gossipbook.scenario.parts import FaultPart
from gossipbook.scenario.targets import Roles
from gossipbook.sim.host import Host
from gossipbook.sim.network import Wire
from gossipbook.sim.world import World


class HostRoles:
    """The hosts of a world by role. Members, leader and quorum are those of the first pair."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self._seed = seed
        self.hosts = [host for host in world.hosts.values() if host.address == host.peer_id]
        self.seats = {symbol: Seats.of(world.manifest, symbol) for symbol in world.manifest.symbols()}
        self.symbol = world.manifest.symbols()[0]
        by_key = {host.identity.public_key: host for host in self.hosts}
        self.members = [by_key[key] for key in self.seats[self.symbol].keys]
        self.followers = [host for host in self.hosts if host not in self.members]
        self.quorum = self.seats[self.symbol].quorum

    def term(self) -> int:
        """Return the highest term of the first pair that an honest member is in."""
        terms = [
            host.peer.pairs[self.symbol].replica.member.ballot.term
            for host in self.members
            if host.peer is not None and not host.faulty
        ]
        return max(terms, default=0)

    def now(self) -> Roles:
        """Return who has which role at this moment, by peer index."""
        members = [host.index for host in self.members]
        return Roles(range(len(self.hosts)), members, self.quorum, self.term(), self._seed)

    def leader(self) -> Host:
        """Return the leader of the highest term that an honest peer is in."""
        return self.hosts[self.now().leader()]

    def home(self, author: str) -> Host:
        """Return the peer that an author trades through."""
        return self.hosts[self.now().home(author)]

    def hit(self, fault: FaultPart, rng: random.Random) -> list[Host]:
        """Return the hosts that a fault hits now."""
        return [self.hosts[index] for index in self.now().hit(fault, rng)]

    def cuts(self, fault: FaultPart, rng: random.Random) -> list[Wire]:
        """Return the directions between hosts that a partition cuts now."""
        return self.wires(cuts(fault, self.now(), rng))

    def wires(self, directions: list[Cut]) -> list[Wire]:
        """Return the wires between peers that are given by index."""
        return [(self.hosts[a].peer_id, self.hosts[b].peer_id) for a, b in directions]
