"""A peer that floods the network: ops of ever new authors, announcements of unknown ids, requests without end."""

import random

from gossipbook.consensus.messages import Bodies, Fetch, Sync
from gossipbook.effects import LinkId
from gossipbook.gossip.messages import IHave, Push
from gossipbook.ids import DIGEST_BYTES
from gossipbook.sim.adversaries.busy import Busy
from gossipbook.sim.adversaries.stranger import StrangeAuthor, small_order
from gossipbook.sim.host import Host
from gossipbook.sim.host_roles import HostRoles
from gossipbook.wire.codec import encode_message

IDS_AT_ONCE = 200


class Flooder(Busy):
    """Sends a hundred messages a second to everybody; its orders are validly signed and far from the market."""

    gap_us = 10_000

    def __init__(self, roles: HostRoles, host: Host, rng: random.Random) -> None:
        super().__init__(roles, host, rng)
        self._number = 0

    def receivers(self) -> tuple[LinkId, ...]:
        return tuple(host.peer_id for host in self._roles.hosts if host is not self._host)

    def act(self) -> bytes:
        self._number += 1
        symbol, rng = self._roles.symbol, self._rng
        match self._number % 4:
            case 0:
                author = StrangeAuthor(self._roles, f"flood {self._host.index} {self._number}")
                op = author.sign(small_order(1))
                return encode_message(Push(symbol, encode_message(Bodies(symbol, (op,)))))
            case 1:
                return encode_message(IHave(symbol, tuple(rng.randbytes(DIGEST_BYTES) for _ in range(IDS_AT_ONCE))))
            case 2:
                return encode_message(Fetch(symbol, tuple(rng.randbytes(DIGEST_BYTES) for _ in range(IDS_AT_ONCE))))
        return encode_message(Sync(symbol, 0, 1))
