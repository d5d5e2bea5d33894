"""A leader that leaves one author's ops out of its blocks: it never lets its own core see them."""

import random
from typing import Any

from gossipbook.client_messages import Submit
from gossipbook.consensus.messages import Bodies, FinalizedBlock
from gossipbook.crdt.op import Op
from gossipbook.effects import LinkId
from gossipbook.gossip.messages import Push
from gossipbook.ids import PublicKey
from gossipbook.sim.host import Behaviour, Host
from gossipbook.sim.host_roles import HostRoles
from gossipbook.wire.codec import decode_message


class CensoringLeader(Behaviour):
    """Drops the ops of the first author that it hears of before its core sees them, except in finalized blocks."""

    def __init__(self, roles: HostRoles, host: Host, rng: random.Random) -> None:
        self.victim: PublicKey | None = None

    def hears(self, sender: LinkId, message: Any) -> bool:
        inner = decode_message(message.payload) if isinstance(message, Push) else message
        if isinstance(inner, FinalizedBlock):
            return True
        items = inner.items if isinstance(inner, Bodies) else (inner.op,) if isinstance(inner, Submit) else ()
        return not any(isinstance(item, Op) and self._censored(item) for item in items)

    def _censored(self, op: Op) -> bool:
        if self.victim is None:
            self.victim = op.author
        return op.author == self.victim
