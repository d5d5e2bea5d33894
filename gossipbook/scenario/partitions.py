"""Which directions between which peers a partition cuts, by its shape.

``halves`` makes two sides; ``bridge`` the same, but for one peer that reaches both; in a ``ring`` each peer reaches the
two next to it; ``isolate`` cuts some peers off; ``one-way`` loses what they send and not what they are sent.
"""

import random
from collections.abc import Iterable, Sequence

from gossipbook.scenario.parts import FaultPart
from gossipbook.scenario.targets import Roles

SHAPES = ("halves", "ring", "bridge", "one-way", "isolate")
LEADER_SIDES = ("minority", "majority", "anywhere")

Cut = tuple[int, int]
"""(sender, receiver), peer indices: what the first sends does not reach the second."""


def cuts(fault: FaultPart, roles: Roles, rng: random.Random) -> list[Cut]:
    """Return the directions that a partition cuts, each once."""
    match fault.shape:
        case "halves":
            one, other = halves(roles, rng, fault.leader)
            return _between(one, other)
        case "bridge":
            one, other = halves(roles, rng, fault.leader)
            bridge = rng.choice(other) if len(other) > 1 else None
            return _between(one, [peer for peer in other if peer != bridge])
        case "ring":
            return _ring(rng.sample(roles.peers, len(roles.peers)))
    lost = roles.hit(fault, rng)
    others = [peer for peer in roles.peers if peer not in lost]
    if fault.shape == "one-way":
        return [(a, b) for a in lost for b in others]
    return _between(lost, others)


def halves(roles: Roles, rng: random.Random, leader: str) -> tuple[list[int], list[int]]:
    """Draw two sides, the leader's first.

    With ``minority`` the other side has a quorum; with ``majority`` the leader's side has; ``anywhere`` leaves it open.
    """
    members = [peer for peer in roles.members if peer != roles.leader()]
    rng.shuffle(members)
    beside = rng.randint(0, len(members))
    if leader == "minority":
        beside = rng.randint(0, max(0, len(members) - roles.quorum))
    elif leader == "majority":
        beside = rng.randint(min(roles.quorum - 1, len(members)), len(members))
    one, other = [roles.leader(), *members[:beside]], members[beside:]
    for peer in roles.followers:
        (one if rng.randrange(2) else other).append(peer)
    return one, other


def between_groups(peers: Sequence[int], groups: Iterable[Iterable[int]]) -> list[Cut]:
    """Return the directions between peers of different groups; a peer in no group is alone."""
    group_of = {peer: number for number, group in enumerate(groups) for peer in group}
    return [(a, b) for a in peers for b in peers if a != b and group_of.get(a, -1 - a) != group_of.get(b, -1 - b)]


def _between(one: Sequence[int], other: Sequence[int]) -> list[Cut]:
    """Return both directions between two sides."""
    return [cut for a in one for b in other for cut in ((a, b), (b, a))]


def _ring(order: Sequence[int]) -> list[Cut]:
    n = len(order)
    apart = [(i, j) for i in range(n) for j in range(n) if i != j and (i - j) % n not in (1, n - 1)]
    return [(order[i], order[j]) for i, j in apart]
