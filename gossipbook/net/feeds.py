"""What clients subscribe to: a pair's events, and its book, which is a snapshot, then the events with a mark a block.

Followers derive their books from the events, as this peer does: the peer keeps one book for each pair that somebody
follows, and works out one mark a block for all of them. A follower whose link has more than
``FEED_BACKLOG_BYTES_CAP`` waiting is told that it lagged, after what waits, and is sent no more until it asks again.
"""

import logging
from collections.abc import Callable, Iterator
from functools import cached_property

from gossipbook.books.checksum import is_digest_due
from gossipbook.books.l3 import BookError, L3Book
from gossipbook.books.levels import SequenceGap
from gossipbook.books.snapshot import SNAPSHOT_ROWS_CAP, BookSnapshot
from gossipbook.client_messages import BROKEN, LAGGED, TOO_LARGE, BookMark, FeedEnded, FeedMessage, PairEvents
from gossipbook.consensus.records import Finalized
from gossipbook.effects import Lane, LinkId
from gossipbook.net.runtime import Runtime
from gossipbook.peer.events import LOCAL, BookRead
from gossipbook.refusals import Scope
from gossipbook.wire.codec import encode_message

EVENTS_PER_MESSAGE = 512
FEED_BACKLOG_BYTES_CAP = 2 * 2**20
"""An eighth of what a link queues in all: events are dropped only when that is full."""

log = logging.getLogger(__name__)

Sink = Callable[[FeedMessage], None]


class _Ready:
    """A snapshot as messages, encoded once if anybody on a link asks."""

    def __init__(self, snapshot: BookSnapshot, messages: list[FeedMessage]) -> None:
        self.snapshot = snapshot
        self.messages = messages

    @cached_property
    def encoded(self) -> list[bytes]:
        return [encode_message(message) for message in self.messages]


class Feeds:
    """The subscriptions to one running peer. Links are forgotten when they end."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        symbols = runtime.peer.pairs
        self._watchers: dict[str, dict[LinkId, None]] = {symbol: {} for symbol in symbols}
        self._followers: dict[str, dict[LinkId, None]] = {symbol: {} for symbol in symbols}
        self._sinks: dict[str, list[Sink]] = {symbol: [] for symbol in symbols}
        self._books: dict[str, L3Book] = {}
        self._snapshots: dict[str, _Ready] = {}
        runtime.driver.on_link_down.append(self._forget)
        runtime.driver.subscribers.append(self._on_event)

    def watch(self, pair: str, link: LinkId) -> None:
        """Send a pair's events to a link from now on."""
        if pair in self._watchers:
            self._watchers[pair][link] = None

    def unfollow(self, pair: str, link: LinkId) -> None:
        if pair in self._followers:
            self._followers[pair].pop(link, None)
            self._drop_unread(pair)

    def add_sink(self, pair: str, sink: Sink) -> None:
        """Hand a pair's feed to somebody in this program, who also feeds :class:`BookAsked` to the driver."""
        self._sinks[pair].append(sink)

    def remove_sink(self, pair: str, sink: Sink) -> None:
        self._sinks[pair].remove(sink)
        self._drop_unread(pair)

    # -- what happens -------------------------------------------------------------------------------

    def _on_event(self, event: object) -> None:
        if isinstance(event, BookRead):
            self._on_book(event)
        elif isinstance(event, Finalized):
            self._on_block(event)

    def _on_book(self, read: BookRead) -> None:
        """A snapshot for somebody: it goes before whatever is finalized next."""
        snapshot = read.snapshot
        pair = snapshot.pair
        local = read.asker == LOCAL
        if not (self._sinks[pair] if local else read.asker in self._runtime.driver.links):
            return  # They are gone.
        if len(snapshot.rows) > SNAPSHOT_ROWS_CAP:
            self._send(read.asker, FeedEnded(pair, TOO_LARGE), Lane.SYNC)
            self.unfollow(pair, read.asker)
            return
        if not local and not self._runtime.driver.links[read.asker].room(Lane.SYNC):
            self._end_lagging(pair, read.asker)  # It asks faster than it takes what it asked for.
            return
        ready = self._snapshots.get(pair)
        if ready is None or ready.snapshot is not snapshot:
            try:
                ready = self._prepare(snapshot)
            except BookError as error:
                self._give_up(pair, error)
                self._send(read.asker, FeedEnded(pair, BROKEN), Lane.SYNC)
                return
        if local:
            for sink in self._sinks[pair]:
                for message in ready.messages:
                    sink(message)
        else:
            self._followers[pair][read.asker] = None
            for raw in ready.encoded:
                self._runtime.driver.links[read.asker].offer(raw, Lane.SYNC)

    def _prepare(self, snapshot: BookSnapshot) -> "_Ready":
        """Make a snapshot ready for all who ask before the next block, and have the pair's book compared with it."""
        pair = snapshot.pair
        book = kept = self._books.get(pair)
        if book is None or book.snapshot() != snapshot:
            book = L3Book.of_snapshot(self._runtime.manifest.pair(pair), snapshot)
            if kept is not None:
                log.error("the book of %s at height %d is not the engine's", pair, snapshot.height)
                self._runtime.peer.refusals.count(Scope.FEED, "a book that was not the engine's")
            self._books[pair] = book
        mark = _mark(book, book.sequence, due=True)
        ready = self._snapshots[pair] = _Ready(snapshot, [*snapshot.parts(), mark])
        return ready

    def _on_block(self, final: Finalized) -> None:
        pair = final.pair
        self._snapshots.pop(pair, None)
        self._end_laggards(pair)
        mark = self._advance(final) if pair in self._books else None
        followers = self._followers[pair]
        readers = {**self._watchers[pair], **followers}
        sinks = self._sinks[pair] if mark is not None else []
        if not readers and not sinks:
            return
        for part in _event_parts(final):
            self._spread(readers, sinks, part)
        if mark is not None:
            self._spread(followers, sinks, mark)

    def _advance(self, final: Finalized) -> BookMark | None:
        """Take a block into the pair's book. A book that cannot be kept is given up, and its readers are told."""
        pair, block = final.pair, final.block
        book = self._books[pair]
        previous = book.sequence
        try:
            book.apply(block.height, block.id, block.time_ms, final.events)
        except (BookError, SequenceGap) as error:
            self._give_up(pair, error)
            return None
        return _mark(book, previous, due=is_digest_due(block.height, book.open_count))

    def _give_up(self, pair: str, error: Exception) -> None:
        log.error("the book of %s cannot be kept for its followers: %s", pair, error)
        self._runtime.peer.refusals.count(Scope.FEED, "a book that could not be kept")
        self._spread(self._followers[pair], self._sinks[pair], FeedEnded(pair, BROKEN))
        self._followers[pair].clear()
        self._books.pop(pair, None)

    def _end_laggards(self, pair: str) -> None:
        for link_id in list(self._followers[pair]):
            link = self._runtime.driver.links.get(link_id)
            if link is not None and link.backlog_bytes(Lane.OPS) > FEED_BACKLOG_BYTES_CAP:
                self._end_lagging(pair, link_id)

    def _end_lagging(self, pair: str, link_id: LinkId) -> None:
        self._runtime.driver.links[link_id].counts["feeds that lagged"] += 1
        self._send(link_id, FeedEnded(pair, LAGGED), Lane.OPS)
        self.unfollow(pair, link_id)

    # -- sending ------------------------------------------------------------------------------------

    def _send(self, to: LinkId, message: FeedMessage, lane: Lane) -> None:
        if to == LOCAL:
            self._spread({}, self._sinks[message.pair], message)
        elif (link := self._runtime.driver.links.get(to)) is not None:
            link.offer(encode_message(message), lane)

    def _spread(self, links: dict[LinkId, None], sinks: list[Sink], message: FeedMessage) -> None:
        """Send a message to all readers of a pair, encoded once."""
        raw = encode_message(message) if links else b""
        for link_id in links:
            if (link := self._runtime.driver.links.get(link_id)) is not None:
                link.offer(raw, Lane.OPS)
        for sink in sinks:
            sink(message)

    # -- forgetting ---------------------------------------------------------------------------------

    def _forget(self, link: LinkId) -> None:
        for watchers in self._watchers.values():
            watchers.pop(link, None)
        for pair in self._followers:
            self.unfollow(pair, link)

    def _drop_unread(self, pair: str) -> None:
        if not self._followers[pair] and not self._sinks[pair]:
            self._books.pop(pair, None)
            self._snapshots.pop(pair, None)


def _mark(book: L3Book, previous: int, *, due: bool) -> BookMark:
    """A book's fingerprints; the digests if they are ``due``."""
    digest, unseen = (book.digest(), book.unseen()) if due else (None, None)
    return BookMark(book.spec.symbol, book.height, previous, book.sequence, book.checksum(), digest, unseen)


def _event_parts(final: Finalized) -> Iterator[PairEvents]:
    block, events = final.block, final.events
    starts = range(0, max(len(events), 1), EVENTS_PER_MESSAGE)
    for start in starts:
        part = events[start : start + EVENTS_PER_MESSAGE]
        yield PairEvents(final.pair, block.height, block.id, block.time_ms, part, start == starts[-1])
