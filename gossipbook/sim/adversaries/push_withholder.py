"""Peers that take what is gossiped and do not pass it on, or do so late."""

import random
from collections.abc import Iterable
from typing import Any

from gossipbook.effects import LinkId
from gossipbook.gossip.messages import Push
from gossipbook.sim.host import Behaviour, Host
from gossipbook.sim.host_roles import HostRoles
from gossipbook.wire.codec import encode_message

LATE_US = 500_000


class PushWithholder(Behaviour):
    """Takes part in everything and announces what it has, but pushes nothing, asked for or not."""

    def __init__(self, roles: HostRoles, host: Host, rng: random.Random) -> None:
        self._roles = roles
        self._host = host

    def sends(self, to: tuple[LinkId, ...], message: Any) -> Iterable[tuple[tuple[LinkId, ...], Any]]:
        return () if isinstance(message, Push) else ((to, message),)


class LatePusher(PushWithholder):
    """Sits on what it should push for half a second."""

    def sends(self, to: tuple[LinkId, ...], message: Any) -> Iterable[tuple[tuple[LinkId, ...], Any]]:
        if not isinstance(message, Push):
            return ((to, message),)
        raw, world, host = encode_message(message), self._roles.world, self._host
        world.call(LATE_US, lambda: world.send(host, to, raw) if host.up else None)
        return ()
