"""One pair's finalized blocks, each of them proven, read once for all accounts of the gateway."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, Protocol

from gossipbook.errors import GossipbookError, LinkClosed
from gossipbook.gateway.network import Network
from gossipbook.gateway.problems import Problem
from gossipbook.ids import PublicKey
from gossipbook.matching.events import Event, Fill
from gossipbook.trade.block_stream import CertifiedBlock
from gossipbook.trade.peer_link import MALFORMED_ANSWER

RETRY_S: Final = 0.5

log = logging.getLogger("gossipbook.gateway")


class Reader(Protocol):
    """Who is told of every block, with its events about one author."""

    author: PublicKey

    def take(self, block: CertifiedBlock, events: Sequence[Event]) -> None: ...


class PairBlocks:
    """``run`` it in a task. Who reads notices by the heights if blocks were missed."""

    def __init__(self, network: Network, symbol: str) -> None:
        self.symbol = symbol
        self._network = network
        self._readers: list[Reader] = []  # no more than there are accounts

    def add(self, reader: Reader) -> None:
        """Tell somebody of all blocks from now on."""
        self._readers.append(reader)

    async def run(self) -> None:
        """Read blocks until cancelled."""
        while True:
            try:
                client = await self._network.client()
                async for block in client.blocks(self.symbol):
                    self._tell(block)
            except LinkClosed:
                self._network.lose()
            except (GossipbookError, Problem, *MALFORMED_ANSWER) as error:
                log.warning("the blocks of %s: %s", self.symbol, error)
            await asyncio.sleep(RETRY_S)

    def _tell(self, block: CertifiedBlock) -> None:
        by_author = _by_author(block.events)
        for reader in self._readers:
            reader.take(block, by_author.get(reader.author, ()))


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
