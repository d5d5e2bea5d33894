"""Run one plan from the first peer's start to the verdict.

A *safety phase* under faults, while orders come; then the *heal*, and a *liveness phase* in which everything that was
accepted must be certified everywhere within a bound; then a moment of silence. Safety is checked all along.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from gossipbook.errors import GossipbookError
from gossipbook.scenario.parts import HAPPENINGS, STRANGERS
from gossipbook.sim.checkers import INVARIANTS, Checker, Violation
from gossipbook.sim.checkers.fills import FillChecker
from gossipbook.sim.checkers.liveness import LivenessChecker
from gossipbook.sim.checkers.prepared import PreparedChecker
from gossipbook.sim.exchange import QUIET_MS, Exchange
from gossipbook.sim.plan import Plan
from gossipbook.sim.world import Flooded

VALID, UNKNOWN, INVALID = "valid", "unknown", "invalid"
STEP_MS = 250
BUSY = frozenset(("flooder", "forger", "replayer", *STRANGERS))


@dataclass
class SimulationResult:
    """The result of a run. Times are in simulated seconds; ``checks`` counts comparisons by invariant.

    ``prepared`` counts the blocks that peers told as such before they were final, ``taken_back`` those of them that
    never became final there.
    """

    seed: int
    verdict: str
    violations: list[Violation]
    lacks: list[str]
    checks: dict[str, int]
    deliveries: int
    sim_s: float
    trace_hash: str
    heights: dict[str, int]
    fills: int
    term_changes: int
    ops: int
    heal_s: float
    faults: list[str] = field(default_factory=list)
    prepared: int = 0
    taken_back: int = 0

    @property
    def summary(self) -> str:
        """One line: the first thing wrong, or what happened."""
        if self.violations:
            first = self.violations[0]
            more = f" (and {len(self.violations) - 1} more)" if len(self.violations) > 1 else ""
            return f"{first.invariant} at {first.at_us / 1e6:.3f} s: {first.text}{more}"
        if self.lacks:
            return "; ".join(self.lacks)
        changes = "1 term change" if self.term_changes == 1 else f"{self.term_changes} term changes"
        return f"{self.fills} fills, {changes}, at rest {self.heal_s:.1f} s after the heal"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come, for a live view."""

    seed: int
    sim_s: float
    until_s: float
    up: int
    peers: int
    active: tuple[str, ...]
    heights: dict[str, int]
    differing: int
    checks: int
    deliveries: int


Watcher = Callable[[Progress], None]


def run_plan(
    plan: Plan,
    watcher: Watcher | None = None,
    checkers: Sequence[Checker] | None = None,
    also: Callable[[Exchange], None] | None = None,
    *,
    to_the_end: bool = True,
) -> SimulationResult:
    """Run one plan to its verdict.

    ``also`` may look at the exchange before it opens; ``watcher`` hears every so often. Without ``to_the_end`` the run
    ends at the first thing wrong.
    """
    exchange = Exchange(plan, checkers)
    if also is not None:
        also(exchange)
    try:
        return _phases(exchange, watcher, to_the_end)
    except (AssertionError, ArithmeticError, LookupError, TypeError, ValueError, GossipbookError) as error:
        # A core that trips over itself has broken its own rules, whichever they are.
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        line = "" if where is None else f" at {where.tb_frame.f_code.co_qualname}, line {where.tb_lineno}"
        exchange.tripped.append(Violation("core", exchange.world.now_us, f"{type(error).__name__}{line}: {error}"))
        return conclude(exchange, False)
    except Flooded as error:
        exchange.tripped.append(Violation("I8", exchange.world.now_us, str(error)))
        return conclude(exchange, False)


def _phases(exchange: Exchange, watcher: Watcher | None, to_the_end: bool) -> SimulationResult:
    plan = exchange.plan
    exchange.open()
    _trade(exchange, watcher, to_the_end)
    exchange.heal()
    if not to_the_end and any(checker.violations for checker in exchange.checkers):
        return conclude(exchange, False)
    heal_s = plan.scenario.expect.heal_s
    look = None if watcher is None else partial(_look, exchange, watcher)
    rested = exchange.settle(round(heal_s * 1_000), look)
    exchange.rested_us = exchange.world.now_us
    for checker in exchange.checkers:
        if isinstance(checker, LivenessChecker):
            checker.healed(rested, heal_s)
    if rested and not any(fault.kind in BUSY for fault in plan.faults):
        _listen(exchange)
    exchange.finish()
    return conclude(exchange, rested)


def _trade(exchange: Exchange, watcher: Watcher | None, to_the_end: bool) -> None:
    while exchange.world.now_us < exchange.traded_until_us:
        exchange.world.run(STEP_MS)
        if watcher is not None:
            watcher(progress(exchange))
        if not to_the_end and any(checker.violations for checker in exchange.checkers):
            return


def _look(exchange: Exchange, watcher: Watcher) -> None:
    watcher(progress(exchange))


def _listen(exchange: Exchange) -> None:
    """Check that an idle network is silent, once what was under way has arrived."""
    exchange.world.run(QUIET_MS)
    for checker in exchange.checkers:
        if isinstance(checker, LivenessChecker):
            checker.listening = True
            exchange.world.run(QUIET_MS)
            checker.listening = False
            checker.silent()


def conclude(exchange: Exchange, rested: bool) -> SimulationResult:
    """Make the verdict on a run that is over."""
    scenario = exchange.plan.scenario
    checks: Counter[str] = Counter(dict.fromkeys(INVARIANTS, 0))
    violations = list(exchange.tripped)
    fills = 0
    happened: Counter[str] = Counter()
    told: Counter[str] = Counter()
    for checker in exchange.checkers:
        checks.update(checker.counts)
        violations += checker.violations
        if isinstance(checker, FillChecker):
            fills, happened = checker.fills, checker.happened
        elif isinstance(checker, PreparedChecker):
            told = checker.told
    violations.sort(key=lambda violation: violation.at_us)
    terms = exchange.roles.term()
    lacks = []
    if fills < scenario.expect.fills:
        lacks.append(f"{fills} fills of {scenario.expect.fills} expected")
    if terms < scenario.term_changes_expected:
        lacks.append(f"{terms} term changes of {scenario.term_changes_expected} expected")
    lacks += [
        f"{happened[name]} {name.replace('_', ' ')} of {getattr(scenario.expect, name)} expected"
        for name in HAPPENINGS
        if happened[name] < getattr(scenario.expect, name)
    ]
    observers = sum(bool(host.observer_reason) for host in exchange.honest())
    if observers > scenario.expect.observers:
        lacks.append(f"{observers} members lost their journal, {scenario.expect.observers} expected")
    injected = exchange.injector.injected if exchange.injector is not None else []
    return SimulationResult(
        seed=exchange.plan.seed,
        verdict=INVALID if violations else UNKNOWN if lacks else VALID,
        violations=violations,
        lacks=lacks,
        checks={name: checks[name] for name in INVARIANTS},
        deliveries=exchange.world.deliveries,
        sim_s=exchange.world.now_us / 1e6,
        trace_hash=exchange.world.trace_hash(),
        heights=heights(exchange),
        fills=fills,
        term_changes=terms,
        ops=sum(len(trader.ops) for trader in exchange.traders.values()),
        heal_s=(exchange.rested_us - exchange.healed_us) / 1e6 if rested else -1.0,
        faults=[one.fault.described() for one in injected],
        prepared=told["prepared"],
        taken_back=told["taken back"],
    )


def heights(exchange: Exchange) -> dict[str, int]:
    """Return the highest finalized height of each pair."""
    found = dict.fromkeys(exchange.manifest.symbols(), 0)
    for host in exchange.honest():
        if host.peer is not None:
            for symbol, pair in host.peer.pairs.items():
                found[symbol] = max(found[symbol], pair.replica.fin)
    return found


def progress(exchange: Exchange) -> Progress:
    """Return how far a run has come."""
    states = set()
    for host in exchange.honest():
        if host.peer is not None:
            states |= {(symbol, pair.replica.tip) for symbol, pair in host.peer.pairs.items()}
    active = exchange.injector.active() if exchange.injector is not None else []
    return Progress(
        seed=exchange.plan.seed,
        sim_s=exchange.world.now_us / 1e6,
        until_s=exchange.traded_until_us / 1e6,
        up=sum(host.up for host in exchange.roles.hosts),
        peers=len(exchange.roles.hosts),
        active=tuple(injected.fault.kind for injected in active),
        heights=heights(exchange),
        differing=max(0, len(states) - len(exchange.manifest.symbols())),
        checks=sum(sum(checker.counts.values()) for checker in exchange.checkers),
        deliveries=exchange.world.deliveries,
    )
