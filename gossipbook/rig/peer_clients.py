"""Client links from the rig to each peer, past the proxy, for their status."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import trio

from gossipbook.errors import GossipbookError
from gossipbook.ids import ChainId
from gossipbook.rig.processes import RealPeer
from gossipbook.trade.peer_link import PeerLink, open_peer_link
from gossipbook.wire.handshake import Role

POLL_S = 0.2
QUERY_S = 3.0
CONNECT_S = 5.0
RETRY_S = 0.1


@dataclass(frozen=True, slots=True)
class Sample:
    """One peer's statement that a block of a pair was final."""

    peer: str
    symbol: str
    height: int
    tip: str


class PeerClient:
    """A client link to one peer, and the peer's last status; None while it does not answer."""

    def __init__(self, peer: RealPeer, chain_id: ChainId, clients: "PeerClients") -> None:
        self.peer = peer
        self.link: PeerLink | None = None
        self.status: dict[str, Any] | None = None
        self._chain_id = chain_id
        self._clients = clients

    async def run(self) -> None:
        """Keep a link for as long as there is a process, and poll its status, until cancelled."""
        while True:
            if self.peer.up:
                try:
                    async with open_peer_link(self.peer.address, self._chain_id) as link:
                        self.link = link
                        await self._poll(link)
                except GossipbookError:
                    pass  # It is down, or going down; the next round finds out.
                finally:
                    self.link = self.status = None
                    self._clients.wake()
            await trio.sleep(RETRY_S)

    async def _poll(self, link: PeerLink) -> None:
        while not link.closed_reason:
            if self.peer.up:
                answered = await self.ask()
                if answered is None and self.peer.up:
                    return
            await trio.sleep(POLL_S)

    async def ask(self) -> dict[str, Any] | None:
        """Return the peer's status now; None if it does not answer."""
        status: dict[str, Any] | None = await self._query("status")
        self.status = status
        if status is not None:
            self._clients.take(self.peer, status)
        return status

    async def links(self) -> list[dict[str, Any]]:
        """Return the peer's live links to other peers; none if it does not answer."""
        return [row for row in await self._query("peers") or [] if row["role"] == Role.PEER]

    async def _query(self, what: str) -> Any:
        if self.link is not None:
            with suppress(GossipbookError):
                return await self.link.query(what, within_s=QUERY_S)
        return None

    def pair(self, symbol: str) -> dict[str, Any] | None:
        """Return what the peer said last of one pair."""
        rows = [] if self.status is None else self.status["pairs"]
        return next((row for row in rows if row["symbol"] == symbol), None)


class PeerClients:
    """The clients of all peers, and what they reported. ``changed`` is set and replaced at every report."""

    def __init__(self, peers: list[RealPeer], chain_id: ChainId) -> None:
        self.all = [PeerClient(peer, chain_id, self) for peer in peers]
        self.samples: dict[Sample, None] = {}
        self.terms: dict[str, int] = {}
        self.backward: list[str] = []  # chains that got shorter while their peer ran
        self.changed = trio.Event()
        self._heights: dict[tuple[str, str], tuple[int, int]] = {}

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            for peer_client in self.all:
                nursery.start_soon(peer_client.run)

    def wake(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    def take(self, peer: RealPeer, status: dict[str, Any]) -> None:
        """Note a status: terms, samples, and whether a chain only grew."""
        life: int = status["started_ms"]
        for row in status["pairs"]:
            symbol, height = row["symbol"], row["height"]
            self.terms[symbol] = max(self.terms.get(symbol, 0), row["term"])
            if height:
                self.samples[Sample(peer.name, symbol, height, row["tip"])] = None
            before_life, before = self._heights.get((peer.name, symbol), (0, 0))
            if before_life == life and height < before:
                self.backward.append(f"{peer.name} went back from height {before} of {symbol} to {height}")
            self._heights[peer.name, symbol] = (life, height)
        self.wake()

    async def until(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Wait until a condition over the clients holds; False if it did not in time."""
        with trio.move_on_after(within_s):
            while not condition():
                await self.changed.wait()
        return condition()

    # -- questions ----------------------------------------------------------------------------------

    def linked(self) -> bool:
        """Return whether every peer is up and hears all seats of every pair, all of them voting."""
        return all(
            peer_client.status is not None and all(not row["absent"] for row in peer_client.status["pairs"])
            for peer_client in self.all
        )

    def settled(self) -> bool:
        """Return whether every peer is up, at the same tips, with nothing pending."""
        rows = []
        for peer_client in self.all:
            if peer_client.status is None or any(row["pending_ops"] for row in peer_client.status["pairs"]):
                return False
            rows.append([(row["symbol"], row["tip"], row["events_digest"]) for row in peer_client.status["pairs"]])
        return all(row == rows[0] for row in rows)

    def leading(self, symbol: str) -> dict[str, Any] | None:
        """Return the status of a pair at the peer in the highest term; None while nobody answers."""
        words = [row for peer_client in self.all if (row := peer_client.pair(symbol)) is not None]
        return max(words, key=lambda row: row["term"], default=None)
