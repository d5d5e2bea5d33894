"""Make a failing run small by leaving out what it does not need to fail in the same way.

Faults go first, then ops, then peers, then durations. Leaving things out is delta debugging (Zeller and Hildebrandt,
2002): halves, quarters and so on, down to single ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from gossipbook.sim.plan import Plan
from gossipbook.sim.run import SimulationResult, run_plan

T = TypeVar("T")
RUNS_CAP = 1_000
TAIL_S = 1.0

Telling = Callable[[str, Plan], None]


class Shrinker:
    """Shrinks one plan. ``runs`` counts the attempts."""

    def __init__(self, plan: Plan, invariant: str, telling: Telling | None = None, runs_cap: int = RUNS_CAP) -> None:
        self.plan = plan
        self.runs = 0
        self._invariant = invariant
        self._telling = telling or (lambda what, plan: None)
        self._runs_cap = runs_cap

    def shrink(self) -> Plan:
        """Return the smallest plan found that violates the same invariant."""
        self._cut_short()
        self._faults()
        self._orders()
        self._commands()
        self._peers()
        self._durations()
        self._faults()
        self._orders()
        return self.plan

    # -- stages -------------------------------------------------------------------------------------

    def _cut_short(self) -> None:
        """Leave out what comes after the violation."""
        outcome = self._run(self.plan)
        first = next((v for v in outcome.violations if v.invariant == self._invariant), None)
        if first is None:
            return
        end_us = first.at_us
        orders = tuple(order for order in self.plan.orders if order.at_us <= end_us)
        self._try("cut short", replace(self.plan, orders=orders))
        faults = tuple(fault for fault in self.plan.faults if fault.at_s * 1e6 <= end_us)
        self._try("cut short", replace(self.plan, faults=faults))

    def _faults(self) -> None:
        self._leave_out("faults", self.plan.faults, lambda kept: replace(self.plan, faults=tuple(kept)))

    def _orders(self) -> None:
        self._leave_out("orders", self.plan.orders, lambda kept: replace(self.plan, orders=tuple(kept)))

    def _commands(self) -> None:
        """Leave single commands out of ops."""
        for at in range(len(self.plan.orders)):

            def rebuilt(kept: Sequence[object], at: int = at) -> Plan:
                orders = list(self.plan.orders)
                orders[at] = orders[at]._replace(commands=tuple(kept))  # type: ignore[arg-type]  # kept of commands
                return replace(self.plan, orders=tuple(orders))

            commands = self.plan.orders[at].commands
            if len(commands) > 1:
                self._leave_out("commands", commands, rebuilt, least=1)

    def _peers(self) -> None:
        """Leave followers out one by one; the committee stays."""
        while True:
            network = self.plan.scenario.network
            least = max(network.matchers, network.committee)
            if network.peers <= least:
                return
            smaller = replace(self.plan.scenario, network=replace(network, peers=network.peers - 1))
            if not self._try("peers", replace(self.plan, scenario=smaller)):
                return

    def _durations(self) -> None:
        """Halve durations while the run still fails, and end the run soon after its last event."""
        last_s = max((order.at_us / 1e6 for order in self.plan.orders), default=0.0)
        last_s = max([last_s, *(fault.at_s + fault.for_s for fault in self.plan.faults)]) + TAIL_S
        workload = self.plan.scenario.workload
        if last_s < workload.seconds:
            scenario = replace(self.plan.scenario, workload=replace(workload, seconds=last_s))
            self._try("durations", replace(self.plan, scenario=scenario))
        for at in range(len(self.plan.faults)):
            for _ in range(6):
                faults = list(self.plan.faults)
                if faults[at].for_s < 0.2:
                    break
                faults[at] = replace(faults[at], for_s=faults[at].for_s / 2)
                if not self._try("durations", replace(self.plan, faults=tuple(faults))):
                    break

    # -- parts --------------------------------------------------------------------------------------

    def _leave_out(self, what: str, items: Sequence[T], rebuilt: Callable[[Sequence[T]], Plan], least: int = 0) -> None:
        """Leave out ever smaller pieces while the failure stays (delta debugging)."""
        kept = list(items)
        if least == 0 and kept and self._try(what, rebuilt([])):
            return
        pieces = 2
        while len(kept) > max(1, least):
            size = max(1, len(kept) // pieces)
            for start in range(0, len(kept), size):
                fewer = kept[:start] + kept[start + size :]
                if len(fewer) >= least and self._try(what, rebuilt(fewer)):
                    kept = fewer
                    pieces = max(2, pieces - 1)
                    break
            else:
                if size == 1:
                    return
                pieces = min(len(kept), pieces * 2)

    def _try(self, what: str, plan: Plan) -> bool:
        """Keep a smaller plan if it fails in the same way."""
        if self.runs >= self._runs_cap or plan == self.plan:
            return False
        outcome = self._run(plan)
        if not any(violation.invariant == self._invariant for violation in outcome.violations):
            return False
        self.plan = plan
        self._telling(what, plan)
        return True

    def _run(self, plan: Plan) -> SimulationResult:
        self.runs += 1
        return run_plan(plan, to_the_end=self._invariant in ("I3", "I10"))
