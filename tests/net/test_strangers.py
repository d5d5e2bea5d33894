"""One peer and one rude stranger at a time: turned away, counted under a reason, nobody else the worse for it."""

import contextlib
import socket
import struct

import pytest
import trio

from gossipbook import cbor
from gossipbook.client_messages import Query, Submit
from gossipbook.net.link import Patience
from gossipbook.trade.opening import open_client
from gossipbook.wire.codec import encode_message
from gossipbook.wire.framing import join_frame
from gossipbook.wire.handshake import Role

from . import rude
from .rude import Target, counted
from .support import Author, certify, make_network, open_peer, reset, shaken, status, stranger, tcp, until, websocket


@pytest.fixture
def network(tmp_path):
    return make_network(tmp_path, 1)


@pytest.fixture
def impatient(monkeypatch):
    """A handshake may take one second in place of ten."""
    monkeypatch.setattr("gossipbook.net.transport.HANDSHAKE_S", 1.0)


def client_of(runtime):
    return open_client(runtime.local_address, runtime.manifest.chain_id)


async def assert_well(runtime):
    """The peer takes a new client and certifies what it brings."""
    chain_id = runtime.manifest.chain_id
    async with open_client(runtime.local_address, chain_id) as client:
        assert await certify(client, Author(chain_id)) > 0


@pytest.mark.parametrize(
    ("act", "expected"), rude.QUICK, ids=[f"{n}-{act.__name__}" for n, (act, _) in enumerate(rude.QUICK)]
)
async def test_a_rude_stranger_is_turned_away_for_a_reason(network, tmp_path, act, expected):
    async with open_peer(network, tmp_path / "peer1") as runtime:
        async with open_client(runtime.local_address, network.chain_id) as client:
            author = Author(network.chain_id)
            await certify(client, author)
            with trio.fail_after(20):
                await act(Target(runtime.local_address, network))

            async def all_counted():
                found = await client.query("status")
                return all(counted(found, reason) for reason in expected)

            await until(all_counted)
            await certify(client, author)
        await assert_well(runtime)


async def test_those_who_never_finish_are_left_at_the_deadline(network, tmp_path, impatient):
    async with open_peer(network, tmp_path / "peer1") as runtime:
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                for act, _ in rude.SLOW:
                    nursery.start_soon(act, Target(runtime.local_address, network))
                await assert_well(runtime)

        async def all_counted():
            found = await status(runtime.local_address, network.chain_id)
            return all(counted(found, reason) for _, expected in rude.SLOW for reason in expected)

        await until(all_counted)


async def test_a_replayed_op_changes_nothing(network, tmp_path):
    async with open_peer(network, tmp_path / "peer1") as runtime, client_of(runtime) as client:
        op = Author(network.chain_id).op()
        height = (await (await client.submit(op)).certified()).height
        before = (await client.query("status"))["pairs"]
        for _ in range(5):
            async with open_client(runtime.local_address, network.chain_id) as other:
                assert (await (await other.submit(op)).certified()).height == height
        after = (await client.query("status"))["pairs"]
        for key in ("height", "certified_ops", "open_orders", "pending_ops", "tip"):
            assert after[0][key] == before[0][key]


async def test_more_half_open_connections_than_the_cap_are_refused_and_links_live_on(network, tmp_path):
    async with (
        open_peer(network, tmp_path / "peer1", half_open_cap=8) as runtime,
        client_of(runtime) as client,
        trio.open_nursery() as nursery,
    ):
        author = Author(network.chain_id)
        for number in range(30):
            nursery.start_soon(rude.says_nothing, Target(runtime.local_address, network, f"127.0.1.{number + 1}"))
        await until(lambda: runtime.rejected["too many half-open connections"] == 22)
        await certify(client, author, 3)
        nursery.cancel_scope.cancel()


async def test_links_of_one_address_are_capped(network, tmp_path):
    async with (
        open_peer(network, tmp_path / "peer1", links_per_address_cap=4) as runtime,
        client_of(runtime) as client,
        trio.open_nursery() as nursery,
    ):
        for _ in range(10):
            nursery.start_soon(rude.says_nothing, Target(runtime.local_address, network, "127.0.0.9"))
        await until(lambda: runtime.rejected["too many connections from one address"] == 6)
        await certify(client, Author(network.chain_id))
        nursery.cancel_scope.cancel()


async def test_an_address_is_capped_even_when_there_are_very_many(network, tmp_path):
    caps = {"half_open_cap": 1_000, "links_per_address_cap": 2}
    async with (
        open_peer(network, tmp_path / "peer1", **caps) as runtime,
        contextlib.AsyncExitStack() as held,
        trio.open_nursery() as nursery,
    ):
        for number in range(260):
            source = f"127.1.{number // 250}.{number % 250 + 1}"
            await held.enter_async_context(tcp(runtime.local_address, source))
        await assert_well(runtime)  # Whoever came before it has been seen by now.
        for _ in range(5):
            nursery.start_soon(rude.says_nothing, Target(runtime.local_address, network, "127.2.0.1"))
        with trio.move_on_after(3):
            await until(lambda: runtime.rejected["too many connections from one address"] >= 3)
        nursery.cancel_scope.cancel()
    assert runtime.rejected["too many connections from one address"] == 3


async def test_a_reader_that_never_reads_is_bounded_and_left_and_nobody_waits_for_it(network, tmp_path, monkeypatch):
    monkeypatch.setattr("gossipbook.net.link.PEERS", Patience(write_deadline_s=2.0))
    async with open_peer(network, tmp_path / "peer1") as runtime, client_of(runtime) as client:
        author, most = Author(network.chain_id), 0
        async with shaken(runtime.local_address, network, source="127.0.0.3") as lazy:
            lazy.below.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            questions = rude.frame(2, join_frame([encode_message(Query(n, "manifest", ())) for n in range(2_000)]))

            async def ask():
                with contextlib.suppress(*rude.GONE):
                    while True:
                        await lazy.below.send_all(questions)

            await until(lambda: len(runtime.driver.links) == 2)
            with trio.fail_after(20):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(ask)
                    while len(runtime.driver.links) == 2:
                        await certify(client, author)
                        most = max([most, *(link.queued()[1] for link in runtime.driver.links.values())])
                    nursery.cancel_scope.cancel()
        assert len(runtime.driver.links) == 1
        assert 0 < most <= 16 * 2**20
        found = await client.query("status")
        assert counted(found, "links ended: a write took") + counted(found, "links ended: nothing was read") == 1


async def test_a_peer_of_another_network_that_dials_is_refused_on_both_sides(network, tmp_path):
    other = make_network(tmp_path / "other", 1, name="other")
    async with (
        open_peer(network, tmp_path / "peer1") as ours,
        open_peer(other, tmp_path / "other" / "peer1", peers=(ours.local_address,)) as theirs,
    ):
        await until(lambda: ours.rejected["handshake: wrong-network"] and theirs.rejected["handshake: wrong-network"])
        assert not ours.driver.links
        assert not theirs.driver.links
        await assert_well(ours)


async def test_who_submits_without_end_is_held_to_a_window(network, tmp_path):
    async with open_peer(network, tmp_path / "peer1") as runtime:
        author = Author(network.chain_id)
        author.op()  # Never sent: nothing that follows it can be certified.
        async with shaken(runtime.local_address, network) as greedy:
            ops = [author.op() for _ in range(1_200)]
            for start in range(0, len(ops), 100):
                await greedy.send_message(join_frame(encode_message(Submit(op)) for op in ops[start : start + 100]))

            async def refused():
                found = await status(runtime.local_address, network.chain_id)
                return counted(found, "submit refused: author-window-full")

            await until(refused)
        await assert_well(runtime)


# What a remote, or an address that a remote spread, must not be able to end the whole program with.


async def test_a_connection_reset_before_it_is_served_is_survived(network, tmp_path):
    async with open_peer(network, tmp_path / "peer1") as runtime:
        host, _, port = runtime.local_address.removeprefix("ws://").partition(":")
        for _ in range(20):  # Not one checkpoint: the peer sees them only when they are gone.
            with socket.create_connection((host, int(port))) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await assert_well(runtime)


NOT_WEBSOCKETS = {
    "404": b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    "301": b"HTTP/1.1 301 Moved\r\nLocation: ws://elsewhere\r\n\r\n",
    "bad-accept": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: wrong\r\n\r\n",
    "noise": b"noise\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize(
    "answer",
    [pytest.param(answer, id=name) for name, answer in NOT_WEBSOCKETS.items()],
)
async def test_an_address_where_something_else_answers_is_survived(network, tmp_path, nursery, impatient, answer):
    """Addresses are hearsay: anybody may have named a web server's."""
    asked = []

    async def serve(stream):
        await stream.receive_some(65_536)
        asked.append(True)
        await stream.send_all(answer)

    listeners = await nursery.start(trio.serve_tcp, serve, 0)
    port = listeners[0].socket.getsockname()[1]
    async with open_peer(network, tmp_path / "peer1", peers=(f"ws://127.0.0.1:{port}",)) as runtime:
        await until(lambda: asked)
        await assert_well(runtime)
        await until(lambda: len(asked) >= 2)  # It is tried again, later.
        await until(lambda: runtime.failed_dials)
        assert not [reason for reason in runtime.rejected if reason.startswith("fault")]
        await assert_well(runtime)
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..b", ".", "é" * 60])
async def test_an_address_that_cannot_be_a_name_is_survived(network, tmp_path, host):
    async with open_peer(network, tmp_path / "peer1") as runtime:
        address = f"wss://{host}:443"
        async with shaken(runtime.local_address, network, role=Role.PEER, addresses=(address,)):
            await until(lambda: runtime.driver.links)
        await until(lambda: not runtime.driver.links)
        await until(lambda: runtime.failed_dials or rude.count(runtime.rejected, "handshake: unusable address"))
        await assert_well(runtime)


async def test_connections_that_end_at_once_free_their_place_at_once(network, tmp_path):
    async with open_peer(network, tmp_path / "peer1", half_open_cap=8) as runtime:
        for _ in range(8):
            async with tcp(runtime.local_address) as stream:
                reset(stream)
        with trio.fail_after(3):
            await assert_well(runtime)


async def test_reasons_that_remotes_make_up_are_not_remembered_one_by_one(network, tmp_path):
    async with open_peer(network, tmp_path / "peer1") as runtime, client_of(runtime) as client:
        before = len(rude.reasons(await client.query("status")))
        for number in range(300):
            async with shaken(runtime.local_address, network) as connection:
                await connection.aclose(1_000, f"reason {number}")
            async with websocket(runtime.local_address) as connection:
                await connection.aclose(1_000, f"excuse {number}")
        await until(lambda: len(runtime.driver.links) == 1)
        assert len(rude.reasons(await client.query("status"))) <= before + 550  # Of six hundred.


@pytest.mark.parametrize("symbol", ["", "\0", "X" * 32])
async def test_questions_about_nothing_are_answered_with_an_error(network, tmp_path, symbol):
    async with open_peer(network, tmp_path / "peer1") as runtime:
        async with shaken(runtime.local_address, network) as connection:
            questions = [
                Query(1, "book", (symbol,)),
                Query(2, "order", (symbol, "zz", "x")),
                Query(3, "head", ("BTC-USD", "00" * 31)),
                Query(4, "book", ("BTC-USD", "9" * 100)),
                Query(5, "book", ("BTC-USD", "many")),
                Query(6, "status", ("too", "many")),
                Query(7, "__class__", ()),
            ]
            await connection.send_message(join_frame(map(encode_message, questions)))
            answers = {}
            with trio.fail_after(10):
                while len(answers) < len(questions):
                    raw = await connection.get_message()
                    while raw:
                        size = int.from_bytes(raw[:4], "big")
                        kind, number, good, _ = cbor.decode(raw[4 : 4 + size])
                        answers[number] = (kind, good)
                        raw = raw[4 + size :]
            assert answers == dict.fromkeys(range(1, 8), (55, False))
        await assert_well(runtime)


async def test_many_strangers_under_a_peers_role_displace_nobody(network, tmp_path):
    async with (
        open_peer(network, tmp_path / "peer1", links_cap=10) as runtime,
        client_of(runtime) as client,
        trio.open_nursery() as nursery,
    ):

        async def stay():
            async with shaken(runtime.local_address, network, stranger(), role=Role.PEER) as connection:
                await connection.get_message()
                await trio.sleep_forever()

        for _ in range(9):
            nursery.start_soon(stay)
        await until(lambda: len(runtime.driver.links) == 10)
        async with shaken(runtime.local_address, network) as late:
            assert await rude.closed(late) == "too-many-links"
        assert runtime.rejected["too many links"] == 1
        await certify(client, Author(network.chain_id), 2)
        nursery.cancel_scope.cancel()
