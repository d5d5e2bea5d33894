"""A peer that sends again what it heard, to others, at the wrong time, and ops of another network."""

import random
from typing import Any

from gossipbook.consensus.messages import Bodies
from gossipbook.crdt.op import GENESIS_PREV, sign_op
from gossipbook.effects import LinkId
from gossipbook.gossip.messages import Push
from gossipbook.ids import DIGEST_BYTES
from gossipbook.matching.commands import OrderType, Place, Side, TimeInForce
from gossipbook.sim.adversaries.busy import Busy
from gossipbook.sim.host import Host
from gossipbook.sim.orders import FIRST_PRICE_TICKS, author_identity
from gossipbook.sim.signatures import StubIdentity
from gossipbook.sim.stage import Stage
from gossipbook.wire.codec import encode_message

MEMORY_CAP = 512


class Replayer(Busy):
    """Everything it sends carries good signatures; an op that was signed for another network is among it."""

    gap_us = 10_000

    def __init__(self, stage: Stage, host: Host, rng: random.Random) -> None:
        super().__init__(stage, host, rng)
        self._heard: list[Any] = []
        real = author_identity("taker 0")
        author = StubIdentity(real.seed) if isinstance(host.identity, StubIdentity) else real
        place = Place(1, Side.BUY, OrderType.LIMIT, FIRST_PRICE_TICKS * 2, 9, TimeInForce.GTC)
        self.foreign = sign_op(author, bytes(DIGEST_BYTES), stage.symbol, 0, GENESIS_PREV, (place,), 0)

    def hears(self, sender: LinkId, message: Any) -> bool:
        if len(self._heard) < MEMORY_CAP:
            self._heard.append(message)
        else:
            self._heard[self._rng.randrange(MEMORY_CAP)] = message
        return True

    def act(self) -> bytes | None:
        if self._rng.randrange(10) == 0:
            bodies = encode_message(Bodies(self._stage.symbol, (self.foreign,)))
            return encode_message(Push(self._stage.symbol, bodies))
        return encode_message(self._rng.choice(self._heard)) if self._heard else None
