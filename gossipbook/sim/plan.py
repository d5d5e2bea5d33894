"""What a run consists of, as data: a scenario, a seed, and what came of the two.

Orders and faults are lists that can be shortened, which is how a failing run is made small; ``to_json`` and
``from_json`` carry a plan to a file and back, which is how it is replayed.
"""

import hashlib
import json
import math
import random
from dataclasses import asdict, dataclass, replace
from typing import Any

from gossipbook.errors import ScenarioError
from gossipbook.identity import Identity
from gossipbook.manifest import Manifest, Matcher, Pair, Timing
from gossipbook.matching.commands import KINDS, Amend, Cancel, CancelAll, Command, Place
from gossipbook.sim.orders import Submission, agents_orders
from gossipbook.sim.scenario import BudgetPart, ExpectPart, FaultPart, NetworkPart, Scenario, WorkloadPart
from gossipbook.sim.signatures import StubIdentity

FORMAT = 1
SYMBOLS = tuple(f"SIM{i}/USD" for i in range(16))
_COMMANDS: dict[int, type[Any]] = {kind: cls for cls, kind in KINDS.items()}
assert set(_COMMANDS.values()) == {Place, Cancel, Amend, CancelAll}


@dataclass(frozen=True)
class Plan:
    """One run to be. ``seed`` draws everything that the lists do not say: delays, targets, crashes."""

    scenario: Scenario
    seed: int
    orders: tuple[Submission, ...]
    faults: tuple[FaultPart, ...]

    def in_fair_weather(self) -> "Plan":
        """The same orders without a fault."""
        return replace(self, scenario=self.scenario.without_faults(), faults=())

    def events(self) -> int:
        """What a person would have to look at: commands of orders, and faults."""
        return sum(len(order.commands) for order in self.orders) + len(self.faults)

    def to_json(self) -> str:
        """One line."""
        document = {
            "format": FORMAT,
            "scenario": asdict(self.scenario),
            "seed": self.seed,
            "orders": [
                [o.at_us, o.author, o.pair, [[KINDS[type(c)], *map(int, c)] for c in o.commands], o.ttl_ms]
                for o in self.orders
            ],
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
            document = json.loads(text)
            if document["format"] != FORMAT:
                raise ScenarioError(f"this plan has format {document['format']}; this version reads {FORMAT}")
            raw = document["scenario"]
            scenario = Scenario(
                name=raw["name"],
                network=_part(NetworkPart, raw["network"]),
                workload=_part(WorkloadPart, raw["workload"]),
                faults=tuple(_part(FaultPart, fault) for fault in raw["faults"]),
                expect=_part(ExpectPart, raw["expect"]),
                budget=_part(BudgetPart, raw["budget"]),
                why=raw["why"],
            )
            orders = tuple(
                Submission(at_us, author, pair, tuple(_command(c) for c in commands), ttl_ms)
                for at_us, author, pair, commands, ttl_ms in document["orders"]
            )
            return cls(scenario, document["seed"], orders, tuple(_part(FaultPart, f) for f in document["faults"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ScenarioError(f"not a plan of a simulation: {error!r}") from None


def make_plan(scenario: Scenario, seed: int) -> Plan:
    """Draw the orders of a seed; the faults are the scenario's."""
    orders = agents_orders(scenario.workload, scenario.network.pairs, seed)
    return Plan(scenario, seed, orders, scenario.faults)


def identities(network: NetworkPart) -> list[Identity]:
    """The peers' keys, the same in all runs of a kind; the matchers come first."""
    make = StubIdentity if network.signatures == "stub" else Identity
    return [make(hashlib.sha256(f"simulated peer {i}".encode()).digest()) for i in range(network.peers)]


def make_manifest(network: NetworkPart, keys: list[Identity]) -> Manifest:
    """The manifest of a simulated network: one operator a matcher."""
    matchers = tuple(
        Matcher(f"p{i}", key.public_key, f"operator {i}")
        for i, key in enumerate(keys[: network.matchers or network.committee])
    )
    pairs = tuple(Pair(symbol) for symbol in SYMBOLS[: network.pairs])
    timing = Timing(network_delay_ms=max(1, math.ceil(network.delay_ms[1])), timeout_base_ms=network.timeout_base_ms)
    return Manifest("simulated", pairs, matchers, network.committee, network.fault_model, timing=timing)


def seeded(seed: int, *what: object) -> random.Random:
    """A source of chance of its own for each purpose, so that leaving one thing out does not change the others."""
    return random.Random(f"{seed} {' '.join(map(str, what))}")


def _part(kind: type[Any], raw: dict[str, Any]) -> Any:
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()})


def _command(raw: list[int]) -> Command:
    made: Command = _COMMANDS[raw[0]](*raw[1:])
    return made
