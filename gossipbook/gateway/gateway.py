"""A whole gateway: the network, its markets and accounts, and the door. The APIs are views of it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from gossipbook.gateway.accounts import AccountFile, ApiKey, Scope
from gossipbook.gateway.amounts import assets
from gossipbook.gateway.clock import now_ms
from gossipbook.gateway.desk import Desk, Desks
from gossipbook.gateway.door import Door
from gossipbook.gateway.market import Markets
from gossipbook.gateway.network import Network
from gossipbook.gateway.settings import GatewaySettings

STATUS_S: Final = 1.0
"""For how long what peers said of themselves is told again; they are not asked more often, whoever asks."""


class Gateway:
    """Made by :func:`running`."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.manifest = settings.manifest
        self.started_ms = now_ms()
        self.accounts = AccountFile(settings.folder)
        self.network = Network(settings)
        self.markets = Markets(self.network)
        self.desks = Desks(self.network)
        self.door = Door(self.accounts)
        self._statuses: tuple[float, list[dict[str, Any]]] = (-STATUS_S, [])
        self._asking = asyncio.Lock()

    async def desk(self, key: ApiKey, scope: Scope) -> Desk:
        """The desk of a key's account, if the key has a scope.

        Raises:
            Denied: it has not. Problem: the gateway has no link yet.
        """
        return await self.desks.of(self.door.account(key, scope))

    async def statuses(self) -> list[dict[str, Any]]:
        """What each linked peer says of itself, no older than a second, by name."""
        async with self._asking:
            asked_s, found = self._statuses
            if time.monotonic() - asked_s >= STATUS_S:
                client = await self.network.client()
                found = sorted(await client.query_each("status", within_s=2.0), key=lambda row: str(row["name"]))
                self._statuses = (time.monotonic(), found)
        return found

    def pairs(self) -> list[dict[str, Any]]:
        """The pairs as the native API tells them."""
        return [
            {
                "pair": spec.symbol,
                "base": assets(spec.symbol)[0],
                "quote": assets(spec.symbol)[1],
                "tick_size": spec.tick_size,
                "lot_size": spec.lot_size,
                "min_qty_lots": spec.min_qty_lots,
                "max_qty_lots": spec.max_qty_lots,
                "max_price_ticks": spec.max_price_ticks,
                "price_band_bps": spec.price_band_bps,
            }
            for spec in self.manifest.pairs
        ]


@asynccontextmanager
async def running(settings: GatewaySettings) -> AsyncIterator[Gateway]:
    """A gateway for the length of the block. It serves while the network is away, and says so.

    Raises:
        ConfigError: the file of accounts cannot be used.
    """
    gateway = Gateway(settings)
    task = asyncio.create_task(gateway.network.run(), name="network")
    try:
        yield gateway
    finally:
        await gateway.markets.close()
        await gateway.desks.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(gateway.network.close)
        gateway.accounts.close()
