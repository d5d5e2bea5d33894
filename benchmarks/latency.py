"""Message delays from submit to certified, in the simulator, where every message takes the same time.

python benchmarks/latency.py [--delay-ms 40] [--seconds 60] [--depth 4]

Three delays are the least through the leader: the block, the PREPAREs, the COMMITs. One is more through another member
of the committee, and two through a follower. An author's first op is left out: strangers wait to be let in.
"""

import argparse
from dataclasses import replace

from gossipbook.client_messages import AckLevel
from gossipbook.scenario.parts import NetworkPart, WorkloadPart
from gossipbook.scenario.scenario import Scenario
from gossipbook.sim import exchange as exchange_module
from gossipbook.sim.exchange import Exchange
from gossipbook.sim.plan import make_manifest, make_plan
from gossipbook.sim.run import run_plan

PLACES = ("leader", "member", "follower")


def waits_ms(place: str, ops_per_s: float, delay_ms: float, seconds: float) -> list[float]:
    network = NetworkPart(peers=5, delay="fixed", delay_ms=(delay_ms, delay_ms))
    workload = WorkloadPart(seconds=seconds, ops_per_s=ops_per_s, makers=4, noise=4, takers=4)
    scenario = Scenario(name="latency", network=network, workload=workload)
    exchanges: list[Exchange] = []

    def attend(exchange: Exchange) -> None:
        exchanges.append(exchange)
        roles = exchange.roles
        homes = dict(zip(PLACES, (roles.members[0], roles.members[1], roles.followers[0]), strict=True))
        roles.home = lambda author: homes[place]  # type: ignore[method-assign]

    outcome = run_plan(make_plan(scenario, 1), also=attend)
    assert outcome.verdict == "valid", outcome.summary
    traders = exchanges[0].traders.values()
    heard = [(signed.heard[AckLevel.CERTIFIED][0], signed.signed_us) for each in traders for signed in each.ops[1:]]
    return sorted((certified_us - signed_us) / 1_000 for certified_us, signed_us in heard)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay-ms", type=float, default=40.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--depth", type=int)
    options = parser.parse_args()
    if options.depth:

        def deeper(*arguments: object, **named: object) -> object:
            manifest = make_manifest(*arguments, **named)  # type: ignore[arg-type]
            return replace(manifest, limits=replace(manifest.limits, max_blocks_in_flight=options.depth))

        exchange_module.make_manifest = deeper  # type: ignore[assignment]
    for ops_per_s in (20.0, 100.0):
        for place in PLACES:
            waits = waits_ms(place, ops_per_s, options.delay_ms, options.seconds)
            p50, p99 = (waits[round(share * (len(waits) - 1))] / options.delay_ms for share in (0.5, 0.99))
            print(f"{ops_per_s:>4.0f} ops/s through the {place:8}: p50 {p50:.2f}, p99 {p99:.2f} delays")


if __name__ == "__main__":
    main()
