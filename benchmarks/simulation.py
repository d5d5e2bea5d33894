"""How fast the simulator runs: CPU seconds a seed and deliveries a CPU second, beside a plain loop as yardstick.

    python benchmarks/simulation.py [--large]

``--large`` adds a thousand peers (several minutes). CPU time, because the machine is shared; the yardstick (twenty
million additions in a loop, in the same run) tells how fast the machine was at the time.
"""

import argparse
import resource
import statistics
import sys
import time
from pathlib import Path

from gossipbook.scenario.reading import parse_scenario
from gossipbook.sim.plan import Plan, make_plan
from gossipbook.sim.run import run_plan
from gossipbook.sim.swarm import swarm_scenario

ROOT = Path(__file__).parent.parent
YARD = 20_000_000


def yardstick() -> float:
    began = time.process_time()
    total = 0
    for number in range(YARD):
        total += number & 3
    return time.process_time() - began


def scenario(name: str):  # type: ignore[no-untyped-def]
    path = ROOT / "simulations" / name
    return parse_scenario(path.read_text(), str(path))


def measure(what: str, plans: list[Plan]) -> None:
    """CPU seconds of each run, after one that warms up."""
    yard = yardstick()
    seconds, deliveries, simulated, verdicts = [], 0, 0.0, set()
    for plan in plans:
        began = time.process_time()
        outcome = run_plan(plan)
        seconds.append(time.process_time() - began)
        deliveries += outcome.deliveries
        simulated += outcome.sim_s
        verdicts.add(outcome.verdict)
    total = sum(seconds)
    print(
        f"{what}: {len(plans)} seeds, {statistics.median(seconds):.2f} s of CPU each (most {max(seconds):.2f}), "
        f"{deliveries / total:,.0f} deliveries/s, {simulated / total:,.0f} x real time, yardstick {yard:.2f} s, "
        f"{deliveries / total * yard:,.0f} deliveries a yardstick, {'/'.join(sorted(verdicts))}",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    run_plan(make_plan(swarm_scenario(0), 0))
    busy = scenario("large/busy-partition.toml")
    measure("7 peers, 60 s, 20 ops/s, a partition", [make_plan(busy, seed) for seed in range(options.seeds)])
    measure("swarm", [make_plan(swarm_scenario(seed), seed) for seed in range(40)])
    churn = scenario("large/hundred-peers-churn.toml")
    measure("100 peers, churn and a partition", [make_plan(churn, 0)])
    if options.large:
        measure("1,000 peers, 30 s, 10 ops/s", [make_plan(scenario("large/thousand-peers.toml"), 0)])
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak_mib:,.0f} MiB, Python {sys.version.split()[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
