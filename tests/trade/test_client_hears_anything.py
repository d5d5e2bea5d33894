"""Whatever a linked peer sends, a client counts it, or leaves the peer; nothing comes out at the program that uses it.

Nothing of it makes the author sign what is not proven, or believe that an op is certified.
"""

import json
from contextlib import suppress
from typing import Any

import pytest
import trio
from consensus.kit import SYMBOL, buy
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from gossipbook.client_messages import (
    Ack,
    AckLevel,
    Answer,
    AskAuthor,
    AskBlock,
    Query,
    Submit,
    WatchProven,
)
from gossipbook.errors import GossipbookError, LinkClosed
from gossipbook.trade.opening import open_client
from gossipbook.trade.peer_link import NoAnswer
from gossipbook.trade.wallet import Wallet

from .bench import ME, AuthorBench
from .liars import liar

EXAMPLE_S = 20.0
BENCH = AuthorBench()
FIRST = BENCH.sign_elsewhere(0, bytes(32), buy(1))
FORKED = BENCH.sign_elsewhere(0, bytes(32), buy(1, 99))
LATER = BENCH.sign_elsewhere(7, FIRST.id, buy(2**40))
BENCH.ops["first"] = FIRST
BENCH.certify(FIRST)
PROVEN = BENCH.proven(1)
WORD = BENCH.word()

numbers = st.one_of(st.integers(0, 3), st.sampled_from([255, 2**31, 2**32, 2**62, 2**63 - 1]))
texts = st.sampled_from(["", SYMBOL, "NO-PAIR", "stale", "wrong-prev", "\x00", "é" * 40])
ids = st.sampled_from([b"\x00" * 32, b"\xff" * 32, FIRST.id, LATER.id, BENCH.manifest.chain_id])
shapes = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(["members", "leader", "addresses", "public_key", "part", "bytes", "error", "pair", "name"]),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=12,
)
bodies = st.one_of(
    shapes.map(lambda shape: json.dumps(shape).encode()),
    st.binary(max_size=40),
    st.sampled_from(
        [b"[" * 100_000, b"9" * 5_000, b'{"leader": 1e999, "members": []}', b'{"part": "AA==", "bytes": 1e999}']
    ),
    st.just(json.dumps({"members": [{"public_key": "00", "addresses": "ws://h:1"}], "leader": -1}).encode()),
)
certificates = st.sampled_from(
    [None, PROVEN.fc, BENCH.certificate(1, bytes(32)), BENCH.certificate(2**40, FIRST.id, "d")]
)
blocks = st.one_of(st.just(PROVEN.block), st.binary(max_size=60), st.just(PROVEN.block[:-1]))
events = st.one_of(
    st.just(PROVEN.events),
    st.just(()),
    st.lists(st.tuples(numbers, numbers, st.binary(max_size=32)), max_size=3).map(tuple),
)
altered_words = st.fixed_dictionaries(
    {},
    optional={
        "pair": texts,
        "author": st.sampled_from([ME.public_key, b"\x00" * 32]),
        "height": numbers,
        "synced": st.booleans(),
        "next_seq": numbers,
        "last_client_id": numbers,
        "newest": st.sampled_from([None, FIRST, FORKED, LATER]),
        "block": blocks,
        "fc": certificates,
        "pending": st.lists(st.sampled_from([FIRST, LATER]), max_size=3).map(tuple),
        "more": st.booleans(),
    },
)
altered_blocks = st.fixed_dictionaries(
    {},
    optional={
        "pair": texts,
        "height": numbers,
        "part": numbers,
        "block": blocks,
        "fc": certificates,
        "previous": ids,
        "events": events,
        "last": st.booleans(),
    },
)


def altered(message: Any, changes: dict[str, Any]) -> Any:
    return type(message)(**{name: changes.get(name, getattr(message, name)) for name in message.__dataclass_fields__})


spoken = st.one_of(
    altered_words.map(lambda changes: altered(WORD, changes)),
    altered_blocks.map(lambda changes: altered(PROVEN, changes)),
    st.builds(
        Ack, texts, ids, st.sampled_from([level for level in AckLevel if level != AckLevel.PREPARED]), numbers, texts
    ),
    st.builds(Answer, st.integers(0, 5), st.booleans(), bodies),
    st.binary(max_size=30),
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # Each example opens a client: to shrink takes minutes.
)
@example(greeting=[], replies=[WORD], body=b'{"leader": 1e999, "members": []}')
@example(greeting=[], replies=[WORD], body=b"[" * 100_000)
@given(greeting=st.lists(spoken, max_size=3), replies=st.lists(spoken, min_size=1, max_size=8), body=bodies)
def test_nothing_comes_out(greeting: list[Any], replies: list[Any], body: bytes) -> None:
    trio.run(hear, greeting, replies, body)


async def hear(greeting: list[Any], replies: list[Any], body: bytes) -> None:
    sent = []
    turn = 0

    def says(message: Any) -> list[Any]:
        nonlocal turn
        if message is None:
            return list(greeting)
        if isinstance(message, Query):
            return [Answer(message.number, True, body), Answer(message.number, False, body)]
        if isinstance(message, Submit):
            sent.append(message.op)
            return [Ack(message.op.pair, message.op.id, AckLevel.CERTIFIED, 1 + turn % 3, "")]
        if isinstance(message, AskAuthor | AskBlock | WatchProven):
            turn += 1
            return [replies[turn % len(replies)]]
        return []

    wallet = Wallet(ME, BENCH.manifest.chain_id)
    with trio.fail_after(EXAMPLE_S):
        async with (
            liar(BENCH.keys[0], BENCH.manifest.chain_id, says) as address,
            open_client(address, manifest=BENCH.manifest, links=2) as client,
        ):
            pair = await client.pair(SYMBOL)
            with suppress(GossipbookError):
                placed = await pair.place(wallet, "buy", price_ticks=5, qty_lots=1, within_s=0.05)
                certified = await placed.certified(within_s=0.02)
                assert certified.op_id == FIRST.id, "the one op that any block holds"
            for ask in (client.query("status", within_s=0.05), pair.receipt(ME.public_key, 1)):
                with trio.move_on_after(0.05), suppress(GossipbookError):
                    await ask
    numbers_used: dict[int, set[bytes]] = {}
    for op in sent:
        numbers_used.setdefault(op.seq, set()).add(op.id)
    assert all(len(each) == 1 for each in numbers_used.values())
    wallet.close()


async def test_a_manifest_of_another_shape_is_no_manifest() -> None:
    for body in (b"[]", b'"x"', b'{"pair": 3}', b"[" * 100_000, b'{"pair": [[]], "matcher": [7]}'):

        def says(message: Any, body: bytes = body) -> list[Any]:
            return [Answer(message.number, True, body)] if isinstance(message, Query) else []

        with trio.fail_after(EXAMPLE_S):
            async with liar(ME, BENCH.manifest.chain_id, says) as address:
                with pytest.raises((NoAnswer, LinkClosed)):
                    async with open_client(address, BENCH.manifest.chain_id, within_s=0.3):
                        pass


async def test_a_peers_addresses_push_out_none_that_the_program_gave() -> None:
    """Else one peer could surround a client with itself."""
    keys = [key.public_key.hex() for key in BENCH.keys]
    asked = trio.Event()

    def says(message: Any) -> list[Any]:
        if not isinstance(message, Query):
            return []
        asked.set()
        rows = [
            {"public_key": keys[0], "addresses": ["ws://127.0.0.1:1", given]}
            if row == 0
            else {"public_key": keys[row % 4], "addresses": [f"ws://127.0.0.1:{2 + row * 8 + i}" for i in range(8)]}
            for row in range(64)
        ]
        return [Answer(message.number, True, json.dumps({"members": rows, "leader": 0}).encode())]

    given = "ws://127.0.0.1:9"
    with trio.fail_after(EXAMPLE_S):
        async with (
            liar(BENCH.keys[0], BENCH.manifest.chain_id, says) as address,
            open_client([address, given], manifest=BENCH.manifest) as client,
        ):
            wallet = Wallet(ME, BENCH.manifest.chain_id)
            client.attach(wallet)
            client.use(wallet, SYMBOL)
            await asked.wait()
            await client.query("members", SYMBOL)
            known = {str(each): key for each, key in client.connections._known().items()}
            assert known[given] is None, "nobody else says whose it is"
            assert known[address] == BENCH.keys[0].public_key
            assert len(known) <= 2 + 256
