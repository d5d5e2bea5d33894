"""A pair's book over real links: what a client is shown is the peer's certified book, or nothing."""

from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
import trio

import gossipbook
from gossipbook.books.changes import Action
from gossipbook.books.follower import FeedRefused
from gossipbook.books.levels import L2Book
from gossipbook.books.snapshot import ICEBERG, WAITING, BookSnapshot
from gossipbook.client_messages import LAGGED, BookMark, BookPart, FeedEnded, PairEvents
from gossipbook.errors import ConfigError, LinkClosed
from gossipbook.manifest import Pair
from gossipbook.matching.commands import OrderType, Place, PlaceSpecial, Side, TimeInForce
from gossipbook.net import feeds
from gossipbook.peer.events import BookAsked
from gossipbook.trade.book_feed import FEED_MESSAGES_CAP, RESUMED, RESYNCS_CAP, BookDiverged
from gossipbook.trade.client import Client
from gossipbook.trade.opening import open_client

from .support import SYMBOL, Author, certify, make_network, open_peer, until

ENOUGH_S = 20


@asynccontextmanager
async def alone(tmp_path):
    """A network of one, an author whose orders trade now and then, and a client."""
    network = make_network(tmp_path, 1)
    with trio.fail_after(ENOUGH_S):
        async with (
            open_peer(network, tmp_path / "peer1") as runtime,
            open_client(runtime.local_address, network.chain_id) as client,
        ):
            yield runtime, client, Author(network.chain_id)


async def certified(runtime):
    """The peer's book, from its engine."""
    found: list[BookSnapshot] = []

    def note(event):
        if hasattr(event, "snapshot"):
            found.append(event.snapshot)

    runtime.driver.subscribers.append(note)
    await runtime.driver.feed([BookAsked(SYMBOL)])
    while not found:
        await trio.testing.wait_all_tasks_blocked()
    runtime.driver.subscribers.remove(note)
    return found[0]


async def test_a_snapshot_and_then_a_step_for_every_block(tmp_path):
    async with alone(tmp_path) as (runtime, client, author):
        await certify(client, author, 3)
        l2 = L2Book()
        async with client.book_feed(SYMBOL) as feed:
            whole = await anext(feed)
            assert (whole.reset, whole.height, whole.previous) == ("start", 3, 0)
            l2.apply(whole.previous, whole.sequence, whole.levels)
            for height in range(4, 12):
                await certify(client, author)
                step = await anext(feed)
                assert (step.reset, step.height) == ("", height)
                l2.apply(step.previous, step.sequence, step.levels)
                assert l2.view() == feed.book.l2()
                assert step.digest == feed.book.digest()
            assert feed.book.snapshot() == await certified(runtime)
            assert feed.resyncs == 0


async def test_a_book_with_a_backstage(tmp_path):
    """What is hidden and what waits comes with the snapshot and moves with the events; the view shows neither."""
    async with alone(tmp_path) as (runtime, client, author):
        bob = Author(author.wallet.chain_id)
        steps = [
            (author, PlaceSpecial(1, Side.SELL, OrderType.LIMIT, 100, 9, TimeInForce.GTC, display_lots=2)),
            (bob, PlaceSpecial(1, Side.BUY, OrderType.STOP_LIMIT, 105, 4, TimeInForce.GTC, stop_ticks=100)),
            (bob, PlaceSpecial(2, Side.SELL, OrderType.STOP, 80, 2, TimeInForce.GTC, stop_ticks=90)),
            (bob, Place(3, Side.BUY, OrderType.LIMIT, 100, 3, TimeInForce.GTC)),
        ]
        async with client.book_feed(SYMBOL) as whole:
            for who, order in steps:
                await (await client.submit(who.wallet.sign(SYMBOL, [order]))).certified()
                async with client.book_feed(SYMBOL) as late:
                    await anext(late)
                    assert late.book.snapshot() == await certified(runtime)
            while whole.book is None or whole.book.height < len(steps):
                step = await anext(whole)
            assert whole.resyncs == 0
            assert whole.book.snapshot() == late.book.snapshot()
        assert (step.top.bid, step.top.ask, step.state.word) == (None, (100, 1, 1), "open")
        assert [row[0] for row in late.book.rows()] == [ICEBERG, WAITING]


async def test_two_feeds_and_a_watch_on_one_link(tmp_path):
    async with alone(tmp_path) as (_, client, author):
        watched = []
        nursery = client._nursery

        async def watch():
            with suppress(LinkClosed):  # at the end of the client
                async for block in client.blocks(SYMBOL):
                    watched.append(block.height)  # noqa: PERF401 - a list at the end of an endless source never comes

        nursery.start_soon(watch)
        await trio.testing.wait_all_tasks_blocked()
        async with client.book_feed(SYMBOL) as one:
            await anext(one)
            await certify(client, author)
            async with client.book_feed(Pair(SYMBOL)) as other:
                assert (await anext(other)).height == 1
                await certify(client, author)
                assert [(await anext(one)).height for _ in range(2)] == [1, 2]
                assert (await anext(other)).height == 2
            await certify(client, author)
            assert (await anext(one)).height == 3
        assert one.resyncs == other.resyncs == 0
        await certify(client, author)
        await until(lambda: watched == [1, 2, 3, 4])


async def test_nobody_is_served_who_left(tmp_path):
    async with alone(tmp_path) as (runtime, client, author):
        async with client.book_feed(SYMBOL) as feed:
            await anext(feed)
        await client.query("status")  # The peer has read our leaving by then.
        (link,) = runtime.driver.links.values()
        before = link.counts["bytes out"]
        await certify(client, author)
        assert link.counts["bytes out"] > before


class Spoiling:
    """Stands between the link and a client's feeds: changes or loses messages while it has faults to make."""

    def __init__(self, client, monkeypatch):
        self.faults = []
        self.made = 0
        original = Client._take_feed

        def take(there, link, message):
            if self.faults and (spoilt := self.faults[0](message)) is not message:
                self.faults.pop(0)
                self.made += 1
                message = spoilt
            if message is not None:
                original(there, link, message)

        monkeypatch.setattr(Client, "_take_feed", take)


def lose(kind):
    return lambda message: None if isinstance(message, kind) else message


def wrong_checksum(message):
    is_step = isinstance(message, BookMark) and message.previous != message.sequence
    return replace(message, checksum=message.checksum ^ 1) if is_step else message


def wrong_quantity(message):
    """Of an order that enters; numbers and sums still fit."""
    if not isinstance(message, PairEvents):
        return message
    first, *others = message.events
    return replace(message, events=((*first[:-2], first[-2] + 1, first[-1]), *others))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (lose(PairEvents), "gap"),
        (lose(BookMark), "gap"),
        (wrong_checksum, "checksum"),
        (wrong_quantity, "checksum"),
    ],
)
async def test_a_spoilt_update_is_noticed_and_mended(tmp_path, monkeypatch, fault, reason):
    async with alone(tmp_path) as (runtime, client, author):
        await certify(client, author, 2)
        async with client.book_feed(SYMBOL) as feed:
            await anext(feed)
            spoiling = Spoiling(client, monkeypatch)
            spoiling.faults.append(fault)
            shown = []
            for _ in range(4):
                await certify(client, author)
            while not shown or shown[-1].height < 6:
                shown.append(await anext(feed))
            assert spoiling.made == 1
            assert [update.reset for update in shown if update.reset] == [reason]
            assert feed.resyncs == 1
            assert feed.book.snapshot() == await certified(runtime)


async def test_a_part_of_the_snapshot_is_lost(tmp_path, monkeypatch):
    async with alone(tmp_path) as (runtime, client, author):
        await certify(client, author)
        monkeypatch.setattr("gossipbook.books.snapshot.ROWS_PER_PART", 1)
        for price in (90, 91, 92):
            await (await client.submit(author.op(price_ticks=price, side=1))).certified()
        spoiling = Spoiling(client, monkeypatch)
        spoiling.faults.append(lambda m: None if isinstance(m, BookPart) and m.part == 1 else m)
        async with client.book_feed(SYMBOL) as feed:
            assert (await anext(feed)).reset == "snapshot"
            assert feed.book.snapshot() == await certified(runtime)


async def test_a_peer_that_contradicts_itself_is_given_up(tmp_path, monkeypatch):
    async with alone(tmp_path) as (_, client, author):
        await certify(client, author)
        spoiling = Spoiling(client, monkeypatch)
        spoil = lambda m: replace(m, checksum=m.checksum ^ 1) if isinstance(m, BookMark) else m  # noqa: E731
        spoiling.faults += [spoil] * (RESYNCS_CAP + 1)
        async with client.book_feed(SYMBOL) as feed:
            with pytest.raises(BookDiverged, match=f"{RESYNCS_CAP} snapshots in a row .* checksum"):
                await anext(feed)
            assert feed.book is None


async def test_a_link_that_does_not_drain_is_told_that_it_lagged(tmp_path, monkeypatch):
    async with alone(tmp_path) as (runtime, client, author), client.book_feed(SYMBOL) as feed:
        await anext(feed)
        (link,) = runtime.driver.links.values()
        monkeypatch.setattr(feeds, "FEED_BACKLOG_BYTES_CAP", -1)
        await certify(client, author)
        monkeypatch.undo()
        again = await anext(feed)
        assert (again.reset, again.height) == (LAGGED, 1)
        assert link.counts["feeds that lagged"] == 1
        await certify(client, author)
        assert (await anext(feed)).reset == ""


async def test_a_reader_who_is_too_slow_is_told_so(tmp_path):
    async with alone(tmp_path) as (_, client, author), client.book_feed(SYMBOL) as feed:
        await anext(feed)
        await certify(client, author, 2)
        for _ in range(FEED_MESSAGES_CAP):
            feed.take(BookMark(SYMBOL, 1, 0, 0, 0, None, None))
        again = await anext(feed)
        assert (again.reset, again.height) == (LAGGED, 2)
        assert [change.action for change in again.orders] == [Action.ADD] * len(again.orders)
        await certify(client, author)
        assert (await anext(feed)).reset == ""


async def test_a_book_that_is_too_large_is_refused(tmp_path, monkeypatch):
    async with alone(tmp_path) as (_, client, author):
        await certify(client, author)
        monkeypatch.setattr(feeds, "SNAPSHOT_ROWS_CAP", 0)
        async with client.book_feed(SYMBOL) as feed:
            with pytest.raises(FeedRefused, match="too-large"):
                await anext(feed)


async def test_a_pair_that_the_peer_does_not_follow(tmp_path):
    async with alone(tmp_path) as (_, client, _):
        with pytest.raises(ConfigError, match="no pair 'NO-SUCH' in network"):
            async with client.book_feed("NO-SUCH"):
                pass
        async with client.book_feed(Pair("NO-SUCH")) as feed:
            with pytest.raises(FeedRefused, match="unknown-pair"):
                await anext(feed)


async def test_a_book_that_the_peer_cannot_keep_ends_the_feed_and_not_the_peer(tmp_path, monkeypatch):
    async with alone(tmp_path) as (runtime, client, author):
        async with client.book_feed(SYMBOL) as feed:
            await anext(feed)
            monkeypatch.setattr("gossipbook.books.l3.HANDLERS", {})
            await certify(client, author)
            with pytest.raises(FeedRefused, match="broken"):
                await anext(feed)
        monkeypatch.undo()
        assert runtime.rejected["feed: a book that could not be kept"] == 1
        await certify(client, author)
        async with client.book_feed(SYMBOL) as feed:
            assert (await anext(feed)).height == 2


async def test_a_feed_goes_on_over_the_next_link_and_says_so(tmp_path):
    async with alone(tmp_path) as (runtime, client, author), client.book_feed(SYMBOL) as feed:
        await anext(feed)
        (link,) = runtime.driver.links.values()
        link.close("enough")
        again = await anext(feed)
        assert (again.reset, again.height) == (RESUMED, 0)
        await certify(client, author)
        assert [(step.reset, step.height) for step in [await anext(feed)]] == [("", 1)]


async def test_a_feed_ends_with_its_client(tmp_path):
    async with alone(tmp_path) as (_, client, _), client.book_feed(SYMBOL) as feed:
        await anext(feed)
        client.release()
        with pytest.raises(LinkClosed):
            await anext(feed)


async def test_an_embedded_peer_has_the_same_feed():
    with trio.fail_after(ENOUGH_S):
        async with gossipbook.open_peer(pairs=[SYMBOL]) as peer:
            pair, alice, bob = peer.pair(SYMBOL), peer.wallet(), peer.wallet()
            await (await pair.place(alice, "sell", price_ticks=100, qty_lots=5)).certified()
            async with pair.book_feed() as feed:
                assert (await anext(feed)).height == 1
                await (await pair.place(bob, "buy", price_ticks=100, qty_lots=3)).certified()
                step = await anext(feed)
                assert (step.previous, step.sequence) == (1, 3)
                assert step.top.ask == (100, 2, 1)
                assert (step.top.last_ticks, step.top.last_lots) == (100, 3)
                assert step.levels == ((2, 100, 2, 1),)
                for _ in range(FEED_MESSAGES_CAP + 1):
                    feed.take(FeedEnded(SYMBOL, LAGGED))
                assert (await anext(feed)).reset == LAGGED
            peer.service.feeds.unfollow(SYMBOL, b"nobody")
