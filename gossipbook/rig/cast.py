"""Whom a scenario's words mean among real peers, and which directions a partition cuts.

The same meanings as in the simulator: seats and the leader are those of the first pair, and peers count from 0.
"""

import random

from gossipbook.consensus.committee import Committee
from gossipbook.manifest import Manifest
from gossipbook.rig.peer_clients import Desk
from gossipbook.scenario.parts import FaultPart

Cut = tuple[int, int]
"""(sender, receiver): what the first says does not get to the second."""


class Cast:
    """Names for the peers of a network, by index. Who leads is as the peers say at the moment of asking."""

    def __init__(self, manifest: Manifest, peers: int, desk: Desk) -> None:
        self.peers = list(range(peers))
        self._desk = desk
        self._symbol = manifest.symbols()[0]
        index = {matcher.public_key: number for number, matcher in enumerate(manifest.matchers)}
        self.seats = {
            symbol: [index[seat.public_key] for seat in Committee.of(manifest, manifest.chain_id, symbol).seats]
            for symbol in manifest.symbols()
        }
        self.members = self.seats[self._symbol]
        self.followers = [peer for peer in self.peers if peer not in self.members]
        self.quorum = manifest.quorum.q

    def leader(self, ahead: int = 0) -> int:
        """Who leads the highest term that anybody is in, or one so many terms ahead."""
        word = self._desk.leading(self._symbol)
        term = 0 if word is None else word["term"]
        return self.members[(term + ahead) % len(self.members)]

    def chosen(self, who: str, rng: random.Random, default: str) -> list[int]:
        """The peers that a scenario's ``who`` means now."""
        who = who or default
        groups = {"members": self.members, "followers": self.followers, "everyone": self.peers, "peers": self.peers}
        singles = {"member": self.members, "follower": self.followers or self.peers, "anyone": self.peers}
        if who in ("leader", "successor"):
            return [self.leader(ahead=int(who == "successor"))]
        if who in singles:
            return [rng.choice(singles[who])]
        if who in groups:
            return list(groups[who])
        first, _, second = who.partition(" ")
        if first in ("peer", "seat"):
            pool = self.peers if first == "peer" else self.members
            return [pool[int(second) % len(pool)]]
        return rng.sample(groups[second], min(int(first), len(groups[second])))

    # -- partitions ---------------------------------------------------------------------------------

    def cuts(self, fault: FaultPart, rng: random.Random) -> list[Cut]:
        """The directions that a partition cuts, each once."""
        if fault.shape == "ring":
            return _ring(rng.sample(self.peers, len(self.peers)))
        if fault.shape in ("halves", "bridge"):
            one, other = self.halves(rng, fault.leader)
            if fault.shape == "bridge" and len(other) > 1:
                other.remove(rng.choice(other))  # Who is on neither side reaches both.
            return _between(one, other)
        lost = self.chosen(fault.who, rng, "leader")
        others = [peer for peer in self.peers if peer not in lost]
        if fault.shape == "one-way":
            return [(a, b) for a in lost for b in others]
        return _between(lost, others)

    def halves(self, rng: random.Random, leader: str) -> tuple[list[int], list[int]]:
        """Two sides, the leader's first. In the ``minority``, the other has a quorum; in the ``majority``, its own."""
        first = self.leader()
        members = [peer for peer in self.members if peer != first]
        rng.shuffle(members)
        beside = rng.randint(0, len(members))
        if leader == "minority":
            beside = rng.randint(0, max(0, len(members) - self.quorum))
        elif leader == "majority":
            beside = rng.randint(min(self.quorum - 1, len(members)), len(members))
        one, other = [first, *members[:beside]], members[beside:]
        for peer in self.followers:
            (one if rng.randrange(2) else other).append(peer)
        return one, other


def _between(one: list[int], other: list[int]) -> list[Cut]:
    return [cut for a in one for b in other for cut in ((a, b), (b, a))]


def _ring(order: list[int]) -> list[Cut]:
    """Everybody reaches only the two next to them."""
    n = len(order)
    apart = [(i, j) for i in range(n) for j in range(n) if i != j and (i - j) % n not in (1, n - 1)]
    return [(order[i], order[j]) for i, j in apart]
