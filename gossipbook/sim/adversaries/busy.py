"""A base for adversaries that send messages at regular intervals on their own initiative."""

import random

from gossipbook.effects import LinkId
from gossipbook.sim.host import Behaviour, Host
from gossipbook.sim.host_roles import HostRoles


class Busy(Behaviour):
    """Sends a message of its own again and again, besides what its core sends."""

    gap_us = 50_000

    def __init__(self, roles: HostRoles, host: Host, rng: random.Random) -> None:
        self._roles = roles
        self._host = host
        self._rng = rng
        self._on = False

    def begin(self) -> None:
        self._on = True
        self._roles.world.call(self.gap_us, self._tick)

    def end(self) -> None:
        self._on = False

    def act(self) -> bytes | None:
        """Return the next message to send, encoded; None to send nothing this time."""
        raise AssertionError("every busy liar says something")

    def receivers(self) -> tuple[LinkId, ...]:
        """Return the peers that it is sent to."""
        others = [host.peer_id for host in self._roles.hosts if host is not self._host]
        return (self._rng.choice(others),)

    def _tick(self) -> None:
        if not self._on:
            return
        if self._host.up:
            raw = self.act()
            if raw is not None:
                self._roles.world.send(self._host, self.receivers(), raw)
        self._roles.world.call(self.gap_us, self._tick)
