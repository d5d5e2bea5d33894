"""A node behind a UDP proxy: known at the address that it claims, once proved there, or not at all."""

import ipaddress
import os

import pytest
import trio

from gossipbook import cbor
from gossipbook.dht import DhtConfig, datagram
from gossipbook.dht.datagram import CLAIM_BYTES, FIND_NODE, PING, DatagramError, Reply, Request
from gossipbook.dht.node import open_dht
from gossipbook.dht.protocol import DOMAIN_PONG
from gossipbook.dht.records import RECORD_BYTES_CAP
from gossipbook.errors import ConfigError

from .support import CHAIN, KEY, LOOPBACK, NETWORK, Rogue, identity, record, signers, until
from .udp_proxy import UdpProxy

HIDDEN = 70  # The number of the node behind the proxy.


@pytest.fixture
async def proxies(swarm):
    """Make proxies that end with the test."""
    async with trio.open_nursery() as nursery:

        async def make(inner=None):
            return await UdpProxy.open(nursery, inner)

        yield make
        nursery.cancel_scope.cancel()


async def start_hidden(swarm, proxies, bootstrap, **options):
    proxy = await proxies()
    node = await swarm.start(HIDDEN, bootstrap, advertise=proxy.address, **options)
    proxy.inner = node.address
    return node, proxy


async def beat(swarm, rounds=1):
    """Let all nodes do the upkeep of a heartbeat, so that those met have proved themselves or not."""
    for _ in range(rounds):
        for node in list(swarm.nodes.values()):
            await trio.sleep(node.config.heartbeat_s)
            await node.refresh()


async def places_named(swarm, number, spy):
    """Where the other nodes say that a node is."""
    places = set()
    for other, node in swarm.nodes.items():
        if other != number:
            (named,) = await spy.ask(node, FIND_NODE, identity(number).peer_id)
            places |= {
                (str(ipaddress.ip_address(packed)), port)
                for node_id, packed, port in named
                if node_id == identity(number).peer_id
            }
    return places


async def test_a_hidden_node_is_found_and_reached_through_its_proxy_only(autojump_clock, swarm, proxies):
    nodes = await swarm.grow(12)
    hidden, proxy = await start_hidden(swarm, proxies, [nodes[0].address])
    await beat(swarm)
    spy = await Rogue.open(99)
    assert await places_named(swarm, HIDDEN, spy) == {proxy.address}
    assert all(hidden.address not in node.good_nodes() for node in nodes)
    # A node that never heard of it stores at it and reads from it.
    key = identity(HIDDEN).peer_id
    late = await swarm.start(30, [nodes[5].address])
    assert await late.announce(key, record(identity(30), key)) >= 8
    assert hidden.stats["now:records"] == 1
    for number in swarm.by_distance(key)[1:9]:
        if number != 30:
            await swarm.kill(number)  # Nearly all others that hold the record.
    later = await swarm.start(31, [node.address for node in swarm.nodes.values() if node is not hidden])
    assert signers(await later.lookup(key)) == {identity(30).public_key}
    served = sum(count for name, count in hidden.stats.items() if name.startswith("requests_served"))
    assert served == proxy.requests > 0
    assert signers(await hidden.lookup(key)) == {identity(30).public_key}


async def test_it_is_gone_with_its_proxy_and_back_with_it(autojump_clock, swarm, proxies):
    nodes = await swarm.grow(8)
    hidden, proxy = await start_hidden(swarm, proxies, [nodes[0].address])
    await beat(swarm)
    spy = await Rogue.open(99)
    assert await places_named(swarm, HIDDEN, spy) == {proxy.address}
    proxy.up = False
    await beat(swarm, 2)
    assert await hidden.announce(KEY, record(identity(HIDDEN))) >= 8  # It still speaks to everybody ...
    await beat(swarm)
    assert await places_named(swarm, HIDDEN, spy) == set()  # ... but nobody lists it, there or elsewhere.
    for node in nodes:
        assert not {proxy.address, hidden.address} & set(node.good_nodes())
    assert any(node.stats.get("nodes_unproved", 0) for node in nodes)
    proxy.up = True
    await beat(swarm, 2)
    assert await places_named(swarm, HIDDEN, spy) == {proxy.address}


async def test_a_hidden_bootstrap_node_serves_those_who_also_say_where_they_are(autojump_clock, swarm, proxies):
    _, proxy = await start_hidden(swarm, proxies, [])
    fronts = {}
    for number in range(4):
        fronts[number] = front = await proxies()
        node = await swarm.start(number, [proxy.address], advertise=front.address)
        front.inner = node.address
        await beat(swarm)
    spy = await Rogue.open(99)
    for number in range(4):
        assert await places_named(swarm, number, spy) == {fronts[number].address}
    assert await swarm.nodes[0].announce(KEY, record(identity(0))) == 5
    for node in swarm.nodes.values():
        assert signers(await node.lookup(KEY)) == {identity(0).public_key}


async def test_joining_through_the_inner_address_leads_to_the_claimed_one(autojump_clock, swarm, proxies):
    hidden, proxy = await start_hidden(swarm, proxies, [])
    other = await swarm.start(1, [hidden.address])
    assert other.good_nodes() == [proxy.address]
    proxy.up = False
    assert await (await swarm.start(2)).bootstrap([hidden.address]) == 0
    assert swarm.nodes[2].stats["claims_unproved"] == 1


async def test_addresses_seen_through_the_proxy_give_way_to_those_heard_from_others(autojump_clock, swarm, proxies):
    nodes = await swarm.grow(6)
    hidden, proxy = await start_hidden(swarm, proxies, [])
    spy = await Rogue.open(99)
    for node in nodes:
        assert await node.bootstrap([proxy.address]) == 1
    await until(lambda: len(hidden.good_nodes()) == 6)
    assert not {node.address for node in nodes} & set(hidden.good_nodes())  # All seem to be at the proxy.
    assert await hidden.bootstrap([nodes[0].address]) == 1
    await beat(swarm, 2)
    assert set(hidden.good_nodes()) == {node.address for node in nodes}
    for number in range(6):
        assert await places_named(swarm, number, spy) == {nodes[number].address}


async def test_a_known_node_that_begins_to_claim_is_moved(autojump_clock, swarm, proxies):
    nodes = await swarm.grow(4)
    await swarm.start(HIDDEN, [nodes[0].address])
    await beat(swarm)
    inner = swarm.nodes[HIDDEN].address
    assert all(inner in node.good_nodes() for node in nodes)
    await swarm.kill(HIDDEN)
    hidden, proxy = await start_hidden(swarm, proxies, [nodes[0].address], listen=inner)
    assert hidden.address == inner
    await beat(swarm, 2)
    for node in nodes:
        assert proxy.address in node.good_nodes()
        assert inner not in node.good_nodes()


async def test_both_nodes_of_a_pair_behind_one_host_are_told_apart(autojump_clock, swarm, proxies):
    nodes = await swarm.grow(3)
    hidden, proxy = await start_hidden(swarm, proxies, [nodes[0].address])
    second = await proxies()
    another = await swarm.start(71, [nodes[0].address], advertise=second.address)
    second.inner = another.address
    await beat(swarm)
    for node in nodes:
        assert {proxy.address, second.address} <= set(node.good_nodes())
    assert second.address in hidden.good_nodes()


# What a claim cannot do


def claiming(who, claim, method=FIND_NODE, arguments=(KEY,)):
    request = Request(os.urandom(16), who.public_key, method, list(arguments), claim)
    return datagram.encode_request(NETWORK, request)


async def collect(sock, into):
    while True:
        into.append(await sock.recvfrom(65_536))


async def test_claims_of_a_victims_address_bring_it_little_and_nobody_a_place(autojump_clock, swarm):
    node = await swarm.start(0, config=DhtConfig(verify_cap=8))
    liar, victim = await Rogue.open(98), await Rogue.open(99)
    at_liar, at_victim, sent = [], [], 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect, liar.socket, at_liar)
        nursery.start_soon(collect, victim.socket, at_victim)
        for number in range(200):
            raw = claiming(identity(100 + number), victim.address)
            sent += len(raw)
            await liar.send(raw, node)
        await until(lambda: len(at_liar) == 200)
        await until(lambda: node.stats.get("nodes_unproved", 0) >= 4)
        nursery.cancel_scope.cancel()
    assert all(isinstance(datagram.decode(raw, NETWORK), Reply) for raw, _ in at_liar)  # Answers go to the sender.
    pings = [datagram.decode(raw, NETWORK) for raw, _ in at_victim]
    assert 0 < len(pings) <= 2 * node.stats["nodes_unproved"] <= 2 * 4
    assert all(ping.method == PING for ping in pings)
    assert sum(len(raw) for raw, _ in at_victim) < sent / 50
    assert node.stats["verifications_skipped"] >= 190
    assert node.good_nodes() == []


async def test_another_nodes_address_cannot_be_claimed(autojump_clock, swarm):
    nodes = await swarm.grow(3)
    liar = await Rogue.open(99)
    await liar.send(claiming(identity(99), nodes[1].address), nodes[0])
    await until(lambda: nodes[0].stats.get("nodes_unproved") == 1)
    (named,) = await (await Rogue.open(98)).ask(nodes[0], FIND_NODE, identity(99).peer_id)
    assert identity(99).peer_id not in [entry[0] for entry in named]
    assert nodes[1].address in nodes[0].good_nodes()


async def test_a_live_node_is_not_moved_by_a_claim_that_others_make_for_it(autojump_clock, swarm, proxies):
    nodes = await swarm.grow(3)
    relay = await proxies(nodes[2].address)  # It even passes the proof on.
    liar = await Rogue.open(99)
    await liar.send(claiming(identity(2), relay.address), nodes[0])
    await until(lambda: nodes[0].stats.get("moves_refused") == 1)
    assert relay.address not in nodes[0].good_nodes()
    assert nodes[2].address in nodes[0].good_nodes()


async def test_the_proof_of_a_node_that_claims_is_worth_nothing_through_a_relay(autojump_clock, swarm, proxies):
    hidden, proxy = await start_hidden(swarm, proxies, [])
    relay = await proxies(hidden.address)
    node = await swarm.start(0)
    liar = await Rogue.open(99)
    await liar.send(claiming(identity(HIDDEN), relay.address), node)
    await until(lambda: node.good_nodes() != [])
    assert relay.requests > 0
    assert node.good_nodes() == [proxy.address]


async def test_a_claim_is_covered_by_the_signature_of_the_proof(autojump_clock, swarm):
    node = await swarm.start(0)
    liar, elsewhere = await Rogue.open(98), await Rogue.open(99)

    async def serve():
        while True:
            raw, sender = await liar.socket.recvfrom(65_536)
            request = datagram.decode(raw, NETWORK)
            signature = liar.identity.sign(DOMAIN_PONG, CHAIN, request.message_id + request.public_key)
            reply = Reply(request.message_id, liar.public_key, [signature], elsewhere.address)
            await liar.socket.sendto(datagram.encode_reply(NETWORK, reply), sender)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        assert await node.bootstrap([liar.address]) == 0
        nursery.cancel_scope.cancel()
    assert node.stats["pongs_forged"] == 1


@pytest.mark.parametrize("host", ["::1", "0.0.0.0", "224.0.0.1", "255.255.255.255"])
async def test_addresses_that_nobody_can_have_are_answered_but_not_looked_into(autojump_clock, swarm, host):
    node = await swarm.start(0)
    liar = await Rogue.open(99)
    await liar.send(claiming(liar.identity, (host, 4000)), node)
    raw, _ = await liar.socket.recvfrom(65_536)
    assert isinstance(datagram.decode(raw, NETWORK), Reply)
    assert node.stats["claims_refused"] == 1
    assert node.stats.get("nodes_unproved", 0) == 0


def test_loopback_is_believed_of_loopback_senders_only():
    assert datagram.believable(("127.0.0.1", 1), ("127.0.0.9", 1))
    assert not datagram.believable(("127.0.0.1", 1), ("192.0.2.1", 1))
    assert datagram.believable(("198.51.100.7", 1), ("192.0.2.1", 1))
    assert not datagram.believable(("2001:db8::1", 1), ("192.0.2.1", 1))


@pytest.mark.parametrize(
    "claim",
    [None, [], [b"\x7f\0\0\x01"], [b"\x7f\0\0", 1], [b"\x7f\0\0\x01", 0], [b"\x7f\0\0\x01", 65_536], ["h", 1], 7],
)
def test_a_malformed_claim_makes_the_datagram_garbage(claim):
    raw = cbor.encode([0, NETWORK, bytes(16), bytes(32), ["ping", b""], claim])
    with pytest.raises(DatagramError, match="garbage"):
        datagram.decode(raw, NETWORK)


def test_datagrams_with_the_longest_claim_fit_and_come_back():
    claim = ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 65_535)
    node = [bytes(20), bytes(16), 65_535]
    reply = Reply(bytes(16), bytes(32), [[node] * 7, [bytes(RECORD_BYTES_CAP)], bytes(32)], claim)
    raw = datagram.encode_reply(NETWORK, reply)
    assert len(raw) <= datagram.DATAGRAM_BYTES_CAP
    assert datagram.decode(raw, NETWORK) == reply
    bare = datagram.encode_reply(NETWORK, Reply(bytes(16), bytes(32), reply.results))
    assert len(raw) - len(bare) == CLAIM_BYTES
    for method, arguments in [
        (PING, []),
        (FIND_NODE, [KEY]),
        (datagram.FIND_PROVIDERS, [KEY, bytes(32)]),
        (datagram.STORE_RECORD, [KEY, bytes(RECORD_BYTES_CAP)]),
    ]:
        request = Request(bytes(16), bytes(32), method, arguments, claim)
        raw = datagram.encode_request(NETWORK, request)
        assert len(raw) <= datagram.DATAGRAM_BYTES_CAP
        assert datagram.decode(raw, NETWORK) == request
        if method.startswith("find"):
            assert len(raw) >= datagram.MIN_FIND_BYTES
    pong = Reply(bytes(16), bytes(32), [bytes(64)], claim)
    ping = Request(bytes(16), bytes(32), PING, [])
    assert len(datagram.encode_reply(NETWORK, pong)) < 3 * len(datagram.encode_request(NETWORK, ping))


@pytest.mark.parametrize(
    "advertise", [("127.0.0.1", 0), ("127.0.0.1", 65_536), ("0.0.0.0", 4000), ("::1", 4000), ("no-such.invalid", 1)]
)
async def test_an_address_that_cannot_be_advertised_is_named(wall, advertise):
    with pytest.raises(ConfigError, match=f"advertise UDP {advertise[0]}:{advertise[1]}"):
        async with open_dht(identity=identity(0), chain_id=CHAIN, listen=LOOPBACK, advertise=advertise, wall_ms=wall):
            pass
