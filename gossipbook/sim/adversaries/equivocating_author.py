"""An author who signs two ops with one sequence number and sends one to each side of the network."""

import random
from functools import partial

from gossipbook.client_messages import Submit
from gossipbook.crdt.op import GENESIS_PREV, sign_op
from gossipbook.crdt.stays import opening_expiry_ms
from gossipbook.matching.commands import OrderType, Place, Side, TimeInForce
from gossipbook.peer.events import LinkUp
from gossipbook.scenario.orders import EQUIVOCATOR, FIRST_PRICE_TICKS, author_identity
from gossipbook.sim.host import Host
from gossipbook.sim.host_roles import HostRoles
from gossipbook.sim.signatures import StubIdentity
from gossipbook.wire.codec import encode_message
from gossipbook.wire.handshake import Role

HONEST_OPS = 2
GAP_US = 300_000


class EquivocatingAuthor:
    """Trades honestly at first, so that it has orders to freeze, then signs two ops with one sequence number."""

    def __init__(self, roles: HostRoles, rng: random.Random) -> None:
        self._roles = roles
        self._rng = rng
        real = author_identity(EQUIVOCATOR)
        self.identity = StubIdentity(real.seed) if isinstance(roles.hosts[0].identity, StubIdentity) else real
        self._on = False

    def begin(self) -> None:
        self._on = True
        world, prev = self._roles.world, GENESIS_PREV
        manifest, symbol = world.manifest, self._roles.symbol
        opens_ms = opening_expiry_ms(world.now().wall_ms, manifest.limits.author_retention_ms)
        for seq in range(HONEST_OPS + 1):
            forks = 2 if seq == HONEST_OPS else 1
            ops = []
            for fork in range(forks):
                place = Place(seq + 1, Side.BUY, OrderType.LIMIT, FIRST_PRICE_TICKS - 1 - fork, 3, TimeInForce.GTC)
                expiry_ms = 0 if seq else opens_ms
                ops.append(sign_op(self.identity, manifest.chain_id, symbol, seq, prev, (place,), expiry_ms))
            for fork, op in enumerate(ops):
                raw = encode_message(Submit(op))
                for host in self._roles.hosts[fork::forks]:
                    world.call(seq * GAP_US, partial(self._submit, host, raw))
            prev = ops[0].id

    def end(self) -> None:
        self._on = False

    def _submit(self, host: Host, raw: bytes) -> None:
        if not self._on or host.peer is None:
            return
        link = self.identity.peer_id + host.index.to_bytes(2, "big")
        world = self._roles.world
        world.clients[link] = lambda raw: None
        world.push(0, host.address, LinkUp(link, self.identity.public_key, Role.CLIENT, False))
        world.submit(host.address, link, raw)
