"""Shapes of partitions: which directions between which peers are cut."""

import random

from gossipbook.scenario.parts import FaultPart
from gossipbook.sim.host import Host
from gossipbook.sim.network import Wire
from gossipbook.sim.stage import Stage


def cuts(fault: FaultPart, stage: Stage, rng: random.Random) -> list[Wire]:
    """The directed pairs that a partition cuts, each once."""
    match fault.shape:
        case "halves":
            one, other = halves(stage, rng, fault.leader)
            return between(one, other)
        case "bridge":
            one, other = halves(stage, rng, fault.leader)
            bridge = rng.choice(other) if len(other) > 1 else None
            return between(one, [host for host in other if host is not bridge])
        case "ring":
            return ring(rng.sample(stage.hosts, len(stage.hosts)))
        case "one-way":
            lost = stage.chosen(fault.who, rng, "leader")
            return [(a.peer_id, b.peer_id) for a in lost for b in stage.hosts if b not in lost]
    alone = stage.chosen(fault.who, rng, "leader")
    return between(alone, [host for host in stage.hosts if host not in alone])


def halves(stage: Stage, rng: random.Random, leader: str) -> tuple[list[Host], list[Host]]:
    """Two sides. ``minority``: the other side has a quorum without the leader; ``majority``: the leader's side has."""
    members = [host for host in stage.members if host is not stage.leader()]
    rng.shuffle(members)
    with_leader = rng.randint(0, len(members))
    if leader == "minority":
        with_leader = rng.randint(0, max(0, len(members) - stage.quorum))
    elif leader == "majority":
        with_leader = rng.randint(min(stage.quorum - 1, len(members)), len(members))
    one, other = [stage.leader(), *members[:with_leader]], members[with_leader:]
    for host in stage.followers:
        (one if rng.randrange(2) else other).append(host)
    return one, other


def between(one: list[Host], other: list[Host]) -> list[Wire]:
    """Both directions between two sides."""
    return [cut for a in one for b in other for cut in ((a.peer_id, b.peer_id), (b.peer_id, a.peer_id))]


def ring(order: list[Host]) -> list[Wire]:
    """Everybody reaches only the two next to them."""
    n = len(order)
    return [
        (order[i].peer_id, order[j].peer_id)
        for i in range(n)
        for j in range(n)
        if i != j and (i - j) % n not in (1, n - 1)
    ]
