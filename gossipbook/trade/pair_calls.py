"""What a trader does with one pair, whoever carries the ops: an embedded peer, or a client of peers elsewhere.

Prices are in ticks and quantities in lots, as ints, or both as decimals (``Decimal`` or text) under the names without a
unit. Times are in milliseconds, what a caller waits for in seconds. Everything is signed with an author's wallet, as
the author's next op, and followed by the submission that each call returns.
"""

import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeAlias, TypeVar

from gossipbook.crdt.op import Op
from gossipbook.ids import PUBLIC_KEY_BYTES, PublicKey
from gossipbook.loops import require_trio
from gossipbook.manifest import Manifest
from gossipbook.matching.commands import (
    LEASE_CAP_MS,
    AdmitToGroup,
    Amend,
    AmendFlags,
    AnyPlace,
    Cancel,
    Command,
    JoinGroup,
    Lease,
    SelfTrade,
)
from gossipbook.trade.account_calls import AccountCalls, found_client_id
from gossipbook.trade.author_events import MakeCommands
from gossipbook.trade.numbers import BadNumber, flag, price_in_ticks, qty_in_lots, shown, whole
from gossipbook.trade.op_chain import highest_client_id
from gossipbook.trade.outcome import Certified, NotSigned
from gossipbook.trade.submission import CERTIFIED_S, Submission
from gossipbook.trade.text_ids import TextIdUsed
from gossipbook.trade.tickets import (
    BadOrder,
    Ticket,
    cancel_all,
    check_text_id,
    checked_commands,
    good_until_ms,
    require_rules,
    set_state,
)
from gossipbook.trade.wallet import SIGN_S, Wallet

Amount: TypeAlias = Decimal | str
"""A price or a quantity as a decimal; text is plain, such as ``"100.25"``."""


TEXT_ID_ASKS = 3
"""How many times peers, who take turns, are asked whether a key that lost its wallet has an order under a text id."""

State = TypeVar("State")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PlacedOrder(Generic[State]):
    """An order on its way: its id, and the submission of the op that carries it."""

    pair: "PairCalls[State]"
    author: bytes
    client_id: int
    submission: Submission

    async def certified(self, *, within_s: float = CERTIFIED_S) -> Certified:
        """Wait until the order is in a finalized block; returns what became of it there.

        ``rejected`` is why the book refused it, or empty. What happened later is in :meth:`state`.

        Raises:
            OutcomeUnknown: not in time; the order is signed, and goes on being sent.
        """
        return await self.submission.certified(within_s=within_s)

    def state(self) -> State:
        """The order as :meth:`PairCalls.order` tells it."""
        return self.pair.order(self.author, self.client_id)

    async def receipt(self) -> bytes:
        """What proves to anybody, offline, what became of it so far. Waits until it is in a finalized block.

        Raises:
            OutcomeUnknown: it is not certified in time.
        """
        await self.certified()
        return await self.pair.receipt(self.author, self.client_id)


class PairCalls(AccountCalls, Generic[State]):
    """Orders and switches of one pair. ``State`` is how :meth:`order` tells what became of an order."""

    def __init__(self, manifest: Manifest, symbol: str) -> None:
        self.symbol = symbol
        self.spec = manifest.pair(symbol)
        self._manifest = manifest

    @abstractmethod
    def _use(self, wallet: Wallet) -> None:
        """Drive a wallet from now on, with the links that there are."""

    @abstractmethod
    async def submit_op(self, op: Op) -> Submission:
        """Bring an op of this pair to peers that was signed already. Doing so again is harmless."""

    @abstractmethod
    def order(self, author: PublicKey, client_id: int) -> State:
        """What is known of an order, certified or pending; None if nothing is."""

    @abstractmethod
    async def receipt(self, author: PublicKey, client_id: int) -> bytes:
        """The receipt of an order: a file that proves to anybody, offline, what became of it.

        Raises:
            GossipbookError: there is nothing to prove yet.
        """

    async def submit(
        self, wallet: Wallet, commands: Sequence[Command], expiry_ms: int = 0, *, within_s: float = SIGN_S
    ) -> Submission:
        """Sign 1 to 256 commands as the author's next op, and bring it to peers.

        ``expiry_ms``: block time after which its places are void; 0 for never.

        Raises:
            LaterRules: this network's rules do not know one of them. BadNumber: too many commands, or too large an op.
            NotSigned: not within ``within_s`` seconds, or the key must not sign. Nothing was signed in any of these.
        """
        most = self._manifest.limits.max_commands_per_op
        listed = checked_commands(commands)
        if not 1 <= len(listed) <= most:
            raise BadNumber("commands", f"expected 1 to {most} commands, not {len(listed)}")
        return await self.submit_made(wallet, lambda _: listed, expiry_ms, within_s=within_s)

    async def submit_made(
        self, wallet: Wallet, make: MakeCommands, expiry_ms: int = 0, *, within_s: float = SIGN_S
    ) -> Submission:
        """As :meth:`submit`, of the commands that ``make`` gives for the lowest client order id that may be used.

        Raises:
            NothingToSign: it gave none. And what :meth:`submit` raises.
            WrongLoop: trio does not run here.
        """
        require_trio(type(self).__name__)
        whole("expiry_ms", expiry_ms, 0)
        require_rules(self._manifest, make(1))
        admission = self._manifest.admission
        if admission is not None and wallet.identity.public_key not in admission:
            raise NotSigned("author-not-admitted", "this network does not admit the key; nothing was signed")
        self._use(wallet)
        return await wallet.submit(self.symbol, make, expiry_ms, within_s=within_s)

    async def together(self, steps: Callable[["PairCalls[Any]"], Awaitable[T]]) -> T:
        """Do several steps as one call: in other faces than trio's they cross over to the network's thread once.

        ``steps`` is given the pair as trio has it, and awaits under trio.
        """
        return await steps(self)

    # -- orders -------------------------------------------------------------------------------------

    async def place(
        self,
        wallet: Wallet,
        side: str,
        *,
        price_ticks: int = 0,
        qty_lots: int = 0,
        price: Amount | None = None,
        qty: Amount | None = None,
        tif: str = "",
        kind: str = "",
        market: bool = False,
        post_only: bool | str = False,
        self_trade: str | SelfTrade = SelfTrade.CANCEL_TAKER,
        expires_ms: int = 0,
        display_lots: int = 0,
        display: Amount | None = None,
        min_lots: int = 0,
        min_qty: Amount | None = None,
        stop_ticks: int = 0,
        stop: Amount | None = None,
        text_id: str = "",
        on_quorum_loss: str = "",
        within_ms: int = 0,
        within_s: float = SIGN_S,
    ) -> PlacedOrder[State]:
        """Place one order, in the words of :class:`~gossipbook.trade.tickets.Ticket`.

        ``market`` is short for the kind: it takes up to the price, its protection price, and never rests.
        ``on_quorum_loss`` ``"rest"`` lets the order wait for a quorum however long. ``"expire"`` with ``within_ms``
        gives op and order an end in block time, so much from now: after it the op is void if it is not certified yet,
        and the order lapses if it rests. Both hold whether or not a quorum was lost. With a ``text_id`` the call may be
        made again whatever became of the first one: it then gives the order that was signed. ``within_s`` is how long
        to wait for room, and at first for peers to prove what the key signed before.

        Example::

            order = await pair.place(wallet, "sell", price="100.25", qty="3", post_only=True)

        Raises:
            BadNumber: naming the parameter. BadOrder: the order contradicts itself, or another one has its text id.
            LaterRules: the network's rules do not know it. TextIdUsed: an order has its text id that this wallet does
            not hold. NotSigned: not in time, or the key must not sign. Nothing was signed in any of these.
        """
        ticket = self._ticket(
            side,
            price_in_ticks(self.spec, "price", price_ticks, price),
            qty_in_lots(self.spec, "qty", qty_lots, qty),
            kind="market" if flag("market", market) else kind,
            tif=tif,
            post_only=post_only,
            self_trade=self_trade,
            expires_ms=whole("expires_ms", expires_ms, 0),
            display_lots=qty_in_lots(self.spec, "display", display_lots, display),
            min_lots=qty_in_lots(self.spec, "min", min_lots, min_qty, least=1),
            stop_ticks=price_in_ticks(self.spec, "stop", stop_ticks, stop),
            text_id=text_id,
        )
        until_ms = good_until_ms(on_quorum_loss, whole("within_ms", within_ms, 0), time.time_ns() // 1_000_000)
        return await self.place_ticket(wallet, ticket.until(until_ms), until_ms, within_s=within_s)

    async def place_ticket(
        self, wallet: Wallet, ticket: Ticket, expiry_ms: int = 0, *, within_s: float = SIGN_S
    ) -> PlacedOrder[State]:
        """Place one order, or follow the one that has its text id. ``expiry_ms``: when its op is void; 0 for never.

        Raises:
            BadOrder: another order has its text id. And what :meth:`place` raises.
        """
        author = wallet.identity.public_key
        try:
            if ticket.text_id and not wallet.whole and wallet.find_text(self.symbol, ticket.text_id) is None:
                await self._require_unused(wallet, ticket.text_id)
            submission = await self.submit_made(wallet, ticket.commands, expiry_ms, within_s=within_s)
        except TextIdUsed as used:
            if used.named is None:
                raise
            op, place = used.named
            if not _is_same(place, ticket.command(place.client_id), lapses=bool(expiry_ms)):
                raise BadOrder(f"{used}; it is another order than this one") from None
            return PlacedOrder(self, author, place.client_id, await self.submit_op(op))
        return PlacedOrder(self, author, highest_client_id(submission.op), submission)

    async def _require_unused(self, wallet: Wallet, text_id: str) -> None:
        """Ask peers whether a key that lost its wallet has an order under a text id."""
        for _ in range(TEXT_ID_ASKS):
            if client_id := found_client_id(await self.find(wallet.identity.public_key, text_id)):
                named = wallet.find_text(self.symbol, text_id)  # Perhaps it was signed here just now.
                raise TextIdUsed(self.symbol, text_id, client_id, named)

    async def client_id_of(self, wallet: Wallet, text_id: str) -> int:
        """The client order id of a wallet's order under a text id, as the wallet or a peer knows it.

        Raises:
            BadOrder: there is no such order.
        """
        named = wallet.find_text(self.symbol, check_text_id(text_id))
        if named is not None:
            return named.place.client_id
        client_id = found_client_id(await self.find(wallet.identity.public_key, text_id))
        if not client_id:
            raise BadOrder(f"no order of this key in {self.symbol} has the text id {text_id!r}")
        return client_id

    def _ticket(self, side: str, price_ticks: int, qty_lots: int, **terms: Any) -> Ticket:
        if not price_ticks:
            raise BadNumber("price_ticks", "expected a price in ticks, at least 1, or a decimal as price")
        if not qty_lots:
            raise BadNumber("qty_lots", "expected a quantity in lots, at least 1, or a decimal as qty")
        return Ticket(side=side, price_ticks=price_ticks, qty_lots=qty_lots, **terms)

    async def cancel(
        self, wallet: Wallet, client_id: int = 0, *, text_id: str = "", within_s: float = SIGN_S
    ) -> Submission:
        """Cancel an order, named by its id or its text id. ``certified()`` of what this returns says whether it was.

        Raises:
            BadNumber: no order id. BadOrder: no order has the text id.
            NotSigned: not in time, or the key must not sign. Nothing was signed.
        """
        if text_id:
            client_id = await self.client_id_of(wallet, text_id)
        cancel = Cancel(whole("client_id", client_id, 1))
        return await self.submit(wallet, [cancel], within_s=within_s)

    async def cancel_all(self, wallet: Wallet, side: str = "", *, within_s: float = SIGN_S) -> Submission:
        """Cancel all open orders of the author, or those of one side.

        Raises:
            BadOrder: no such side. NotSigned: not in time, or the key must not sign. Nothing was signed.
        """
        return await self.submit(wallet, [cancel_all(side)], within_s=within_s)

    async def amend(
        self,
        wallet: Wallet,
        client_id: int = 0,
        *,
        text_id: str = "",
        price_ticks: int = 0,
        qty_lots: int = 0,
        price: Amount | None = None,
        qty: Amount | None = None,
        reduce_only: bool = False,
        within_s: float = SIGN_S,
    ) -> Submission:
        """Change an order, named by its id or its text id; the quantity is the new total, and what is not given stays.

        Raises:
            BadNumber: naming the parameter. BadOrder: no order has the text id.
            NotSigned: not in time, or the key must not sign. Nothing was signed.
        """
        if text_id:
            client_id = await self.client_id_of(wallet, text_id)
        flags = AmendFlags.REDUCE_ONLY if flag("reduce_only", reduce_only) else AmendFlags.NONE
        amend = Amend(
            whole("client_id", client_id, 1),
            price_in_ticks(self.spec, "price", price_ticks, price),
            qty_in_lots(self.spec, "qty", qty_lots, qty),
            flags,
        )
        return await self.submit(wallet, [amend], within_s=within_s)

    # -- switches -----------------------------------------------------------------------------------

    async def lease(self, wallet: Wallet, for_ms: int) -> Submission:
        """Dead man's switch: unless renewed within ``for_ms`` of block time, all the author's orders are cancelled.

        0 ends the lease and keeps the orders.

        Raises:
            BadNumber: longer than 30 days, or negative. NotSigned: not in time, or the key must not sign.
        """
        return await self.submit(wallet, [Lease(whole("for_ms", for_ms, 0, LEASE_CAP_MS))])

    async def join_group(self, wallet: Wallet, owner: PublicKey) -> Submission:
        """Ask to be in an author's group, whose orders do not trade with each other; it takes their :meth:`admit`.

        Raises:
            BadNumber: ``owner`` is no public key. NotSigned: not in time, or the key must not sign.
        """
        return await self.submit(wallet, [JoinGroup(_key("owner", owner))])

    async def leave_group(self, wallet: Wallet) -> Submission:
        """Be in no group any more.

        Raises:
            NotSigned: not in time, or the key must not sign.
        """
        return await self.submit(wallet, [JoinGroup(b"")])

    async def admit(self, wallet: Wallet, member: PublicKey) -> Submission:
        """Want an author in the own group; it takes their :meth:`join_group`.

        Raises:
            BadNumber: ``member`` is no public key. NotSigned: not in time, or the key must not sign.
        """
        return await self.submit(wallet, [AdmitToGroup(_key("member", member))])

    async def expel(self, wallet: Wallet, member: PublicKey) -> Submission:
        """Want an author in the own group no more.

        Raises:
            BadNumber: ``member`` is no public key. NotSigned: not in time, or the key must not sign.
        """
        return await self.submit(wallet, [AdmitToGroup(_key("member", member), 0)])

    async def set_state(self, wallet: Wallet, state: str) -> Submission:
        """A warden's: the pair is ``open``, ``post-only``, ``cancel-only``, ``halted`` or in an ``auction`` now.

        Raises:
            BadOrder: no such state. NotSigned: not in time, or the key must not sign.
        """
        return await self.submit(wallet, [set_state(state)])


AnyPair: TypeAlias = PairCalls[Any]


def _is_same(one: AnyPlace, other: AnyPlace, *, lapses: bool) -> bool:
    """Whether two orders ask the same; of those that lapse some time after they are placed, whenever that was."""
    if lapses:
        one, other = (place._replace(expires_ms=0) for place in (one, other))
    return one == other


def _key(parameter: str, key: PublicKey) -> PublicKey:
    if not isinstance(key, bytes) or len(key) != PUBLIC_KEY_BYTES:
        raise BadNumber(parameter, f"expected a public key of {PUBLIC_KEY_BYTES} bytes, not {shown(key)}")
    return key
