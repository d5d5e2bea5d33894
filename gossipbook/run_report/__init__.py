"""Report one run as an HTML page: what happened, and what the faults cost the market.

:class:`Recorder` hooks into a world and writes down bounded notes; :func:`market_cost` compares two recordings of the
same orders, with faults and without; :func:`render` makes one self-contained HTML file of it all. Everything is pure:
the same plan gives the same page, byte by byte.
"""

from gossipbook.run_report.cost import MarketCost, market_cost
from gossipbook.run_report.page import render
from gossipbook.run_report.recorder import Recorder
from gossipbook.run_report.recording import Recording
from gossipbook.sim.plan import Plan
from gossipbook.sim.run import SimulationResult, Watcher, run_plan

__all__ = ["MarketCost", "Recorder", "Recording", "market_cost", "record", "record_and_render", "render"]


def record(plan: Plan, watcher: Watcher | None = None) -> tuple[SimulationResult, Recording]:
    """Run a plan and record what a report needs of it."""
    recorder = Recorder()
    outcome = run_plan(plan, watcher, also=recorder.attend)
    return outcome, recorder.recording()


def record_and_render(plan: Plan, watcher: Watcher | None = None, command: str = "") -> tuple[SimulationResult, str]:
    """Run a plan with and without its faults, and render both; ``watcher`` hears of the first run.

    ``command`` replays the run, if it is another than the scenario's name and seed say.
    """
    outcome, recording = record(plan, watcher)
    fair_outcome, fair_recording = record(plan.in_fair_weather())
    cost = market_cost(recording, fair_recording)
    return outcome, render(outcome, recording, fair_outcome, fair_recording, cost, plan, command)
