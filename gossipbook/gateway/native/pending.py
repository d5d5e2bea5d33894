"""What is on its way in a pair and not certified yet, as one peer holds it: asked for while somebody wants to know."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from gossipbook.errors import GossipbookError
from gossipbook.gateway.amounts import price_text, qty_text
from gossipbook.gateway.gateway import Gateway
from gossipbook.gateway.native.channels import Told, text
from gossipbook.gateway.problems import Problem

EVERY_S: Final = 0.5
LEVELS: Final = 20


class Pending:
    """One pair's. It asks from the first subscriber to the last."""

    def __init__(self, gateway: Gateway, symbol: str) -> None:
        self._gateway = gateway
        self._spec = gateway.network.spec(symbol)
        self._subscribers: dict[object, Callable[[str], None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._told: Told = {}

    def join(self, who: object, put: Callable[[str], None]) -> None:
        """Tell somebody from now on."""
        self._subscribers[who] = put
        if self._told:
            put(text(self._told))
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def leave(self, who: object) -> None:
        """Tell somebody no more."""
        self._subscribers.pop(who, None)
        if not self._subscribers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                client = await self._gateway.network.client()
                told = self._read(await client.query("book", self._spec.symbol, str(LEVELS)))
            except (GossipbookError, Problem):
                told = {}  # That no peer answers is told by the status.
            if told and (told["bids"], told["asks"]) != (self._told.get("bids"), self._told.get("asks")):
                self._told = told
                for put in [*self._subscribers.values()]:
                    put(text(told))
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
