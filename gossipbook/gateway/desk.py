"""What an account does: places, changes and cancels with its wallet, and tells how far each of these is.

Nothing that was signed is ever told as an error: it is ``pending`` (signed, on this disk, on its way), ``relayed``
(held by so many members that it cannot be lost), ``certified``, or ``unknown`` when it is not known in time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from gossipbook.accounts.asking import PAIRS_CAP, position_row
from gossipbook.accounts.rows import OrderRow
from gossipbook.aio import ClientPair
from gossipbook.client_messages import AckLevel
from gossipbook.crdt.op import Op
from gossipbook.errors import GossipbookError, LinkClosed
from gossipbook.gateway.account_feed import AccountFeed, FindOp
from gossipbook.gateway.accounts import Account
from gossipbook.gateway.blocks import PairBlocks
from gossipbook.gateway.network import Network
from gossipbook.gateway.own_orders import OwnOrders, Report, read_order
from gossipbook.gateway.problems import AGAIN_S, Problem
from gossipbook.gateway.rows import pending_order
from gossipbook.ids import PublicKey
from gossipbook.matching.commands import Command
from gossipbook.ordered import BoundedDict
from gossipbook.trade.account_calls import LOOK_AGAIN_S
from gossipbook.trade.outcome import Certified, OutcomeUnknown
from gossipbook.trade.pair_calls import PairCalls
from gossipbook.trade.submission import Submission
from gossipbook.trade.wallet import Wallet

log = logging.getLogger("gossipbook.gateway")
Begin = Callable[[str, PublicKey, FindOp], AccountFeed]

OPS_CAP: Final = 4_096
"""Ops of an account that are remembered, to tell what their orders were placed as."""
WITHIN_S_CAP: Final = 60.0
FEEDS_CAP: Final = 16
"""Of networks with no more pairs than that an account's positions are kept up to date once somebody asks."""
LOOKS_CAP: Final = 100
"""How often peers are asked again for accounts of a block that was proven already."""


class Progress(StrEnum):
    """How far something that was signed is."""

    PENDING = "pending"
    RELAYED = "relayed"
    CERTIFIED = "certified"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sent:
    """An op that was signed, and what is known of it. ``reports``: what it did, once it is certified."""

    op: Op
    client_id: int
    progress: Progress
    trouble: str = ""
    certified: Certified | None = None
    reports: tuple[Report, ...] = ()

    @property
    def rejected(self) -> str:
        """Why the book refused it; empty if it did not, or that is not known."""
        return "" if self.certified is None else self.certified.rejected

    @property
    def last(self) -> Report | None:
        """The last that happened to the order."""
        return next((r for r in reversed(self.reports) if r.order.client_id == self.client_id), None)


async def _placed(pair: PairCalls[Any], wallet: Wallet, side: str, terms: dict[str, Any]) -> tuple[Submission, int]:
    placed = await pair.place(wallet, side, **terms)
    return placed.submission, placed.client_id


async def follow(submission: Submission, wait: Progress, within_s: float) -> str:
    """Wait until a submission is as far as is wanted; why it is not, if it is not in time. Under trio."""
    try:
        if wait is Progress.CERTIFIED:
            await submission.certified(within_s=within_s)
        elif wait is Progress.RELAYED:
            await submission.relayed(within_s=within_s)
    except OutcomeUnknown as unknown:
        return unknown.trouble
    return ""


class Desk:
    """One account's."""

    def __init__(self, network: Network, account: Account, wallet: Wallet, begin: Begin) -> None:
        self.account = account
        self.wallet = wallet
        self.author: PublicKey = wallet.identity.public_key
        self.ops: BoundedDict[tuple[str, int], Op] = BoundedDict(OPS_CAP)
        self.seen: dict[str, int] = {}  # by pair, the last height that the account was told of
        self._network = network
        self._start_feed = begin
        self._feeds: dict[str, AccountFeed] = {}  # no more than there are pairs

    def _begin(self, symbol: str) -> AccountFeed:
        return self._start_feed(symbol, self.author, self.find_op)

    async def place(
        self,
        symbol: str,
        side: str,
        *,
        wait: Progress = Progress.CERTIFIED,
        within_s: float = 10.0,
        **terms: Any,
    ) -> Sent:
        """Place an order, or follow the one that has its text id. ``terms`` are those of ``PairCalls.place``.

        Raises:
            GossipbookError, Problem: nothing was signed; says why.
        """
        return await self._do(symbol, lambda pair: _placed(pair, self.wallet, side, terms), wait, within_s)

    async def send(
        self,
        symbol: str,
        commands: Sequence[Command],
        client_id: int = 0,
        *,
        wait: Progress = Progress.CERTIFIED,
        within_s: float = 10.0,
    ) -> Sent:
        """Sign commands as one op, and bring it to peers. ``client_id``: the order that they are about, if one.

        Raises:
            GossipbookError, Problem: nothing was signed; says why.
        """

        async def signed(pair: PairCalls[Any]) -> tuple[Submission, int]:
            return await pair.submit(self.wallet, commands), client_id

        return await self._do(symbol, signed, wait, within_s)

    async def _do(
        self,
        symbol: str,
        sign: Callable[[PairCalls[Any]], Awaitable[tuple[Submission, int]]],
        wait: Progress,
        within_s: float,
    ) -> Sent:
        """Sign, and follow as far as is wanted: one crossing to the network's thread."""

        async def steps(pair: PairCalls[Any]) -> tuple[Submission, int, str]:
            submission, client_id = await sign(pair)
            return submission, client_id, await follow(submission, wait, within_s)

        pair = await self._network.pair(symbol)
        try:
            submission, client_id, trouble = await pair.together(steps)
        except LinkClosed as error:
            self._network.lose()
            raise Problem(503, "no-network", str(error), again_s=AGAIN_S) from None
        if client_id:
            self.ops[symbol, client_id] = submission.op
        sent = self.sent(submission, client_id, trouble)
        if sent.certified is not None:
            self.seen[symbol] = max(self.seen.get(symbol, 0), sent.certified.height)
            self._network.told[symbol] = max(self._network.told.get(symbol, 0), sent.certified.height)
        return sent

    @staticmethod
    def sent(submission: Submission, client_id: int, trouble: str = "") -> Sent:
        """What is known of something that was signed. ``trouble``: why it was not followed further."""
        op, done = submission.op, submission.outcome
        if done is None:
            relayed = submission.level >= AckLevel.RELAYED
            progress = Progress.RELAYED if relayed else Progress.UNKNOWN if trouble else Progress.PENDING
            return Sent(op, client_id, progress, trouble or submission.trouble)
        reports = OwnOrders(op.pair, op.author).report(done.height, done.time_ms, done.events, [op])
        return Sent(op, client_id, Progress.CERTIFIED, certified=done, reports=tuple(reports))

    # -- orders -------------------------------------------------------------------------------------

    async def client_id(self, symbol: str, client_id: int, text_id: str) -> int:
        """The client order id of an order that is named by its id or by its text id.

        Raises:
            Problem: it is named by neither or by both, or no order of the account has the text id.
        """
        if bool(client_id) == bool(text_id):
            raise Problem(400, "bad-request", "name the order by its client_id or its text_id, one of them")
        if client_id:
            return client_id
        pair = await self._network.pair(symbol)
        return await pair.client_id_of(self.wallet, text_id)

    async def feed(self, symbol: str) -> AccountFeed:
        """The account in a pair, no older than what it was told before.

        Raises:
            Problem: there is no such pair, or no peer has got so far.
        """
        feed = self._feeds.get(symbol)
        if feed is None:
            feed = self._feeds[symbol] = self._begin(symbol)
        await feed.up_to(self.seen.get(symbol, 0))
        self.seen[symbol] = max(self.seen.get(symbol, 0), feed.height)
        return feed

    async def find_op(self, symbol: str, client_id: int) -> Op | None:
        """The op with which the account's wallet placed an order."""
        return self.ops.get((symbol, client_id)) or await asyncio.to_thread(self.wallet.find, symbol, client_id)

    async def order(self, symbol: str, client_id: int) -> OrderRow | None:
        """What is known of an order; None if nothing is."""
        feed = await self.feed(symbol)
        if (row := feed.order(client_id)) is not None:
            return row
        found = await self._network.ask(symbol, lambda pair: pair.find_id(self.author, client_id))
        if found["order"] is not None:
            return read_order(symbol, self.author, found["order"])
        op = await self.find_op(symbol, client_id)
        return None if op is None else pending_order(op, client_id)

    async def ask(
        self, symbol: str, question: Callable[[ClientPair], Coroutine[Any, Any, dict[str, Any]]]
    ) -> dict[str, Any]:
        """Ask peers about the account: an answer that is no older than what the account was told before.

        Raises:
            Problem: no peer has got so far.
        """
        for _ in range(LOOKS_CAP):
            answer = await self._network.ask(symbol, question)
            if answer["height"] >= self.seen.get(symbol, 0):
                return answer
            await asyncio.sleep(LOOK_AGAIN_S)
        raise self._behind()

    async def order_after(self, sent: Sent, client_id: int = 0) -> OrderRow | None:
        """The order that something certified was about, as it is since; None if that cannot be told now.

        ``client_id`` names one of several.

        What was signed is never told as an error, so this raises none.
        """
        if sent.certified is None:
            return None
        try:
            return await self.order(sent.op.pair, client_id or sent.client_id)
        except (Problem, GossipbookError) as error:
            log.warning("order %d in %s cannot be read: %s", client_id or sent.client_id, sent.op.pair, error)
            return None

    async def positions(self, at: str = "") -> list[dict[str, Any]]:
        """What the account's fills come to in each pair, now or as of some number, height or time."""
        symbols = self._network.manifest.symbols()
        if not at and len(symbols) <= FEEDS_CAP:
            return [_position(await self.feed(symbol)) for symbol in symbols]
        client = await self._network.client()
        for _ in range(LOOKS_CAP):
            if len(symbols) <= PAIRS_CAP:
                rows = (await client.statement(self.author, at=at))["positions"]
            else:
                rows = [await (await self._network.pair(each)).position(self.author, at=at) for each in symbols]
            if all(row["height"] >= self.seen.get(row["pair"], 0) for row in rows):
                return list(rows)
            await asyncio.sleep(LOOK_AGAIN_S)  # A peer that is behind what the account was told.
        raise self._behind()

    def _behind(self) -> Problem:
        return Problem(503, "peers-behind", "no peer has kept the account's last block yet", again_s=AGAIN_S)


def _position(feed: AccountFeed) -> dict[str, Any]:
    sums = feed.own.sums
    row = position_row(feed.symbol, sums) | {"open_orders": len(feed.own.open)}
    return row | {"height": feed.height, "at_number": None}


class Desks:
    """The desks of all accounts that were used since the start, and what they share."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._desks: dict[str, Desk] = {}  # no more than there are accounts
        self._blocks: dict[str, PairBlocks] = {}  # no more than there are pairs
        self._tasks: list[asyncio.Task[None]] = []

    async def of(self, account: Account) -> Desk:
        """The desk of an account.

        Raises:
            KeyFileError: its key cannot be used. Problem: the gateway has no link yet.
        """
        desk = self._desks.get(account.name)
        if desk is not None and not desk.wallet.closed:
            return desk
        wallet = await self._network.wallet(account.key_file)
        desk = self._desks.get(account.name)  # Somebody may have made it meanwhile.
        if desk is None:
            desk = self._desks[account.name] = Desk(self._network, account, wallet, self._begin)
        desk.wallet = wallet
        return desk

    def _begin(self, symbol: str, author: PublicKey, find_op: FindOp) -> AccountFeed:
        blocks = self._blocks.get(symbol)
        if blocks is None:
            self._network.spec(symbol)
            blocks = self._blocks[symbol] = PairBlocks(self._network, symbol)
            self._start(blocks.run())
        feed = AccountFeed(self._network, blocks, author, find_op)
        self._start(feed.run())
        return feed

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def close(self) -> None:
        """Follow no account any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
