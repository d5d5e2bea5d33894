"""What a peer says of an order: how it came, what became of it, and what it waits for."""

import sqlite3
import time
from contextlib import closing

import pytest
import trio

import gossipbook
from gossipbook.cli.trade.explain import tell
from gossipbook.crdt.op import LIFE, sign_op
from gossipbook.errors import GossipbookError, JournalError, SubmitRefused
from gossipbook.ids import ZERO_DIGEST
from gossipbook.matching.commands import Cancel, Place, Side
from gossipbook.peer import orders
from gossipbook.receipt.verifying import verify_receipt
from gossipbook.trade.peer_link import QueryFailed

from .support import SYMBOL, make_network, stranger, until

ENOUGH_S = 30.0


def words(story, author, peer):
    return "\n".join(tell(story, author, peer.manifest.pair(SYMBOL)))


async def told(client, author, client_id, condition=bool):
    """The story, once the core has taken what was sent before and the story meets a condition."""

    async def ask():
        try:
            story = await client.explain(SYMBOL, author, client_id)
        except QueryFailed:
            return None
        return story if condition(story) else None

    return await until(ask)


async def test_the_story_of_an_order_that_rests_and_is_filled():
    with trio.fail_after(ENOUGH_S):
        async with gossipbook.open_peer(pairs=[SYMBOL]) as peer:
            pair, alice, bob = peer.pair(SYMBOL), peer.wallet(), peer.wallet()
            first = await pair.place(bob, "sell", price_ticks=100, qty_lots=4)
            await first.certified()
            offer = await pair.place(alice, "sell", price_ticks=100, qty_lots=5)
            await offer.certified()
            author = alice.identity.public_key
            story = await pair.explain(author, 1)
            assert story["rests"] == {"price_ticks": 100, "open_lots": 5, "orders_ahead": 1, "lots_ahead": 4}
            assert story["arrival"]["how"] == "from this program itself"
            assert "1 order with 4 ahead of it" in words(story, author, peer)

            await (await pair.cancel(bob, 1)).certified()
            await (await pair.place(bob, "buy", price_ticks=100, qty_lots=2)).certified()
            await (await pair.submit(alice, [Cancel(1)])).certified()
            story = await pair.explain(author, 1)
            text = words(story, author, peer)
            assert [block["height"] for block in story["blocks"]] == [2, 4, 5]
            assert all(block["final_ms"] for block in story["blocks"])
            for part in (
                "stored with all",
                "proposed by solo in block 2, term 0",
                "certified in term 0 by solo",
                "accepted: sell 5 at 1.00",
                "filled 2 at 1.00, resting",
                "cancelled 3 (requested), 0 open",
            ):
                assert part in text
            assert story["rests"] is None
            assert story["waiting_for"] == []
            receipt = verify_receipt(await pair.receipt(author, 1), peer.manifest.chain_id)
            assert (receipt.life.status, receipt.life.filled_lots) == ("cancelled", 2)
            assert verify_receipt(await offer.receipt()).life == receipt.life


async def test_why_an_order_is_not_certified(tmp_path):
    """One peer of four: no quorum. The second op of an author is there, and not the first."""
    manifest = make_network(tmp_path, 4)
    with trio.fail_after(ENOUGH_S):
        async with gossipbook.open_peer(manifest, folder=tmp_path / "peer1", dht=False) as peer:
            pair, alice, other = peer.pair(SYMBOL), peer.wallet(), stranger()
            order = await pair.place(alice, "buy", price_ticks=7, qty_lots=1)
            await order.submission.durable()
            story = await pair.explain(alice.identity.public_key, 1)
            assert "no quorum: 1 of 4 seats" in story["waiting_for"][0]
            assert "absent: peer" in words(story, alice.identity.public_key, peer)

            async with gossipbook.open_client(peer.addresses[0], manifest.chain_id) as client:
                commands = [[Place(number, Side.BUY, 1, 7, 1, 1)] for number in (1, 2, 3)]
                chain_id, soon_ms = manifest.chain_id, int(time.time() * 1_000) + 600_000
                first = sign_op(other, chain_id, SYMBOL, 0, ZERO_DIGEST, commands[0], soon_ms)
                parked = sign_op(other, chain_id, SYMBOL, 1, first.id, commands[1])
                await client.submit(parked)
                story = await told(client, other.public_key, 2)
                assert (story["arrival"]["how"], story["arrival"]["outcome"]) == ("from a client", "parked")
                assert "sequence number 0 has not come" in story["waiting_for"][1]
                assert "parked until" in words(story, other.public_key, peer)
                with pytest.raises(GossipbookError, match=r"no op that enters order 1 .* nothing of its author"):
                    await client.explain(SYMBOL, other.public_key, 1)

                false = sign_op(other, chain_id, SYMBOL, 0, b"\1" * 32, commands[2])
                with pytest.raises(SubmitRefused):
                    await (await client.submit(false)).durable()
                story = await client.explain(SYMBOL, other.public_key, 3)
                assert story["refused"]["reason"] == "wrong-prev"
                assert "refused by this peer: wrong-prev" in words(story, other.public_key, peer)

                await client.submit(first)
                story = await told(client, other.public_key, 2, lambda story: story["arrival"]["stored_ms"])
                assert story["waiting_for"][1:] == [
                    "1 earlier op of its author first",
                    "1 op of other authors as well",
                ]
                fork = sign_op(other, chain_id, SYMBOL, 0, ZERO_DIGEST, commands[2], soon_ms)
                await client.submit(fork)
                forked = "two different ops with sequence number 0"
                await told(client, other.public_key, 1, lambda story: forked in story["waiting_for"][0])
                with pytest.raises(gossipbook.GossipbookError, match="no certified op"):
                    await client.receipt(SYMBOL, other.public_key, 1)


async def test_how_much_is_missing_before_an_op_is_no_work(tmp_path):
    """The numbers of an author's ops may be large; one question about a parked op went through them all."""
    manifest = make_network(tmp_path, 4)
    other = stranger()
    with trio.fail_after(ENOUGH_S):
        async with (
            gossipbook.open_peer(manifest, folder=tmp_path / "peer1", dht=False) as peer,
            gossipbook.open_client(peer.addresses[0], manifest.chain_id) as client,
        ):
            commands = [Place(9, Side.BUY, 1, 7, 1, 1)]
            far = sign_op(other, manifest.chain_id, SYMBOL, 5 * LIFE + 3, b"\2" * 32, commands)
            await client.submit(far)
            story = await told(client, other.public_key, 9)
            missing = f"sequence number {5 * LIFE} to {5 * LIFE + 2} (3 of them) has not come"
            assert missing in story["waiting_for"][1]


async def test_after_a_restart_the_story_is_the_chains(tmp_path):
    manifest = make_network(tmp_path, 1, fault_model="crash")
    folder = tmp_path / "peer1"
    with trio.fail_after(ENOUGH_S):
        async with gossipbook.open_peer(manifest, folder=folder, dht=False) as peer:
            alice = peer.wallet()
            order = await peer.pair(SYMBOL).place(alice, "buy", price_ticks=7, qty_lots=1)
            await order.certified()
            before = await order.receipt()
        async with gossipbook.open_peer(manifest, folder=folder, dht=False) as peer:
            author = alice.identity.public_key
            story = await peer.pair(SYMBOL).explain(author, 1)
            text = words(story, author, peer)
            assert "long ago, or before this peer was last started" in text
            assert "accepted: buy 1 at 0.07" in text
            assert "first in the queue" in text
            assert await peer.pair(SYMBOL).receipt(author, 1) == before
            async with gossipbook.open_client(peer.addresses[0], manifest.chain_id) as client:
                assert await client.receipt(SYMBOL, author, 1) == before


async def test_trading_goes_on_without_an_archive(tmp_path):
    """What is wrong with the archive is told, nothing waits for it, and the next start makes it whole."""
    manifest = make_network(tmp_path, 1, fault_model="crash")
    folder = tmp_path / "peer1"
    with trio.fail_after(ENOUGH_S):
        async with gossipbook.open_peer(manifest, folder=folder, dht=False) as peer:
            with closing(sqlite3.connect(folder / "data" / "events.db")) as spoiler:
                spoiler.execute("DROP TABLE orders")
            pair, alice = peer.pair(SYMBOL), peer.wallet()
            for height in (1, 2):
                order = await pair.place(alice, "buy", price_ticks=7, qty_lots=1)
                assert (await order.certified()).height == height
            with pytest.raises(JournalError, match="not complete: no such table: orders; the next start"):
                await order.receipt()
            assert "no such table" in peer.status()["archive_trouble"]
        async with gossipbook.open_peer(manifest, folder=folder, dht=False) as peer:
            assert peer.status()["archive_trouble"] == ""
            receipts = [await peer.pair(SYMBOL).receipt(alice.identity.public_key, number) for number in (1, 2)]
            assert [verify_receipt(raw).blocks[0].block.height for raw in receipts] == [1, 2]


async def test_orders_that_were_closed_long_ago_are_found_in_the_archive(monkeypatch):
    monkeypatch.setattr(orders, "CLOSED_CAP", 2)
    with trio.fail_after(ENOUGH_S):
        async with gossipbook.open_peer(pairs=[SYMBOL]) as peer:
            pair, alice = peer.pair(SYMBOL), peer.wallet()
            author = alice.identity.public_key
            for number in range(1, 6):
                await (await pair.place(alice, "buy", price_ticks=90 + number, qty_lots=number)).certified()
                await (await pair.cancel(alice, number)).certified()
            reused = [Place(1, Side.BUY, 1, 50, 7, 1)]
            await (await pair.submit(alice, reused)).certified()
            async with gossipbook.open_client(peer.addresses[0], peer.manifest.chain_id) as client:
                for number in (1, 5):
                    found = await client.query("order", SYMBOL, author.hex(), str(number))
                    assert (found["status"], found["price_ticks"]) == ("cancelled", 90 + number)
                    assert found["cancelled_lots"] == found["qty_lots"] == number
                with pytest.raises(QueryFailed, match=r"no order 99 .* is known here"):
                    await client.query("order", SYMBOL, author.hex(), "99")
