"""The parts by themselves: datagrams, the routing table, the shortlist, what is dead, and asyncio beside trio."""

import random
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kademlia.node import Node

from gossipbook.buckets import TokenBucket
from gossipbook.dht import datagram
from gossipbook.dht.crawl import CANDIDATES_CAP, Shortlist, State
from gossipbook.dht.datagram import Contact, DatagramError, Reply, Request
from gossipbook.dht.liveness import DeadNodes
from gossipbook.dht.records import RECORD_BYTES_CAP
from gossipbook.dht.routing import BoundedRoutingTable, KnownNode
from gossipbook.ids import xor_distance

from .support import NETWORK

ids = st.binary(min_size=16, max_size=16)
keys = st.binary(min_size=32, max_size=32)


@given(st.binary(max_size=1300))
def test_noise_is_refused_with_a_reason(raw):
    with pytest.raises(DatagramError):
        datagram.decode(raw, NETWORK)


@given(ids, keys, st.sampled_from(["ping", "find_node", "find_providers", "store_record"]), st.binary(max_size=40))
def test_what_is_encoded_is_decoded(message_id, public_key, method, argument):
    request = Request(message_id, public_key, method, [argument])
    assert datagram.decode(datagram.encode_request(NETWORK, request), NETWORK) == request
    reply = Reply(message_id, public_key, [argument, [1]])
    assert datagram.decode(datagram.encode_reply(NETWORK, reply), NETWORK) == reply


def test_the_largest_datagrams_fit():
    nodes = datagram.pack_nodes([Contact(bytes(20), "2001:db8::1", 65_535)] * 9)
    assert len(nodes) == 8
    room = datagram.DATAGRAM_BYTES_CAP - datagram.REPLY_HEAD_BYTES - 8 * datagram.NODE_BYTES
    assert room >= RECORD_BYTES_CAP + 3
    reply = Reply(bytes(16), bytes(32), [nodes, [bytes(room - 3)], bytes(32)])
    assert len(datagram.encode_reply(NETWORK, reply)) <= datagram.DATAGRAM_BYTES_CAP < 3 * datagram.MIN_FIND_BYTES
    store = Request(bytes(16), bytes(32), datagram.STORE_RECORD, [bytes(20), bytes(RECORD_BYTES_CAP)])
    assert len(datagram.encode_request(NETWORK, store)) <= datagram.DATAGRAM_BYTES_CAP


def test_addresses_that_a_sender_cannot_mean_are_left_out():
    nodes = [[bytes(20), packed, 9] for packed in (b"\x7f\0\0\x01", b"\x0a\0\0\x01", bytes(4), b"\xff" * 4, bytes(16))]
    assert [c.host for c in datagram.unpack_nodes(nodes, ("127.0.0.1", 1))] == ["127.0.0.1", "10.0.0.1"]
    assert [c.host for c in datagram.unpack_nodes(nodes, ("10.0.0.9", 1))] == ["10.0.0.1"]


class Tries:
    """Stands where the protocol does: notes which nodes the table wants tried."""

    def __init__(self):
        self.tried = []

    def try_soon(self, node):
        self.tried.append(node)


def known(node_id, port=1):
    return KnownNode(Contact(node_id, "127.0.0.1", port), bytes(32), 0.0)


def test_the_routing_table_is_bounded_and_names_the_exact_nearest():
    rng = random.Random(1)
    tries = Tries()
    router = BoundedRoutingTable(tries, 8, Node(rng.randbytes(20)))
    for _ in range(5_000):
        router.add_contact(known(rng.randbytes(20)))
    near_us = [router.node.id[:15] + rng.randbytes(5) for _ in range(500)]  # Ground to lie beside us.
    for node_id in near_us:
        router.add_contact(known(node_id))
    assert len(router.buckets) <= 160
    assert all(len(bucket) <= 8 and len(bucket.replacement_nodes) <= 40 for bucket in router.buckets)
    assert len(router.nodes()) < 1_300
    assert tries.tried
    for _ in range(20):
        key = rng.randbytes(20)
        expected = sorted((node.id for node in router.nodes()), key=lambda i: xor_distance(i, key))[:8]
        assert [node.id for node in router.find_neighbors(Node(key))] == expected


def test_a_full_bucket_keeps_its_old_nodes_and_tries_the_one_not_heard_of_longest():
    tries = Tries()
    router = BoundedRoutingTable(tries, 2, Node(bytes(20)))
    far = [known(b"\xff" + bytes([n]) * 19) for n in range(3)]
    for node in [known(bytes(19) + b"\x01"), *far[:2]]:
        router.add_contact(node)
    router.touch(far[0])
    router.add_contact(far[2])
    assert tries.tried == [far[1]]
    assert router.get(far[2].id) is far[2]
    assert far[2] not in router.nodes()
    router.remove_contact(far[1])
    assert far[2] in router.nodes()


def contact(number, port=1):
    return Contact(number.to_bytes(20, "big"), "127.0.0.1", port)


def test_a_stalled_node_lets_the_ones_behind_it_be_asked():
    shortlist = Shortlist(bytes(20), 2)
    for number in (3, 1, 2):
        shortlist.push(contact(number))
    assert shortlist.next() == contact(1)
    shortlist.mark(contact(1), State.ASKED)
    assert shortlist.next() == contact(2)
    shortlist.mark(contact(2), State.ANSWERED)
    assert shortlist.next() is None
    shortlist.mark(contact(1), State.STALLED)
    assert shortlist.next() == contact(3)
    shortlist.mark(contact(3), State.ANSWERED)
    assert not shortlist.settled()  # 1 may still answer, and is nearer.
    shortlist.mark(contact(1), State.FAILED)
    assert shortlist.settled()
    assert shortlist.answered() == [contact(2), contact(3)]


def test_the_shortlist_is_bounded_and_a_wrong_address_does_not_hide_the_right_one():
    shortlist = Shortlist(bytes(20), 2)
    shortlist.push(contact(1, port=666))
    shortlist.push(contact(1))
    shortlist.push(contact(1, port=667))
    asked = [shortlist.next()]
    shortlist.mark(asked[0], State.FAILED)
    assert {asked[0], shortlist.next()} == {contact(1, port=666), contact(1)}
    for number in range(2, 2 + 2 * CANDIDATES_CAP):
        shortlist.push(contact(number))
    assert sum(shortlist.state(contact(n)) is State.NEW for n in range(2, 600)) == CANDIDATES_CAP - 2
    assert shortlist.state(contact(2)) is State.NEW


def test_the_dead_are_remembered_for_a_while_and_at_one_address():
    dead = DeadNodes(2, 60.0)
    dead.add(contact(1), 0.0)
    assert dead.has(contact(1), 59.9)
    assert not dead.has(contact(1, port=2), 0.0)
    assert not dead.has(contact(1), 60.0)
    assert len(dead) == 0
    for number in range(3):
        dead.add(contact(number), 0.0)
    assert len(dead) == 2
    dead.forget(contact(2))
    assert not dead.has(contact(2), 1.0)


def test_a_budget_is_spent_and_refilled():
    budget = TokenBucket(10)
    assert sum(budget.spend(5.0) for _ in range(20)) == 10
    assert sum(budget.spend(5.5) for _ in range(20)) == 5
    assert sum(budget.spend(99.0) for _ in range(20)) == 10


def run_python(code):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_importing_the_package_loads_no_network_code():
    code = """
        import sys
        import gossipbook.dht
        print(*(name in sys.modules for name in ("kademlia", "rpcudp", "asyncio", "trio", "trio_asyncio")))
        import gossipbook.dht.node
        print("trio_asyncio" in sys.modules)
    """
    assert run_python(code) == ["False"] * 6


def test_an_embedders_asyncio_threads_work_before_while_and_after_a_dht_runs():
    code = """
        import asyncio, sys, threading, trio
        from gossipbook.dht.node import open_dht
        from gossipbook.identity import Identity

        async def work():
            here = asyncio.get_running_loop()
            server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()
            server.close()
            return type(here).__module__ + ":" + str(asyncio.get_event_loop() is here)

        def in_thread(function):
            results = []
            thread = threading.Thread(target=lambda: results.append(function()))
            thread.start()
            thread.join(20)
            return results[0]

        def by_hand():
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            same = asyncio.get_event_loop() is loop
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()
            return f"{type(loop).__module__}:{same}"

        def both():
            return [in_thread(lambda: asyncio.run(work())), in_thread(by_hand)]

        stop, seen = threading.Event(), []

        async def all_along():
            while not stop.is_set():
                await asyncio.sleep(0.001)
            seen.append(await work())

        long = threading.Thread(target=lambda: asyncio.run(all_along()))
        long.start()
        print(*both())

        async def main():
            options = dict(chain_id=bytes(32), listen=("127.0.0.1", 0), wall_ms=lambda: 0)
            async with open_dht(identity=Identity(bytes(32)), **options) as one:
                assert "trio_asyncio" in sys.modules
                try:
                    asyncio.get_running_loop()
                except RuntimeError:
                    print("untouched")
                print(*await trio.to_thread.run_sync(both))
                async with open_dht(identity=Identity(b"2" * 32), bootstrap=[one.address], **options) as two:
                    print(len(two.good_nodes()))

        trio.run(main)
        print(*both())
        stop.set()
        long.join(20)
        print(*seen, "kademlia.network" in sys.modules)
    """
    plain = ["asyncio.unix_events:True"]
    assert run_python(code) == [*plain * 2, "untouched", *plain * 2, "1", *plain * 2, *plain, "False"]
