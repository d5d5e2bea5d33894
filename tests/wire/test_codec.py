"""The codec: what is written reads back, and nothing but a DecodeError comes out of bad bytes."""

import contextlib
import random
import time
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossipbook import cbor
from gossipbook import client_messages as q
from gossipbook.consensus import messages as c
from gossipbook.consensus.block import decode_block
from gossipbook.consensus.certificate import Certificate, TermChange, Timeout, Vote
from gossipbook.consensus.records import VoteState
from gossipbook.crdt import messages as r
from gossipbook.crdt.anti_entropy import FRONTIER_READ_CAP
from gossipbook.crdt.author_log import FrontierEntry
from gossipbook.crdt.op import decode_evidence, decode_op
from gossipbook.errors import DecodeError
from gossipbook.gossip import messages as g
from gossipbook.wire import codec
from gossipbook.wire.codec import LAYOUTS, decode_message, encode_message
from gossipbook.wire.framing import FRAME_BYTES_CAP, MESSAGE_BYTES_CAP, join_frame, split_frame
from gossipbook.wire.handshake import decode_hello
from gossipbook.wire.link_messages import Ping, Pong

from . import samples

SAMPLES = samples.messages()
ENCODED = [encode_message(message) for message in SAMPLES.values()]
DECODERS = (cbor.decode, decode_message, decode_op, decode_evidence, decode_block, decode_hello, VoteState.decode)

uint = st.integers(0, cbor.INT_CAP)
u32 = st.integers(0, 2**32 - 1)
symbol = st.text(max_size=32)
d32 = st.binary(min_size=32, max_size=32)
sig = st.binary(min_size=64, max_size=64)
seat = st.integers(0, 6)
ids = st.lists(d32, max_size=4).map(tuple)
item = st.sampled_from([samples.an_op(), samples.an_op(1), samples.some_evidence()])
vote = st.builds(Vote, st.sampled_from([1, 2]), uint, uint, d32, seat, sig)
signers = st.lists(st.tuples(seat, sig), max_size=7).map(tuple)
certificate = st.builds(Certificate, st.sampled_from([1, 2]), uint, uint, d32, signers)
timeout = st.builds(Timeout, uint, uint, d32, st.none() | uint, d32, seat, sig)
levels = st.sampled_from([level for level in q.AckLevel if level != q.AckLevel.PREPARED])
maybe = st.none() | certificate
term_change = st.builds(TermChange, uint, st.lists(timeout, min_size=1, max_size=7).map(tuple), maybe, maybe)
entry = st.builds(FrontierEntry, d32, uint, d32, st.booleans())
event = st.lists(st.integers(-(2**63), 2**63) | st.binary(max_size=40), max_size=12).map(tuple)
short = st.binary(max_size=64)

STRATEGIES: dict[type, st.SearchStrategy[Any]] = {
    Ping: st.builds(Ping, uint),
    Pong: st.builds(Pong, uint),
    g.Subscribe: st.builds(g.Subscribe, st.lists(symbol, max_size=5).map(tuple)),
    g.Graft: st.builds(g.Graft, symbol),
    g.Prune: st.builds(g.Prune, symbol, u32),
    g.IHave: st.builds(g.IHave, symbol, ids),
    g.IWant: st.builds(g.IWant, ids),
    g.Choke: st.builds(g.Choke, symbol, st.binary(max_size=32), st.booleans()),
    g.Unchoke: st.builds(g.Unchoke, symbol, st.none() | st.binary(max_size=32)),
    g.Push: st.builds(g.Push, symbol, short),
    c.Propose: st.builds(c.Propose, symbol, u32, uint, uint, short, st.none() | term_change, maybe, sig),
    c.CastVote: st.builds(c.CastVote, symbol, u32, vote),
    c.GiveUp: st.builds(c.GiveUp, symbol, u32, timeout, maybe, maybe, ids),
    c.Proof: st.builds(c.Proof, symbol, u32, certificate | term_change),
    c.Status: st.builds(c.Status, symbol, u32, uint, d32, uint, d32),
    c.Sync: st.builds(c.Sync, symbol, u32, uint),
    c.FinalizedBlock: st.builds(
        c.FinalizedBlock, symbol, u32, short, certificate, st.lists(item, max_size=3).map(tuple)
    ),
    c.Fetch: st.builds(c.Fetch, symbol, ids),
    c.Bodies: st.builds(c.Bodies, symbol, st.lists(item, max_size=3).map(tuple)),
    c.FetchBlock: st.builds(c.FetchBlock, symbol, u32, d32),
    c.BlockBody: st.builds(c.BlockBody, symbol, u32, short),
    c.AskVotes: st.builds(c.AskVotes, symbol, u32),
    c.OwnVotes: st.builds(c.OwnVotes, symbol, u32, st.lists(vote, max_size=2).map(tuple), st.none() | timeout),
    r.Frontier: st.builds(
        r.Frontier, symbol, st.binary(max_size=32), st.binary(max_size=32), st.lists(entry, max_size=3).map(tuple),
        st.booleans(),
    ),
    r.AskHeld: st.builds(r.AskHeld, symbol, ids),
    r.Held: st.builds(r.Held, symbol, ids),
    q.Submit: st.builds(q.Submit, st.sampled_from([samples.an_op(), samples.an_op(1)])),
    q.Ack: st.builds(q.Ack, symbol, d32, levels, uint, st.text(max_size=64)),
    q.Watch: st.builds(q.Watch, symbol),
    q.PairEvents: st.builds(
        q.PairEvents, symbol, uint, d32, uint, st.lists(event, max_size=4).map(tuple), st.booleans()
    ),
    q.Query: st.builds(q.Query, u32, st.text(max_size=32), st.lists(st.text(max_size=128), max_size=8).map(tuple)),
    q.Answer: st.builds(q.Answer, u32, st.booleans(), short),
    q.AskAuthor: st.builds(q.AskAuthor, symbol, d32, uint),
    q.AuthorWord: st.builds(
        q.AuthorWord,
        symbol, d32, uint, st.booleans(), uint, uint,
        st.none() | st.just(samples.an_op()), short, maybe, st.none() | st.just(samples.some_evidence()),
        st.lists(st.just(samples.an_op()), max_size=2).map(tuple), st.booleans(),
    ),
    q.WatchProven: st.builds(q.WatchProven, symbol),
    q.AskBlock: st.builds(q.AskBlock, symbol, uint),
    q.ProvenBlock: st.builds(
        q.ProvenBlock,
        symbol, uint, st.integers(0, 2**16 - 1), short, maybe, d32,
        st.lists(event, max_size=4).map(tuple), st.booleans(),
    ),
    q.PreparedPart: st.builds(
        q.PreparedPart,
        symbol, uint, st.integers(0, 2**16 - 1), short, maybe, d32,
        st.lists(event, max_size=4).map(tuple), st.booleans(),
    ),
    q.Follow: st.builds(q.Follow, symbol),
    q.Unfollow: st.builds(q.Unfollow, symbol),
    q.BookPart: st.builds(
        q.BookPart,
        symbol, uint, d32, uint, uint, uint, st.integers(0, 255), uint,
        st.lists(event, max_size=4).map(tuple), st.booleans(),
    ),
    q.BookMark: st.builds(q.BookMark, symbol, uint, uint, uint, u32, st.none() | d32, st.none() | d32),
    q.FeedEnded: st.builds(q.FeedEnded, symbol, st.text(max_size=64)),
}  # fmt: skip


def test_there_is_a_strategy_for_every_kind() -> None:
    assert set(STRATEGIES) == set(LAYOUTS)


@given(st.one_of(*STRATEGIES.values()))
@settings(max_examples=1_500, deadline=None)
def test_what_is_written_reads_back(message: Any) -> None:
    raw = encode_message(message)
    again = decode_message(raw)
    assert again == message
    assert type(again) is type(message)
    assert encode_message(again) == raw


# -- bad bytes --------------------------------------------------------------------------------------------


def only_decode_errors(decoder: Any, raw: bytes) -> None:
    with contextlib.suppress(DecodeError):
        decoder(raw)


@given(st.binary(max_size=200))
@settings(max_examples=1_000, deadline=None)
@pytest.mark.parametrize("decoder", DECODERS, ids=lambda d: getattr(d, "__qualname__", "?"))
def test_random_bytes(decoder: Any, raw: bytes) -> None:
    only_decode_errors(decoder, raw)


def mutate(rng: random.Random, raw: bytes) -> bytes:
    data = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data)) if data else 0
        match rng.randrange(5):
            case 0 if data:
                data[at] = rng.randrange(256)
            case 1 if data:
                data[at] ^= 1 << rng.randrange(8)
            case 2:
                del data[at : at + rng.randint(1, 8)]
            case 3:
                data[at:at] = rng.randbytes(rng.randint(1, 8))
            case _:
                data = data[: rng.randint(0, len(data))]
    return bytes(data)


def test_mutated_messages() -> None:
    rng = random.Random(1)
    for _ in range(12_000):
        raw = mutate(rng, rng.choice(ENCODED))
        only_decode_errors(decode_message, raw)


def test_mutated_structure() -> None:
    """Right CBOR of the wrong shape: any part of any message replaced by any other value."""
    rng = random.Random(2)
    junk = [0, -1, 2**64, True, None, b"", b"x" * 32, "", "text", [], [[]], [0, 0], 1.5, [[b"", b""], 3], 7]

    def spoil(value: Any) -> Any:
        if not isinstance(value, list) or not value or rng.random() < 0.3:
            return rng.choice(junk)
        at = rng.randrange(len(value))
        return [*value[:at], spoil(value[at]), *value[at + 1 :]]

    trees = [cbor2.loads(raw) for raw in ENCODED]
    for _ in range(12_000):
        tree = rng.choice(trees)
        fields = spoil(tree[1:])
        spoiled = [tree[0], *fields] if isinstance(fields, list) else fields
        only_decode_errors(decode_message, cbor2.dumps(spoiled))
    bodies = [
        (decode_op, samples.an_op().encode()),
        (decode_block, samples.a_bench().blocks["b1"].raw),
        (decode_hello, samples.handshake()[0].encode()),
    ]
    for decoder, raw in bodies:
        for _ in range(2_000):
            only_decode_errors(decoder, cbor2.dumps(spoil(cbor2.loads(raw))))


@pytest.mark.parametrize("proposed", [[], [0, 0], ["x", None, 7, bytes(64)], -1, "0"])
def test_a_vote_state_of_the_wrong_shape(proposed: object) -> None:
    state = cbor2.loads(samples.records()["VoteRecord"].state)  # type: ignore[attr-defined]
    with pytest.raises(DecodeError):
        VoteState.decode(cbor2.dumps([*state[:9], proposed, *state[10:]]))


def test_evidence_of_the_wrong_shape() -> None:
    for junk in (0, None, True, "ab", b"ab", [], [0, 0]):
        for raw in ([junk, junk], [samples.an_op().encode(), junk]):
            with pytest.raises(DecodeError):
                decode_evidence(cbor2.dumps(raw))


def test_every_tag_is_refused() -> None:
    """Whether cbor2 knows it or not, over integers, text, bytes, arrays and maps."""
    contents = [b"\x00", b"\x61a", b"\x41a", b"\x80", b"\xa0"]
    for tag in range(70_001):
        head = cbor2.dumps(tag)
        raw = bytes([head[0] | 0xC0]) + head[1:] + contents[tag % len(contents)]
        with pytest.raises(DecodeError):
            cbor.decode(raw)
    for tag in (*cbor.KNOWN_TAGS, 2**32 - 1, 2**63, 2**64 - 1):
        head = cbor2.dumps(tag)
        for content in contents:
            with pytest.raises(DecodeError):
                cbor.decode(bytes([head[0] | 0xC0]) + head[1:] + content)


def test_colliding_integers_cost_nothing() -> None:
    """Integers that share a hash (they differ by the hash's modulus) make a set or a map quadratic."""
    keys = [k * (2**61 - 1) for k in range(1, 8)] * 900
    array = cbor2.dumps([k + 0 for k in keys])
    as_map = bytes([0xB9]) + len(keys).to_bytes(2, "big") + b"".join(cbor2.dumps(k) + b"\x00" for k in keys)
    started = time.process_time()
    for raw in (b"\xd9\x01\x02" + array, as_map, b"\xa1\x00\x00", b"\xa0", b"\x81\xa0"):
        with pytest.raises(DecodeError):
            cbor.decode(raw)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    "raw",
    [
        b"\xf9\x3c\x00",  # 1.0, half
        b"\xfa\x3f\x80\x00\x00",  # 1.0, single
        b"\xfb\x3f\xf8\x00\x00\x00\x00\x00\x00",  # 1.5, double
        b"\x81\xfb\x3f\xf8\x00\x00\x00\x00\x00\x00",
        b"\xf9\x7e\x00",  # not a number
        b"\xf7",  # undefined
        b"\xe0",  # a simple value
        b"\xf8\xff",
        b"\xff",  # a break with nothing to break
        b"\x9f\x01\xff",  # indefinite array
        b"\x5f\x41a\xff",  # indefinite bytes
        b"\x7f\x61a\xff",  # indefinite text
        b"\xbf\xff",
        b"\x18\x17",  # 23 in two bytes
        b"\x19\x00\xff",
        b"\x1a\x00\x00\xff\xff",
        b"\x1b\x00\x00\x00\x00\xff\xff\xff\xff",
        b"\x58\x01a",  # a long head for a short string
        b"\x98\x01\x00",
        b"\x01\x01",  # trailing bytes
        b"\x61\xff",  # not UTF-8
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",  # a byte string of 2**63 - 1 bytes
        b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x9a\x7f\xff\xff\xff",
        b"",
        b"\x81" * 17 + b"\x00",  # depth 17
        b"\x81" * 100_000 + b"\x00",
    ],
    ids=lambda raw: f"{raw[:9].hex()}-{len(raw)}",
)
def test_outside_the_format(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        cbor.decode(raw)


def test_depth_sixteen_is_inside() -> None:
    value: Any = 0
    for _ in range(15):
        value = [value]
    assert cbor.decode(cbor.encode(value)) == value


@pytest.mark.parametrize("version", [True, 1.0], ids=["true", "1.0"])
def test_a_version_is_an_integer(version: object) -> None:
    block = cbor2.loads(samples.a_bench().blocks["b1"].raw)
    with pytest.raises(DecodeError):
        decode_block(cbor2.dumps([version, *block[1:]]))
    op = cbor2.loads(samples.an_op().signed)
    with pytest.raises(DecodeError):
        decode_op(cbor2.dumps([cbor2.dumps([version, *op[1:]]), bytes(64)]))


def test_sizes_are_checked_before_anything_else() -> None:
    with pytest.raises(DecodeError, match="cap"):
        decode_message(b"\x00" * (MESSAGE_BYTES_CAP + 1))
    with pytest.raises(DecodeError, match="more than"):
        decode_op(b"\x00" * 70_000)
    with pytest.raises(DecodeError, match="cap"):
        list(split_frame(b"\x00" * (FRAME_BYTES_CAP + 1)))


FULL = {
    "IHave": lambda: g.IHave("x" * 32, (bytes(32),) * g.IHAVE_IDS_READ_CAP),
    "IWant": lambda: g.IWant((bytes(32),) * g.IHAVE_IDS_READ_CAP),
    "Subscribe": lambda: g.Subscribe(("x" * 32,) * g.TOPICS_CAP),
    "Push": lambda: g.Push("x" * 32, bytes(codec.PAYLOAD_CAP)),
    "Fetch": lambda: c.Fetch("x" * 32, (bytes(32),) * c.IDS_READ_CAP),
    "Answer": lambda: q.Answer(1, True, bytes(codec.JSON_CAP)),
    "Frontier": lambda: r.Frontier(
        "x" * 32, bytes(32), bytes(32),
        (FrontierEntry(bytes(32), 2**63 - 1, bytes(32), True),) * FRONTIER_READ_CAP, True,
    ),
    "GiveUp": lambda: c.GiveUp(
        "x" * 32, 2**32 - 1, SAMPLES["GiveUp"].timeout, SAMPLES["GiveUp"].fc, SAMPLES["GiveUp"].nc,
        (bytes(32),) * c.IDS_READ_CAP,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FULL)
def test_a_message_that_is_full_to_its_caps_fits(name: str) -> None:
    """What a core may send, a link must carry: encode_message takes a larger one for a bug of ours."""
    assert decode_message(encode_message(FULL[name]())) == FULL[name]()


def test_one_more_than_a_cap_is_refused() -> None:
    over = g.Subscribe(("x",) * (g.TOPICS_CAP + 1))
    with pytest.raises(DecodeError):
        decode_message(encode_message(over))
    with pytest.raises(DecodeError):
        decode_message(encode_message(c.Fetch("x", (bytes(32),) * (c.IDS_READ_CAP + 1))))


@pytest.mark.parametrize("raw", [[], [0], [999, 1], ["1"], [True, 0], [1], [1, 0, 0], 1, None, b"", [-1, 0]])
def test_no_such_message(raw: object) -> None:
    with pytest.raises(DecodeError):
        decode_message(cbor2.dumps(raw))


# -- frames -----------------------------------------------------------------------------------------------


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=20))
@settings(max_examples=200, deadline=None)
def test_frames_come_apart_as_they_were_joined(messages: list[bytes]) -> None:
    assert list(split_frame(join_frame(messages))) == messages


@given(st.binary(max_size=64))
@settings(max_examples=1_000, deadline=None)
def test_random_frames(raw: bytes) -> None:
    try:
        parts = list(split_frame(raw))
    except DecodeError:
        return
    assert join_frame(parts) == raw


@pytest.mark.parametrize("raw", [b"\0", b"\0\0\0", b"\0\0\0\0", b"\0\0\0\2a", b"\xff\xff\xff\xffa", b"\0\0\0\1ab"])
def test_frames_that_do_not_come_out_even(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        list(split_frame(raw))
