"""Which peers a fault hits: the words of its ``who``, as peer indices at one moment of a run.

Peers count from 0. Members are the seats of the first pair's committee, in seat order; all other peers are followers.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gossipbook.scenario.chance import seeded
from gossipbook.scenario.parts import ADVERSARIES, FaultPart

WHO = re.compile(
    r"leader|successor|member|follower|anyone|members|followers|everyone|(peer|seat) \d+|\d+ (members|followers|peers)"
    r"|home of (maker|noise|taker|canceller) \d+"
)

WHO_WORDS = (
    "leader, successor, member, follower, anyone, members, followers, everyone, 'peer N', 'seat N', "
    "'N members', 'N followers', 'N peers' or 'home of maker N'"
)

DEFAULT_TARGETS: dict[str, str] = {
    "partition": "leader",
    **dict.fromkeys(("loss", "duplicate", "reorder", "delay", "bandwidth"), "everyone"),
    "pause": "leader",
    **dict.fromkeys(("crash", "torn-write", "disk"), "member"),
    "rolling-restart": "members",
    "clock": "anyone",
    **dict.fromkeys(ADVERSARIES, "member"),
    **dict.fromkeys(
        ("equivocating-leader", "silent-leader", "censoring-leader", "front-runner", "slow-leader"), "leader"
    ),
    **dict.fromkeys(("forger", "replayer", "flooder"), "anyone"),
}
"""Whom each kind of fault hits that says no ``who``."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Which peers sit in the first pair's committee, and which of them leads, at one moment.

    ``members`` are in seat order. ``seed`` is the run's: it says through which peer an author trades.
    """

    peers: Sequence[int]
    members: Sequence[int]
    quorum: int
    term: int
    seed: int

    @property
    def followers(self) -> list[int]:
        return [peer for peer in self.peers if peer not in self.members]

    def leader(self, ahead: int = 0) -> int:
        """Return the leader of the present term, or of the term that many terms later."""
        return self.members[(self.term + ahead) % len(self.members)]

    def home(self, author: str) -> int:
        """Return the peer that an author trades through."""
        return seeded(self.seed, "home", author).choice(self.peers)

    def hit(self, fault: FaultPart, rng: random.Random) -> list[int]:
        """Return the peers that a fault hits: those of its ``who``, or its kind's usual ones."""
        return self.named(fault.who or DEFAULT_TARGETS[fault.kind], rng)

    def named(self, who: str, rng: random.Random) -> list[int]:
        """Return the peers that a ``who`` names; ``rng`` draws where it leaves a choice."""
        match who:
            case "leader":
                return [self.leader()]
            case "successor":
                return [self.leader(1)]
            case "member":
                return [rng.choice(self.members)]
            case "follower":
                return [rng.choice(self.followers or self.peers)]
            case "anyone":
                return [rng.choice(self.peers)]
            case "members":
                return list(self.members)
            case "followers":
                return self.followers
            case "everyone":
                return list(self.peers)
        first, _, rest = who.partition(" ")
        match first:
            case "home":
                return [self.home(rest.removeprefix("of "))]
            case "peer":
                return [self.peers[int(rest) % len(self.peers)]]
            case "seat":
                return [self.members[int(rest) % len(self.members)]]
        pool = {"members": self.members, "followers": self.followers, "peers": self.peers}[rest]
        return rng.sample(pool, min(int(first), len(pool)))
