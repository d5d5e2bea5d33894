"""The orders of a run, all decided before it starts: who trades what, and when.

Agents quote around a reference price that walks by itself, not around the book. So the orders of a seed are the same
in fair weather and under faults, and whatever differs between the two runs is what the faults cost; and a failing
run can be made smaller by leaving orders out. Which orders are special is drawn beside, from a source of its own.

Everything is drawn in integers, so that no machine's floating point makes another run.
"""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from gossipbook.identity import Identity
from gossipbook.matching.commands import (
    Amend,
    AmendFlags,
    Cancel,
    CancelAll,
    Command,
    Lease,
    OrderType,
    Place,
    PlaceFlags,
    PlaceSpecial,
    SelfTrade,
    Side,
    TimeInForce,
)
from gossipbook.scenario.parts import WorkloadPart

US_PER_S = 1_000_000
EQUIVOCATOR = "equivocator"
"""The author who signs two ops with one sequence number, where a scenario has one."""

FIRST_PRICE_TICKS = 10_000
STEP_US = 250_000
EXPIRING_MS = 2_000
_PREVENTING = tuple(mode for mode in SelfTrade if mode != SelfTrade.ALLOW)
LEASE_MS = 2_000  # a maker of two acts once in one or two seconds at the usual pace: some leases run out
SHARES = {"maker": 4, "noise": 8, "taker": 5, "canceller": 3}  # of all ops; a guess at a lively book


class PlannedOp(NamedTuple):
    """One op before it is signed: sent at ``at_us`` after trading begins, by ``author``, to the author's peer.

    ``ttl_ms`` 0 never expires; else the op may not run later than so long after it was signed.
    """

    at_us: int
    author: str
    pair: int
    commands: tuple[Command, ...]
    ttl_ms: int


def author_identity(author: str) -> Identity:
    """Return the key of a simulated author, the same in all runs."""
    return Identity(hashlib.sha256(f"author {author}".encode()).digest())


@dataclass
class _Agent:
    name: str
    kind: str
    next_id: dict[int, int] = field(default_factory=dict)
    open: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # (client id, lots) thought to be open

    def take_id(self, pair: int) -> int:
        self.next_id[pair] = self.next_id.get(pair, 0) + 1
        return self.next_id[pair]


class _Agents:
    """All agents of a run, and the reference price that they quote around."""

    def __init__(self, workload: WorkloadPart, pairs: int, rng: random.Random) -> None:
        self._workload = workload
        self._pairs = pairs
        self._rng = rng
        self._price = [FIRST_PRICE_TICKS] * pairs
        self._stepped_us = 0
        counts = {
            "maker": workload.makers,
            "noise": workload.noise,
            "taker": workload.takers,
            "canceller": workload.cancellers,
        }
        self._agents = [_Agent(f"{kind} {i}", kind) for kind, count in counts.items() for i in range(count)]
        self._weights = [SHARES[agent.kind] for agent in self._agents]
        self._acts: dict[str, Callable[[_Agent, int, int], tuple[Command, ...]]] = {
            "maker": self._quote,
            "noise": self._noise,
            "taker": self._take,
            "canceller": self._place_or_cancel,
        }

    def act(self, at_us: int) -> PlannedOp:
        """Draw the next op, at its time."""
        rng = self._rng
        while self._stepped_us + STEP_US <= at_us:
            self._stepped_us += STEP_US
            self._price = [max(100, price + rng.randint(-1, 1)) for price in self._price]
        agent = rng.choices(self._agents, self._weights)[0]
        pair = rng.randrange(self._pairs)
        commands = self._acts[agent.kind](agent, pair, self._price[pair])
        expiring = rng.randrange(1_000) < self._workload.expiring * 1_000
        return PlannedOp(at_us, agent.name, pair, commands, EXPIRING_MS if expiring else 0)

    def _quote(self, agent: _Agent, pair: int, price: int) -> tuple[Command, ...]:
        """Replace all levels of a maker with one op."""
        rng = self._rng
        commands: list[Command] = [CancelAll(0)]
        flags = PlaceFlags.POST_ONLY if rng.randrange(2) else PlaceFlags.NONE
        for level in range(1, self._workload.levels + 1):
            for side, ticks in ((Side.BUY, price - 2 * level), (Side.SELL, price + 2 * level)):
                lots = rng.randint(1, 9)
                commands.append(Place(agent.take_id(pair), side, OrderType.LIMIT, ticks, lots, TimeInForce.GTC, flags))
        return tuple(commands)

    def _noise(self, agent: _Agent, pair: int, price: int) -> tuple[Command, ...]:
        rng = self._rng
        open_orders = agent.open.setdefault(pair, [])
        what = rng.randrange(10)
        if open_orders and what == 0:
            return (Cancel(open_orders.pop(0)[0]),)
        if open_orders and what == 1:
            client_id, lots = open_orders[-1]
            return (Amend(client_id, 0, max(1, lots - 1), AmendFlags.REDUCE_ONLY),)
        if open_orders and what == 2:
            return (Amend(open_orders[-1][0], price + rng.randint(-4, 4), 0),)
        side = rng.choice((Side.BUY, Side.SELL))
        away = rng.randint(-2, 8)
        lots = rng.randint(1, 9)
        client_id = agent.take_id(pair)
        open_orders.append((client_id, lots))
        del open_orders[:-16]
        ticks = price - away if side == Side.BUY else price + away
        mode = rng.choice(_PREVENTING)
        return (Place(client_id, side, OrderType.LIMIT, ticks, lots, TimeInForce.GTC, PlaceFlags.NONE, mode),)

    def _take(self, agent: _Agent, pair: int, price: int) -> tuple[Command, ...]:
        rng = self._rng
        side = rng.choice((Side.BUY, Side.SELL))
        ticks = price + 10 if side == Side.BUY else price - 10
        kind = rng.choice((OrderType.LIMIT, OrderType.MARKET))
        tif = TimeInForce.FOK if rng.randrange(5) == 0 else TimeInForce.IOC
        return (Place(agent.take_id(pair), side, kind, ticks, rng.randint(1, 12), tif),)

    def _place_or_cancel(self, agent: _Agent, pair: int, price: int) -> tuple[Command, ...]:
        open_orders = agent.open.setdefault(pair, [])
        if open_orders:
            return (Cancel(open_orders.pop()[0]),)
        side = self._rng.choice((Side.BUY, Side.SELL))
        client_id = agent.take_id(pair)
        open_orders.append((client_id, 5))
        ticks = price - 1 if side == Side.BUY else price + 1
        return (Place(client_id, side, OrderType.LIMIT, ticks, 5, TimeInForce.GTC),)


def agents_orders(workload: WorkloadPart, pairs: int, seed: int) -> tuple[PlannedOp, ...]:
    """Draw all ops of a run, in time order; gaps between them are uniform up to twice their mean."""
    rng = random.Random(f"orders {seed}")
    special = random.Random(f"special orders {seed}")
    agents = _Agents(workload, pairs, rng)
    orders: list[PlannedOp] = []
    if not workload.ops_per_s:
        return ()
    twice_the_gap_us = round(2 * US_PER_S / workload.ops_per_s)
    end_us = round(workload.seconds * US_PER_S)
    at_us = rng.randint(0, twice_the_gap_us)
    while at_us < end_us:
        orders.append(_made_special(agents.act(at_us), workload, special))
        at_us += rng.randint(0, twice_the_gap_us)
    return tuple(orders)


def _made_special(order: PlannedOp, workload: WorkloadPart, rng: random.Random) -> PlannedOp:
    """Replace a share of an op's orders by special ones; with leases, let a maker's quote renew its own."""
    commands = list(order.commands)
    for number, command in enumerate(commands):
        if isinstance(command, Place) and workload.special and rng.randrange(1_000) < workload.special * 1_000:
            commands[number] = _special(command, rng)
    if workload.leases and order.author.startswith("maker"):
        commands.insert(0, Lease(LEASE_MS))
    return order._replace(commands=tuple(commands))


def _special(place: Place, rng: random.Random) -> PlaceSpecial:
    """Draw a special order like a plain one: a minimum for takers, slide, iceberg or stop for makers."""
    order = PlaceSpecial(*place)
    if place.tif != TimeInForce.GTC:
        least = rng.randint(1, place.qty_lots)
        return order._replace(tif=TimeInForce.IOC, min_lots=least)
    if place.flags:
        return order._replace(flags=PlaceFlags.POST_ONLY | PlaceFlags.SLIDE)
    kind = rng.choice(("iceberg", "stop", "stop-limit"))
    if kind == "iceberg":
        return order._replace(qty_lots=place.qty_lots * rng.randint(2, 4), display_lots=place.qty_lots)
    beyond = 1 if place.side == Side.BUY else -1
    stop = place.price_ticks + beyond * rng.randint(2, 10)
    limit = stop + beyond * rng.randint(0, 6)
    type_ = OrderType.STOP if kind == "stop" else OrderType.STOP_LIMIT
    return order._replace(type=type_, price_ticks=limit, stop_ticks=stop)
