"""A simulated exchange: peers, wires, traders, faults, and the checkers that watch them.

The scenario runner drives one from a plan; a test may drive one by hand.
"""

from collections.abc import Callable, Sequence
from functools import partial

from gossipbook.identity import Verifier
from gossipbook.peer.config import PeerConfig
from gossipbook.scenario.chance import seeded
from gossipbook.scenario.conditions import WireConditions
from gossipbook.scenario.orders import PlannedOp, author_identity
from gossipbook.sim.checkers import Checker, Violation, all_checkers
from gossipbook.sim.clocks import HostClock
from gossipbook.sim.host import Host
from gossipbook.sim.host_roles import HostRoles
from gossipbook.sim.injector import Injector
from gossipbook.sim.network import Network, Weather, everywhere
from gossipbook.sim.plan import Plan, identities, make_manifest
from gossipbook.sim.run_view import RunView
from gossipbook.sim.signatures import StubIdentity, StubVerifier
from gossipbook.sim.topology import neighbours
from gossipbook.sim.traders import SignedOp, Trader
from gossipbook.sim.world import World

WARM_UP_MS = 1_500
SAMPLE_US = 500_000
SETTLE_STEP_MS = 100
QUIET_MS = 3_000
START_SPREAD_US = 200_000
END_OF_TIME_MS = 2**63

PRESETS = {"local": PeerConfig.local, "lan": PeerConfig.lan, "wan": PeerConfig.wan}


class Exchange:
    """Builds the peers, wires and checkers of a plan; :meth:`open` starts them."""

    def __init__(self, plan: Plan, checkers: Sequence[Checker] | None = None) -> None:
        self.plan = plan
        part = plan.scenario.network
        keys = identities(part)
        self.manifest = make_manifest(part, keys, warden=bool(plan.scenario.wardens))
        self.network = Network(seeded(plan.seed, "network"), WireConditions.usual(part).delay)
        stub = part.signatures == "stub"
        self.verifier: Verifier = StubVerifier() if stub else Verifier()
        self.world = World(
            self.manifest,
            keys,
            seed=plan.seed,
            network=self.network,
            config=PRESETS[part.preset](),
            verifier=self.verifier,
        )
        self.world.deliveries_cap = plan.scenario.deliveries_cap
        self.roles = HostRoles(self.world, plan.seed)
        self.world.links.wanted = neighbours(
            list(self.world.hosts), [m.peer_id for m in self.roles.members], part, seeded(plan.seed, "links")
        )
        clocks = seeded(plan.seed, "clocks")
        for host in self.roles.hosts:
            host.clock = HostClock(clocks.randint(-part.clock_skew_ms, part.clock_skew_ms))
        self.traders: dict[str, Trader] = {}
        self.injector: Injector | None = None
        self.opened_us = 0
        self.traded_until_us = 0
        self.healed_us = -1
        self.rested_us = -1
        self.tripped: list[Violation] = []  # a core that failed by itself, or a storm of messages
        self.view = RunView(self.roles, self.traders)
        self.checkers = list(all_checkers() if checkers is None else checkers)
        for checker in self.checkers:
            checker.attend(self.view)
            self.world.watch(checker)

    # -- phases -------------------------------------------------------------------------------------

    def open(self) -> None:
        """Start all peers, let them find one another, and schedule orders and faults."""
        rng = seeded(self.plan.seed, "start")
        for host in self.roles.hosts:
            self.world.call(rng.randrange(START_SPREAD_US), partial(self._start, host))
        self.world.run(WARM_UP_MS)
        part = self.plan.scenario.network
        if part.loss or part.duplicate or part.reorder or part.kbit_s:
            self.network.weather.append(Weather(everywhere, WireConditions.usual(part)))
        self.opened_us = self.world.now_us
        self.traded_until_us = self.opened_us + round(self.plan.scenario.workload.seconds * 1_000_000)
        for order in self.plan.orders:
            self.world.call(order.at_us, partial(self.trade, order))
        self.injector = Injector(self.roles, self.plan.faults, self.plan.seed, self.traders, self.opened_us)
        self.view.faults = self.injector.injected
        self._sample()

    def heal(self) -> None:
        """End all faults but the adversaries'."""
        assert self.injector is not None
        self.injector.heal()
        self.network.weather.clear()
        self.healed_us = self.world.now_us
        self.view.healed = True

    def settle(self, within_ms: int, look: Callable[[], None] | None = None) -> bool:
        """Let time pass until the exchange is at rest; return False if that takes too long.

        ``look`` is called after every step.
        """
        end_us = self.world.now_us + within_ms * 1_000
        while not self.at_rest():
            if self.world.now_us >= end_us:
                return False
            self.world.run(SETTLE_STEP_MS)
            if look is not None:
                look()
        return True

    def at_rest(self) -> bool:
        """Return whether all honest peers have the same chain and pending ops, and no work or trader is waiting.

        A lease that has not run out counts as work, because its end will be some.
        """
        if any(trader.open_ops() and not self._hopeless(trader) for trader in self.traders.values()):
            return False
        states = set()
        for host in self.honest():
            if host.peer is None:
                return False
            for symbol, pair in host.peer.pairs.items():
                if (
                    pair.replica.member.halted
                    or pair.ops.has_eligible()
                    or pair.replica.member.catch_up.busy(pair.replica.fin)
                ):
                    return False
                if pair.certified.due(END_OF_TIME_MS):
                    return False
                states.add((symbol, pair.replica.fin, pair.replica.tip, pair.ops.digest()))
        return len(states) == len(self.manifest.symbols())

    def finish(self) -> None:
        """Let the checkers look at the run's end."""
        for checker in self.checkers:
            checker.finish()

    # -- parts --------------------------------------------------------------------------------------

    def honest(self) -> list[Host]:
        """Return the hosts that are held to the rules."""
        return self.view.honest()

    def trader(self, name: str) -> Trader:
        """Return the trader of an author's name; it is made when first asked for, its peer drawn from the seed."""
        trader = self.traders.get(name)
        if trader is None:
            identity = author_identity(name)
            if self.plan.scenario.network.signatures == "stub":
                identity = StubIdentity(identity.seed)
            loyal = self.plan.scenario.workload.loyal
            trader = self.traders[name] = Trader(name, identity, self.world, self.roles.home(name), loyal=loyal)
        return trader

    def trade(self, order: PlannedOp) -> SignedOp:
        """Sign and send one order now."""
        symbols = self.manifest.symbols()
        return self.trader(order.author).trade(order, symbols[order.pair % len(symbols)])

    def _hopeless(self, trader: Trader) -> bool:
        return all(signed.refused for signed in trader.open_ops())

    def _start(self, host: Host) -> None:
        if host.peer is None:
            self.world.start(host.address)

    def _sample(self) -> None:
        for checker in self.checkers:
            checker.sample(self.world.now_us)
        self.world.call(SAMPLE_US, self._sample)
