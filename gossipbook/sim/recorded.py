"""Take the orders of a simulation from a recorded order flow instead of agents."""

from pathlib import Path

from gossipbook.errors import ScenarioError
from gossipbook.flow import lobster_flow
from gossipbook.flow.step import FlowStep
from gossipbook.matching.commands import Command
from gossipbook.scenario.orders import US_PER_S, PlannedOp
from gossipbook.scenario.scenario import Scenario

MAKERS, TAKERS = 8, 2
OPENING_BATCH = 64  # commands to an op while the book of the opening is built


def recorded_orders(scenario: Scenario) -> tuple[PlannedOp, ...]:
    """Read the orders of a LOBSTER message file, from its beginning, for the workload's seconds.

    With ``ops_per_s`` 0 they come at the file's own times, else evenly at that pace. The book of the opening is placed
    in batches at the first moment. The file's name is relative to the scenario's.

    Raises:
        ScenarioError: there is no such file.
        DecodeError: it is not in that format.
    """
    workload = scenario.workload
    path = Path(scenario.name).parent / workload.flow
    if not path.is_file():
        raise ScenarioError(f"{scenario.name}: [workload] flow: no file {path}; say agents, or a LOBSTER message file")
    flow = lobster_flow(path, makers=MAKERS, takers=TAKERS)
    orders = list(_opening(flow.prelude))
    end_us = round(workload.seconds * US_PER_S)
    if workload.ops_per_s:
        count = round(workload.seconds * workload.ops_per_s)
        gap_us = US_PER_S / workload.ops_per_s
        for number, step in zip(range(count), flow.steps, strict=False):
            orders.append(_order(round(number * gap_us), step))
        return tuple(orders)
    first_us = None
    for step in flow.steps:
        first_us = step.time_us if first_us is None else first_us
        if step.time_us - first_us >= end_us:
            break
        orders.append(_order(step.time_us - first_us, step))
    return tuple(orders)


def _opening(prelude: list[FlowStep]) -> list[PlannedOp]:
    """Return each maker's resting orders, in as few ops as possible."""
    by_author: dict[int, list[Command]] = {}
    for step in prelude:
        by_author.setdefault(step.author, []).append(step.command)
    return [
        PlannedOp(0, _name(author), 0, tuple(commands[start : start + OPENING_BATCH]), 0)
        for author, commands in by_author.items()
        for start in range(0, len(commands), OPENING_BATCH)
    ]


def _order(at_us: int, step: FlowStep) -> PlannedOp:
    return PlannedOp(at_us, _name(step.author), 0, (step.command,), 0)


def _name(author: int) -> str:
    return f"maker {author}" if author < MAKERS else f"taker {author - MAKERS}"
