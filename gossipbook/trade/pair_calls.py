"""What a trader does with one pair, whoever carries the ops: an embedded peer, or a client of a peer elsewhere.

Prices are in ticks, quantities in lots, times in milliseconds. Everything is signed with an author's wallet, as the
author's next op, and followed by the submission that each call returns.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from gossipbook.crdt.op import Op
from gossipbook.ids import PublicKey
from gossipbook.manifest import Manifest
from gossipbook.matching.commands import (
    AdmitToGroup,
    Amend,
    AmendFlags,
    Cancel,
    Command,
    JoinGroup,
    Lease,
    SelfTrade,
)
from gossipbook.trade.submission import Submission
from gossipbook.trade.tickets import Ticket, cancel_all, good_until_ms, require_rules, set_state
from gossipbook.trade.wallet import Wallet

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class PlacedOrder(Generic[State]):
    """An order on its way: its id, and the submission of the op that carries it."""

    pair: "Trading[State]"
    author: bytes
    client_id: int
    submission: Submission

    async def certified(self) -> int:
        """Until it is in a finalized block; returns the height. What became of it is in :meth:`state`."""
        return await self.submission.certified()

    def state(self) -> State:
        """The order as of the last finalized block, or None, as :meth:`Trading.order` tells it."""
        return self.pair.order(self.author, self.client_id)

    async def receipt(self) -> bytes:
        """What proves to anybody, offline, what became of it so far. Waits until it is in a finalized block."""
        await self.certified()
        return await self.pair.receipt(self.author, self.client_id)


class Trading(ABC, Generic[State]):
    """Orders and switches of one pair. ``State`` is how :meth:`order` tells what became of an order."""

    def __init__(self, manifest: Manifest, symbol: str) -> None:
        self.symbol = symbol
        self._manifest = manifest

    @abstractmethod
    async def submit_op(self, op: Op) -> Submission:
        """Submit a signed op of this pair. Submitting it again is harmless."""

    @abstractmethod
    def order(self, author: PublicKey, client_id: int) -> State:
        """What became of one of the latest orders; None if it is not certified yet, or too long ago."""

    @abstractmethod
    async def receipt(self, author: PublicKey, client_id: int) -> bytes:
        """The receipt of an order: a file that proves to anybody, offline, what became of it.

        Raises:
            GossipbookError: there is nothing to prove yet.
        """

    async def submit(self, wallet: Wallet, commands: Sequence[Command], expiry_ms: int = 0) -> Submission:
        """Sign 1 to 256 commands as the author's next op, and submit it.

        ``expiry_ms``: block time after which its places are void; 0 for never.

        Raises:
            LaterRules: this network's rules do not know one of them. Nothing was signed.
        """
        require_rules(self._manifest, commands)
        return await self.submit_op(wallet.sign(self.symbol, commands, expiry_ms))

    # -- orders -------------------------------------------------------------------------------------

    async def place(
        self,
        wallet: Wallet,
        side: str,
        *,
        price_ticks: int,
        qty_lots: int,
        tif: str = "",
        kind: str = "",
        market: bool = False,
        post_only: bool | str = False,
        self_trade: str | SelfTrade = SelfTrade.CANCEL_TAKER,
        expires_ms: int = 0,
        display_lots: int = 0,
        min_lots: int = 0,
        stop_ticks: int = 0,
        on_quorum_loss: str = "",
        within_ms: int = 0,
    ) -> PlacedOrder[State]:
        """Place one order, in the words of :class:`~gossipbook.trade.tickets.Ticket`.

        ``market`` is short for the kind: it takes up to ``price_ticks``, its protection price, and never rests.
        ``on_quorum_loss`` ``"rest"`` lets the order wait for a quorum however long. ``"expire"`` with ``within_ms``
        gives op and order an end in block time, so much from now: after it the op is void if it is not certified yet,
        and the order lapses if it rests. Both hold whether or not a quorum was lost.

        Raises:
            BadOrder: the order contradicts itself. LaterRules: the network's rules do not know it. Nothing was signed.
        """
        ticket = Ticket(
            side=side,
            price_ticks=price_ticks,
            qty_lots=qty_lots,
            kind="market" if market else kind,
            tif=tif,
            post_only=post_only,
            self_trade=self_trade,
            expires_ms=expires_ms,
            display_lots=display_lots,
            min_lots=min_lots,
            stop_ticks=stop_ticks,
        )
        until_ms = good_until_ms(on_quorum_loss, within_ms, time.time_ns() // 1_000_000)
        if until_ms:
            ticket = ticket.until(until_ms)
        client_id = wallet.next_client_id(self.symbol)
        submission = await self.submit(wallet, [ticket.command(client_id)], until_ms)
        return PlacedOrder(self, wallet.identity.public_key, client_id, submission)

    async def cancel(self, wallet: Wallet, client_id: int) -> Submission:
        return await self.submit(wallet, [Cancel(client_id)])

    async def cancel_all(self, wallet: Wallet, side: str = "") -> Submission:
        """Cancel all open orders of the author, or those of one side."""
        return await self.submit(wallet, [cancel_all(side)])

    async def amend(
        self, wallet: Wallet, client_id: int, *, price_ticks: int = 0, qty_lots: int = 0, reduce_only: bool = False
    ) -> Submission:
        """Change an order; ``qty_lots`` is the new total, 0 keeps what is not given."""
        flags = AmendFlags.REDUCE_ONLY if reduce_only else AmendFlags.NONE
        return await self.submit(wallet, [Amend(client_id, price_ticks, qty_lots, flags)])

    # -- switches -----------------------------------------------------------------------------------

    async def lease(self, wallet: Wallet, for_ms: int) -> Submission:
        """Dead man's switch: unless renewed within ``for_ms`` of block time, all the author's orders are cancelled.

        0 ends the lease and keeps the orders.
        """
        return await self.submit(wallet, [Lease(for_ms)])

    async def join_group(self, wallet: Wallet, owner: PublicKey) -> Submission:
        """Ask to be in an author's group, whose orders do not trade with each other; it takes their :meth:`admit`."""
        return await self.submit(wallet, [JoinGroup(owner)])

    async def leave_group(self, wallet: Wallet) -> Submission:
        return await self.submit(wallet, [JoinGroup(b"")])

    async def admit(self, wallet: Wallet, member: PublicKey) -> Submission:
        """Want an author in the own group; it takes their :meth:`join_group`."""
        return await self.submit(wallet, [AdmitToGroup(member)])

    async def expel(self, wallet: Wallet, member: PublicKey) -> Submission:
        return await self.submit(wallet, [AdmitToGroup(member, 0)])

    async def set_state(self, wallet: Wallet, state: str) -> Submission:
        """A warden's: the pair is ``open``, ``post-only``, ``cancel-only``, ``halted`` or in an ``auction`` now."""
        return await self.submit(wallet, [set_state(state)])
