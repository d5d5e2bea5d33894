"""Small exchanges, opened from a few lines of TOML, and a tape of what their peers do."""

from collections.abc import Sequence
from typing import Any

from gossipbook.consensus.records import Finalized
from gossipbook.effects import LinkId
from gossipbook.errors import DecodeError
from gossipbook.gossip.messages import Push
from gossipbook.scenario.reading import parse_scenario
from gossipbook.scenario.scenario import Scenario
from gossipbook.sim.checkers import Checker
from gossipbook.sim.exchange import Exchange
from gossipbook.sim.host import Host, Observer
from gossipbook.sim.plan import Plan, make_plan
from gossipbook.sim.run import SimulationResult, run_plan
from gossipbook.wire.codec import decode_message

SMALL = "[network]\npeers = 4\ndelay_ms = [1, 4]\n[workload]\nseconds = 4\nops_per_s = 10\n"


def small(faults: str = "", expect: str = "", *, peers: int = 4, seconds: float = 4, ops_per_s: float = 10) -> str:
    """The text of a scenario of a few peers and seconds; ``faults`` are ``key = value`` lines, one fault a string."""
    network = f"[network]\npeers = {peers}\ndelay_ms = [1, 4]\n"
    workload = f"[workload]\nseconds = {seconds}\nops_per_s = {ops_per_s}\n"
    return f"# A test.\n{network}{workload}{faults}\n[expect]\n{expect or 'term_changes = 0'}\n"


def fault(kind: str, **keys: object) -> str:
    """One ``[[fault]]``."""
    lines = [f"{key} = {value!r}" for key, value in keys.items()]
    return "\n".join(["[[fault]]", f"kind = {kind!r}", *lines, ""])


def warden(state: str, **keys: object) -> str:
    """One ``[[warden]]``."""
    lines = [f"{key} = {value!r}" for key, value in keys.items()]
    return "\n".join(["[[warden]]", f"state = {state!r}", *lines, ""])


def scenario(text: str = SMALL) -> Scenario:
    return parse_scenario(text, "test.toml")


def plan(text: str = SMALL, seed: int = 0) -> Plan:
    return make_plan(scenario(text), seed)


def outcome(text: str = SMALL, seed: int = 0) -> SimulationResult:
    return run_plan(plan(text, seed))


def opened(text: str = SMALL, seed: int = 0, checkers: Sequence[Checker] | None = None) -> "tuple[Exchange, Tape]":
    """An exchange whose peers are up and whose traders begin now."""
    exchange = Exchange(plan(text, seed), checkers)
    tape = Tape()
    exchange.world.watch(tape)
    exchange.open()
    return exchange, tape


class Tape(Observer):
    """All that peers say, tell, keep, and how they die."""

    def __init__(self) -> None:
        self.sent_by: list[tuple[Host, tuple[LinkId, ...], Any]] = []
        self.garbage: list[tuple[Host, bytes]] = []
        self.told: list[tuple[int, Host, Any]] = []
        self.crashes: list[tuple[int, Host, str]] = []
        self.starts: list[tuple[int, Host]] = []
        self.closed: list[tuple[Host, LinkId, str]] = []

    def sent(self, host: Host, to: tuple[LinkId, ...], raw: bytes, now_us: int) -> None:
        try:
            message = decode_message(raw)
            self.sent_by.append((host, to, decode_message(message.payload) if isinstance(message, Push) else message))
        except DecodeError:
            self.garbage.append((host, raw))

    def emitted(self, host: Host, event: object, now_us: int) -> None:
        self.told.append((now_us, host, event))

    def crashed(self, host: Host, now_us: int) -> None:
        self.crashes.append((now_us, host, host.why_down))

    def started(self, host: Host, now_us: int) -> None:
        self.starts.append((now_us, host))

    def disconnected(self, host: Host, link: LinkId, reason: str, now_us: int) -> None:
        self.closed.append((host, link, reason))

    def messages(self, kind: type, host: Host | None = None) -> list[Any]:
        """What was sent of a kind, by one host or by any."""
        return [m for who, _, m in self.sent_by if isinstance(m, kind) and host in (None, who)]

    def finals(self, host: Host | None = None) -> list[tuple[int, Host, Finalized]]:
        """When and where blocks became final."""
        return [(at, who, e) for at, who, e in self.told if isinstance(e, Finalized) and host in (None, who)]


def watched(text: str, seed: int = 0) -> "tuple[SimulationResult, Exchange, Tape]":
    """A whole run, and the exchange as it was at its end."""
    tape, held = Tape(), []

    def watch(exchange: Exchange) -> None:
        exchange.world.watch(tape)
        held.append(exchange)

    return run_plan(plan(text, seed), also=watch), held[0], tape


def run_to(exchange: Exchange, second: float) -> None:
    """Let time pass until so many seconds after the first order."""
    exchange.world.run(round(exchange.opened_us / 1_000 + second * 1_000) - exchange.world.now_us // 1_000)
