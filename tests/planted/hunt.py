"""A hunt for whatever is wrong with the package that is imported here; it knows nothing of what was planted.

Runs as a program with the package to judge on its path: first the scenario files, one seed of each, then swarm
seeds, then the files again, until something is invalid or the budget is used up. Prints one line of JSON. A run that is
named (``NAME SEED``) comes before all others: what found something once finds it sooner. With ``--part K/N`` it is
every Nth run of the budget, from the Kth on.
"""

import json
import sys
from pathlib import Path

SCENARIOS = Path(__file__).parent.parent.parent / "simulations"
ROUNDS = 3
SWARM_EACH = 30


def jobs():  # type: ignore[no-untyped-def]
    from gossipbook.scenario.reading import parse_scenario
    from gossipbook.sim.seeds import Job

    scenarios = [parse_scenario(file.read_text(), file.stem) for file in sorted(SCENARIOS.glob("*.toml"))]
    for round_ in range(ROUNDS):
        for scenario in scenarios:
            yield Job(scenario, round_)
        for seed in range(round_ * SWARM_EACH, (round_ + 1) * SWARM_EACH):
            yield Job(None, seed, swarm=True)


def main(budget: int, first: str, part: int = 1, parts: int = 1) -> None:
    from gossipbook.sim.run import run_plan

    tried = 0
    every = sorted(jobs(), key=lambda job: f"{job.name} {job.seed}" != first)
    for job in every[:budget][part - 1 :: parts]:
        tried += 1
        outcome = run_plan(job.plan(), to_the_end=False)
        if outcome.violations:
            first = outcome.violations[0]
            found = {"caught": True, "by": first.invariant, "in": job.name, "seed": job.seed, "said": first.text}
            print(json.dumps({**found, "tried": tried}))
            return
    print(json.dumps({"caught": False, "tried": tried}))


if __name__ == "__main__":
    if sys.argv[2:3] == ["--part"]:
        main(int(sys.argv[1]), "", *map(int, sys.argv[3].split("/")))
    else:
        main(int(sys.argv[1]), " ".join(sys.argv[2:]))
