"""The face for plain programs, on real sockets in this process."""

import os
import signal
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import trio

import gossipbook.sync
from gossipbook.matching.commands import Cancel, Place, Side

from .support import ENOUGH_S, PAIR, network_of_one


def test_an_order_from_each_door() -> None:
    with gossipbook.sync.open_peer(pairs=[PAIR]) as peer:
        here, alice, bob = peer.pair(PAIR), peer.wallet(), peer.wallet()
        with gossipbook.sync.open_client(peer.addresses, peer.manifest.chain_id) as client:
            there = client.pair(PAIR)
            offer = here.place(alice, "sell", price_ticks=100, qty_lots=5)
            offer.submission.durable(within_s=ENOUGH_S)
            offer.submission.relayed(within_s=ENOUGH_S)
            assert offer.certified(within_s=ENOUGH_S).height == 1
            bid = there.place(bob, "buy", price_ticks=101, qty_lots=3, tif="ioc")
            done = bid.certified(within_s=ENOUGH_S)
            assert (done.height, done.filled_lots) == (2, 3)
            assert bid.submission.outcome is done
            assert bid.submission.level == gossipbook.AckLevel.CERTIFIED
            assert list(bid.submission.times_s) == sorted(bid.submission.times_s)
            told = bid.state()
            assert told is not None
            assert told["status"] == "filled"
            left = offer.state()
            assert isinstance(left, gossipbook.OrderState)
            assert left.open_lots == 2
            assert (here.symbol, here.height, there.spec) == (PAIR, 2, peer.manifest.pair(PAIR))
            assert here.standing().open_orders == there.standing()["open_orders"] == 1
            assert here.receipt(alice.identity.public_key, 1) == client.receipt(PAIR, alice.identity.public_key, 1)
            explained = client.explain(PAIR, offer.author, offer.client_id)
            assert explained.keys() == here.explain(offer.author, offer.client_id).keys()
            op = bob.sign(PAIR, [Cancel(9)])
            assert client.submit(op).certified().rejected == "unknown-order"
            assert there.cancel_all(alice, "sell").certified().cancelled_lots == 2
            assert peer.status()["pairs"][0]["height"] == client.query("status")["pairs"][0]["height"] == 4
            assert client.refused == {}
            assert client.why_unlinked() == "no peer is linked"


def test_blocks_and_books() -> None:
    with gossipbook.sync.open_peer(pairs=[PAIR]) as peer, ThreadPoolExecutor() as threads:
        pair, wallet = peer.pair(PAIR), peer.wallet()
        with gossipbook.sync.open_client(peer.addresses, peer.manifest.chain_id) as client:
            for source in (pair.blocks(), client.blocks(PAIR)):
                first = threads.submit(next, source)
                while not first.done():  # It reads from some moment on.
                    pair.place(wallet, "buy", price_ticks=100, qty_lots=5).certified()
                assert (first.result().pair, len(first.result().events)) == (PAIR, 1)
                placed = pair.place(wallet, "buy", price_ticks=100, qty_lots=5).certified()
                heights = [first.result().height]
                for block in source:
                    heights.append(block.height)
                    if block.height == placed.height:
                        break
                assert heights == list(range(heights[0], placed.height + 1))
            with client.book_feed(PAIR) as feed, pair.book_feed() as other:
                whole = next(feed)
                assert (whole.reset, feed.resyncs, feed.spec.symbol) == ("start", 0, PAIR)
                assert next(other).top == whole.top
                pair.place(wallet, "buy", price_ticks=101, qty_lots=5).certified()
                step = next(feed)
                assert (step.reset, step.top.bid) == ("", gossipbook.Level(101, 5, 1))
                assert feed.book is not None
            with pytest.raises(gossipbook.LinkClosed, match="was closed"):
                next(feed)


def test_many_threads_use_one_client() -> None:
    with (
        gossipbook.sync.open_peer(pairs=[PAIR]) as peer,
        gossipbook.sync.open_client(peer.addresses, peer.manifest.chain_id) as client,
        ThreadPoolExecutor(8) as threads,
    ):
        pair, wallet = client.pair(PAIR), peer.wallet()

        def trade(number: int) -> int:
            order = pair.place(wallet, "buy", price_ticks=100 + number % 5, qty_lots=1)
            assert order.certified(within_s=ENOUGH_S).op_id == order.submission.op.id
            assert wallet.find(PAIR, order.client_id) is not None
            return order.client_id

        assert sorted(threads.map(trade, range(200))) == list(range(1, 201))
        assert wallet.next_client_id(PAIR) == 201
        assert wallet.uncertified(PAIR) == []
        assert pair.standing(wallet.identity.public_key)["own"]["open_orders"] == 200


def test_errors_are_themselves_and_lead_to_where_they_were_raised() -> None:
    with gossipbook.sync.open_peer(pairs=[PAIR]) as peer:
        with pytest.raises(gossipbook.BadOrder, match="side") as caught:
            peer.pair(PAIR).place(peer.wallet(), "long", price_ticks=1, qty_lots=1)
        names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert "place" in names
        assert "_check_word" in names
        with pytest.raises(gossipbook.ConfigError, match="not followed"):
            peer.pair("ETH-USD")
    with pytest.raises(gossipbook.ConfigError, match="expected a list"), gossipbook.sync.open_peer(pairs="BTC-USD"):
        pass
    with (
        pytest.raises(gossipbook.LinkClosed),
        gossipbook.sync.open_client("ws://127.0.0.1:1", bytes(32), within_s=0.5),
    ):
        pass
    with pytest.raises(ZeroDivisionError), gossipbook.sync.open_peer(pairs=[PAIR]):
        _ = 1 / 0


def test_after_the_end_every_call_says_so() -> None:
    with ThreadPoolExecutor() as threads, ExitStack() as stack:
        peer = stack.enter_context(gossipbook.sync.open_peer(pairs=[PAIR]))
        pair, wallet = peer.pair(PAIR), peer.wallet()
        client = stack.enter_context(gossipbook.sync.open_client(peer.addresses, peer.manifest.chain_id))
        feed = stack.enter_context(client.book_feed(PAIR))
        next(feed)
        waiting = [threads.submit(next, feed), threads.submit(next, client.blocks(PAIR))]
        stack.close()
        for call in waiting:
            with pytest.raises(gossipbook.LinkClosed, match="was closed"):
                call.result(ENOUGH_S)
        for ask in (pair.book, peer.status, lambda: client.query("status"), lambda: client.book_feed(PAIR).__enter__()):
            with pytest.raises(gossipbook.LinkClosed, match="was closed"):
                ask()
        with pytest.raises(gossipbook.LinkClosed):
            pair.place(wallet, "buy", price_ticks=1, qty_lots=1)
        assert wallet.next_client_id(PAIR) == 1
        wallet.close()


def test_a_wallet_is_driven_by_one_loop_at_a_time() -> None:
    with gossipbook.sync.open_peer(pairs=[PAIR]) as peer:
        wallet = peer.wallet()
        peer.pair(PAIR).place(wallet, "buy", price_ticks=100, qty_lots=1).certified()
        address, chain_id = peer.addresses[0], peer.manifest.chain_id

        async def elsewhere() -> None:
            async with gossipbook.open_client(address, chain_id) as client:
                pair = await client.pair(PAIR)
                with pytest.raises(gossipbook.WalletError, match="in use in another thread's event loop"):
                    await pair.place(wallet, "buy", price_ticks=100, qty_lots=1)
                other = gossipbook.Wallet(gossipbook.Identity(os.urandom(32)), chain_id)
                await (await pair.place(other, "buy", price_ticks=100, qty_lots=1)).certified()
                others.append(other)

        others: list[gossipbook.Wallet] = []
        trio.run(elsewhere)
        op = others[0].sign(PAIR, [Place(2, Side.BUY, 1, 100, 5, 1)])
        assert peer.submit(op).certified().height == 3
        peer.attach(others[0])  # The loop that drove it has ended.
        assert peer.pair(PAIR).place(others[0], "buy", price_ticks=100, qty_lots=1).client_id == 3
        assert wallet.next_client_id(PAIR) == 2


def test_a_wallet_of_a_file_is_used_by_one_program_after_the_other(tmp_path: Path) -> None:
    manifest = network_of_one(tmp_path)
    gossipbook.create_key(tmp_path / "trader.key")
    for turn in (1, 2):
        with gossipbook.sync.open_peer(manifest, folder=tmp_path, dht=False) as peer:
            wallet = peer.wallet(tmp_path / "trader.key")
            order = peer.pair(PAIR).place(wallet, "buy", price_ticks=100, qty_lots=1)
            assert (order.certified().height, order.client_id) == (turn, turn)
            wallet.close()
            for use in (
                lambda wallet: peer.pair(PAIR).place(wallet, "buy", price_ticks=100, qty_lots=1),
                lambda wallet: wallet.sign(PAIR, [Cancel(1)]),
                lambda wallet: wallet.find(PAIR, 1),
            ):
                with pytest.raises(gossipbook.WalletError, match="the wallet is closed"):
                    use(wallet)


def program(*lines: str) -> subprocess.Popen[str]:
    start = ["import os, signal, sys, threading, gossipbook.sync as gs", "opening = gs.open_peer(pairs=['BTC-USD'])"]
    code = "\n".join([*start, *lines])
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("call", ["next(pair.blocks())", "next(feed)", "submission.certified(within_s=600)"])
def test_ctrl_c_ends_the_call_that_the_main_thread_waits_for(call: str) -> None:
    """The op that is submitted follows one that nobody has, so that it is never certified."""
    running = program(
        "with opening as peer:",
        "    pair, wallet = peer.pair('BTC-USD'), peer.wallet()",
        "    with pair.book_feed() as feed:",
        "        next(feed)",
        "        from gossipbook.matching.commands import Cancel",
        "        ahead = gs.Wallet(wallet.identity, wallet.chain_id)",
        "        ahead.sign('BTC-USD', [Cancel(1)])",
        "        submission = peer.submit(ahead.sign('BTC-USD', [Cancel(2)]))",
        "        try:",
        "            print('waiting', flush=True)",
        f"            {call}",
        "        except KeyboardInterrupt:",
        "            print('interrupted', pair.height)",
        "    print(pair.place(peer.wallet(), 'buy', price_ticks=1, qty_lots=1).certified().height)",
        "print('closed', flush=True)",
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "waiting\n"
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=ENOUGH_S)
    assert (out, err, running.returncode) == ("interrupted 0\n1\nclosed\n", "", 0)


def test_ctrl_c_that_nobody_catches_closes_what_is_open() -> None:
    running = program(
        "with opening as peer:", "    print('waiting', flush=True)", "    next(peer.pair('BTC-USD').blocks())"
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "waiting\n"
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=ENOUGH_S)
    assert (out, running.returncode) == ("", -signal.SIGINT)
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert err.count("Traceback") == 1


@pytest.mark.parametrize(
    "lines",
    [
        ("peer = opening.__enter__()", "peer.pair('BTC-USD').place(peer.wallet(), 'buy', price_ticks=1, qty_lots=1)"),
        (
            "peer = opening.__enter__()",
            "threading.Thread(target=lambda: next(peer.pair('BTC-USD').blocks()), daemon=True).start()",
        ),
        (
            "import asyncio, gossipbook.aio",
            "async def main():",
            "    await gossipbook.aio.open_peer(pairs=['BTC-USD']).__aenter__()",
            "asyncio.run(main())",
        ),
    ],
    ids=["idle", "waited-for", "asyncio"],
)
def test_what_is_left_open_does_not_hold_up_the_end_of_the_program(lines: tuple[str, ...]) -> None:
    running = program(*lines, "print('end')")
    out, err = running.communicate(timeout=ENOUGH_S)
    assert (out, err, running.returncode) == ("end\n", "", 0)


def test_a_forked_process_opens_its_own() -> None:
    running = program(
        "with opening as peer:",
        "    pair = peer.pair('BTC-USD')",
        "    child = os.fork()",
        "    if child == 0:",
        "        try:",
        "            pair.book()",
        "        except gs.LinkClosed as error:",
        "            print(error)",
        "        with gs.open_peer(pairs=['BTC-USD']) as own:",
        "            print(own.pair('BTC-USD').state()[0], flush=True)",
        "        os._exit(0)",
        "    assert os.waitpid(child, 0)[1] == 0",
        "    print(pair.state()[0])",
    )
    out, err = running.communicate(timeout=ENOUGH_S)
    first, *others = out.splitlines()
    assert (first, running.returncode) == (
        "it was opened by the parent process; open another one in this process",
        0,
    ), err
    assert others == ["certifying"] * 2


def test_nothing_is_started_before_something_is_opened() -> None:
    code = "import gossipbook.sync, gossipbook.aio, threading; print(threading.active_count())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=ENOUGH_S)
    assert done.stdout == "1\n"
    assert threading.main_thread().name == "MainThread"
