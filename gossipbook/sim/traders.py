"""Traders that sign ops in sequence, send them to a peer, and send them to another one when no answer comes.

A trader is what a careful client is: it keeps every op until it is certified, sends the very same op again, and never
signs a sequence number twice. It is not a peer, so no fault stops it; but one that is ``loyal`` knows only its own
peer, and is cut off with it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from gossipbook.client_messages import Ack, AckLevel, Submit
from gossipbook.crdt.op import GENESIS_PREV, Op, sign_op
from gossipbook.effects import LinkId
from gossipbook.identity import Identity
from gossipbook.ids import OpId
from gossipbook.peer.events import LinkUp
from gossipbook.scenario.orders import PlannedOp
from gossipbook.sim.clocks import START_WALL_MS, US_PER_MS
from gossipbook.sim.host import Host
from gossipbook.sim.world import World
from gossipbook.wire.codec import decode_message, encode_message

RESEND_US = 2_000_000
RESENDS_AT_ONCE = 32


@dataclass(slots=True)
class Signed:
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
        self._loyal = loyal
        self.ops: list[Signed] = []
        self._world = world
        self._hosts = list(world.hosts.values())
        self._open: dict[OpId, Signed] = {}
        self._ids: dict[OpId, None] = {}
        self._heads: dict[str, tuple[int, OpId]] = {}
        self._lives: dict[LinkId, int] = {}
        self._resending = False
        self._tries = 0

    def trade(self, planned: PlannedOp, pair: str) -> Signed:
        """Sign and send the next op."""
        world = self._world
        seq, prev = self._heads.get(pair, (0, GENESIS_PREV))
        wall_ms = START_WALL_MS + world.now_us // US_PER_MS
        expiry_ms = wall_ms + planned.ttl_ms if planned.ttl_ms else 0
        op = sign_op(self.identity, world.manifest.chain_id, pair, seq, prev, planned.commands, expiry_ms)
        self._heads[pair] = (seq + 1, op.id)
        signed = Signed(op, world.now_us, planned)
        self.ops.append(signed)
        self._open[op.id] = signed
        self._ids[op.id] = None
        self._send(signed, self.home if self.home.up else self._another(1))
        if not self._resending:
            self._resending = True
            world.call(RESEND_US, self._resend)
        return signed

    def signed(self, op_id: OpId) -> bool:
        """Return whether this trader signed an op."""
        return op_id in self._ids

    def open_ops(self) -> list[Signed]:
        """Return the ops that are neither certified nor refused, oldest first."""
        return list(self._open.values())

    def _resend(self) -> None:
        """Send every op that is still open to the next peer, oldest first."""
        self._resending = bool(self._open)
        if not self._resending:
            return
        late = self._world.now_us - RESEND_US
        waiting = [signed for signed in self._open.values() if signed.signed_us <= late][:RESENDS_AT_ONCE]
        self._tries += bool(waiting)
        for signed in waiting:
            self._send(signed, self._another(self._tries))
        self._world.call(RESEND_US, self._resend)

    def _another(self, tries: int) -> Host:
        """Return the peer that comes ``tries`` after the home peer."""
        if self._loyal:
            return self.home
        return self._hosts[(self.home.index + tries) % len(self._hosts)]

    def _send(self, signed: Signed, host: Host) -> None:
        signed.sends += 1
        if host.peer is None:
            return
        link = self.identity.peer_id + host.index.to_bytes(2, "big")
        if self._lives.get(link) != host.life:
            self._lives[link] = host.life
            self._world.clients[link] = self._ear(host)
            self._world.push(0, host.address, LinkUp(link, self.identity.public_key, "client", False))
        self._world.submit(host.address, link, encode_message(Submit(signed.op)))

    def _ear(self, host: Host) -> Callable[[bytes], None]:
        def hear(raw: bytes) -> None:
            ack = decode_message(raw)
            signed = self._open.get(ack.op_id) if isinstance(ack, Ack) else None
            if signed is None:
                return
            if ack.level == AckLevel.REFUSED:
                signed.refused = ack.reason
                return
            signed.heard.setdefault(ack.level, (self._world.now_us, host))
            if ack.level == AckLevel.CERTIFIED:
                del self._open[ack.op_id]

        return hear
