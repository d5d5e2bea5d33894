"""What a trader reads of accounts and markets in one pair, whoever answers: an embedded peer, or peers elsewhere.

Rows are dictionaries as peers give them: prices in ticks, quantities in lots, times in ms of block time. They are found
by the numbers of events, which are contiguous in a pair: ``after`` and ``before`` are such numbers, or ``"h17"`` for a
height, or ``"t1700000000000"`` for a time. Without ``after`` the newest rows are given, with it the oldest after it.
Nothing here is proven by itself; the receipt of each order proves what its row says.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, TypeAlias

import trio

from gossipbook.accounts.asking import PAGE_CAP
from gossipbook.errors import NoAnswer
from gossipbook.ids import PublicKey
from gossipbook.matching.events import Fill
from gossipbook.trade.block_stream import BlockReading, CertifiedBlock
from gossipbook.trade.numbers import whole

Bound: TypeAlias = int | str
"""A place in a list: the number of an event, or text that names a height or a time."""

LOOK_AGAIN_S: Final = 0.05
"""How soon a peer is asked again that has not kept the accounts of a block yet."""
LOOK_S: Final = 10.0
"""How often a drop copy looks for what a peer had not kept yet when it was asked first."""
BEHIND_S: Final = 20.0
"""How long peers may take to keep the accounts of a block that is proven."""


class AccountCalls(ABC):
    """Accounts and markets of one pair, as peers keep them from finalized blocks."""

    symbol: str

    @abstractmethod
    async def _ask_account(self, what: str, *arguments: str) -> dict[str, Any]:
        """The answer to one of the questions of :mod:`gossipbook.net.account_questions`."""

    @abstractmethod
    def _block_reader(self) -> AbstractAsyncContextManager[BlockReading[CertifiedBlock]]:
        """The pair's blocks from the entering of the context on."""

    # -- accounts -----------------------------------------------------------------------------------

    async def orders(
        self,
        author: PublicKey,
        *,
        only_open: bool = False,
        after: Bound = "",
        before: Bound = "",
        limit: int = PAGE_CAP,
    ) -> dict[str, Any]:
        """An author's orders in ascending order of entry, and the ``height`` up to which they are known.

        Example::

            page = await pair.orders(wallet.identity.public_key, only_open=True)
            print([row["client_id"] for row in page["orders"]])

        Raises:
            QueryFailed: what was asked for is none, in the peer's words. NoAnswer: nobody answered in time.
        """
        which = "open" if only_open else "all"
        return await self._ask_account("orders", author.hex(), which, *_page(after, before, limit))

    async def fills(
        self, author: PublicKey, *, after: Bound = "", before: Bound = "", limit: int = PAGE_CAP
    ) -> dict[str, Any]:
        """An author's fills in ascending order, each with the author's position after it.

        Of a trade between two orders of the author there are two rows, the maker's first, and both are in one page.

        Raises:
            QueryFailed: what was asked for is none, in the peer's words. NoAnswer: nobody answered in time.
        """
        return await self._ask_account("fills", author.hex(), *_page(after, before, limit))

    async def find(self, author: PublicKey, text_id: str) -> dict[str, Any]:
        """The last ``order`` that an author entered under a text id, None if there is none that is certified.

        ``pending`` is the client order id of one that the peer holds and that is not certified yet, or None.

        Raises:
            QueryFailed: it is no text id. NoAnswer: nobody answered in time.
        """
        return await self._ask_account("find", author.hex(), text_id)

    async def find_id(self, author: PublicKey, client_id: int) -> dict[str, Any]:
        """The last ``order`` that an author entered under a client order id, None if there is none that is certified.

        ``pending`` is the id again if the peer holds such an order that is not certified yet, or None.

        Raises:
            QueryFailed: it is no id. NoAnswer: nobody answered in time.
        """
        return await self._ask_account("find_id", author.hex(), str(whole("client_id", client_id, 1)))

    async def position(self, author: PublicKey, *, at: Bound = "") -> dict[str, Any]:
        """What an author's fills in the pair come to, up to an event, a height or a time; by default all of them.

        Raises:
            QueryFailed: what was asked for is none, in the peer's words. NoAnswer: nobody answered in time.
        """
        answer = await self._ask_account("statement", author.hex(), str(at))
        position: dict[str, Any] = answer["positions"][0]
        return position

    async def executions(self, author: PublicKey, *, after: Bound = 0) -> AsyncIterator[dict[str, Any]]:
        """A drop copy: an author's fills after an event, one by one, and then those to come as they are certified.

        Rows are those of :meth:`fills`. To go on after a break, name the number of the last one that was seen. It takes
        no key: whoever follows it can do nothing in the author's name.

        Raises:
            NoAnswer: peers do not keep up with the blocks that are proven. Lagged: the reader fell 1,024 blocks behind.
        """
        last = after
        async with self._block_reader() as blocks:
            height = 0
            while True:
                async for row in self._fills_since(author, last, height):
                    yield row
                    last = row["number"]
                with trio.move_on_after(LOOK_S):
                    async for block in blocks:
                        if block.missed or _names(block, author, last):
                            height = block.height
                            break

    async def _fills_since(self, author: PublicKey, last: Bound, height: int) -> AsyncIterator[dict[str, Any]]:
        """The fills after some event, as soon as a peer has kept those of a height."""
        deadline_s = trio.current_time() + BEHIND_S
        while True:
            page = await self.fills(author, after=last)
            for row in page["fills"]:
                yield row
                last = row["number"]
            if len(page["fills"]) >= PAGE_CAP:
                continue
            if page["height"] >= height:
                return
            if trio.current_time() > deadline_s:
                raise NoAnswer(f"no peer has kept the accounts of block {height} of {self.symbol} in {BEHIND_S:.0f} s")
            await trio.sleep(LOOK_AGAIN_S)

    # -- markets ------------------------------------------------------------------------------------

    async def trades(self, *, after: Bound = "", before: Bound = "", limit: int = PAGE_CAP) -> dict[str, Any]:
        """The pair's trades in ascending order.

        Raises:
            QueryFailed: what was asked for is none, in the peer's words. NoAnswer: nobody answered in time.
        """
        return await self._ask_account("trades", *_page(after, before, limit))

    async def candles(
        self, width: str, *, from_ms: int = 0, until_ms: int = 0, limit: int = PAGE_CAP
    ) -> dict[str, Any]:
        """The last candles of a width that start from one time to before another, in ascending order.

        Widths are ``1s``, ``1m``, ``3m``, ``5m``, ``15m``, ``30m``, ``1h``, ``2h``, ``4h``, ``6h``, ``8h``, ``12h`` and
        ``1d``. Each candle is a list: start, open, high, low, close, lots, the sum of price times lots, trades. Spans
        without a trade are left out.

        Raises:
            QueryFailed: what was asked for is none, in the peer's words. NoAnswer: nobody answered in time.
        """
        times = (str(whole(name, ms, 0) or "") for name, ms in (("from_ms", from_ms), ("until_ms", until_ms)))
        return await self._ask_account("candles", width, *times, str(whole("limit", limit, 1)))


def found_client_id(found: dict[str, Any]) -> int:
    """The client order id in what :meth:`AccountCalls.find` gave, certified or pending; 0 for none."""
    return int(found["pending"] or (found["order"] or {}).get("client_id", 0))


def _names(block: CertifiedBlock, author: PublicKey, last: Bound) -> bool:
    """Whether a block has fills of an author that come after some event."""
    fills = (event for event in block.events if isinstance(event, Fill) and author in (event.maker, event.taker))
    return any(isinstance(last, str) or fill.number > last for fill in fills)


def _page(after: Bound, before: Bound, limit: int) -> tuple[str, str, str]:
    return str(after), str(before), str(whole("limit", limit, 1))
