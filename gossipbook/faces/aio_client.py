"""A client and its pairs, orders and feeds, for asyncio programs."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from gossipbook.books.follower import BookUpdate
from gossipbook.faces.awaiting import ask, asked, asked_as, iterated, opened, opening
from gossipbook.faces.base import like
from gossipbook.faces.facts import ClientFacts, FeedFacts, PairFacts, SubmissionFacts
from gossipbook.ids import PublicKey
from gossipbook.trade import client, client_pair, pair_calls, submission
from gossipbook.trade import opening as trio_opening
from gossipbook.trade.outcome import Certified
from gossipbook.trade.submission import CERTIFIED_S

P = ParamSpec("P")
State = TypeVar("State")


class Submission(SubmissionFacts):
    """An op on its way to a finalized block. Await the level that matters.

    Example::

        submission = await pair.cancel(wallet, 7)
        if (await submission.certified(within_s=5)).rejected:
            print("there was nothing to cancel")
    """

    durable = asked(submission.Submission.durable)
    relayed = asked(submission.Submission.relayed)
    prepared = asked(submission.Submission.prepared)
    certified = asked(submission.Submission.certified)


@dataclass(frozen=True, slots=True)
class PlacedOrder(Generic[State]):
    """An order on its way: its id, and the submission of the op that carries it."""

    pair: "PairCalls[State]"
    author: PublicKey
    client_id: int
    submission: Submission

    async def certified(self, *, within_s: float = CERTIFIED_S) -> Certified:
        """Wait until the order is in a finalized block; returns what became of it there.

        ``rejected`` is why the book refused it, or empty. What happened later is in :meth:`state`.

        Raises:
            OutcomeUnknown: not within ``within_s`` seconds; the order is signed, and goes on being sent.
        """
        return await self.submission.certified(within_s=within_s)

    def state(self) -> State:
        """The order as ``order`` of its pair tells it."""
        return self.pair.order(self.author, self.client_id)

    async def receipt(self) -> bytes:
        """What proves to anybody, offline, what became of it so far. Waits until it is in a finalized block.

        Raises:
            OutcomeUnknown: it is not certified in time.
        """
        await self.certified()
        return await self.pair.receipt(self.author, self.client_id)


def placing(
    method: Callable[Concatenate[Any, P], Awaitable[pair_calls.PlacedOrder[Any]]],
) -> Callable[Concatenate["PairCalls[State]", P], Coroutine[Any, Any, "PlacedOrder[State]"]]:
    """Forward a method that places an order."""
    get = asked(method)

    async def forward(pair: "PairCalls[State]", /, *args: P.args, **kwargs: P.kwargs) -> PlacedOrder[State]:
        placed = await get(pair, *args, **kwargs)
        return PlacedOrder(pair, placed.author, placed.client_id, Submission(pair._session, placed.submission))

    return like(forward, method, PlacedOrder)


class PairCalls(PairFacts, Generic[State]):
    """Orders and switches of one pair. ``State`` is how :meth:`order` tells what became of an order."""

    def order(self, author: PublicKey, client_id: int) -> State:
        """What is known of an order, certified or pending; None if nothing is."""
        raise AssertionError("each kind of pair has its own")

    receipt = asked(pair_calls.PairCalls.receipt)
    submit = asked_as(pair_calls.PairCalls.submit, Submission)
    submit_made = asked_as(pair_calls.PairCalls.submit_made, Submission)
    submit_op = asked_as(pair_calls.PairCalls.submit_op, Submission)
    together = asked(pair_calls.PairCalls.together)
    place = placing(pair_calls.PairCalls.place)
    place_ticket = placing(pair_calls.PairCalls.place_ticket)
    cancel = asked_as(pair_calls.PairCalls.cancel, Submission)
    cancel_all = asked_as(pair_calls.PairCalls.cancel_all, Submission)
    amend = asked_as(pair_calls.PairCalls.amend, Submission)
    lease = asked_as(pair_calls.PairCalls.lease, Submission)
    join_group = asked_as(pair_calls.PairCalls.join_group, Submission)
    leave_group = asked_as(pair_calls.PairCalls.leave_group, Submission)
    admit = asked_as(pair_calls.PairCalls.admit, Submission)
    expel = asked_as(pair_calls.PairCalls.expel, Submission)
    set_state = asked_as(pair_calls.PairCalls.set_state, Submission)
    orders = asked(pair_calls.PairCalls.orders)
    fills = asked(pair_calls.PairCalls.fills)
    find = asked(pair_calls.PairCalls.find)
    find_id = asked(pair_calls.PairCalls.find_id)
    position = asked(pair_calls.PairCalls.position)
    executions = iterated(pair_calls.PairCalls.executions)
    trades = asked(pair_calls.PairCalls.trades)
    candles = asked(pair_calls.PairCalls.candles)
    client_id_of = asked(pair_calls.PairCalls.client_id_of)


class ClientPair(PairCalls[Awaitable[dict[str, Any] | None]]):
    """One pair, traded in through a client. Made by :meth:`Client.pair`.

    Example::

        order = await pair.place(wallet, "buy", price="100.25", qty="3", tif="ioc")
        done = await order.certified(within_s=10)
        print(done.filled_lots, "lots filled in block", done.height)
    """

    order = asked(client_pair.ClientPair.order)
    standing = asked(client_pair.ClientPair.standing)


class BookFeed(FeedFacts):
    """One pair's book. Made by ``book_feed`` of a client or a pair; iterate over it once.

    The first update is a whole book, and so is each that has a ``reset`` word; all others are steps.
    """

    def __aiter__(self) -> "BookFeed":
        return self

    async def __anext__(self) -> BookUpdate:
        """The next update.

        Raises:
            LinkClosed: the client or peer that the feed is of has ended, or the feed was closed.
            FeedRefused: the peer does not serve this book.
            BookDiverged: what the peer sends does not fit its own checksums.
        """
        return await ask(self, "__anext__", self._inner.__anext__)


class Client(ClientFacts):
    """A client that stays connected. Made by :func:`open_client`.

    After it was closed, or broke down, every call raises ``LinkClosed``.
    """

    query = asked(client.Client.query)
    query_each = asked(client.Client.query_each)
    meet = asked(client.Client.meet)
    receipt = asked(client.Client.receipt)
    explain = asked(client.Client.explain)
    statement = asked(client.Client.statement)
    pair = asked_as(client.Client.pair, ClientPair)
    submit = asked_as(client.Client.submit, Submission)
    blocks = iterated(client.Client.blocks)
    prepared_blocks = iterated(client.Client.prepared_blocks)
    book_feed = opened(client.Client.book_feed, BookFeed)


open_client = opening(trio_opening.open_client, Client)
