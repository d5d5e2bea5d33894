"""The world as faults and checkers see it: who sits where, who leads, whom a scenario's words mean."""

import random

from gossipbook.audit.seats import Seats
from gossipbook.sim.host import Host
from gossipbook.sim.plan import seeded
from gossipbook.sim.world import World


class Stage:
    """Names for the hosts of a world. Seats are those of the first pair."""

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
        """The highest term that an honest peer is in."""
        terms = [
            host.peer.pairs[self.symbol].replica.ballot.term
            for host in self.members
            if host.peer is not None and not host.faulty
        ]
        return max(terms, default=0)

    def leader(self, ahead: int = 0) -> Host:
        """Who leads the present term, or one so many terms ahead."""
        return self.members[(self.term() + ahead) % len(self.members)]

    def home(self, author: str) -> Host:
        """The peer that an author trades through."""
        return seeded(self._seed, "home", author).choice(self.hosts)

    def chosen(self, who: str, rng: random.Random, default: str) -> list[Host]:
        """The hosts that a scenario's ``who`` means, at this moment."""
        who = who or default
        number, _, group = who.partition(" ")
        match who:
            case "leader":
                return [self.leader()]
            case "successor":
                return [self.leader(1)]
            case "member":
                return [rng.choice(self.members)]
            case "follower":
                return [rng.choice(self.followers or self.hosts)]
            case "anyone":
                return [rng.choice(self.hosts)]
            case "members":
                return list(self.members)
            case "followers":
                return list(self.followers)
            case "everyone":
                return list(self.hosts)
        if number == "home":
            return [self.home(group.removeprefix("of "))]
        if number == "peer":
            return [self.hosts[int(group) % len(self.hosts)]]
        if number == "seat":
            return [self.members[int(group) % len(self.members)]]
        pool = {"members": self.members, "followers": self.followers, "peers": self.hosts}[group]
        return rng.sample(pool, min(int(number), len(pool)))
