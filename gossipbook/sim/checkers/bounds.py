"""I8: every table, queue and message has a cap and stays within it.

The checker walks all objects that a peer core is made of and measures every container that it meets. One that carries
its cap is held to that; one that is named in :data:`CAPS` to what stands there; all others, whose bound is
structural (seats, links, pairs), to :data:`UNNAMED_CAP`. :data:`HISTORY` names what grows with the chain by design.
"""

from collections import deque
from typing import Any

from sortedcontainers import SortedList

from gossipbook.effects import LinkId
from gossipbook.manifest import Manifest
from gossipbook.ordered import BoundedCounter, BoundedDict, OrderedSet
from gossipbook.sim.checkers.base import Checker
from gossipbook.sim.host import Host

MESSAGE_BYTES_CAP = 128 * 1024
UNNAMED_CAP = 4_096
LOOK_EVERY = 8  # samples; one host at a time
ELEMENTS_LOOKED_AT = 16

CAPS: dict[str, int] = {
    "OpSet.bodies": 131_072,
    "OpSet.logs": 20_000,
    "AuthorLog.by_seq": 1_024 + 256,
    "AuthorLog.main": 1_024,
    "OrderLog._open": 1_000_000,
    "Ladder.levels": 1_000_000,
    "Ladder.keys": 1_000_000,
    "SortedOrders._keys": 1_000_000,
    "SortedOrders._orders": 1_000_000,
    "Book.line": 1_000_000,
    "Router._seen": 131_072,
}
"""By class and attribute; as the cores' constants have it."""


def certified_caps(manifest: Manifest) -> dict[str, int]:
    """The same of what the network's limits bound."""
    limits = manifest.limits
    return {
        "Account.orders": limits.max_open_orders_per_author,
        "Interpretation.authors": limits.max_authors_per_pair,
        "Stays.idle": limits.max_authors_per_pair,
        "Stays.bare": limits.max_authors_per_pair,
        "Engine.events": limits.most_work,
        "Book.emptied": limits.most_work,
    }


HISTORY = frozenset(
    (
        "Chain._ids",
        "Ladder.far",
        "Book.accounts",
        "Book.log",
        "Book.met",
        "Timetable.leases",
        "Timetable.leases_by_end",
        "Groups.joined",
        "Groups.admitted",
        "Groups.members",
        "Groups.sizes",
        "Engine._rates",
    )
)
"""Certified state and the record of it: bounded by the manifest's author table and by the chain's length."""


class BoundsChecker(Checker):
    """Measures every message that is sent, and at intervals the tables of one host after another."""

    def __init__(self) -> None:
        super().__init__()
        self.largest: dict[str, int] = {}
        self._turn = 0
        self._caps: dict[str, int] = {}

    def sent(self, host: Host, to: tuple[LinkId, ...], raw: bytes, now_us: int) -> None:
        self.counts["I8"] += 1
        if len(raw) > MESSAGE_BYTES_CAP and not host.faulty:
            self.blame("I8", f"{host.name} sends a message of {len(raw)} bytes")

    def sample(self, now_us: int) -> None:
        self._turn += 1
        honest = self.view.honest()
        if honest and self._turn % LOOK_EVERY == 0:
            self._measure(honest[self._turn // LOOK_EVERY % len(honest)])

    def finish(self) -> None:
        for host in self.view.honest()[:16]:
            self._measure(host)

    def _measure(self, host: Host) -> None:
        if host.peer is None:
            return
        self._caps = self._caps or CAPS | certified_caps(self.view.manifest)
        seen: set[int] = set()
        todo: list[Any] = [host.peer]
        while todo:
            part = todo.pop()
            if id(part) in seen:
                continue
            seen.add(id(part))
            for name, value in _attributes(part):
                inner = self._look(host, f"{type(part).__name__}.{name}", value)
                todo += [item for item in inner if _is_part(item)]

    def _look(self, host: Host, name: str, value: Any) -> list[Any]:
        """Hold one attribute to its cap, and return the values in it that may hold further tables."""
        if isinstance(value, BoundedDict):
            self._hold(host, name, len(value), value.cap)
            return _some(value.values())
        if isinstance(value, BoundedCounter):
            self._hold(host, name, len(value), value.CAP + 1)
            return []
        if isinstance(value, dict):
            self._hold(host, name, len(value), self._caps.get(name, UNNAMED_CAP))
            return _some(value.values())
        if isinstance(value, list | set | deque | OrderedSet | SortedList):
            self._hold(host, name, len(value), self._caps.get(name, UNNAMED_CAP))
            return _some(value)
        return [value]

    def _hold(self, host: Host, name: str, size: int, cap: int) -> None:
        self.counts["I8"] += 1
        if size > self.largest.get(name, 0):
            self.largest[name] = size
        if size > cap and name not in HISTORY:
            self.blame("I8", f"{name} at {host.name} holds {size}, and may hold {cap}")


def _some(values: Any) -> list[Any]:
    found = []
    for value in values:
        found.append(value)
        if len(found) == ELEMENTS_LOOKED_AT:
            break
    return found


def _is_part(value: Any) -> bool:
    """Return whether a value is an object of the package with mutable state of its own."""
    kind = type(value)
    if not kind.__module__.startswith("gossipbook."):
        return False
    parameters = getattr(kind, "__dataclass_params__", None)
    return (parameters is None or not parameters.frozen) and not issubclass(kind, int | tuple | str)


def _attributes(part: Any) -> list[tuple[str, Any]]:
    found = list(vars(part).items()) if hasattr(part, "__dict__") else []
    for kind in type(part).__mro__:
        names = kind.__dict__.get("__slots__") or kind.__dict__.get("__mypyc_attrs__", ())  # the latter if compiled
        found += [(name, getattr(part, name)) for name in names if hasattr(part, name)]
    return found
