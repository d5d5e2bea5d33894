"""A swarm on loopback: who is found, who is gone, and how a node starts and ends."""

import os
import threading

import pytest
import trio

from gossipbook.dht import DhtConfig, ProviderRecord, RecordError, datagram, open_record
from gossipbook.dht.node import DhtClosed, announce_forever, open_dht
from gossipbook.errors import ConfigError

from .support import CHAIN, KEY, LOOPBACK, Rogue, Wall, identity, known_ids, record, signed, signers, until

PROVIDERS = range(10)


async def announce_all(swarm):
    for number in PROVIDERS:
        assert await swarm.nodes[number].announce(KEY, record(identity(number), load=number)) >= 8


def everybody():
    return {identity(number).public_key for number in PROVIDERS}


async def test_every_node_finds_all_providers(autojump_clock, swarm):
    nodes = await swarm.grow(24)
    await announce_all(swarm)
    for node in nodes:
        found = await node.lookup(KEY)
        assert signers(found) == everybody()
        assert len(found) == 10
        assert {item.load for item in found} == set(PROVIDERS)


@pytest.mark.parametrize("which", ["nearest to the key", "every fourth"])
async def test_look_ups_stay_complete_and_quick_with_a_quarter_of_the_nodes_dead(autojump_clock, swarm, which):
    await swarm.grow(24)
    await announce_all(swarm)
    dead = swarm.by_distance()[:6] if which == "nearest to the key" else list(swarm.nodes)[::4]
    for number in dead:
        await swarm.kill(number)
    for node in swarm.nodes.values():
        began = trio.current_time()
        assert signers(await node.lookup(KEY)) == everybody()
        assert trio.current_time() - began < 1.0  # Virtual time: only timeouts and stalls take any.
        assert node.stats["crawl_timeouts_in_a_row_max"] <= 1


async def test_the_dead_are_forgotten_not_named_to_others_and_welcome_back(autojump_clock, swarm):
    nodes = await swarm.grow(12)
    port = nodes[5].address[1]
    await swarm.kill(5)
    for node in list(swarm.nodes.values()):
        await trio.sleep(node.config.heartbeat_s)
        await node.refresh()
        assert await node.lookup(identity(5).peer_id) == []
    asker = await Rogue.open(99)
    for node in swarm.nodes.values():
        (named,) = await asker.ask(node, datagram.FIND_NODE, identity(5).peer_id)
        assert port not in [entry[2] for entry in named]
        assert ("127.0.0.1", port) not in node.good_nodes()
    back = await swarm.start(5, [swarm.nodes[0].address], listen=("127.0.0.1", port))
    assert back.address[1] == port
    await until(lambda: 5 in known_ids(swarm.nodes[0], swarm))
    (named,) = await asker.ask(swarm.nodes[0], datagram.FIND_NODE, identity(5).peer_id)
    assert port in [entry[2] for entry in named]


async def test_what_is_withdrawn_is_gone_and_cannot_be_played_back(autojump_clock, swarm):
    nodes = await swarm.grow(6)
    assert await nodes[2].announce(KEY, record(identity(2))) == 6
    assert signers(await nodes[4].lookup(KEY)) == {identity(2).public_key}
    spy = await Rogue.open(99)
    _, (raw,), _ = await spy.ask(nodes[0], datagram.FIND_PROVIDERS, KEY, b"")
    assert await nodes[2].withdraw(KEY) == 6
    assert await nodes[4].lookup(KEY) == []
    for node in nodes:
        assert await spy.ask(node, datagram.STORE_RECORD, KEY, raw) == [False]
        assert node.stats["stores_refused:stale"] == 1
    assert await nodes[4].lookup(KEY) == []
    assert await nodes[2].announce(KEY, record(identity(2))) == 6  # It may come back itself.
    assert len(await nodes[4].lookup(KEY)) == 1


async def test_who_stops_announcing_is_gone_after_the_expiry(autojump_clock, swarm, wall):
    nodes = await swarm.grow(4)
    await nodes[1].announce(KEY, record(identity(1)))
    await nodes[2].announce(KEY, record(identity(2)))
    began_s = trio.current_time()
    await trio.sleep_until(began_s + 29.5)
    assert len(await nodes[3].lookup(KEY)) == 2
    await nodes[2].announce(KEY, record(identity(2), load=9))
    await trio.sleep_until(began_s + 30.5)
    found = await nodes[3].lookup(KEY)
    assert [(item.public_key, item.load) for item in found] == [(identity(2).public_key, 9)]


@pytest.mark.parametrize("off_ms", [-(10**10), -45_000, 45_000, 10**10])
async def test_a_clock_that_is_wrong_and_is_put_right_hides_nobody(autojump_clock, swarm, wall, off_ms):
    wrong = Wall()
    wrong.ms += off_ms
    nodes = await swarm.grow(3)
    lost = await swarm.start(7, [nodes[0].address], wall_ms=wrong)
    await lost.announce(KEY, record(identity(7)))
    await nodes[1].announce(KEY, record(identity(1)))
    assert len(await nodes[2].lookup(KEY)) == len(await lost.lookup(KEY)) == 2
    wrong.ms = wall.ms
    for _ in range(4):
        await lost.announce(KEY, record(identity(7)))
        await trio.sleep(20)
    assert [item.public_key for item in await nodes[2].lookup(KEY)] == [identity(7).public_key]


async def test_a_program_that_starts_again_with_its_clock_put_back_is_found_after_an_expiry(
    autojump_clock, swarm, wall
):
    ahead = Wall()
    ahead.ms += 3_600_000
    nodes = await swarm.grow(2)
    early = await swarm.start(7, [nodes[0].address], wall_ms=ahead)
    await early.announce(KEY, record(identity(7), load=1))
    await swarm.kill(7)
    again = await swarm.start(7, [nodes[0].address])
    await again.announce(KEY, record(identity(7), load=2))
    await trio.sleep(31)
    await again.announce(KEY, record(identity(7), load=3))
    assert [item.load for item in await nodes[1].lookup(KEY)] == [3]


async def test_heartbeats_keep_a_record_alive_and_take_the_keys_as_they_are(autojump_clock, swarm, wall):
    nodes = await swarm.grow(3)
    keys, other, rounds = [KEY], bytes(20), []

    def make(key):
        rounds.append(key)
        wall.ms += 10_000
        return None if key == other and len(rounds) < 6 else record(identity(1), key, load=len(rounds))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(announce_forever, nodes[1], keys, make)
        await until(lambda: len(rounds) == 4, 120)
        keys.append(other)
        await until(lambda: len(rounds) >= 8, 120)
        nursery.cancel_scope.cancel()
    assert {item.load for item in await nodes[2].lookup(KEY)} <= set(range(5, 10))
    assert len(await nodes[2].lookup(KEY)) == len(await nodes[2].lookup(other)) == 1
    assert rounds[:4] == [KEY] * 4


async def test_pages_are_read_to_the_end(autojump_clock, swarm, wall):
    authors = [identity(1000 + n) for n in range(60)]
    matchers = [author.public_key for author in authors]
    holder, reader = await swarm.grow(2, matchers=matchers)
    storer = await Rogue.open(99)
    long = tuple(f"wss://{'x' * 60}{n}.example:443" for n in range(4))
    for author in authors:
        raw = signed(author, wall, addresses=long)
        assert await storer.ask(holder, datagram.STORE_RECORD, KEY, raw) == [True]
    assert signers(await reader.lookup(KEY)) == set(matchers)
    assert holder.stats["requests_served:find_providers"] >= 30


async def test_a_restart_needs_only_the_nodes_saved_before(autojump_clock, swarm):
    nodes = await swarm.grow(8)
    await nodes[3].announce(KEY, record(identity(3)))
    saved = nodes[7].good_nodes()
    assert nodes[7].address not in saved
    await swarm.kill(7)
    await swarm.kill(0)  # The only bootstrap peer there ever was.
    again = await swarm.start(7, saved)
    assert signers(await again.lookup(KEY)) == {identity(3).public_key}


async def test_a_node_that_lost_everybody_joins_again_by_itself(autojump_clock, swarm):
    first, second = await swarm.grow(2)
    port = first.address[1]
    await swarm.kill(0)
    await until(lambda: second.good_nodes() == [], 60)
    await swarm.start(0, listen=("127.0.0.1", port))
    await until(lambda: known_ids(second, swarm) == {0}, 60)


async def test_a_node_alone_answers_itself(autojump_clock, swarm):
    node = await swarm.start(0)
    assert await node.bootstrap([("127.0.0.1", 9), node.address]) == 0
    assert await node.announce(KEY, record(identity(0))) == 1
    assert signers(await node.lookup(KEY)) == {identity(0).public_key}
    assert node.good_nodes() == []


async def test_matchers_nodes_hold_a_key_that_strangers_surround(autojump_clock, swarm):
    far = max(range(40), key=lambda n: int.from_bytes(identity(n).peer_id, "big") ^ int.from_bytes(KEY, "big"))
    numbers = [number for number in range(14) if number != far]
    matchers = [identity(far).public_key]
    await swarm.start(far, matchers=matchers)
    seed = [swarm.nodes[far].address]
    for number in numbers:
        await swarm.start(number, seed, matchers=matchers)
    await swarm.nodes[numbers[0]].announce(KEY, record(identity(numbers[0])))
    assert swarm.nodes[far].stats["now:records"] == 1
    for number in [number for number in numbers[1:] if swarm.nodes[number].stats["now:records"]]:
        await swarm.kill(number)
    for number in numbers[1:]:
        if number in swarm.nodes:
            assert len(await swarm.nodes[number].lookup(KEY)) == 1


# Starting and ending


async def test_a_port_in_use_is_named(autojump_clock, swarm):
    node = await swarm.start(0)
    with pytest.raises(ConfigError, match=str(node.address[1])):
        await swarm.start(1, listen=node.address)
    with pytest.raises(ConfigError, match="no-such-host"):
        async with open_dht(identity=identity(2), chain_id=CHAIN, listen=("no-such-host.invalid", 0), wall_ms=int):
            pass


async def test_an_unknown_bootstrap_name_is_counted_and_survived(autojump_clock, swarm):
    first = await swarm.start(0)
    second = await swarm.start(1)
    wrong = [("no-such-host.invalid", 1), ("a..b", 1), ("x" * 64, 1), ("127.0.0.1", 0), ("127.0.0.1", 65_536)]
    assert await second.bootstrap([*wrong, first.address]) == 1
    assert second.stats["bootstrap_unresolved"] == len(wrong)


async def test_what_the_body_raises_arrives_as_it_is(autojump_clock, wall):
    with pytest.raises(ZeroDivisionError):
        async with open_dht(identity=identity(0), chain_id=CHAIN, listen=LOOPBACK, wall_ms=wall):
            raise ZeroDivisionError


def open_files():
    return sorted(
        os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if fd.isdigit() and is_socket(fd)
    )


def is_socket(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}").startswith("socket")
    except FileNotFoundError:  # The listing's own descriptor.
        return False


@pytest.mark.parametrize("how", ["end", "cancel"])
async def test_closing_during_look_ups_ends_them_and_leaves_nothing_behind(autojump_clock, wall, how):
    sockets, threads, tasks = open_files(), threading.active_count(), trio.lowlevel.current_statistics().tasks_living
    silent = await Rogue.open(50)
    ended = []

    async def look_up(node):
        try:
            await node.lookup(KEY)
        except DhtClosed:
            ended.append("closed")
        except trio.Cancelled:
            ended.append("cancelled")
            raise

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            async with open_dht(identity=identity(0), chain_id=CHAIN, listen=LOOPBACK, wall_ms=wall) as node:
                known = Rogue(silent.identity, silent.socket)
                async with trio.open_nursery() as serving:
                    serving.start_soon(known.serve)
                    assert await node.bootstrap([silent.address]) == 1
                    serving.cancel_scope.cancel()
                for _ in range(20):
                    nursery.start_soon(look_up, node)
                await trio.testing.wait_all_tasks_blocked()
                assert ended == []
                if how == "cancel":
                    scope.cancel()
                    await trio.lowlevel.checkpoint()
    assert ended == ["closed"] * 20
    for call in (node.lookup(KEY), node.announce(KEY, record(identity(0))), node.refresh()):
        with pytest.raises(DhtClosed):
            await call
    silent.socket.close()
    assert open_files() == sockets
    assert threading.active_count() == threads
    assert trio.lowlevel.current_statistics().tasks_living == tasks


async def test_a_caller_may_cancel_its_own_look_up(autojump_clock, swarm):
    node = await swarm.start(0)
    silent = await Rogue.open(50)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(silent.serve)
        await node.bootstrap([silent.address])
        nursery.cancel_scope.cancel()
    with trio.move_on_after(0.05) as scope:
        await node.lookup(KEY)
    assert scope.cancelled_caught
    assert await node.announce(KEY, record(identity(0))) == 1


def test_settings_that_contradict_each_other_are_refused():
    for wrong in (
        {"expiry_s": 15},
        {"expiry_s": 61},
        {"alpha": 9},
        {"k": 21},
        {"stall_s": 0.5},
        {"request_timeout_s": 3},
        {"request_timeout_s": 0},
        {"matcher_contacts": 9},
        {"contacts_per_crawl": 15},
        {"dead_cap": 0},
        {"verify_cap": 1},
    ):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            DhtConfig(**wrong)


async def test_announce_fills_in_what_it_must_and_counts_up(autojump_clock, swarm, wall):
    node = await swarm.start(0)
    spy = await Rogue.open(99)
    raws = []
    for _ in range(3):  # The wall clock stands still, the sequence must not.
        await node.announce(KEY, ProviderRecord(bytes(20), bytes(32), sequence=5, expires_ms=5, withdrawn=True))
        raws += (await spy.ask(node, datagram.FIND_PROVIDERS, KEY, b""))[1]
    opened = [open_record(raw, CHAIN, KEY) for raw in raws]
    assert [item.sequence for item in opened] == [wall.ms, wall.ms + 1, wall.ms + 2]
    assert all(item.lasts_ms == 30_000 and not item.withdrawn for item in opened)
    with pytest.raises(RecordError):
        open_record(raws[0], bytes(32), KEY)
