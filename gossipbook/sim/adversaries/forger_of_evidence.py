"""A stranger who brings evidence: against keys that nobody knows, against its own, large and small, and forged."""

import random
from dataclasses import replace
from typing import Any

from gossipbook.consensus.messages import Bodies
from gossipbook.crdt.op import Evidence, Op
from gossipbook.gossip.messages import Push
from gossipbook.matching.commands import OrderType, Place, Side, TimeInForce
from gossipbook.scenario.orders import FIRST_PRICE_TICKS
from gossipbook.sim.adversaries.stranger import StrangeAuthor, Stranger
from gossipbook.sim.host_roles import HostRoles
from gossipbook.wire.codec import encode_message
from gossipbook.wire.handshake import Role

LARGE = 200  # commands


class ForgerOfEvidence(Stranger):
    """Each peer gets other evidence against the same keys, so that they would not agree on its size."""

    gap_us = 50_000
    role = Role.PEER

    def __init__(self, roles: HostRoles, rng: random.Random) -> None:
        super().__init__(roles, rng)
        self._number = 0

    def act(self) -> Any:
        self._number += 1
        symbol = self._roles.symbol
        who = self.author(self._number // len(self._roles.hosts))
        ops = [self._fork(who, salt) for salt in (1, 2)]
        if self._rng.random() < 0.2:
            ops[0] = replace(ops[0], signature=ops[1].signature)
        evidence = Evidence(*sorted(ops, key=lambda op: op.id))
        return Push(symbol, encode_message(Bodies(symbol, (evidence,))))

    def _fork(self, who: StrangeAuthor, salt: int) -> Op:
        count = self._rng.choice((1, LARGE))
        places = [
            Place(1_000 * salt + n, Side.BUY, OrderType.LIMIT, FIRST_PRICE_TICKS // 10, 1, TimeInForce.GTC)
            for n in range(count)
        ]
        return who.sign(*places, seq=0)
