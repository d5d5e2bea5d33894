"""A pair's book as an endless iteration of checked updates: what a client and an embedded peer hand out.

The messages come from whoever reads the link, and wait here in a bounded queue. When that is full the feed has lagged:
what waits is thrown away, and the next update is a whole book whose ``reset`` says so.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import trio

from gossipbook.books.follower import BookUpdate, Follower, Resync
from gossipbook.books.l3 import L3Book
from gossipbook.books.prepared import book_ahead
from gossipbook.client_messages import LAGGED, FeedMessage
from gossipbook.errors import GossipbookError, LinkClosed
from gossipbook.manifest import Pair
from gossipbook.trade.prepared_blocks import PreparedBlock

RESUMED = "resumed"
"""Why a book begins anew: it comes from another peer."""
FEED_MESSAGES_CAP = 2_048
"""Messages that wait for the reader: those of a thousand small blocks, or a snapshot and some hundred blocks."""
RESYNCS_CAP = 8
"""Snapshots in a row that led to no checked step. A link that garbles so much, or such a peer, is not worth more."""


class BookDiverged(GossipbookError):
    """The books that a peer sends do not fit its own marks, again and again. Use another peer."""


class BookFeed:
    """One pair's book. Made by ``Client.book_feed`` and ``EmbeddedPair.book_feed``; iterate over it once.

    The first update is a whole book, and so is each that has a ``reset`` word; all others are steps.
    """

    def __init__(
        self,
        spec: Pair,
        ask: Callable[[], Awaitable[None]],
        prepared: Callable[[], Sequence[PreparedBlock]] = tuple,
    ) -> None:
        self.spec = spec
        self.resyncs = 0  # in all
        self._ask = ask
        self._prepared = prepared
        self._follower = Follower(spec)
        self._waiting: deque[FeedMessage] = deque()
        self._ready: deque[BookUpdate] = deque()
        self._lagged = False
        self._resuming = False
        self._ended: str | None = None
        self._in_vain = 0
        self._wake = trio.Event()

    @property
    def book(self) -> L3Book | None:
        """The book as of the newest message that was looked at; None while it waits for a snapshot. Read only."""
        return self._follower.book

    def ahead(self) -> L3Book | None:
        """A copy of :attr:`book` with the blocks on top that are prepared and not final, if the feed has them told.

        It is what the book will be, unless they are taken back: nothing may rest on it.
        """
        return None if self.book is None else book_ahead(self.book, self._prepared())

    def take(self, message: FeedMessage) -> None:
        """A message from the peer. Never waits."""
        if self._lagged:
            return
        if len(self._waiting) >= FEED_MESSAGES_CAP:
            self._waiting.clear()
            self._lagged = True
        else:
            self._waiting.append(message)
        self._wake.set()

    def resume(self) -> None:
        """The peer that sent it is gone: the next update is a whole book from another one, and says so."""
        self._waiting.clear()
        self._lagged = False
        self._resuming = True
        self._wake.set()

    def end(self, reason: str) -> None:
        """The link ended; whoever reads hears of it after what has come."""
        self._ended = reason
        self._wake.set()

    def __aiter__(self) -> "BookFeed":
        return self

    async def __anext__(self) -> BookUpdate:
        """The next update.

        Raises:
            LinkClosed: the link to the peer ended.
            FeedRefused: the peer does not serve this book.
            BookDiverged: what the peer sends does not fit its own checksums.
        """
        await trio.lowlevel.checkpoint()
        while not self._ready:
            if self._resuming:
                self._resuming = False
                self._follower.restart(RESUMED)
                await self._ask_again()
            elif self._lagged:
                self._lagged = False
                self._follower.restart(LAGGED)
                await self._ask_again()
            elif self._waiting:
                await self._look_at(self._waiting.popleft())
            elif self._ended is not None:
                raise LinkClosed(self._ended)
            else:
                self._wake = trio.Event()
                await self._wake.wait()
        return self._ready.popleft()

    async def _look_at(self, message: FeedMessage) -> None:
        for outcome in self._follower.take(message):
            if isinstance(outcome, Resync):
                self._in_vain += outcome.reason not in (LAGGED, RESUMED)
                await self._ask_again()
                continue
            if not outcome.reset:
                self._in_vain = 0
            self._ready.append(outcome)

    async def _ask_again(self) -> None:
        self.resyncs += 1
        if self._in_vain > RESYNCS_CAP:
            raise BookDiverged(
                f"{self.spec.symbol}: {RESYNCS_CAP} snapshots in a row led to no step that could be checked; "
                f"last cause: {self._follower.reason}"
            )
        await self._ask()
