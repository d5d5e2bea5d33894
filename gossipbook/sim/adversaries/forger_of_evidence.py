"""A stranger who brings evidence: against keys that nobody knows, against its own, large and small, and forged."""

from dataclasses import replace
from typing import Any

from gossipbook.consensus.messages import Bodies
from gossipbook.crdt.op import Evidence, Op
from gossipbook.gossip.messages import Push
from gossipbook.sim.adversaries.stranger import StrangeAuthor, Stranger, small_order
from gossipbook.wire.codec import encode_message
from gossipbook.wire.handshake import Role

LARGE = 200  # commands


class ForgerOfEvidence(Stranger):
    """Each peer gets other evidence against the same keys, so that they would not agree on its size."""

    gap_us = 50_000
    role = Role.PEER

    def act(self) -> Any:
        symbol = self._roles.symbol
        who = self.author(self.number // len(self._roles.hosts))
        ops = [self._fork(who, salt) for salt in (1, 2)]
        if self._rng.random() < 0.2:
            ops[0] = replace(ops[0], signature=ops[1].signature)
        evidence = Evidence(*sorted(ops, key=lambda op: op.id))
        return Push(symbol, encode_message(Bodies(symbol, (evidence,))))

    def _fork(self, who: StrangeAuthor, salt: int) -> Op:
        count = self._rng.choice((1, LARGE))
        return who.sign(*(small_order(1_000 * salt + n) for n in range(count)), seq=0)
