"""A run before execution, as data: scenario, seed, orders and faults.

Orders and faults are lists that can be shortened, which is how a failing run is made small; ``to_json`` and
``from_json`` carry a plan to a file and back, which is how it is replayed.
"""

import hashlib
import json
import math
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any

from gossipbook.crdt.command_code import decode_command, encode_command
from gossipbook.crdt.op import GENESIS_PREV, sign_op
from gossipbook.errors import DecodeError, ScenarioError
from gossipbook.identity import SEED_BYTES, Identity
from gossipbook.ids import ZERO_DIGEST
from gossipbook.limits import Timing
from gossipbook.manifest import Manifest, Matcher, Pair
from gossipbook.matching.commands import Command, SetState
from gossipbook.scenario.orders import US_PER_S, PlannedOp, agents_orders, author_identity
from gossipbook.scenario.parts import BudgetPart, ExpectPart, FaultPart, NetworkPart, WardenPart, WorkloadPart
from gossipbook.scenario.reading import typed
from gossipbook.scenario.rules import STATES
from gossipbook.scenario.scenario import Scenario
from gossipbook.sim.recorded import recorded_orders
from gossipbook.sim.signatures import StubIdentity

FORMAT = 1
WARDEN = "warden"
SYMBOLS = tuple(f"SIM{i}/USD" for i in range(16))


@dataclass(frozen=True)
class Plan:
    """A planned run: network, workload and faults, before execution. ``seed`` draws all else, such as delays."""

    scenario: Scenario
    seed: int
    orders: tuple[PlannedOp, ...]
    faults: tuple[FaultPart, ...]

    def in_fair_weather(self) -> "Plan":
        """Return the same orders without any fault."""
        return replace(self, scenario=self.scenario.without_faults(), faults=())

    def events(self) -> int:
        """Count what a person would have to look at: commands of orders, and faults."""
        return sum(len(order.commands) for order in self.orders) + len(self.faults)

    def to_json(self) -> str:
        """Encode the plan as one line of JSON."""
        document = {
            "format": FORMAT,
            "scenario": asdict(self.scenario),
            "seed": self.seed,
            "orders": [[o.at_us, o.author, o.pair, [_jsonable(c) for c in o.commands], o.ttl_ms] for o in self.orders],
            "faults": [asdict(fault) for fault in self.faults],
        }
        return json.dumps(document, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Read a plan back.

        Raises:
            ScenarioError: it is not one, or of another format.
        """
        try:
            return cls._read(json.loads(text))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError, DecodeError) as error:
            raise ScenarioError(f"not a plan of a simulation: {error!r:.200}") from None

    @classmethod
    def _read(cls, document: Any) -> "Plan":
        if document["format"] != FORMAT:
            raise ScenarioError(f"this plan has format {document['format']!r:.20}; this version reads {FORMAT}")
        raw = document["scenario"]
        scenario = Scenario(
            name=typed(raw["name"], ""),
            network=_part(NetworkPart, raw["network"]),
            workload=_part(WorkloadPart, raw["workload"]),
            faults=tuple(_part(FaultPart, fault) for fault in raw["faults"]),
            wardens=tuple(_part(WardenPart, warden) for warden in raw.get("wardens", [])),
            expect=_part(ExpectPart, raw["expect"]),
            budget=_part(BudgetPart, raw["budget"]),
            why=typed(raw["why"], ""),
        )
        faults = tuple(_part(FaultPart, fault) for fault in document["faults"])
        replace(scenario, faults=faults)  # They keep to the same rules.
        return cls(scenario, _whole(document["seed"]), tuple(_planned_op(raw) for raw in document["orders"]), faults)


def make_plan(scenario: Scenario, seed: int) -> Plan:
    """Draw the orders of a seed; the faults are those of the scenario."""
    if scenario.workload.flow == "agents":
        orders = agents_orders(scenario.workload, scenario.network.pairs, seed)
    else:
        orders = recorded_orders(scenario)
    if scenario.wardens:
        orders = tuple(sorted(orders + _wardens_orders(scenario), key=lambda order: order.at_us))
    return Plan(scenario, seed, orders, scenario.faults)


def _wardens_orders(scenario: Scenario) -> tuple[PlannedOp, ...]:
    """Return the warden's commands, one for each pair."""
    return tuple(
        PlannedOp(round(said.at_s * US_PER_S), WARDEN, pair, (SetState(STATES[said.state]),), 0)
        for said in sorted(scenario.wardens, key=lambda said: said.at_s)
        for pair in range(scenario.network.pairs)
    )


def identities(network: NetworkPart) -> list[Identity]:
    """Make the peers' keys, the same in every run with these signatures; the matchers' come first."""
    make = StubIdentity if network.signatures == "stub" else Identity
    return [make(hashlib.sha256(f"simulated peer {i}".encode()).digest()) for i in range(network.peers)]


def make_manifest(network: NetworkPart, keys: list[Identity], *, warden: bool = False) -> Manifest:
    """Make the manifest of a simulated network: one operator for each matcher, and a warden if asked for."""
    matchers = tuple(
        Matcher(f"p{i}", key.public_key, f"operator {i}")
        for i, key in enumerate(keys[: network.matchers or network.committee])
    )
    pairs = tuple(Pair(symbol) for symbol in SYMBOLS[: network.pairs])
    timing = Timing(network_delay_ms=max(1, math.ceil(network.delay_ms[1])), timeout_base_ms=network.timeout_base_ms)
    wardens = (author_identity(WARDEN).public_key,) if warden else ()
    return Manifest(
        "simulated", pairs, matchers, network.committee, network.fault_model, wardens=wardens, timing=timing
    )


def _part(kind: type[Any], raw: dict[str, Any]) -> Any:
    examples = {f.name: "" if f.default is MISSING else f.default for f in fields(kind)}
    return kind(**{key: typed(value, examples[key]) for key, value in raw.items()})


def _planned_op(raw: list[Any]) -> PlannedOp:
    """Read an op, and check that its commands can be signed."""
    at_us, author, pair, listed, ttl_ms = raw
    commands = tuple(
        decode_command([bytes.fromhex(field) if isinstance(field, str) else field for field in command])
        for command in listed
    )
    sign_op(StubIdentity(bytes(SEED_BYTES)), ZERO_DIGEST, "any", 0, GENESIS_PREV, commands)
    return PlannedOp(_whole(at_us), typed(author, ""), _whole(pair), commands, _whole(ttl_ms))


def _jsonable(command: Command) -> list[Any]:
    """Encode a command as an array, with keys as hex digits."""
    return [field.hex() if isinstance(field, bytes) else field for field in encode_command(command)]


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{value!r:.40} is no whole number from 0 up")
    return value
