"""Polls the status of every peer, and remembers which finalized blocks each was seen to hold."""

from typing import Any

import trio

from gossipbook.demo.network import DemoNetwork
from gossipbook.errors import GossipbookError
from gossipbook.trade.opening import open_client

POLL_S = 0.25
CLOSE_POLL_S = 0.05  # while something is being timed
QUERY_S = 3.0


class Monitor:
    """The latest status of each peer by name; None while it does not answer."""

    def __init__(self, network: DemoNetwork) -> None:
        self.network = network
        self.status: dict[str, dict[str, Any] | None] = {peer.name: None for peer in network.peers}
        self.book: dict[str, Any] | None = None
        self.seen: dict[tuple[str, int], dict[str, None]] = {}  # (pair, height) -> block ids
        self.top_terms: dict[str, int] = {}
        self.heights: dict[str, int] = {}
        self.changed = trio.Event()
        self.poll_s = POLL_S

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            for peer in self.network.peers:
                nursery.start_soon(self._follow, peer.name)

    async def _follow(self, name: str) -> None:
        while True:
            address = self.network.named(name).address
            try:
                async with open_client(address, self.network.manifest.chain_id) as client:
                    while True:
                        with trio.fail_after(QUERY_S):
                            self._take(name, await client.query("status"))
                            if name == self._first_up():
                                self.book = await client.query("book", self.network.manifest.symbols()[0], "40")
                        await trio.sleep(self.poll_s)
            except (GossipbookError, trio.TooSlowError):
                self.status[name] = None
                self._wake()
                await trio.sleep(POLL_S)

    def _take(self, name: str, status: dict[str, Any]) -> None:
        self.status[name] = status
        for pair in status["pairs"]:
            symbol, height = pair["symbol"], pair["height"]
            self.top_terms[symbol] = max(self.top_terms.get(symbol, 0), pair["term"])
            self.heights[symbol] = max(self.heights.get(symbol, 0), height)
            if height:
                self.seen.setdefault((symbol, height), {})[pair["tip"]] = None
        self._wake()

    def _first_up(self) -> str | None:
        return next((name for name, status in self.status.items() if status is not None), None)

    def _wake(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    # -- questions ----------------------------------------------------------------------------------

    def pair(self, name: str, symbol: str) -> dict[str, Any] | None:
        """One peer's word on one pair."""
        status = self.status[name]
        if status is None:
            return None
        found: dict[str, Any] = next(pair for pair in status["pairs"] if pair["symbol"] == symbol)
        return found

    def leader(self, symbol: str) -> str:
        """The leader of a pair by the highest term that anybody is in."""
        words = [word for name in self.status if (word := self.pair(name, symbol)) is not None]
        return str(max(words, key=lambda word: word["term"])["leader"])

    async def until(self, condition: Any, within_s: float) -> bool:
        """Wait until a condition over this monitor holds; False if it did not in time."""
        with trio.move_on_after(within_s):
            while not condition(self):
                await self.changed.wait()
            return True
        return bool(condition(self))

    def settled(self) -> bool:
        """Every peer is up, at the same tips, with nothing pending."""
        rows = []
        for status in self.status.values():
            if status is None or any(pair["pending_ops"] for pair in status["pairs"]):
                return False
            rows.append([(pair["symbol"], pair["tip"]) for pair in status["pairs"]])
        return all(row == rows[0] for row in rows)

    def linked(self) -> bool:
        """Every peer is up and has no absent seat in any pair."""
        return all(
            status is not None and all(not pair["absent"] and pair["voting"] for pair in status["pairs"])
            for status in self.status.values()
        )
