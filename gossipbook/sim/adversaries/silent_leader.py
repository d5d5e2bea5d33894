"""A leader that takes part in everything but proposes nothing."""

import random
from collections.abc import Iterable
from typing import Any

from gossipbook.consensus.messages import Propose
from gossipbook.effects import LinkId
from gossipbook.gossip.messages import Push
from gossipbook.sim.host import Behaviour, Host
from gossipbook.sim.host_roles import HostRoles
from gossipbook.wire.codec import decode_message


class SilentLeader(Behaviour):
    """Drops its own proposals, on links and on the topic."""

    def __init__(self, roles: HostRoles, host: Host, rng: random.Random) -> None:
        pass

    def sends(self, to: tuple[LinkId, ...], message: Any) -> Iterable[tuple[tuple[LinkId, ...], Any]]:
        inner = decode_message(message.payload) if isinstance(message, Push) else message
        return () if isinstance(inner, Propose) else ((to, message),)
