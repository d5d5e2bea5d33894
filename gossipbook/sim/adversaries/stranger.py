"""A base for adversaries who are no peers of the network: keys of their own, and a link to every peer."""

import hashlib
import random
from typing import Any

from gossipbook.crdt.op import GENESIS_PREV, Op, sign_op
from gossipbook.crdt.stays import opening_expiry_ms
from gossipbook.identity import Identity
from gossipbook.ids import OpId
from gossipbook.matching.commands import Command, OrderType, Place, Side, TimeInForce
from gossipbook.peer.events import LinkUp
from gossipbook.scenario.orders import FIRST_PRICE_TICKS
from gossipbook.sim.host import Host
from gossipbook.sim.host_roles import HostRoles
from gossipbook.sim.signatures import StubIdentity
from gossipbook.sim.world import World
from gossipbook.wire.codec import encode_message
from gossipbook.wire.handshake import Role


class StrangeAuthor:
    """A key that signs as it should, whatever it signs."""

    def __init__(self, roles: HostRoles, name: str) -> None:
        make = StubIdentity if isinstance(roles.hosts[0].identity, StubIdentity) else Identity
        self.identity = make(hashlib.sha256(name.encode()).digest())
        self._roles = roles
        self._seq, self._head = 0, GENESIS_PREV
        self.client_id = 0

    def next_id(self) -> int:
        self.client_id += 1
        return self.client_id

    def sign(self, *commands: Command, seq: int | None = None, prev: OpId | None = None) -> Op:
        """Sign the next op; or with ``seq`` and ``prev`` one of any place, which is not remembered."""
        world, symbol = self._roles.world, self._roles.symbol
        at, head = (self._seq, self._head) if seq is None else (seq, prev or GENESIS_PREV)
        retention_ms = world.manifest.limits.author_retention_ms
        expiry_ms = 0 if at else opening_expiry_ms(world.now().wall_ms, retention_ms)
        op = sign_op(self.identity, world.manifest.chain_id, symbol, at, head, commands, expiry_ms)
        if seq is None:
            self._seq, self._head = at + 1, op.id
        return op


def small_order(client_id: int, time_in_force: TimeInForce = TimeInForce.GTC) -> Place:
    """Return an order that meets nothing: it is there to be there."""
    return Place(client_id, Side.BUY, OrderType.LIMIT, FIRST_PRICE_TICKS // 10, 1, time_in_force)


def say(world: World, host: Host, who: Identity, raw: bytes, role: Role = Role.CLIENT) -> None:
    """Send a message to a peer over a link of somebody's own, who listens to nothing."""
    link = who.peer_id + host.index.to_bytes(2, "big")
    world.clients[link] = lambda raw: None
    world.push(0, host.address, LinkUp(link, who.public_key, role, False))
    world.submit(host.address, link, raw)


class Stranger:
    """Sends messages to one peer after another, at regular intervals, over links in a role that anybody may have."""

    gap_us = 100_000
    role = Role.CLIENT

    def __init__(self, roles: HostRoles, rng: random.Random) -> None:
        self._roles = roles
        self._rng = rng
        self._on = False
        self.number = 0  # of the present message, from 1 on
        self.name = type(self).__name__.lower()
        self._key = StrangeAuthor(roles, self.name).identity

    def author(self, number: int | str) -> StrangeAuthor:
        """Make an author of the stranger's."""
        return StrangeAuthor(self._roles, f"{self.name} {number}")

    def begin(self) -> None:
        self._on = True
        self._roles.world.call(self.gap_us, self._tick)

    def end(self) -> None:
        self._on = False

    def act(self) -> Any:
        """Return the next message; None to send nothing this time."""
        raise AssertionError("every stranger says something")

    def _tick(self) -> None:
        if not self._on:
            return
        host = self._roles.hosts[self.number % len(self._roles.hosts)]
        self.number += 1
        message = self.act()
        if message is not None and host.peer is not None:
            say(self._roles.world, host, self._key, encode_message(message), self.role)
        self._roles.world.call(self.gap_us, self._tick)
