"""What may fail alone, does: questions, hints, subscribers, tasks. Only the core and the journal end a peer."""

import errno
from dataclasses import replace

import pytest
import trio

from gossipbook import open_client
from gossipbook.consensus.messages import Bodies
from gossipbook.crdt.op import sign_op
from gossipbook.dht.records import ProviderRecord, sign_record
from gossipbook.effects import Lane, Publish, Send
from gossipbook.errors import ConfigError, GossipbookError, LinkClosed, PeerFault
from gossipbook.manifest import Pair
from gossipbook.matching.commands import PlaceSpecial
from gossipbook.net import runtime as runtime_module
from gossipbook.net.address import parse_address, parse_host_port
from gossipbook.net.guard import Guard
from gossipbook.net.settings import NetSettings
from gossipbook.refusals import Refusals, Scope

from .support import SYMBOL, Author, certify, make_network, open_peer, stranger, until

BIG = (str(2**63), str(2**64), str(-(2**63) - 1), "9" * 128, "-1", "1e3", "\u0661", "1_0", " 1", "", "0x1", "+1")
AUTHOR = "00" * 32
BOUND_S = 20


def questions() -> list[tuple[str, ...]]:
    asked: list[tuple[str, ...]] = []
    for number in BIG:
        asked += [("order", SYMBOL, AUTHOR, number), ("explain", SYMBOL, AUTHOR, number), ("book", SYMBOL, number)]
        asked += [("receipt", SYMBOL, AUTHOR, number, "0"), ("receipt", SYMBOL, AUTHOR, "1", number)]
    asked += [("pair", SYMBOL, author) for author in ("zz", "0" * 63, "0" * 66, "\u00e9" * 64, " " * 64, "0 " * 32)]
    asked += [("head", SYMBOL, author) for author in ("zz", "", AUTHOR + "0", "0 " * 32)]
    asked += [("status", "x"), ("manifest", "x"), ("peers", "a", "b"), ("__init__",), ("",), ("book",), ("book", "")]
    asked += [
        ("receipt",),
        ("receipt", *"abcdefgh"),
        ("explain", SYMBOL),
        ("members",),
        ("members", "x"),
        ("status\0",),
    ]
    return asked


@pytest.fixture
def network(tmp_path):
    return make_network(tmp_path, 1)


async def test_no_question_ends_a_peer_or_its_link(network, tmp_path) -> None:
    async with open_peer(network, tmp_path / "peer1") as runtime:
        async with open_client(runtime.local_address, manifest=network) as client:
            for question in questions():
                with trio.fail_after(BOUND_S), pytest.raises(GossipbookError) as refused:
                    await client.query(*question)
                assert not isinstance(refused.value, LinkClosed), question
                assert "fault" not in str(refused.value), question
            assert (await client.query("status"))["links"] >= 1
        assert not runtime.peer.refusals.of(Scope.FAULT)


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "Too many open files"), OSError(errno.EROFS, "Read-only")])
async def test_a_hint_that_cannot_be_written_is_counted(network, tmp_path, monkeypatch, error) -> None:
    def refuse(*_):
        raise error

    monkeypatch.setattr(runtime_module, "save_good_nodes", refuse)
    async with open_peer(network, tmp_path / "peer1", dht=True) as runtime:
        await until(lambda: runtime.peer.refusals.of(Scope.HINT))
        await trades(runtime)
    assert [*runtime.peer.refusals.of(Scope.HINT)] == [f"good nodes not written: {error.strerror}"]


async def trades(runtime) -> None:
    """An order through this peer is certified."""
    async with open_client(runtime.local_address, manifest=runtime.manifest) as client:
        await certify(client, Author(runtime.manifest.chain_id))


async def test_a_subscriber_that_fails_is_counted_and_the_others_hear_on(network, tmp_path, caplog) -> None:
    async with open_peer(network, tmp_path / "peer1") as runtime:

        def broken(_event: object) -> None:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

        runtime.driver.subscribers.insert(0, broken)
        await trades(runtime)
        await trades(runtime)
        assert runtime.peer.refusals.of(Scope.FAULT)["a callback"] >= 2
    told = [record for record in caplog.records if "a callback" in record.message]
    assert len(told) >= 2
    assert [record.exc_info is not None for record in told[:2]] == [True, False], "one traceback is enough"


@pytest.mark.parametrize("part", ["core", "journal"])
async def test_a_fault_in_the_core_or_the_journal_ends_the_peer(network, tmp_path, monkeypatch, part) -> None:
    async def run() -> None:
        async with open_peer(network, tmp_path / "peer1") as runtime:
            broken = (runtime.peer, "flush") if part == "core" else (runtime.driver.journal, "commit")
            monkeypatch.setattr(*broken, lambda _: 1 // 0)
            with trio.fail_after(BOUND_S):
                await trades(runtime)

    with pytest.raises(PeerFault, match=f"{part} met a fault of this program: ZeroDivisionError"):
        await run()


async def test_what_is_too_large_to_be_sent_is_counted(network, tmp_path) -> None:
    """Its size may be a stranger's doing, so that it must not meet an assertion."""
    async with open_peer(network, tmp_path / "peer1") as runtime:
        runtime.driver._perform_one(Send((bytes(20),), Bodies(SYMBOL, (large_op(network),) * 8), Lane.SYNC))
        assert runtime.peer.refusals.of(Scope.MESSAGE) == {"not sent: too large a Bodies": 1}
        published = runtime.peer._through([Publish(SYMBOL, bytes(32), Bodies(SYMBOL, (large_op(network),) * 8))])
        assert published == []
        await trades(runtime)


def large_op(manifest):
    """An op of 256 commands whose numbers take all the bytes that they can."""
    top = 2**62
    places = [PlaceSpecial(top + n, 1, 1, top, top, 2, 0, 1, top, top, top, top) for n in range(256)]
    return sign_op(stranger(), manifest.chain_id, SYMBOL, 0, bytes(32), places)


async def test_a_background_task_that_failed_runs_again(autojump_clock, caplog) -> None:
    refusals = Refusals()
    guard = Guard(refusals)
    ran = []

    async def task() -> None:
        ran.append(trio.current_time())
        if len(ran) < 3:
            raise ValueError("not yet")

    await guard.keep("a task", task)
    assert len(ran) == 3
    assert refusals.of(Scope.FAULT) == {"a task": 2}


async def test_a_cancellation_is_not_held_back() -> None:
    guard = Guard(Refusals())
    with trio.move_on_after(0.01) as scope:
        await guard.run("a task", trio.sleep_forever)
    assert scope.cancelled_caught

    async def both() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            raise ValueError("beside a task that is cancelled")

    await guard.run("a task", both)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("wss://peer.example.:7401", "wss://peer.example:7401"),
        ("wss://b\u00f6erse.example:7401", "wss://xn--berse-jua.example:7401"),
        ("wss://[2001:0db8::1]:7401", "wss://[2001:db8::1]:7401"),
        ("ws://127.0.0.1:7401", "ws://127.0.0.1:7401"),
        (f"wss://{'a' * 60}.{'b' * 53}:1", f"wss://{'a' * 60}.{'b' * 53}:1"),
    ],
)
def test_an_address_that_is_taken_fits_a_record(address: str, told: str) -> None:
    assert str(parse_address(address)) == told
    settings = NetSettings(advertise=(address,) * 4)
    addresses = tuple(map(str, settings.advertised("127.0.0.1", 1)))
    identity = stranger()
    record = ProviderRecord(
        bytes(20),
        identity.public_key,
        addresses=addresses,
        roles=("matcher",),
        sequence=2**53,
        expires_ms=2**53,
        load=2**32 - 1,
    )
    assert sign_record(identity, bytes(32), record)


@pytest.mark.parametrize(
    "address",
    [
        *("wss://my_peer_1:7401", "wss://peer..:7401", f"wss://{'a' * 60}.{'b' * 54}:1", "wss://-a:1", "wss://a b:1"),
        *(
            "wss://h:0",
            "wss://h:65536",
            "wss://h:\u0661",
            "wss://user@h:1",
            "wss://h:1/x",
            "wss://[::1",
            "wss://" + "\u00f6" * 70 + ":1",
        ),
    ],
)
def test_an_address_that_no_record_can_hold_is_refused_when_it_is_set(address: str) -> None:
    with pytest.raises(ConfigError, match="address"):
        NetSettings(advertise=(address,))


def test_more_addresses_than_a_record_holds_are_refused_when_they_are_set() -> None:
    with pytest.raises(ConfigError, match="advertise: 5 addresses"):
        NetSettings(advertise=tuple(f"wss://h{n}.example:1" for n in range(5)))


@pytest.mark.parametrize("text", ["h:\u0661", "h:-1", "h:1_0", "h:", ":1", "h", "h:999999", "h: 1"])
def test_odd_ports_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_host_port(text)


async def test_a_record_does_not_grow_with_the_chains(network, tmp_path) -> None:
    """The longest record of the largest manifest, whatever its pairs' heights."""
    symbols = [f"OPTION-ON-SOMETHING-STRIKE-{n:04d}X" for n in range(16)]
    many = replace(network, pairs=tuple(Pair(symbol) for symbol in symbols))
    async with open_peer(many, tmp_path / "peer1") as runtime:
        record = runtime.make_record(bytes(20))
    assert record is not None
    assert record.heads == ()
