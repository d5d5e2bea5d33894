"""Decide which peers link to which in a simulated network."""

import random

from gossipbook.ids import PeerId
from gossipbook.scenario.parts import NetworkPart


def neighbours(
    ids: list[PeerId], members: list[PeerId], network: NetworkPart, rng: random.Random
) -> dict[PeerId, tuple[PeerId, ...]]:
    """Return each peer's links; they are symmetric.

    Everybody knows the next one, as from a bootstrap list. With full views the members of a committee look each other
    up and find each other; with divergent views each peer knows a half of the others, and one direction is enough.
    """
    joined: dict[PeerId, dict[PeerId, None]] = {peer: {} for peer in ids}

    def join(a: PeerId, b: PeerId) -> None:
        if a != b:
            joined[a][b] = None
            joined[b][a] = None

    for at, peer in enumerate(ids):
        join(peer, ids[(at + 1) % len(ids)])
        known = [other for other in ids if other != peer]
        if network.views == "divergent":
            known = rng.sample(known, len(known) // 2)
        for other in rng.sample(known, min(network.links, len(known))) if network.links else known:
            join(peer, other)
    if network.views == "full":
        for a in members:
            for b in members:
                join(a, b)
    return {peer: tuple(others) for peer, others in joined.items()}
