"""A peer that sends old messages again to other peers, and ops that were signed for another network."""

import random
from typing import Any

from gossipbook.consensus.messages import Bodies
from gossipbook.crdt.op import Op, sign_op
from gossipbook.effects import LinkId
from gossipbook.gossip.messages import Push
from gossipbook.ids import DIGEST_BYTES
from gossipbook.matching.commands import OrderType, Place, Side, TimeInForce
from gossipbook.scenario.orders import FIRST_PRICE_TICKS, author_identity
from gossipbook.sim.adversaries.busy import Busy
from gossipbook.sim.host import Host
from gossipbook.sim.host_roles import HostRoles
from gossipbook.sim.signatures import StubIdentity
from gossipbook.wire.codec import encode_message

MEMORY_CAP = 512
FOREIGN_IDS = 1_000_000


class Replayer(Busy):
    """Sends only messages whose signatures are good, among them an op signed for another network."""

    gap_us = 10_000

    def __init__(self, roles: HostRoles, host: Host, rng: random.Random) -> None:
        super().__init__(roles, host, rng)
        self._heard: list[Any] = []
        real = author_identity("taker 0")
        self._author = StubIdentity(real.seed) if isinstance(host.identity, StubIdentity) else real
        self._number = 0

    def hears(self, sender: LinkId, message: Any) -> bool:
        if len(self._heard) < MEMORY_CAP:
            self._heard.append(message)
        else:
            self._heard[self._rng.randrange(MEMORY_CAP)] = message
        return True

    def act(self) -> bytes | None:
        if self._rng.randrange(10) == 0:
            bodies = encode_message(Bodies(self._roles.symbol, (self._foreign(),)))
            return encode_message(Push(self._roles.symbol, bodies))
        return encode_message(self._rng.choice(self._heard)) if self._heard else None

    def _foreign(self) -> Op:
        """Return an op that its author signed for another network, with the sequence number of its next op here."""
        assert self._host.peer is not None
        self._number += 1
        state = self._host.peer.pairs[self._roles.symbol].certified.author(self._author.public_key)
        client_id = FOREIGN_IDS + self._number
        place = Place(client_id, Side.BUY, OrderType.LIMIT, FIRST_PRICE_TICKS // 2, 9, TimeInForce.GTC)
        return sign_op(self._author, bytes(DIGEST_BYTES), self._roles.symbol, state.next_seq, state.head, (place,), 0)
