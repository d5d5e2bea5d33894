"""The gateway's place in the network: a client that is opened again whenever it ended, and its wallets."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

from gossipbook.aio import Client, ClientPair, open_client
from gossipbook.errors import GossipbookError, LinkClosed
from gossipbook.gateway.problems import AGAIN_S, Problem, unknown_pair
from gossipbook.gateway.settings import GatewaySettings
from gossipbook.manifest import Pair
from gossipbook.storage.keys import load_key
from gossipbook.trade.wallet import Wallet

RETRY_S: Final = 1.0
LINKS: Final = 4
"""Peers to be linked to at least, where there are as many: reads are spread over them."""
MEET_S: Final = 10.0
"""How often the gateway sees to it that it is linked to the members of the committees."""
WAIT_S: Final = 5.0
"""How long a request waits for the network while the gateway is starting."""

log = logging.getLogger("gossipbook.gateway")
T = TypeVar("T")


class Network:
    """What requests use: the pairs, and wallets that sign through them."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.manifest = settings.manifest
        self.trouble = "not linked to a peer yet"
        self.told: dict[str, int] = {}  # by pair, the last height that some account was told of
        self._settings = settings
        self._client: Client | None = None
        self._pairs: dict[str, ClientPair] = {}
        self._wallets: dict[Path, Wallet] = {}
        self._opening = asyncio.Lock()
        self._opened = asyncio.Event()
        self._lost = asyncio.Event()

    # -- keeping ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the client open until cancelled."""
        while True:
            try:
                async with self._open() as client:
                    await self._serve(client)
            except GossipbookError as error:
                self._tell(str(error))
            finally:
                self._client = None
                self._opened.clear()
            await asyncio.sleep(RETRY_S)

    def _open(self) -> contextlib.AbstractAsyncContextManager[Client]:
        links = min(LINKS, len(self.manifest.matchers))
        peers, bootstrap = self._settings.peers, self._settings.bootstrap
        key = self._settings.client_key
        identity = None if key is None else load_key(key)
        return open_client(peers, None, identity, manifest=self.manifest, bootstrap=bootstrap, links=links)

    async def _serve(self, client: Client) -> None:
        self._pairs = {symbol: await client.pair(symbol) for symbol in self.manifest.symbols()}
        self._client = client
        self._lost.clear()
        for wallet in [*self._wallets.values()]:
            await asyncio.to_thread(client.attach, wallet)
        self._tell("")
        self._opened.set()
        while not self._lost.is_set():
            for symbol in self.manifest.symbols():
                await client.meet(symbol)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._lost.wait(), MEET_S)

    def _tell(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.log(logging.WARNING if trouble else logging.INFO, "%s", trouble or "linked to the network")
        self.trouble = trouble

    def lose(self) -> None:
        """The client broke down under somebody's hands: open another one."""
        self._lost.set()

    # -- using --------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether there is a client at the moment; its peers may all be away even so."""
        return self._client is not None

    async def client(self) -> Client:
        """The client, once there is one.

        Raises:
            Problem: not soon.
        """
        if self._client is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._opened.wait(), WAIT_S)
        if self._client is None:
            raise Problem(503, "no-network", f"the gateway has no link to the network: {self.trouble}", again_s=AGAIN_S)
        return self._client

    def spec(self, symbol: str) -> Pair:
        """What a pair is.

        Raises:
            Problem: the network does not have it.
        """
        if symbol not in self.manifest.symbols():
            raise unknown_pair(symbol, self.manifest.symbols())
        return self.manifest.pair(symbol)

    async def pair(self, symbol: str) -> ClientPair:
        """One of the pairs.

        Raises:
            Problem: the network does not have it, or there is no client.
        """
        self.spec(symbol)
        await self.client()
        return self._pairs[symbol]

    async def ask(self, symbol: str, question: Callable[[ClientPair], Coroutine[Any, Any, T]]) -> T:
        """Ask a pair something that may be asked twice: once more if the client ended meanwhile."""
        try:
            return await question(await self.pair(symbol))
        except LinkClosed:
            self.lose()
            return await question(await self.pair(symbol))

    async def wallet(self, key_file: Path) -> Wallet:
        """The wallet of a key file, which signs and sends through this gateway from now on.

        Raises:
            KeyFileError: it cannot be used.
        """
        wallet = self._wallets.get(key_file)
        if wallet is not None and not wallet.closed:
            return wallet
        async with self._opening:  # One key has one wallet.
            wallet = self._wallets.get(key_file)
            if wallet is None or wallet.closed:
                client = await self.client()
                wallet = await asyncio.to_thread(Wallet.open, key_file, self.manifest.chain_id)
                self._wallets[key_file] = wallet
                await asyncio.to_thread(client.attach, wallet)
        return wallet

    def close(self) -> None:
        """Close the wallets. What is signed and not certified stays in them."""
        for wallet in self._wallets.values():
            wallet.close()
