"""One pair of a client: orders and switches, and what peers say of orders."""

from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from gossipbook.crdt.op import Op
from gossipbook.ids import PublicKey
from gossipbook.manifest import Manifest
from gossipbook.trade.author_driver import AuthorDriver
from gossipbook.trade.block_stream import BlockReading, CertifiedBlock
from gossipbook.trade.pair_calls import PairCalls
from gossipbook.trade.peer_link import QueryFailed
from gossipbook.trade.submission import Submission
from gossipbook.trade.wallet import Wallet


class Carrier(Protocol):
    """What a pair needs of its client."""

    manifest: Manifest

    async def query(self, what: str, *arguments: str) -> Any: ...

    def block_reader(self, pair: str) -> AbstractAsyncContextManager[BlockReading[CertifiedBlock]]: ...

    async def receipt(self, pair: str, author: PublicKey, client_id: int) -> bytes: ...

    async def submit(self, op: Op) -> Submission: ...

    def attach(self, wallet: Wallet) -> None: ...

    def use(self, wallet: AuthorDriver, symbol: str) -> None: ...


class ClientPair(PairCalls[Awaitable[dict[str, Any] | None]]):
    """One pair, traded in through a client. Made by :meth:`Client.pair`.

    Example::

        order = await pair.place(wallet, "buy", price="100.25", qty="3", tif="ioc")
        done = await order.certified(within_s=10)
        print(done.filled_lots, "lots filled in block", done.height)
    """

    def __init__(self, client: Carrier, symbol: str) -> None:
        super().__init__(client.manifest, symbol)
        self._client = client

    def _use(self, wallet: Wallet) -> None:
        self._client.attach(wallet)
        self._client.use(wallet, self.symbol)

    async def submit_op(self, op: Op) -> Submission:
        """Bring an op of this pair to peers that was signed already. Doing so again is harmless."""
        return await self._client.submit(op)

    async def _ask_account(self, what: str, *arguments: str) -> dict[str, Any]:
        return dict(await self._client.query(what, self.symbol, *arguments))

    def _block_reader(self) -> AbstractAsyncContextManager[BlockReading[CertifiedBlock]]:
        return self._client.block_reader(self.symbol)

    async def order(self, author: PublicKey, client_id: int) -> dict[str, Any] | None:
        """What a peer knows of an order, certified or pending; None if it has not heard of it. Not proven.

        Raises:
            NoAnswer: nobody answered in time.
        """
        try:
            answer: dict[str, Any] = await self._client.query("order", self.symbol, author.hex(), str(client_id))
        except QueryFailed:
            return None
        return answer

    async def receipt(self, author: PublicKey, client_id: int) -> bytes:
        """The receipt of an order, verified: a file that proves to anybody, offline, what became of it.

        Raises:
            QueryFailed: there is nothing to prove yet, in the peer's words. NoAnswer: not in time.
            VerifyError: what the peer sent proves nothing, or something else.
        """
        return await self._client.receipt(self.symbol, author, client_id)

    async def standing(self, author: PublicKey | None = None) -> dict[str, Any]:
        """What the pair takes now, its last prices, and what an author has at stake there: lease, group, orders.

        Raises:
            NoAnswer: nobody answered in time.
        """
        answer: dict[str, Any] = await self._client.query("pair", self.symbol, author.hex() if author else "")
        return answer
