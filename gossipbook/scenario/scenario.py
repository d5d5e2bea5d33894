"""A whole scenario, checked."""

from dataclasses import dataclass, field, replace

from gossipbook.errors import ScenarioError
from gossipbook.scenario.parts import (
    FAULTS,
    HAPPENINGS,
    BudgetPart,
    ExpectPart,
    FaultPart,
    NetworkPart,
    WardenPart,
    WorkloadPart,
)
from gossipbook.scenario.rules import SPAN_CAP_S, fault_rules, network_rules, warden_rules, workload_rules


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario whose parts keep their rules and fit one another."""

    name: str
    network: NetworkPart = field(default_factory=NetworkPart)
    workload: WorkloadPart = field(default_factory=WorkloadPart)
    faults: tuple[FaultPart, ...] = ()
    expect: ExpectPart = field(default_factory=ExpectPart)
    budget: BudgetPart = field(default_factory=BudgetPart)
    why: str = ""
    wardens: tuple[WardenPart, ...] = ()

    def __post_init__(self) -> None:
        _check(self)

    @property
    def term_changes_expected(self) -> int:
        """How many term changes a run must show for a verdict."""
        if self.expect.term_changes >= 0:
            return self.expect.term_changes
        return int(any(fault.kind == "partition" for fault in self.faults))

    @property
    def deliveries_cap(self) -> int:
        """How many messages a run may deliver; more mean that peers send each other messages without end."""
        n, w = self.network, self.workload
        return self.budget.deliveries or round(60 * n.peers * (w.seconds * (w.ops_per_s + 20) + 400))

    def without_faults(self) -> "Scenario":
        """Return the same scenario without faults, to compare with."""
        return replace(self, faults=(), expect=ExpectPart(fills=0, term_changes=0))


def _check(s: Scenario) -> None:
    """Raise if a rule is broken, naming the key. Not-a-number fits no range."""
    rules = network_rules(s.network) + workload_rules(s.workload)
    for number, fault in enumerate(s.faults, 1):
        rules.append((fault.kind in FAULTS, f"[[fault]] {number} kind: {fault.kind} is not known"))
        rules += [(good, f"[[fault]] {number} ({fault.kind}) {text}") for good, text in fault_rules(fault)]
    for number, warden in enumerate(s.wardens, 1):
        rules += [(good, f"[[warden]] {number} {text}") for good, text in warden_rules(warden)]
    e, b = s.expect, s.budget
    counts = [name for name in ("fills", "observers", *HAPPENINGS) if getattr(e, name) < 0]
    rules += [
        (not counts and e.term_changes >= -1, f"[expect] {', '.join(counts) or 'term_changes'}: not negative"),
        (0 < e.heal_s <= SPAN_CAP_S, f"[expect] heal_s: above 0, up to {SPAN_CAP_S}"),
        (b.wall_s > 0 and b.deliveries >= 0, "[budget] wall_s is above 0, and deliveries is not negative"),
    ]
    for good, text in rules:
        if not good:
            raise ScenarioError(text)
