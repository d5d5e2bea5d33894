"""What strangers send: each datagram is survived, refused and counted under its reason."""

import os

import pytest
import trio

from gossipbook import cbor
from gossipbook.dht import DhtConfig, TableLimits, datagram
from gossipbook.dht.datagram import FIND_NODE, FIND_PROVIDERS, PING, STORE_RECORD, Request
from gossipbook.dht.table import ProviderTable

from .support import KEY, NETWORK, Rogue, identity, known_ids, record, signed, signers, until

MESSAGE_ID = bytes(16)
OTHER = identity(77).public_key


def raw(kind=0, network=NETWORK, message_id=MESSAGE_ID, public_key=OTHER, content=("ping", b"")):
    return cbor.encode([kind, network, message_id, public_key, list(content)])


def deep(levels):
    return b"\x81" * levels + b"\x00"


def padded(method, *arguments, size=datagram.MIN_FIND_BYTES):
    return raw(content=(method, *arguments, bytes(size)))


STOCK = b"\x00" + bytes(20) + b"\x92\xa5store\x93\xc4\x14" + bytes(20) + b"\xc4\x14" + bytes(20) + b"\xa1v"

HOSTILE = [
    ("garbage", b""),
    ("garbage", b"\xff"),
    ("garbage", bytes(range(100, 200))),
    ("garbage", deep(1_200)),
    ("garbage", STOCK),
    ("garbage", b"\x85" + b"\x9b" + b"\xff" * 8),
    ("garbage", cbor.encode([0, NETWORK, MESSAGE_ID, OTHER])),
    ("garbage", raw(kind=2)),
    ("garbage", raw(message_id=b"short")),
    ("garbage", raw(public_key=bytes(31))),
    ("garbage", raw(network=b"net")),
    ("garbage", raw(content=())),
    ("garbage", raw(content=("ping",))),
    ("garbage", raw(content=(7, b""))),
    ("garbage", raw(content=("ping",) + (b"",) * 9)),
    ("garbage", raw() + b"\x00"),
    ("oversize", bytes(1_233)),
    ("oversize", bytes(60_000)),
    ("other-network", raw(network=bytes(8))),
    ("too-short", raw(content=(FIND_NODE, KEY, b""))),
    ("too-short", raw(content=(FIND_PROVIDERS, KEY, b"", b""))),
    ("unasked-reply", raw(kind=1, content=([],))),
    ("unknown-method", raw(content=("store", KEY, KEY, b"value", b""))),
    ("unknown-method", raw(content=("find_value", KEY, KEY, b""))),
    ("unknown-method", raw(content=("stun", b""))),
    ("unknown-method", raw(content=("__class__", b""))),
    ("bad-arguments", raw(content=(PING, 1, b""))),
    ("bad-arguments", padded(FIND_NODE, size=448)),
    ("bad-arguments", padded(FIND_NODE, bytes(19))),
    ("bad-arguments", padded(FIND_NODE, bytes(21))),
    ("bad-arguments", padded(FIND_NODE, "key")),
    ("bad-arguments", padded(FIND_PROVIDERS, KEY, bytes(31))),
    ("bad-arguments", raw(content=(STORE_RECORD, KEY, 5, b""))),
    ("bad-arguments", raw(content=(STORE_RECORD, [], b"record", b""))),
]


@pytest.mark.parametrize(("reason", "sent"), HOSTILE, ids=[f"{n}-{reason}" for n, (reason, _) in enumerate(HOSTILE)])
async def test_a_hostile_datagram_is_counted_and_survived(autojump_clock, swarm, reason, sent):
    node = await swarm.start(0)
    stranger = await Rogue.open(99)
    await stranger.send(sent, node)
    if sent:  # An empty datagram may not even be delivered.
        await until(lambda: node.stats.get(f"datagrams_refused:{reason}") == 1)
    assert await stranger.ask(node, FIND_NODE, KEY) == [[]]
    assert "loop_errors" not in node.stats


async def test_a_fault_of_our_own_is_counted_and_survived(autojump_clock, swarm, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    node = await swarm.start(0)
    stranger = await Rogue.open(99)
    with monkeypatch.context() as patch:
        patch.setattr(ProviderTable, "page", broken)
        await stranger.send(stranger.request(FIND_PROVIDERS, [KEY, b""]), node)
        await until(lambda: node.stats.get("datagrams_refused:internal-error") == 1)
    assert await stranger.ask(node, FIND_PROVIDERS, KEY, b"") == [[], [], b""]


async def test_only_good_records_are_stored(autojump_clock, swarm, wall):
    node = await swarm.start(0)
    stranger = await Rogue.open(99)
    good = signed(identity(3), wall)
    for reason, sent, key in [
        ("signature", signed(identity(3), wall, chain=bytes(32)), KEY),
        ("signature", good[:-1] + bytes([good[-1] ^ 1]), KEY),
        ("key", good, bytes(20)),
        ("expiry", signed(identity(3), wall, expires_ms=wall.ms), KEY),
        ("expiry", signed(identity(3), wall, expires_ms=wall.ms + 60_001), KEY),
        ("expiry", signed(identity(3), wall, sequence=wall.ms + 30_001), KEY),
        ("format", b"value", KEY),
    ]:
        before = node.stats.get(f"stores_refused:{reason}", 0)
        assert await stranger.ask(node, STORE_RECORD, key, sent) == [False]
        assert node.stats[f"stores_refused:{reason}"] == before + 1
    assert node.stats["now:records"] == 0
    assert await stranger.ask(node, STORE_RECORD, KEY, good) == [True]
    assert signers(await node.lookup(KEY)) == {identity(3).public_key}


async def test_a_flood_of_strangers_is_capped_and_a_matcher_still_gets_in(autojump_clock, swarm, wall):
    config = DhtConfig(table=TableLimits(strangers_per_key=5), signatures_per_s=20)
    matcher = identity(500)
    node = await swarm.start(0, config=config, matchers=[matcher.public_key])
    stranger = await Rogue.open(99)
    for number in range(10):
        await stranger.ask(node, STORE_RECORD, KEY, signed(identity(number), wall))
    assert node.stats["now:records"] == 5
    assert node.stats["stores_refused:key-full"] == 5
    assert await stranger.ask(node, STORE_RECORD, KEY, signed(matcher, wall)) == [True]
    for number in range(100):  # A signature each; only so many are worth our time.
        forged = signed(identity(number), wall, key=number.to_bytes(20, "big"))[:-1] + b"\0"
        await stranger.ask(node, STORE_RECORD, number.to_bytes(20, "big"), forged)
    assert node.stats["stores_refused:busy"] >= 80


async def test_networks_do_not_mix(autojump_clock, swarm):
    first, other = await swarm.start(0), await swarm.start(1, chain_id=bytes(32))
    assert await other.bootstrap([first.address]) == 0
    assert first.stats["datagrams_refused:other-network"] == 2
    assert first.good_nodes() == other.good_nodes() == []


LIES = [
    b"noise",
    [],
    [1],
    [[1]],
    [[[1, 2, 3]]],
    [[[bytes(19), b"\x7f\0\0\x01", 9]], [], b""],
    [[[bytes(20), b"\x7f\0\0", 9]], [], b""],
    [[[bytes(20), b"\x7f\0\0\x01", 70_000]], [], b""],
    [[[bytes(20), b"\x7f\0\0\x01", 9]] * 9, [], b""],
    [[], [5], b""],
    [[], [b"record"], b""],
    [[], [], b"cursor"],
    [[], [], bytes(32)],  # The same page for ever.
    [[[bytes(20), b"\0\0\0\0", 9], [bytes(20), b"\xe0\0\0\x01", 9], [bytes(20), b"\x7f\0\0\x01", 0]], [], b""],
    [[[os.urandom(20), b"\x7f\0\0\x01", 9] for _ in range(8)], [], b""],  # Nobody is there.
]


@pytest.mark.parametrize("lie", LIES, ids=range(len(LIES)))
async def test_a_lying_node_spoils_nobody_elses_look_up(autojump_clock, swarm, wall, lie):
    nodes = await swarm.grow(4)
    await nodes[1].announce(KEY, record(identity(1)))
    liar = await Rogue.open(99)
    told = []

    def answer(request, sender):
        if request.method == PING:
            return liar.honest(request, sender)
        told.append(request.method)
        return lie

    async with trio.open_nursery() as nursery:
        nursery.start_soon(liar.serve)
        assert await nodes[3].bootstrap([liar.address]) == 1
        liar.answers = answer
        assert signers(await nodes[3].lookup(KEY)) == {identity(1).public_key}
        assert told[0] == FIND_PROVIDERS
        for node in nodes:
            assert signers(await node.lookup(KEY)) == {identity(1).public_key}
            assert await node.announce(bytes(20), record(identity(1))) >= 4
            assert "loop_errors" not in node.stats
        nursery.cancel_scope.cancel()


async def test_a_liar_cannot_make_a_crawl_endless(autojump_clock, swarm):
    config = DhtConfig(contacts_per_crawl=16)
    node = await swarm.start(0, config=config)
    liar = await Rogue.open(99)
    port = liar.address[1]

    def endless(request, sender):
        if request.method == PING:
            return liar.honest(request, sender)
        nodes = [[KEY[:10] + os.urandom(10), b"\x7f\0\0\x01", port] for _ in range(8)]
        return [nodes] if request.method == FIND_NODE else [nodes, [], b""]

    liar.answers = endless
    async with trio.open_nursery() as nursery:
        nursery.start_soon(liar.serve)
        await node.bootstrap([liar.address])
        began = trio.current_time()
        assert await node.lookup(KEY) == []
        assert trio.current_time() - began <= node.config.lookup_timeout_s
        assert 0 < node.stats["datagrams_refused:wrong-key"] <= 2 * 16
        nursery.cancel_scope.cancel()


async def test_a_reply_from_another_address_is_not_taken(autojump_clock, swarm, wall):
    node = await swarm.start(0)
    asked, other = await Rogue.open(98), await Rogue.open(97)
    planted = signed(identity(5), wall)

    async def answer_from_elsewhere():
        while True:
            incoming, sender = await asked.socket.recvfrom(65_536)
            request = datagram.decode(incoming, NETWORK)
            if request.method == PING:
                await asked.answer(request, sender)
            else:
                await other.socket.sendto(
                    raw(1, NETWORK, request.message_id, asked.public_key, ([], [planted], b"")), sender
                )

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_from_elsewhere)
        assert await node.bootstrap([asked.address]) == 1
        await node.refresh()
        await node.bootstrap([asked.address])
        before = node.stats["datagrams_refused:wrong-address"]
        assert await node.lookup(KEY) == []
        assert before >= 1
        nursery.cancel_scope.cancel()


async def test_a_node_that_moves_is_followed(autojump_clock, swarm):
    nodes = await swarm.grow(4)
    old = nodes[2].address
    await swarm.kill(2)
    moved = await swarm.start(2, [nodes[0].address])
    assert moved.address != old
    await until(lambda: 2 in known_ids(nodes[0], swarm))
    assert old not in nodes[0].good_nodes()
    assert nodes[0].stats["nodes_silent"] >= 1


@pytest.mark.parametrize("alive", [True, False])
async def test_an_address_cannot_be_hijacked(autojump_clock, swarm, alive):
    nodes = await swarm.grow(3)
    victim = nodes[2].address
    thief = await Rogue.open(99, claim=identity(2).public_key)
    if not alive:
        await swarm.kill(2)
    await thief.ask(nodes[0], FIND_NODE, KEY)  # "I am node 2, and here is where I am."
    async with trio.open_nursery() as nursery:
        nursery.start_soon(thief.serve)
        reason = "moves_refused" if alive else "pongs_forged"
        await until(lambda: nodes[0].stats.get(reason, 0) >= 1)
        nursery.cancel_scope.cancel()
    assert thief.address not in nodes[0].good_nodes()
    assert (victim in nodes[0].good_nodes()) is alive


async def test_forged_senders_fill_no_table(autojump_clock, swarm):
    config = DhtConfig(verify_cap=8)
    node = await swarm.start(0, config=config)
    forger = await Rogue.open(99)
    for number in range(200):
        request = Request(os.urandom(16), identity(number + 1).public_key, FIND_NODE, [KEY])
        await forger.send(datagram.encode_request(NETWORK, request), node)
    await until(lambda: node.stats.get("requests_served:find_node") == 200)
    assert node.stats["verifications_skipped"] >= 150
    await until(lambda: node.stats.get("nodes_unproved", 0) >= 4)
    assert node.good_nodes() == []
    assert node.stats["now:nodes"] == 0


async def test_requests_waiting_are_capped_and_an_unasked_node_is_not_dead(autojump_clock, swarm):
    nodes = await swarm.grow(5, config=DhtConfig(outstanding_cap=1))
    await nodes[0].lookup(KEY)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(nodes[0].lookup, KEY)
    assert nodes[0].stats["requests_not_sent"] > 0
    assert nodes[0].stats["now:nodes_dead"] == 0


async def test_one_own_key_is_refused(autojump_clock, swarm):
    node = await swarm.start(0)
    mirror = await Rogue.open(0)
    assert mirror.public_key == identity(0).public_key
    await mirror.send(mirror.request(PING, []), node)
    await until(lambda: node.stats.get("datagrams_refused:own-key") == 1)


async def test_a_reply_is_less_than_three_times_its_request_even_when_full(autojump_clock, swarm, wall):
    nodes = await swarm.grow(12)
    asker = await Rogue.open(99)
    long = tuple(f"wss://{'x' * 100}{n}.example:443" for n in range(4))
    for number in range(20):
        await asker.ask(nodes[0], STORE_RECORD, KEY, signed(identity(number), wall, addresses=long))
    named, records, cursor = await asker.ask(nodes[0], FIND_PROVIDERS, KEY, b"")  # ``ask`` checks the size.
    assert len(named) == 8
    assert len(records) == 1
    assert len(cursor) == 32
