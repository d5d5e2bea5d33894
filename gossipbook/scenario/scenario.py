"""Scenario files: what network, which orders, which faults, and what must come of it.

A scenario is TOML: a comment that says why it exists, then ``[network]``, ``[workload]``, any number of
``[[warden]]`` and ``[[fault]]``, ``[expect]`` and ``[budget]``. Every key has a default but a fault's ``kind`` and a
warden's ``state``; an unknown key is an error that names its line and the nearest right one. :data:`FAULTS` says which
keys each kind of fault knows.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

from gossipbook.errors import ScenarioError
from gossipbook.scenario.lines import line_of
from gossipbook.scenario.rules import (
    MAX_SPAN_S,
    fault_rules,
    nearest,
    network_rules,
    warden_rules,
    workload_rules,
)

ADVERSARIES = (
    "equivocating-leader",
    "equivocating-author",
    "silent-leader",
    "censoring-leader",
    "front-runner",
    "forger",
    "replayer",
    "flooder",
    "outdated-member",
    "vote-withholder",
    "twins",
)
"""Kinds of fault that are a liar at work: each is one module of :mod:`gossipbook.sim.adversaries`."""

FAULTS: dict[str, tuple[str, ...]] = {
    "partition": ("shape", "who", "leader", "flap_s", "when"),
    "loss": ("share", "who"),
    "duplicate": ("share", "who"),
    "reorder": ("share", "who"),
    "delay": ("delay_ms", "who"),
    "bandwidth": ("kbit_s", "who"),
    "pause": ("who",),
    "crash": ("who",),
    "torn-write": ("who",),
    "rolling-restart": ("who", "gap_s"),
    "disk": ("trouble", "who"),
    "clock": ("skew_ms", "rate_ppm", "who"),
    "final-to-one": (),
    **dict.fromkeys(ADVERSARIES, ("who",)),
}
"""Which keys each kind of fault knows, besides ``kind``, ``at_s`` and ``for_s``."""


@dataclass(frozen=True, slots=True)
class NetworkPart:
    """The peers and the wires between them. The first ``committee`` seats are drawn from ``matchers`` peers."""

    peers: int = 4
    matchers: int = 0  # 0: as many as the committee has seats
    committee: int = 4
    fault_model: str = "byzantine"
    preset: str = "local"
    pairs: int = 1
    delay: str = "uniform"
    delay_ms: tuple[float, float] = (10.0, 40.0)  # least and most: peers in one region; heavy-tailed may go beyond
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    kbit_s: int = 0  # of each link and direction; 0 is no limit
    links: int = 0  # that each peer dials; 0 dials everybody
    views: str = "full"  # or divergent: each peer knows of its own half of the others
    clock_skew_ms: int = 0  # each peer's clock is off by up to so much
    timeout_base_ms: int = 1_000
    signatures: str = "stub"


@dataclass(frozen=True, slots=True)
class WorkloadPart:
    """Orders, the same for the same seed whatever the faults. ``flow`` may name a LOBSTER message file."""

    seconds: float = 10.0
    ops_per_s: float = 5.0
    makers: int = 1
    noise: int = 2
    takers: int = 1
    cancellers: int = 1
    levels: int = 3  # that a maker quotes on each side
    expiring: float = 0.0  # the share of ops that may not run later than two seconds after they were signed
    flow: str = "agents"
    special: float = 0.0  # the share of orders that are icebergs, stops, post-only with slide, or ask for a minimum
    leases: bool = False  # makers hold a lease, and renew it with every quote
    loyal: bool = False  # no author asks another peer than its own, not even if that is mute


@dataclass(frozen=True, slots=True)
class WardenPart:
    """What the network's one warden sets all pairs to, at a time in seconds from the first order."""

    state: str
    at_s: float = 1.0


@dataclass(frozen=True, slots=True)
class FaultPart:
    """One fault and its time, in seconds from the first order. ``for_s`` 0 lasts until the heal."""

    kind: str
    at_s: float = 1.0
    for_s: float = 0.0
    who: str = ""
    shape: str = "halves"
    leader: str = "minority"
    flap_s: float = 0.0
    when: str = "at once"
    share: float = 0.1
    delay_ms: tuple[float, float] = (20.0, 200.0)
    kbit_s: int = 256
    gap_s: float = 1.0
    trouble: str = "fails"
    skew_ms: int = 0
    rate_ppm: int = 0

    def described(self) -> str:
        """One line for people."""
        plain = FaultPart(self.kind)
        said = [name for name in FAULTS[self.kind] if name == "shape" or getattr(self, name) != getattr(plain, name)]
        own = [f"{name}={getattr(self, name)}" for name in said]
        span = f"{self.at_s:g}..{self.at_s + self.for_s:g} s" if self.for_s else f"from {self.at_s:g} s"
        return f"{self.kind} {span} {' '.join(own)}".rstrip()


@dataclass(frozen=True, slots=True)
class ExpectPart:
    """What a run must show, or its verdict is unknown; ``heal_s`` bounds the way back, or it is invalid.

    From ``lease_ends`` on only what happens before the heal counts.
    """

    fills: int = 1
    term_changes: int = -1  # -1: one if there is a partition, else none
    heal_s: float = 60.0
    observers: int = 0  # members that may have to stop voting because their disk lost what they voted
    lease_ends: int = 0
    empty_blocks: int = 0  # which a lease's end or a triggered order called for
    triggers: int = 0
    slices: int = 0  # of icebergs
    auctions: int = 0  # that ended with a trade


HAPPENINGS = ("lease_ends", "empty_blocks", "triggers", "slices", "auctions")
"""The keys of ``[expect]`` that count what happens in the market before the heal."""


@dataclass(frozen=True, slots=True)
class BudgetPart:
    """What one seed may cost."""

    wall_s: float = 2.0
    deliveries: int = 0  # 0: sixty for each peer and each op or twentieth of a second


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole scenario file, checked."""

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
        """How many term changes a run must show to say anything."""
        if self.expect.term_changes >= 0:
            return self.expect.term_changes
        return int(any(fault.kind == "partition" for fault in self.faults))

    @property
    def deliveries_cap(self) -> int:
        """More messages than this mean that somebody talks to himself."""
        n, w = self.network, self.workload
        return self.budget.deliveries or round(60 * n.peers * (w.seconds * (w.ops_per_s + 20) + 400))

    def without_faults(self) -> "Scenario":
        """The same orders in fair weather, to compare with."""
        return replace(self, faults=(), expect=ExpectPart(fills=0, term_changes=0))


LISTS = ("warden", "fault")
"""Sections of which there may be any number."""

SECTIONS: dict[str, type] = {
    "network": NetworkPart,
    "workload": WorkloadPart,
    "warden": WardenPart,
    "fault": FaultPart,
    "expect": ExpectPart,
    "budget": BudgetPart,
}


def parse_scenario(text: str, name: str) -> Scenario:
    """Read a scenario.

    Raises:
        ScenarioError: with the file's name, the line, and the nearest right key where one is unknown.
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # Too many digits and too deep a nesting are no TOMLDecodeError.
        raise ScenarioError(f"{name}: not TOML: {error}") from None
    reader = _Reader(text, name)
    for key in document:
        if key not in SECTIONS:
            raise reader.unknown(key, list(SECTIONS), section="", number=0)
    for key in LISTS:
        if not isinstance(document.get(key, []), list):
            raise ScenarioError(f"{name}: line {reader.line(key)}: write [[{key}]], there may be several")
    parts = {key: reader.part(key, document.get(key, {}), 0) for key in SECTIONS if key not in LISTS}
    faults = tuple(reader.fault(table, number) for number, table in enumerate(document.get("fault", [])))
    wardens = tuple(reader.warden(table, number) for number, table in enumerate(document.get("warden", [])))
    try:
        return Scenario(name=name, faults=faults, wardens=wardens, why=opening_comment(text), **parts)
    except ScenarioError as error:
        raise ScenarioError(f"{name}: {error}") from None


def opening_comment(text: str) -> str:
    """The comment that a scenario file opens with."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# ").rstrip())
    return " ".join(lines).strip()


class _Reader:
    """Turns tables into parts, and knows on which line what was said."""

    def __init__(self, text: str, name: str) -> None:
        self._lines = text.splitlines()
        self._name = name

    def part(self, section: str, table: object, number: int) -> Any:
        if not isinstance(table, Mapping):
            raise ScenarioError(f"{self._name}: line {self.line(section)}: [{section}] is a table")
        kind = SECTIONS[section]
        known = {f.name: f for f in fields(kind)}
        values = {}
        for key, value in table.items():
            if key not in known:
                raise self.unknown(key, list(known), section, number)
            default = known[key].default
            example = "" if default is MISSING else default
            values[key] = self._value(value, example, key, section, number)
        return kind(**values)

    def warden(self, table: object, number: int) -> WardenPart:
        if not isinstance(table, Mapping) or "state" not in table:
            raise ScenarioError(f"{self._name}: line {self.line('warden', number)}: a [[warden]] needs a state")
        read: WardenPart = self.part("warden", table, number)
        return read

    def fault(self, table: object, number: int) -> FaultPart:
        kind = table.get("kind") if isinstance(table, Mapping) else None
        if not isinstance(table, Mapping) or not isinstance(kind, str):
            raise ScenarioError(f"{self._name}: line {self.line('fault', number)}: a [[fault]] needs a kind")
        if kind not in FAULTS:
            line = self.line("fault", number, "kind")
            raise ScenarioError(f"{self._name}: line {line}: no fault {kind!r}{nearest(kind, list(FAULTS))}")
        known = ["kind", "at_s", "for_s", *FAULTS[kind]]
        for key in table:
            if key not in known:
                raise self.unknown(key, known, "fault", number)
        read: FaultPart = self.part("fault", table, number)
        return read

    def _value(self, value: object, example: object, key: str, section: str, number: int) -> object:
        try:
            return typed(value, example)
        except ValueError as error:
            where = self._where(section, number, key)
            raise ScenarioError(f"{self._name}: line {where}: {key} is {error}, not {value!r:.80}") from None

    def unknown(self, key: str, known: list[str], section: str, number: int) -> ScenarioError:
        where = self._where(section, number, key) if section else self.line(key)
        of = f"[{section}]" if section else "a scenario"
        return ScenarioError(f"{self._name}: line {where}: {of} has no key {key!r}{nearest(key, known)}")

    def _where(self, section: str, number: int, key: str) -> int:
        return self.line(section, number, key) if section in LISTS else self.line(section, key)

    def line(self, *path: str | int) -> int:
        return line_of(self._lines, path)


def typed(value: object, example: object) -> Any:
    """A value of its default's type; whole numbers will do for fractions, and lists of two numbers for spans.

    Raises:
        ValueError: it is of another type; says which one it should be of.
    """
    if isinstance(example, tuple):
        if isinstance(value, list) and len(value) == 2 and all(_is_number(item) for item in value):
            return _fraction(value[0]), _fraction(value[1])
        raise ValueError("two numbers, least and most")
    if isinstance(example, float):
        if _is_number(value):
            return _fraction(value)
        raise ValueError("a number")
    if type(value) is not type(example):
        raise ValueError({bool: "true or false", int: "a whole number"}.get(type(example), "a text"))
    return value


def _fraction(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError("a number of a reasonable size") from None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check(s: Scenario) -> None:
    """Relations between the values, each said with the key that is wrong. What is no number (nan) fits no range."""
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
        (0 < e.heal_s <= MAX_SPAN_S, f"[expect] heal_s: above 0, up to {MAX_SPAN_S}"),
        (b.wall_s > 0 and b.deliveries >= 0, "[budget] wall_s is above 0, and deliveries is not negative"),
    ]
    for good, text in rules:
        if not good:
            raise ScenarioError(text)
