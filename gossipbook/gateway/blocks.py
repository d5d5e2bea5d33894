"""One pair's finalized blocks, each of them proven, read once for all accounts of the gateway."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Sequence
from typing import Final, Protocol

from gossipbook.errors import GossipbookError, LinkClosed
from gossipbook.gateway.network import Network
from gossipbook.gateway.problems import Problem
from gossipbook.ids import PublicKey
from gossipbook.matching.events import Event, Fill
from gossipbook.trade.block_stream import CertifiedBlock

RETRY_S: Final = 0.5

log = logging.getLogger("gossipbook.gateway")


class Reader(Protocol):
    """Who is told of the blocks that have events about an author."""

    def take(self, block: CertifiedBlock, events: Sequence[Event]) -> Awaitable[None]: ...

    def begin(self, height: int) -> None: ...

    def restart(self) -> None: ...


class PairBlocks:
    """``run`` it in a task. ``height`` is the last block's that everybody was told of."""

    def __init__(self, network: Network, symbol: str) -> None:
        self.symbol = symbol
        self.height = 0
        self.first = 0  # the first block that was read; 0 for none yet
        self._network = network
        self._readers: dict[PublicKey, Reader] = {}  # no more than there are accounts
        self._moved = asyncio.Condition()

    def add(self, author: PublicKey, reader: Reader) -> None:
        """Tell somebody of an author's events from now on."""
        self._readers[author] = reader

    def covers(self, height: int) -> bool:
        """Whether a block is among those that are read here."""
        return bool(self.first) and height >= self.first

    async def reached(self, height: int, within_s: float) -> bool:
        """Wait until everybody was told of a block; whether that was in time."""
        if self.height >= height:
            return True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s), self._moved:
                await self._moved.wait_for(lambda: self.height >= height)
        return self.height >= height

    async def run(self) -> None:
        """Read blocks until cancelled."""
        while True:
            try:
                client = await self._network.client()
                async for block in client.blocks(self.symbol):
                    if block.missed or (self.height and block.height != self.height + 1):
                        self._restart()
                    await self._tell(block)
            except LinkClosed:
                self._network.lose()
            except (GossipbookError, Problem) as error:
                log.warning("the blocks of %s: %s", self.symbol, error)
            self._restart()
            await asyncio.sleep(RETRY_S)

    async def _tell(self, block: CertifiedBlock) -> None:
        if not self.first:
            self.first = block.height
            for each in self._readers.values():
                each.begin(block.height)
        for author, events in _by_author(block.events).items():
            if (reader := self._readers.get(author)) is not None:
                await reader.take(block, events)
        async with self._moved:
            self.height = block.height
            self._moved.notify_all()

    def _restart(self) -> None:
        self.first = 0
        for reader in self._readers.values():
            reader.restart()


def _by_author(events: Sequence[Event]) -> dict[PublicKey, list[Event]]:
    """The events about somebody's orders, by whose they are; one of two authors is in both lists."""
    found: dict[PublicKey, list[Event]] = {}
    for event in events:
        if isinstance(event, Fill):
            for author in {event.maker: None, event.taker: None}:
                found.setdefault(author, []).append(event)
        elif hasattr(event, "client_id"):
            found.setdefault(getattr(event, "author", b""), []).append(event)
    return found
