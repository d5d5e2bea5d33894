"""Copies of each op that peers are pushed, and how long ops take to reach everybody, in the simulator.

python benchmarks/gossip.py [--seconds 40] [--ops-per-s 20] [--seed 1]

Figures are of the second half of a run, when trees are settled. Liars are followers who take part in everything but
push what they should: one, or a tenth of all, withhold it or sit on it for half a second. Delays are
from the first honest peer to the others.
"""

import argparse
from collections import defaultdict
from dataclasses import dataclass, field

from gossipbook.effects import Effect
from gossipbook.gossip.messages import MessageId, Push, Source
from gossipbook.gossip.router import Router
from gossipbook.ids import PeerId
from gossipbook.scenario.parts import FaultPart, NetworkPart, WorkloadPart
from gossipbook.scenario.scenario import Scenario
from gossipbook.sim.exchange import Exchange
from gossipbook.sim.plan import make_plan
from gossipbook.sim.run import run_plan


@dataclass
class Watch:
    """What routers were pushed and took, from the half of the run on."""

    since_us: int
    copies: int = 0
    deliveries: int = 0
    came_us: dict[MessageId, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))


def run(peers: int, seconds: float, ops_per_s: float, seed: int, lie: str = "", liars: int = 0) -> str:
    scenario = Scenario(
        name="gossip",
        network=NetworkPart(peers=peers, links=min(10, peers - 1)),
        workload=WorkloadPart(seconds=seconds, ops_per_s=ops_per_s),
        faults=(FaultPart(lie, 0.5, who=f"{liars} followers"),) if lie else (),
    )
    watch = Watch(round(seconds * 500_000))
    exchanges: list[Exchange] = []
    taken, offered = Router.accepted, Router.duplicate

    def accepted(
        router: Router,
        sender: PeerId | None,
        message_id: MessageId,
        push: Push,
        besides: tuple[PeerId, ...] = (),
        source: Source | None = None,
    ) -> list[Effect]:
        now_us = exchanges[0].world.now_us
        if now_us >= watch.since_us and source and not is_liar(router):
            watch.came_us[message_id][id(router)] = now_us
            if sender is not None:
                watch.copies += 1
                watch.deliveries += 1
        return taken(router, sender, message_id, push, besides, source)

    def duplicate(router: Router, sender: PeerId, topic: str, source: Source | None) -> list[Effect]:
        watch.copies += bool(source) and exchanges[0].world.now_us >= watch.since_us
        return offered(router, sender, topic, source)

    def is_liar(router: Router) -> bool:
        hosts = exchanges[0].world.hosts.values()
        return any(host.peer is not None and host.peer.router is router for host in hosts if host.faulty)

    Router.accepted, Router.duplicate = accepted, duplicate  # type: ignore[method-assign]
    try:
        outcome = run_plan(make_plan(scenario, seed), also=exchanges.append)
    finally:
        Router.accepted, Router.duplicate = taken, offered  # type: ignore[method-assign]
    assert outcome.verdict == "valid", outcome.summary
    delays = sorted(
        (us - min(there.values())) / 1_000
        for there in watch.came_us.values()
        for us in there.values()
        if us > min(there.values())
    )
    honest = sum(not host.faulty for host in exchanges[0].world.hosts.values())
    lost = sum(len(there) < honest for there in watch.came_us.values())
    p50, p99 = (delays[round(share * (len(delays) - 1))] for share in (0.5, 0.99))
    return (
        f"{watch.copies / max(watch.deliveries, 1):.2f} copies of an op; "
        f"to reach a peer p50 {p50:.0f}, p99 {p99:.0f} ms; "
        f"{lost} of {len(watch.came_us)} ops were not gossiped to all"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--ops-per-s", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for peers, lie, liars in (
        (4, "", 0),
        (64, "", 0),
        *((64, lie, liars) for lie in ("push-withholder", "late-pusher") for liars in (1, 6)),
    ):
        told = run(peers, options.seconds, options.ops_per_s, options.seed, lie, liars)
        print(f"{peers:>4} peers, {f'{liars} {lie}' if lie else 'calm'}: {told}", flush=True)


if __name__ == "__main__":
    main()
