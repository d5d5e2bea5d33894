"""Check that peers without a quorum certify nothing, before every change of who is up and who hears whom.

Between two changes, a peer that hears fewer than a quorum of a pair's seats, over whatever detours, can only finalize
what was proposed before: votes may still have been on their way. So its newest block must not be younger than the
change after which it was alone. All clocks here are this machine's.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from gossipbook.rig.peer_clients import PeerClients
from gossipbook.rig.processes import RealNetwork
from gossipbook.rig.roles import RealRoles
from gossipbook.rig.wires import Wires

SHORTEST_S = 0.5  # a shorter calm shows nothing
UNDER_WAY_MS = 250  # what the last bytes let through may still bring about


class MinorityCheck:
    """Counts the checks, and records peers that certified something without a quorum."""

    def __init__(self, network: RealNetwork, wires: Wires, roles: RealRoles, clients: PeerClients) -> None:
        self.checks = 0
        self.problems: list[str] = []
        self._network = network
        self._wires = wires
        self._roles = roles
        self._clients = clients
        self._lock = trio.Lock()
        self._doubts = 0
        self._since_ms = 0
        self._mute: dict[int, list[str]] = {}  # peers, and the pairs of which they hear no quorum

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        """Make a change inside this block; what held until now is checked first."""
        async with self._lock:
            await self._check()
            self._mute = {}
            try:
                yield
            finally:
                self._since_ms = time.time_ns() // 1_000_000
                self._mute = self._alone()

    @asynccontextmanager
    async def in_doubt(self) -> AsyncIterator[None]:
        """Check nothing inside this block, because a process starts or stops and nobody can say who hears it."""
        async with self.changing():
            self._doubts += 1
        try:
            yield
        finally:
            async with self.changing():
                self._doubts -= 1

    def _alone(self) -> dict[int, list[str]]:
        alone: dict[int, list[str]] = {}
        if self._doubts:
            return alone
        up = self._network.up()
        for peer in up:
            heard = self._wires.heard_by(peer, up)
            pairs = [
                symbol for symbol, seats in self._roles.seats.items() if len(heard & set(seats)) < self._roles.quorum
            ]
            if pairs:
                alone[peer] = pairs
        return alone

    async def _check(self) -> None:
        if time.time_ns() // 1_000_000 < self._since_ms + SHORTEST_S * 1_000:
            return
        async with trio.open_nursery() as nursery:
            for peer, pairs in self._mute.items():
                nursery.start_soon(self._check_peer, peer, pairs)

    async def _check_peer(self, peer: int, pairs: list[str]) -> None:
        client = self._clients.all[peer]
        if await client.ask() is None:
            return
        for symbol in pairs:
            row = client.pair(symbol)
            if row is None:
                continue
            self.checks += 1
            if row["height"] and row["time_ms"] > self._since_ms + UNDER_WAY_MS:
                late_ms = row["time_ms"] - self._since_ms
                self.problems.append(
                    f"I10: {client.peer.name} certified block {row['height']} of {symbol}, made {late_ms} ms after it "
                    "could no longer hear a quorum"
                )
