"""A member that sends each of its votes to about half of the receivers."""

import random
from collections.abc import Iterable
from typing import Any

from gossipbook.consensus.messages import CastVote
from gossipbook.effects import LinkId
from gossipbook.gossip.messages import Push
from gossipbook.sim.host import Behaviour, Host
from gossipbook.sim.host_roles import HostRoles
from gossipbook.wire.codec import decode_message


class VoteWithholder(Behaviour):
    """Draws anew for each vote, and each receiver, whether to send it."""

    def __init__(self, roles: HostRoles, host: Host, rng: random.Random) -> None:
        self._rng = rng

    def sends(self, to: tuple[LinkId, ...], message: Any) -> Iterable[tuple[tuple[LinkId, ...], Any]]:
        inner = decode_message(message.payload) if isinstance(message, Push) else message
        if isinstance(inner, CastVote):
            to = tuple(link for link in to if self._rng.randrange(2))
        return ((to, message),)
