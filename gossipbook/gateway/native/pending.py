"""What is not final in a pair: what is on its way as one peer holds it, and blocks that are prepared.

Each is asked for while somebody wants to know. None of it may be relied on, and the channels say so.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from gossipbook.errors import GossipbookError
from gossipbook.gateway.amounts import price_text, qty_text
from gossipbook.gateway.gateway import Gateway
from gossipbook.gateway.native.channels import Told, text
from gossipbook.gateway.problems import Problem
from gossipbook.matching.events import Fill
from gossipbook.trade.prepared_blocks import PreparedBlock

EVERY_S: Final = 0.5
LEVELS: Final = 20


class NotFinal(ABC):
    """One pair's. It asks from the first subscriber to the last."""

    def __init__(self, gateway: Gateway, symbol: str) -> None:
        self._gateway = gateway
        self._spec = gateway.network.spec(symbol)
        self._subscribers: dict[object, Callable[[str], None]] = {}
        self._task: asyncio.Task[None] | None = None

    def join(self, who: object, put: Callable[[str], None]) -> None:
        """Tell somebody from now on."""
        self._subscribers[who] = put
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def leave(self, who: object) -> None:
        """Tell somebody no more."""
        self._subscribers.pop(who, None)
        if not self._subscribers and self._task is not None:
            self._task.cancel()
            self._task = None

    def _tell(self, told: Told) -> None:
        made = text(told)
        for put in [*self._subscribers.values()]:
            put(made)

    @abstractmethod
    async def _run(self) -> None:
        """Ask until cancelled."""


class Pending(NotFinal):
    """What one peer holds that is not certified yet, by level."""

    def __init__(self, gateway: Gateway, symbol: str) -> None:
        super().__init__(gateway, symbol)
        self._told: Told = {}

    def join(self, who: object, put: Callable[[str], None]) -> None:
        """Tell somebody from now on, and what was told last."""
        if self._told:
            put(text(self._told))
        super().join(who, put)

    async def _run(self) -> None:
        while True:
            try:
                client = await self._gateway.network.client()
                told = self._read(await client.query("book", self._spec.symbol, str(LEVELS)))
            except (GossipbookError, Problem):
                told = {}  # That no peer answers is told by the status.
            if told and (told["bids"], told["asks"]) != (self._told.get("bids"), self._told.get("asks")):
                self._told = told
                self._tell(told)
            await asyncio.sleep(EVERY_S)

    def _read(self, book: dict[str, Any]) -> Told:
        told: Told = {"channel": "pending", "type": "update", "pair": self._spec.symbol, "height": book["height"]}
        for side in ("bids", "asks"):
            told[side] = [
                {
                    "price": price_text(self._spec, level["price_ticks"]),
                    "pending": qty_text(self._spec, level["pending_lots"]),
                    "cancelling": qty_text(self._spec, level["cancel_pending_lots"]),
                }
                for level in book[side]
                if level["pending_lots"] or level["cancel_pending_lots"]
            ]
        return told


class Prepared(NotFinal):
    """Blocks that a quorum prepared, one delay before they are final, and which of them were taken back."""

    async def _run(self) -> None:
        while True:
            try:
                client = await self._gateway.network.client()
                async for block in client.prepared_blocks(self._spec.symbol):
                    self._tell(self._read(block))
            except (GossipbookError, Problem):
                await asyncio.sleep(EVERY_S)  # That no peer answers is told by the status.

    def _read(self, block: PreparedBlock) -> Told:
        fills = [event for event in block.events if isinstance(event, Fill)]
        return {
            "channel": "prepared",
            "type": "taken-back" if block.taken_back else "update",
            "pair": self._spec.symbol,
            "height": block.height,
            "block_id": block.block_id.hex(),
            "time_ms": block.time_ms,
            "final": False,
            "ops": [op_id.hex() for op_id in block.op_ids],
            "trades": [
                {"price": price_text(self._spec, fill.price_ticks), "qty": qty_text(self._spec, fill.qty_lots)}
                for fill in fills
            ],
        }
