"""Traders of a simulated run: the author core that real traders have, driven on the world's time.

A trader is not a peer, so no fault stops it; but one that is ``loyal`` knows only its own peer, and is cut off with it.
Every peer's ack is believed here: what liars can do to an author is tried on the core itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gossipbook.client_messages import Ack, AckLevel, Submit
from gossipbook.crdt.inserted import Inserted
from gossipbook.crdt.op import Op
from gossipbook.effects import Effect, Emit, LinkId, Now, Persist, Send, SetTimer
from gossipbook.identity import Identity
from gossipbook.ids import OpId
from gossipbook.peer.events import LinkUp
from gossipbook.scenario.orders import PlannedOp
from gossipbook.sim.clocks import START_WALL_MS, US_PER_MS
from gossipbook.sim.host import Host
from gossipbook.sim.world import World
from gossipbook.trade import author_events as author
from gossipbook.trade.author import AuthorCore
from gossipbook.trade.op_chain import StoredChain
from gossipbook.wire.codec import decode_message, encode_message
from gossipbook.wire.handshake import Role

CONFIG = author.AuthorConfig(
    in_flight_cap=1_024,  # a plan is traded whole: whatever a network without a quorum makes of it
    copies=1,
    resend_ms=2_000,
    resend_cap_ms=2_000,
    resends_at_once=32,
    ask_heads=False,
    want_outcomes=False,
)


class InFlightFull(Exception):
    """A simulated trader has more uncertified ops than peers take of one author."""


@dataclass(slots=True)
class SignedOp:
    """One op and its acknowledgements: for each level the time in microseconds and the host."""

    op: Op
    signed_us: int
    planned: PlannedOp
    heard: dict[AckLevel, tuple[int, Host]] = field(default_factory=dict)
    refused: str = ""
    sends: int = 0


class Trader:
    """One author, who trades in all pairs."""

    def __init__(self, name: str, identity: Identity, world: World, home: Host, *, loyal: bool = False) -> None:
        self.name = name
        self.identity = identity
        self.home = home
        self.ops: list[SignedOp] = []
        self._world = world
        hosts = list(world.hosts.values())
        at = home.index
        self._hosts = [home] if loyal else [*hosts[at:], *hosts[:at]]  # each is asked after the one before
        self._by_link = {self._link(host): host for host in self._hosts}
        self._open: dict[OpId, SignedOp] = {}
        self._ids: dict[OpId, None] = {}
        self._lives: dict[LinkId, int] = {}
        self._requests = 0
        self._core = AuthorCore(identity, world.manifest.chain_id, lambda _: StoredChain(), config=CONFIG)
        self._core.join(world.manifest)
        for link, host in self._by_link.items():
            self._core.handle(author.LinkUp(link, host.identity.public_key, own=True), self._now())

    def trade(self, planned: PlannedOp, pair: str) -> SignedOp:
        """Sign and send the next op.

        Raises:
            InFlightFull: too many of the author's ops are not certified.
        """
        now = self._now()
        expiry_ms = now.wall_ms + planned.ttl_ms if planned.ttl_ms else 0
        self._requests += 1
        request = author.Sign(self._requests, pair, lambda _: planned.commands, expiry_ms)
        effects = self._core.handle(request, now)
        for effect in effects:
            if isinstance(effect, Emit) and isinstance(effect.event, author.Signed):
                op = effect.event.op
                signed = self._open[op.id] = SignedOp(op, self._world.now_us, planned)
                self.ops.append(signed)
                self._ids[op.id] = None
                self._perform(effects, first=True)
                return signed
        raise InFlightFull(f"{self.name} in {pair}")

    def signed(self, op_id: OpId) -> bool:
        """Return whether this trader signed an op."""
        return op_id in self._ids

    def open_ops(self) -> list[SignedOp]:
        """Return the ops that are neither certified nor refused, oldest first."""
        return list(self._open.values())

    def _now(self) -> Now:
        timer_ms = self._world.now_us // US_PER_MS
        return Now(START_WALL_MS + timer_ms, timer_ms)

    def _perform(self, effects: Sequence[Effect], *, first: bool = False) -> None:
        """Perform a core's effects; an op goes first to whoever is home at the moment."""
        for effect in effects:
            match effect:
                case Send((link,), Submit(op)):
                    home = self.home if self.home.up else self._hosts[1 % len(self._hosts)]
                    self._send(op, home if first else self._by_link[link])
                case SetTimer(after_ms, timer):
                    assert isinstance(timer, author.ResendTimer)
                    self._world.call(after_ms * US_PER_MS, self._fire(timer))
                case Persist(author.ChainRecord() as record):
                    self._certified_below(record.pair, record.certified_seq)
                case Emit(author.OpLost(op_id)) if op_id in self._open:
                    self._open.pop(op_id).refused = Inserted.LIFE_OVER.value
                case _:
                    pass  # What is recorded or told is in ``ops`` already.

    def _fire(self, timer: author.ResendTimer) -> Callable[[], None]:
        return lambda: self._perform(self._core.handle(timer, self._now()))

    def _certified_below(self, pair: str, next_seq: int) -> None:
        for op_id, signed in list(self._open.items()):
            if signed.op.pair == pair and signed.op.seq < next_seq:
                del self._open[op_id]

    def _link(self, host: Host) -> LinkId:
        return self.identity.peer_id + host.index.to_bytes(2, "big")

    def _send(self, op: Op, host: Host) -> None:
        signed = self._open.get(op.id)
        if signed is not None:
            signed.sends += 1
        if host.peer is None:
            return
        link = self._link(host)
        if self._lives.get(link) != host.life:
            self._lives[link] = host.life
            self._world.clients[link] = self._ear(link, host)
            self._world.push(0, host.address, LinkUp(link, self.identity.public_key, Role.CLIENT, False))
        self._world.submit(host.address, link, encode_message(Submit(op)))

    def _ear(self, link: LinkId, host: Host) -> Callable[[bytes], None]:
        def hear(raw: bytes) -> None:
            ack = decode_message(raw)
            signed = self._open.get(ack.op_id) if isinstance(ack, Ack) else None
            if signed is None:
                return
            if ack.level == AckLevel.REFUSED:
                signed.refused = ack.reason
            else:
                signed.heard.setdefault(ack.level, (self._world.now_us, host))
            self._perform(self._core.handle(author.Acked(link, ack), self._now()))

        return hear
