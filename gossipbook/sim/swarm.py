"""Draw scenarios with all kinds of faults mixed from a seed, to find combinations that nobody thought of.

A swarm run differs from scenario files in that each seed has a network, a workload and a schedule of its own, in the
manner of swarm testing (Groce et al., 2012): each seed leaves most kinds of fault out, so that those that are in can
show what together they would drown.

At most f members are made to lie or lose their disk, and strangers do what they can; the rest may crash, pause and be
cut off as often as the dice say.
"""

import random
from dataclasses import replace

from gossipbook.scenario.chance import seeded
from gossipbook.scenario.parts import ADVERSARIES, STRANGERS, ExpectPart, FaultPart, NetworkPart, WorkloadPart
from gossipbook.scenario.scenario import Scenario

SECONDS = 11.0
OPS_PER_S = 5.0
KINDS_AT_ONCE = (1, 4)
FAULTS_EACH = (1, 3)
LAST_FAULT_S = 8.0

BENIGN = ("partition", "crash", "torn-write", "pause", "loss", "duplicate", "reorder", "delay", "bandwidth", "clock")
RARER = ("rolling-restart", "disk", "final-to-one")
LIARS = (
    "equivocating-leader",
    "equivocating-author",
    "silent-leader",
    "censoring-leader",
    "front-runner",
    "forger",
    "replayer",
    "outdated-member",
    "vote-withholder",
    "twins",
    "slow-leader",
)


def swarm_scenario(seed: int, base: Scenario | None = None) -> Scenario:
    """Draw the scenario of a seed. It expects no fills or term changes: a seed may trade nothing.

    With ``base`` only faults are drawn: they come on top of its own, on its network and under its orders.
    """
    rng = seeded(seed, "swarm")
    network = _network(rng)
    workload = WorkloadPart(
        seconds=SECONDS,
        ops_per_s=OPS_PER_S,
        makers=rng.randint(0, 2),
        noise=rng.randint(1, 3),
        takers=rng.randint(0, 2),
        cancellers=rng.randint(0, 1),
        expiring=rng.choice((0.0, 0.0, 0.3)),
    )
    faults: list[FaultPart] = []
    for kind in rng.sample(BENIGN + RARER, rng.randint(*KINDS_AT_ONCE)):
        faults += [_fault(kind, rng) for _ in range(rng.randint(*FAULTS_EACH))]
    if base is not None:
        network = base.network
    for kind in rng.sample(STRANGERS, rng.choice((0, 0, 1, 1, 2))):
        faults.append(_fault(kind, rng))
    faults = _within_f(faults, network, rng, () if base is None else base.faults)
    faults.sort(key=lambda fault: fault.at_s)
    expect = ExpectPart(fills=0, term_changes=0, heal_s=90.0, observers=network.committee)
    if base is not None:
        return replace(base, faults=base.faults + tuple(faults), expect=expect)
    return Scenario(
        name=f"swarm {seed}",
        network=network,
        workload=workload,
        faults=tuple(faults),
        expect=expect,
        why="drawn from the seed",
    )


def _network(rng: random.Random) -> NetworkPart:
    crash_model = rng.randrange(6) == 0
    committee = rng.choice((3, 4, 5)) if crash_model else rng.choice((4, 4, 4, 4, 5, 7))
    followers = rng.choice((0, 0, 1, 2)) if committee < 7 else 0
    low = rng.choice((0.5, 1.0, 5.0))
    return NetworkPart(
        peers=committee + followers,
        committee=committee,
        fault_model="crash" if crash_model else "byzantine",
        delay=rng.choice(("uniform", "uniform", "normal", "heavy-tailed")),
        delay_ms=(low, low * rng.choice((1, 3, 10))),
        views=rng.choice(("full", "full", "divergent")),
        clock_skew_ms=rng.choice((0, 0, 200, 900)),
    )


def _fault(kind: str, rng: random.Random) -> FaultPart:
    """Draw one fault of a kind, its times in tenths of a second."""
    at_s = rng.randint(2, round(LAST_FAULT_S * 10)) / 10
    for_s = rng.choice((0.3, 0.8, 1.5, 3.0, 5.0))
    fault = FaultPart(kind, at_s, for_s)
    match kind:
        case "partition":
            return replace(
                fault,
                shape=rng.choice(("halves", "halves", "ring", "bridge", "one-way", "isolate")),
                who=rng.choice(("leader", "leader", "successor", "member", "2 members")),
                leader=rng.choice(("minority", "majority", "anywhere")),
                flap_s=rng.choice((0.0, 0.0, 0.0, 0.4)),
                when=rng.choice(("at once", "at once", "prepared")),
            )
        case "crash" | "torn-write" | "pause":
            return replace(fault, who=rng.choice(("leader", "member", "2 members", "members", "anyone", "everyone")))
        case "loss" | "duplicate" | "reorder":
            return replace(fault, share=rng.choice((0.02, 0.1, 0.3)), who=rng.choice(("", "member", "leader")))
        case "delay":
            return replace(fault, delay_ms=(10.0, rng.choice((50.0, 200.0, 800.0))), who=rng.choice(("", "leader")))
        case "bandwidth":
            return replace(fault, kbit_s=rng.choice((64, 512)), who=rng.choice(("member", "leader")))
        case "clock":
            return replace(
                fault,
                skew_ms=rng.choice((-60_000, -3_000, 3_000, 60_000)),
                rate_ppm=rng.choice((0, -100_000, 100_000)),
                who=rng.choice(("member", "leader", "anyone")),
            )
        case "rolling-restart":
            return replace(fault, gap_s=rng.choice((0.3, 0.8)), for_s=0.0)
    return fault


def _within_f(
    faults: list[FaultPart], network: NetworkPart, rng: random.Random, already: tuple[FaultPart, ...]
) -> list[FaultPart]:
    """Add adversaries or a damaged disk, but no more than the fault model allows.

    Beside a liar, or a broken disk, that is there ``already`` there is no room for another.
    """
    bearable = (network.committee - 1) // 3 if network.fault_model == "byzantine" else 0
    if any(fault.kind in ADVERSARIES or (fault.kind, fault.trouble) == ("disk", "flips") for fault in already):
        bearable = 0
    kept: list[FaultPart] = []
    for fault in faults:
        if fault.kind != "disk":
            kept.append(fault)
            continue
        trouble = rng.choice(("fails", "full", "flips")) if bearable else rng.choice(("fails", "full"))
        bearable -= trouble == "flips"
        kept.append(replace(fault, trouble=trouble))
    if bearable > 0 and rng.randrange(2):
        seat = rng.randrange(network.committee)
        for kind in rng.sample(LIARS, 1 if bearable == 1 else rng.randint(1, bearable)):
            who = "" if kind == "equivocating-author" else f"seat {seat}"
            for_s = 5.0 if kind == "slow-leader" else 0.0  # its accomplice trades all the while
            kept.append(FaultPart(kind, rng.randint(2, 60) / 10, for_s, who=who))
            seat = (seat + 1) % network.committee
    return kept
