"""A stranger who asks and says what costs to answer: nothing of it may hold up those who trade."""

from typing import Any

from gossipbook.consensus.messages import AskVotes, Fetch, Status, Sync
from gossipbook.crdt.messages import AskHeld, Frontier
from gossipbook.gossip.messages import IHave, IWant
from gossipbook.ids import DIGEST_BYTES, ZERO_DIGEST
from gossipbook.sim.adversaries.stranger import Stranger
from gossipbook.wire.handshake import Role

IDS = 64


class Questioner(Stranger):
    """Asks from the beginning of the chain, for everything that is pending, and for what nobody has."""

    gap_us = 5_000
    role = Role.PEER

    def act(self) -> Any:
        symbol, rng = self._roles.symbol, self._rng
        ids = tuple(rng.randbytes(DIGEST_BYTES) for _ in range(IDS))
        match self.number % 8:
            case 0:
                return Sync(symbol, 0, 1)
            case 1:
                return Frontier(symbol, b"", b"", (), False)
            case 2:
                return Status(symbol, 0, rng.choice((0, 10**9)), ZERO_DIGEST, rng.choice((0, 10**6)), ZERO_DIGEST, True)
            case 3:
                return Fetch(symbol, ids)
            case 4:
                return AskHeld(symbol, ids)
            case 5:
                return IHave(symbol, ids)
            case 6:
                return IWant(ids)
        return AskVotes(symbol, 0)
