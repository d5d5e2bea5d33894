"""The face for asyncio programs, on real sockets in this process."""

import asyncio
import random
import socket
import traceback
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import gossipbook.aio
from gossipbook.matching.commands import Cancel

from .support import ENOUGH_S, PAIR, free_port, network_of_one

IN_FLIGHT_CAP = 256


@asynccontextmanager
async def trading() -> AsyncIterator[tuple[gossipbook.aio.EmbeddedPeer, gossipbook.aio.Client]]:
    """A network of one and a client of it, which must not take too long."""
    async with (
        asyncio.timeout(ENOUGH_S),
        gossipbook.aio.open_peer(pairs=[PAIR]) as peer,
        gossipbook.aio.open_client(peer.addresses, peer.manifest.chain_id) as client,
    ):
        yield peer, client


def test_an_order_from_each_door() -> None:
    async def main() -> None:
        async with trading() as (peer, client):
            here, there, alice, bob = peer.pair(PAIR), await client.pair(PAIR), peer.wallet(), peer.wallet()
            offer = await here.place(alice, "sell", price_ticks=100, qty_lots=5)
            await offer.submission.durable()
            await offer.submission.relayed()
            assert (await offer.certified()).height == 1
            bid = await there.place(bob, "buy", price_ticks=101, qty_lots=3, tif="ioc")
            done = await bid.certified()
            assert (done.height, done.filled_lots) == (2, 3)
            assert bid.submission.outcome is done
            told = await bid.state()
            assert told is not None
            assert told["status"] == "filled"
            left = offer.state()
            assert isinstance(left, gossipbook.OrderState)
            assert left.open_lots == 2
            assert [level.open_lots for level in here.book(levels=1).asks] == [2]
            assert here.standing().open_orders == (await there.standing())["open_orders"] == 1
            assert await offer.receipt() == await client.receipt(PAIR, offer.author, offer.client_id)
            assert (await there.order(alice.identity.public_key, 99)) is None
            gone = await (await there.cancel_all(alice, "sell")).certified()
            assert gone.cancelled_lots == 2
            again = await (await client.submit(alice.sign(PAIR, [Cancel(9)]))).certified()
            assert again.rejected == "unknown-order"

    asyncio.run(main())


def test_blocks_and_books() -> None:
    async def main() -> None:
        async with trading() as (peer, client):
            pair, wallet = peer.pair(PAIR), peer.wallet()

            async def trade() -> None:
                while True:
                    await (await pair.place(wallet, "buy", price_ticks=100, qty_lots=5)).certified()

            trader = asyncio.create_task(trade())
            for source in (pair.blocks(), client.blocks(PAIR)):
                heights = []
                async for block in source:
                    heights.append(block.height)
                    if len(heights) == 5:
                        break
                assert heights == list(range(heights[0], heights[0] + 5))
            trader.cancel()
            async with client.book_feed(PAIR) as feed, pair.book_feed() as other:
                assert (await anext(feed)).reset == "start"
                assert (await anext(other)).reset == "start"
                await (await pair.place(wallet, "buy", price_ticks=101, qty_lots=5)).certified()
                async for step in feed:
                    if step.top.bid == gossipbook.Level(101, 5, 1):
                        break
            with pytest.raises(gossipbook.LinkClosed, match="was closed"):
                await anext(feed)

    asyncio.run(main())


def test_loops_in_several_threads_use_one_client() -> None:
    async def main() -> None:
        async with trading() as (peer, client):
            wallet = peer.wallet()

            async def trade(number: int) -> int:
                pair = await client.pair(PAIR)
                order = await pair.place(wallet, "buy", price_ticks=100 + number % 5, qty_lots=1)
                await order.certified()
                return order.client_id

            async def several(first: int) -> list[int]:
                return await asyncio.gather(*(trade(first + number) for number in range(50)))

            with ThreadPoolExecutor() as threads:
                loop = asyncio.get_running_loop()
                elsewhere = [loop.run_in_executor(threads, asyncio.run, several(first)) for first in (50, 100, 150)]
                found = await asyncio.gather(several(0), *elsewhere)
            assert sorted(number for numbers in found for number in numbers) == list(range(1, 201))
            assert wallet.uncertified(PAIR) == []

    asyncio.run(main())


def test_errors_are_themselves_and_lead_to_where_they_were_raised() -> None:
    async def main() -> None:
        async with trading() as (peer, client):
            with pytest.raises(gossipbook.BadOrder, match="side") as caught:
                await peer.pair(PAIR).place(peer.wallet(), "long", price_ticks=1, qty_lots=1)
            names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
            assert "place" in names
            assert "_check_word" in names
            with pytest.raises(gossipbook.ConfigError, match="no pair"):
                await client.pair("ETH-USD")
        with pytest.raises(gossipbook.ConfigError, match="expected a list"):
            async with gossipbook.aio.open_peer(pairs="BTC-USD"):
                pass
        with pytest.raises(gossipbook.LinkClosed):
            async with gossipbook.aio.open_client("ws://127.0.0.1:1", bytes(32), within_s=0.5):
                pass
        with pytest.raises(ZeroDivisionError):
            async with gossipbook.aio.open_peer(pairs=[PAIR]):
                _ = 1 / 0

    asyncio.run(main())


def test_a_cancelled_call_ends_and_the_client_goes_on() -> None:
    async def main() -> None:
        async with trading() as (peer, client):
            pair, wallet = await client.pair(PAIR), peer.wallet()
            async with client.book_feed(PAIR) as feed:
                await anext(feed)
                for wait in (feed.__anext__, client.blocks(PAIR).__anext__):
                    with pytest.raises(TimeoutError):
                        async with asyncio.timeout(0.05):
                            await wait()
                task = asyncio.create_task(feed.__anext__())
                await asyncio.sleep(0)
                task.cancel("enough")
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert (await (await pair.place(wallet, "buy", price_ticks=9, qty_lots=1)).certified()).height == 1
                assert (await anext(feed)).height == 1, "nothing that it was told is lost"

    asyncio.run(main())


def test_opening_is_cancelled_too() -> None:
    """Whoever listens at the address never answers; the client would wait for a long time."""

    async def main(address: str) -> None:
        with pytest.raises(TimeoutError):
            async with (
                asyncio.timeout(0.2),
                gossipbook.aio.open_client(address, bytes(32), within_s=10 * ENOUGH_S),
            ):
                pass

    with socket.create_server(("127.0.0.1", 0)) as silent:
        asyncio.run(main(f"ws://127.0.0.1:{silent.getsockname()[1]}"))


def test_what_is_signed_goes_on_and_what_is_not_jams_nothing(tmp_path: Path) -> None:
    """The peer is gone, so that the window of what is uncertified fills up; then it comes back."""
    manifest, listen = network_of_one(tmp_path), f"127.0.0.1:{free_port()}"

    async def main() -> None:
        wallet = gossipbook.Wallet(gossipbook.create_key(tmp_path / "trader.key"), manifest.chain_id)
        async with gossipbook.aio.open_peer(manifest, folder=tmp_path, listen=listen, dht=False):
            client_context = gossipbook.aio.open_client(f"ws://{listen}", manifest=manifest)
            client = await client_context.__aenter__()
            pair = await client.pair(PAIR)
            await (await pair.place(wallet, "buy", price_ticks=100, qty_lots=1)).certified()
        orders = [await pair.place(wallet, "buy", price_ticks=100, qty_lots=1) for _ in range(IN_FLIGHT_CAP)]
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await pair.place(wallet, "buy", price_ticks=100, qty_lots=1)
        with pytest.raises(gossipbook.NotSigned):
            await pair.place(wallet, "buy", price_ticks=100, qty_lots=1, within_s=0.05)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await orders[-1].certified()
        assert len(wallet.uncertified(PAIR)) == IN_FLIGHT_CAP
        async with (
            asyncio.timeout(ENOUGH_S),
            gossipbook.aio.open_peer(manifest, folder=tmp_path, listen=listen, dht=False) as peer,
        ):
            last = await pair.place(wallet, "buy", price_ticks=100, qty_lots=1)
            await asyncio.gather(last.certified(), *(order.certified() for order in orders))
            assert last.client_id == IN_FLIGHT_CAP + 2
            assert peer.pair(PAIR).standing().open_orders == IN_FLIGHT_CAP + 2
            await client_context.__aexit__(None, None, None)

    asyncio.run(main())


def test_orders_that_are_cancelled_at_any_moment_are_signed_or_not(tmp_path: Path) -> None:
    async def main() -> None:
        chance = random.Random(5)
        key = tmp_path / "trader.key"
        gossipbook.create_key(key)
        async with trading() as (peer, client):
            pair, wallet = await client.pair(PAIR), peer.wallet(key)
            placed = 0
            for _ in range(100):
                task = asyncio.create_task(pair.place(wallet, "buy", price_ticks=100, qty_lots=1))
                await asyncio.wait([task], timeout=chance.uniform(0, 0.004))
                task.cancel()
                placed += not isinstance((await asyncio.gather(task, return_exceptions=True))[0], BaseException)
            last = await pair.place(wallet, "buy", price_ticks=100, qty_lots=1)
            await last.certified()
            assert placed < last.client_id <= 101
            assert wallet.uncertified(PAIR) == []
            assert peer.pair(PAIR).standing().open_orders == last.client_id, "each that is signed, once"

    asyncio.run(main())


def test_after_the_end_every_call_says_so() -> None:
    async def main() -> None:
        async with trading() as (peer, client):
            pair = peer.pair(PAIR)
            feed_context = client.book_feed(PAIR)
            feed = await feed_context.__aenter__()
            await anext(feed)
            waiting = [asyncio.create_task(anext(source)) for source in (feed, client.blocks(PAIR))]  # type: ignore[arg-type]
            await asyncio.sleep(0)
        for task in waiting:
            with pytest.raises(gossipbook.LinkClosed, match="was closed"):
                await task
        await feed_context.__aexit__(None, None, None)
        for ask in (client.query("status"), pair.cancel(peer_wallet, 1), client.pair(PAIR)):
            with pytest.raises(gossipbook.LinkClosed, match="was closed"):
                await ask
        with pytest.raises(gossipbook.LinkClosed, match="was closed"):
            pair.book()

    peer_wallet = gossipbook.Wallet(gossipbook.Identity(bytes(32)), bytes(32))
    asyncio.run(main())


def test_a_loop_that_is_closed_under_a_call_leaves_nothing_behind() -> None:
    """``asyncio.run`` cancels what is under way; a loop that is only closed does not."""

    async def begin(client: gossipbook.aio.Client) -> asyncio.Task[object]:
        task = asyncio.ensure_future(client.query("status"))
        await asyncio.sleep(0)
        return task

    async def main() -> None:
        async with trading() as (_, client):

            def abandon() -> None:
                loop = asyncio.new_event_loop()
                task = loop.run_until_complete(begin(client))
                loop.close()
                task._log_destroy_pending = False  # type: ignore[attr-defined]

            await asyncio.to_thread(abandon)
            assert (await client.query("status"))["pairs"][0]["height"] == 0

    asyncio.run(main())
