"""A simulated exchange for tests: peers on a virtual clock, faults on demand, and checkers of every invariant.

    def test_my_strategy_survives_a_partition(simulated_exchange):
        exchange = simulated_exchange(peers=5)
        order = exchange.buy("alice", price_ticks=100, lots=3)
        exchange.partition([exchange.leader], exchange.others(exchange.leader))
        exchange.sell("bob", price_ticks=100, lots=3, through=exchange.others(exchange.leader)[0])
        exchange.run(5)
        exchange.heal()
        exchange.settle()
        assert exchange.filled_lots(order) == 3

Time stands still between the calls. Nothing here waits for anything real.
"""

from collections.abc import Callable, Iterable

from gossipbook.client_messages import AckLevel
from gossipbook.consensus.records import Finalized
from gossipbook.crdt.view import BookView
from gossipbook.matching.commands import AnyPlace, Cancel, Command, OrderType, Place, Side, TimeInForce
from gossipbook.matching.events import FILL, RawEvent
from gossipbook.scenario.orders import PlannedOp
from gossipbook.scenario.partitions import between_groups
from gossipbook.scenario.parts import NetworkPart, WorkloadPart
from gossipbook.scenario.scenario import Scenario
from gossipbook.sim.checkers import Violation
from gossipbook.sim.exchange import Exchange
from gossipbook.sim.host import Host, Observer
from gossipbook.sim.network import Wire
from gossipbook.sim.plan import Plan
from gossipbook.sim.traders import SignedOp

MS = 1_000


class _Tape(Observer):
    """Records every pair's events, from whichever honest peer finalized a block first."""

    def __init__(self) -> None:
        self.events: dict[str, list[RawEvent]] = {}
        self._heights: dict[str, int] = {}

    def emitted(self, host: Host, event: object, now_us: int) -> None:
        if isinstance(event, Finalized) and event.block.height == self._heights.get(event.pair, 0) + 1:
            self._heights[event.pair] = event.block.height
            self.events.setdefault(event.pair, []).extend(event.events)


class SimulatedExchange:
    """An exchange of ``peers`` peers; the first ``committee`` of them (at most 4 by default) sit in every committee.

    Args:
        seed: everything random comes from it.
        network: further keys of a scenario's ``[network]``, such as ``delay_ms=(1.0, 5.0)`` or ``pairs=2``.

    Raises:
        ScenarioError: the network cannot be.
    """

    def __init__(self, peers: int = 4, *, committee: int | None = None, seed: int = 0, **network: object) -> None:
        seats = committee if committee is not None else min(peers, 4) if peers >= 4 else peers
        if "fault_model" not in network and seats < 4:
            network["fault_model"] = "crash"
        part = NetworkPart(peers=peers, committee=seats, **network)  # type: ignore[arg-type]  # Scenario checks them
        scenario = Scenario("a test", network=part, workload=WorkloadPart(seconds=1.0, ops_per_s=0.0))
        self._exchange = Exchange(Plan(scenario, seed, (), ()))
        self._tape = _Tape()
        self._exchange.world.watch(self._tape)
        self._cut: list[Wire] = []
        self._next_ids: dict[tuple[str, str], int] = {}
        self._finished = False
        self._exchange.open()

    # -- who there is -------------------------------------------------------------------------------

    @property
    def pairs(self) -> list[str]:
        return self._exchange.manifest.symbols()

    @property
    def peers(self) -> range:
        """The indices of all peers."""
        return range(len(self._exchange.roles.hosts))

    @property
    def leader(self) -> int:
        """The index of the peer that leads the first pair now."""
        return self._exchange.roles.leader().index

    @property
    def members(self) -> list[int]:
        """The peers of the first pair's committee, in seat order."""
        return [host.index for host in self._exchange.roles.members]

    def others(self, *but: int) -> list[int]:
        """Return all peers but the given ones."""
        return [peer for peer in self.peers if peer not in but]

    # -- trading ------------------------------------------------------------------------------------

    def submit(self, author: str, *commands: Command, pair: str | None = None, through: int | None = None) -> SignedOp:
        """Sign commands as one op of an author and send it to a peer: ``through``, or the author's usual one."""
        symbol = pair or self.pairs[0]
        trader = self._exchange.trader(author)
        if through is not None:
            trader.home = self._host(through)
        at_us = self._exchange.world.now_us
        return trader.trade(PlannedOp(at_us, author, self.pairs.index(symbol), commands, 0), symbol)

    def buy(
        self, author: str, price_ticks: int, lots: int, *, pair: str | None = None, through: int | None = None
    ) -> SignedOp:
        """Place a limit order that is good till cancelled, under the author's next order id."""
        return self._place(author, Side.BUY, price_ticks, lots, pair, through)

    def sell(
        self, author: str, price_ticks: int, lots: int, *, pair: str | None = None, through: int | None = None
    ) -> SignedOp:
        """As :meth:`buy`, on the other side."""
        return self._place(author, Side.SELL, price_ticks, lots, pair, through)

    def cancel(self, order: SignedOp, *, through: int | None = None) -> SignedOp:
        """Cancel the order that an op placed."""
        return self.submit(self._author(order), Cancel(_placed(order).client_id), pair=order.op.pair, through=through)

    def level(self, op: SignedOp) -> AckLevel:
        """Return the highest acknowledgement level that the author has received for an op."""
        return max(op.heard, default=AckLevel.REFUSED)

    def events(self, pair: str | None = None) -> list[RawEvent]:
        """Return all certified events of a pair, as in :mod:`gossipbook.matching.events`."""
        return list(self._tape.events.get(pair or self.pairs[0], []))

    def filled_lots(self, order: SignedOp) -> int:
        """Return how many lots of the order that an op placed are certified as filled."""
        key = (order.op.author, _placed(order).client_id)
        fills = [event for event in self.events(order.op.pair) if event[0] == FILL]
        return sum(event[3] for event in fills for side in ((event[4], event[5]), (event[6], event[7])) if side == key)

    def book(self, peer: int, *, levels: int = 10, pair: str | None = None) -> BookView:
        """Return the book that clients of a peer see: certified and pending apart."""
        core = self._host(peer).peer
        assert core is not None, f"peer {peer} is down"
        return core.pairs[pair or self.pairs[0]].view(levels)

    # -- time ---------------------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        """Simulated seconds since the peers were started."""
        return self._exchange.world.now_us / 1e6

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self._exchange.world.run(round(seconds * MS))

    def run_until(self, condition: Callable[[], bool], within_s: float = 30.0) -> bool:
        """Let time pass until something holds; False if it did not in time."""
        return self._exchange.world.run(round(within_s * MS), condition)

    def settle(self, within_s: float = 60.0) -> None:
        """Let time pass until all agree and nothing is left to do.

        Raises:
            AssertionError: they did not in time, as while a partition is on.
        """
        assert self._exchange.settle(round(within_s * MS)), f"not at rest after {within_s:g} s"

    # -- faults -------------------------------------------------------------------------------------

    def partition(self, *groups: Iterable[int]) -> None:
        """Divide the network into groups; a peer in none of them is alone. Replaces an earlier partition."""
        self.heal()
        self._cut = self._exchange.roles.wires(between_groups(self.peers, groups))
        self._exchange.world.links.cut(self._cut)

    def heal(self) -> None:
        """End the partition."""
        mended, self._cut = self._cut, []
        self._exchange.world.links.mend(mended)

    def crash(self, peer: int) -> None:
        """Kill a peer; what it had not synced is lost."""
        self._exchange.world.crash(self._host(peer).address)

    def restart(self, peer: int) -> None:
        """Start a peer again from its journal."""
        self._exchange.world.start(self._host(peer).address)

    def pause(self, peer: int) -> None:
        """Stop a peer's process without ending it."""
        self._exchange.world.pause(self._host(peer).address)

    def resume(self, peer: int) -> None:
        self._exchange.world.resume(self._host(peer).address)

    # -- verdict ------------------------------------------------------------------------------------

    @property
    def violations(self) -> list[Violation]:
        """The violations that the checkers found so far, oldest first."""
        found = [violation for checker in self._exchange.checkers for violation in checker.violations]
        return sorted(found, key=lambda violation: violation.at_us)

    def check(self) -> None:
        """Raise :class:`AssertionError` naming the first violated invariant, if there is one."""
        for violation in self.violations[:1]:
            raise AssertionError(f"{violation.invariant} at {violation.at_us / 1e6:.3f} s: {violation.text}")

    def finish(self) -> None:
        """Heal, start peers that are down, let all come to rest, and check every invariant; works once."""
        if self._finished:
            return
        self._finished = True
        self.heal()
        for host in self._exchange.roles.hosts:
            self._exchange.world.resume(host.address)
            if host.peer is None:
                self._exchange.world.start(host.address)
        self.check()
        self.settle()
        self._exchange.finish()
        self.check()

    # -- parts --------------------------------------------------------------------------------------

    def _place(
        self, author: str, side: Side, price_ticks: int, lots: int, pair: str | None, through: int | None
    ) -> SignedOp:
        symbol = pair or self.pairs[0]
        client_id = self._next_ids.get((author, symbol), 0) + 1
        self._next_ids[author, symbol] = client_id
        place = Place(client_id, side, OrderType.LIMIT, price_ticks, lots, TimeInForce.GTC)
        return self.submit(author, place, pair=symbol, through=through)

    def _host(self, peer: int) -> Host:
        return self._exchange.roles.hosts[peer]

    def _author(self, order: SignedOp) -> str:
        return order.planned.author


def _placed(order: SignedOp) -> AnyPlace:
    places = [command for command in order.op.commands if isinstance(command, AnyPlace)]
    assert len(places) == 1, "an op that places exactly one order"
    return places[0]
