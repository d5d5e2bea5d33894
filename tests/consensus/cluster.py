"""Whole committees of real peers on virtual time, and what must hold of them."""

import random
from collections.abc import Iterable

from gossipbook.client_messages import Ack, AckLevel
from gossipbook.consensus.records import Finalized
from gossipbook.crdt.op import GENESIS_PREV, Op, sign_op
from gossipbook.crdt.stays import STAYS_SINCE
from gossipbook.effects import Now
from gossipbook.identity import Identity
from gossipbook.ids import PeerId
from gossipbook.manifest import Manifest
from gossipbook.matching.commands import Command
from gossipbook.matching.events import FILL
from gossipbook.peer.events import Submitted
from gossipbook.peer.pair_replica import PairReplica
from gossipbook.sim.clocks import START_WALL_MS
from gossipbook.sim.host import Host, Observer
from gossipbook.sim.network import Network
from gossipbook.sim.world import World

from .kit import SYMBOL, buy, identity, network, seated, sell

S = 1_000


class Author:
    """A wallet: signs contiguous ops and remembers them."""

    def __init__(self, name: str, manifest: Manifest) -> None:
        self.identity = identity(name)
        self.manifest = manifest
        self.ops: list[Op] = []
        self.next_client_id = 1

    def sign(self, *commands: Command, expiry_ms: int = 0) -> Op:
        prev = self.ops[-1].id if self.ops else GENESIS_PREV
        if not self.ops and self.manifest.rules_version >= STAYS_SINCE:
            expiry_ms = expiry_ms or START_WALL_MS + self.manifest.limits.author_retention_ms // 2
        op = sign_op(self.identity, self.manifest.chain_id, SYMBOL, len(self.ops), prev, commands, expiry_ms)
        self.ops.append(op)
        return op

    def order(self, rng: random.Random) -> Op:
        make = rng.choice([buy, sell])
        op = self.sign(make(self.next_client_id, rng.randint(98, 102), rng.randint(1, 9)))
        self.next_client_id += 1
        return op


class Wires(Network):
    """Any order, 1 to 3 ms, with sides that do not hear each other and some loss."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        self.side: dict[PeerId, int] = {}
        self.loss = 0.0
        self.rng = rng

    def arrivals(self, a: PeerId, b: PeerId, size: int, now_us: int) -> tuple[int, ...]:
        if self.side.get(a, 0) != self.side.get(b, 0) or self.rng.random() < self.loss:
            return ()
        return (now_us + self.rng.randint(1_000, 3_000),)


class Diary(Observer):
    """What every peer told its subscribers."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def emitted(self, host: Host, event: object, now_us: int) -> None:
        self.events.append(event)


class Cluster:
    """A world of ``n`` members in seat order, with a network whose faults can be set."""

    def __init__(
        self, n: int = 4, fault_model: str = "byzantine", *, seed: int = 1, followers: int = 0, **parts: object
    ):
        self.manifest, identities = network(n, fault_model, **parts)
        self.members: list[Identity] = seated(self.manifest, identities)
        self.followers = [identity(f"follower {i}") for i in range(followers)]
        everybody = [*self.members, *self.followers]
        self.ids = [key.peer_id for key in everybody]
        self.wires = Wires(random.Random(seed))
        self.world = World(self.manifest, everybody, seed=seed, network=self.wires)
        self.diary = Diary()
        self.world.watch(self.diary)
        self.chains: dict[PeerId, list[bytes]] = {}

    def start(self) -> "Cluster":
        for peer in self.ids:
            self.world.start(peer)
        self.world.run(2 * S)
        return self

    def cut(self, *sides: Iterable[int]) -> None:
        self.wires.side = {self.ids[i]: number for number, side in enumerate(sides) for i in side}

    def heal(self) -> None:
        self.wires.side = {}
        self.wires.loss = 0.0

    def submit(self, seat: int, op: Op) -> None:
        self.world.push(0, self.ids[seat], Submitted(op))

    def pair(self, seat: int) -> PairReplica:
        peer = self.world.hosts[self.ids[seat]].peer
        assert peer is not None
        return peer.pairs[SYMBOL]

    def fins(self) -> list[int]:
        return [peer.pairs[SYMBOL].replica.fin for peer in self.world.up()]

    def now(self) -> Now:
        return self.world.now()

    def idle(self) -> bool:
        """All the same chain, the same pending set, and nothing left to do."""
        pairs = [peer.pairs[SYMBOL] for peer in self.world.up()]
        tips = {(p.replica.fin, p.replica.tip, p.ops.digest()) for p in pairs}
        return len(tips) == 1 and not any(p.ops.has_eligible() for p in pairs)

    def settle(self, for_s: int = 120) -> bool:
        return self.world.run(for_s * S, self.idle)

    # -- invariants ---------------------------------------------------------------------------------

    def check(self) -> None:
        """One chain, only extended; equal states at equal heights; no order filled beyond its quantity."""
        longest: dict[int, bytes] = {}
        for peer_id, host in self.world.hosts.items():
            stored = host.journal.load().get(SYMBOL)
            chain = [block.id for block, _, _ in stored.chain] if stored else []
            before = self.chains.get(peer_id, [])
            assert chain[: len(before)] == before, "a finalized chain was changed"
            self.chains[peer_id] = chain
            for height, block_id in enumerate(chain, 1):
                assert longest.setdefault(height, block_id) == block_id, f"two final blocks at {height}"
        self.check_fills()

    def check_fills(self) -> None:
        asked: dict[tuple[bytes, int], int] = {}
        filled: dict[tuple[bytes, int], int] = {}
        seen: dict[tuple[int, int], tuple] = {}
        for event in self.diary.events:
            if not isinstance(event, Finalized):
                continue
            for op in event.items:
                for command in getattr(op, "commands", ()):
                    if hasattr(command, "qty_lots"):
                        asked[op.author, command.client_id] = command.qty_lots
            for raw in event.events:
                key = (event.block.height, raw[1])
                assert seen.setdefault(key, raw) == raw, "two peers saw different events"
        for raw in seen.values():
            if raw[0] == FILL:
                _, _, _, qty, maker, maker_id, taker, taker_id, _ = raw
                for order in ((maker, maker_id), (taker, taker_id)):
                    filled[order] = filled.get(order, 0) + qty
        for order, qty in filled.items():
            assert qty <= asked[order], "an order was filled beyond its quantity"

    def acked(self, level: AckLevel) -> set[bytes]:
        return {event.op_id for event in self.diary.events if isinstance(event, Ack) and event.level == level}

    def certified(self) -> set[bytes]:
        ids = set()
        for host in self.world.hosts.values():
            stored = host.journal.load().get(SYMBOL)
            ids |= {op_id for block, _, _ in (stored.chain if stored else []) for op_id in block.op_ids}
        return ids
