"""Laws: whatever is changed in an export is noticed, nothing raises, and the rewritten rules are the peer's own."""

import json
import random
import tempfile
from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gossipbook.audit import Verdict, verify_exports
from gossipbook.audit.chain import merkle_root
from gossipbook.audit.order import canonical_order
from gossipbook.audit.records import decode_op
from gossipbook.audit.seats import Seats
from gossipbook.consensus import canonical, committee
from gossipbook.crdt import merkle
from gossipbook.crdt.op import Evidence, sign_op
from gossipbook.ids import ZERO_DIGEST
from gossipbook.manifest import Manifest, Matcher, Pair
from gossipbook.matching.commands import Amend, Cancel, Place
from tests.audit.forge import build
from tests.audit.support import SYMBOLS, Wallet, dumps, identity, make_manifest

SYMBOL = SYMBOLS[0]


@cache
def small_export() -> bytes:
    """A few blocks with fills, an amend, a cancel and evidence."""
    manifest = make_manifest()
    ann, ben, eve = (Wallet(name, manifest, SYMBOL) for name in ("ann", "ben", "eve"))
    forks = [sign_op(eve.identity, manifest.chain_id, SYMBOL, 0, ZERO_DIGEST, [Cancel(n)]) for n in (1, 2)]
    blocks = [
        [ann.sign([Place(1, 1, 1, 100, 5, 1), Place(2, 1, 1, 99, 5, 1)]), ben.sign([Place(1, 2, 1, 100, 2, 3)])],
        [ann.sign([Amend(1, 101, 9)]), Evidence(*sorted(forks, key=lambda op: op.id))],
        [ben.sign([Place(2, 2, 2, 90, 12, 3)]), ann.sign([Cancel(2)])],
    ]
    return "".join(dumps(line) + "\n" for line in build(manifest, SYMBOL, blocks)).encode()


def content(raw: bytes) -> object:
    """What an export says, line by line; None where it is no NDJSON."""
    try:
        return [json.dumps(json.loads(line), sort_keys=True) for line in raw.decode().removesuffix("\n").split("\n")]
    except ValueError:
        return None


def verdict_on(*files: bytes) -> Verdict:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / str(number) for number in range(len(files))]
        for path, raw in zip(paths, files, strict=True):
            path.write_bytes(raw)
        return verify_exports(paths).verdict


def check(doctored: bytes) -> None:
    good = small_export()
    same = content(doctored) == content(good)
    assert verdict_on(doctored) is (Verdict.VALID if same else Verdict.INVALID)
    assert verdict_on(good, doctored) is (Verdict.VALID if same else Verdict.INVALID)


def test_the_small_export_is_valid() -> None:
    assert verdict_on(small_export(), small_export()) is Verdict.VALID


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(b'0123456789abcdefABCDEF"[]{},:-.eE \n\x00\xff'))
def test_any_character_changed(position: int, other: int) -> None:
    raw = bytearray(small_export())
    raw[position % len(raw)] = other
    check(bytes(raw))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 7))
def test_any_bit_flipped(position: int, bit: int) -> None:
    raw = bytearray(small_export())
    raw[position % len(raw)] ^= 1 << bit
    check(bytes(raw))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 200))
def test_any_stretch_cut_out(position: int, length: int) -> None:
    raw = small_export()
    start = position % (len(raw) - 1)
    doctored = raw[:start] + raw[start + length :]
    if doctored.count(b"\n") >= 3 and raw.startswith(doctored):
        return  # Whole blocks are gone from the end: a shorter chain, and a true one.
    check(doctored)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes(raw: bytes) -> None:
    assert verdict_on(raw) is Verdict.INVALID
    header = small_export().splitlines(keepends=True)[0]
    assert verdict_on(header + raw) is (Verdict.UNKNOWN if not raw else Verdict.INVALID)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(JSON, st.integers(0, 10**9), st.integers(0, 3))
def test_any_value_in_any_place(value: object, choice: int, row: int) -> None:
    """Some field, however deep, becomes something else altogether."""
    lines = [json.loads(line) for line in small_export().splitlines()]
    rng = random.Random(choice)
    inner = lines[row]
    while True:
        key = rng.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
        if not isinstance(inner[key], dict | list) or not inner[key] or rng.random() < 0.3:
            break
        inner = inner[key]
    inner[key] = value
    check("".join(dumps(line) + "\n" for line in lines).encode())


# -- the rewritten rules ----------------------------------------------------------------------------


@given(st.integers(0, 2**32), st.integers(1, 7), st.integers(1, 4), st.sampled_from(["byzantine", "crash"]))
@settings(max_examples=100, deadline=None)
def test_committees_agree(seed: int, size: int, operators: int, model: str) -> None:
    size = max(size, 4) if model == "byzantine" else size
    rng = random.Random(seed)
    matchers = tuple(
        Matcher(f"m{i}", identity(f"{seed}/{i}").public_key, f"o{i % (size + operators)}") for i in range(size * 2 + 4)
    )
    manifest = Manifest(f"n{rng.random()}", (Pair("A/B"), Pair("C/D")), matchers, size, model)
    for symbol in manifest.symbols():
        theirs = committee.Committee.of(manifest, manifest.chain_id, symbol)
        ours = Seats.of(manifest, symbol)
        assert ours.keys == tuple(seat.public_key for seat in theirs.seats)
        assert (ours.quorum, ours.genesis) == (theirs.quorum.q, theirs.genesis)


@given(st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_canonical_orders_agree(seed: int) -> None:
    rng = random.Random(seed)
    manifest = make_manifest()
    ops = []
    for name in ("ann", "ben", "cat", "dan", "eve")[: rng.randint(1, 5)]:
        wallet = Wallet(name, manifest, SYMBOL)
        for _ in range(rng.randint(1, 5)):
            command = rng.choice(
                [Cancel(1), Amend(1, 0, 1, 1), Amend(1, 2, 1), Place(9, 1, 1, 1, 1, 1, 1), Place(9, 1, 1, 1, 1, 1)]
            )
            ops.append(wallet.sign([Cancel(1)] * rng.randint(0, 1) + [command]))
    rng.shuffle(ops)
    parent = rng.randbytes(32)
    ours = canonical_order(parent, [decode_op(op.signed, op.signature) for op in ops])
    assert [op.id for op in ours] == [op.id for op in canonical.canonical_order(parent, ops)]


@given(st.lists(st.tuples(st.integers(0, 99), st.binary(max_size=4)), max_size=40))
def test_merkle_roots_agree(events: list[tuple[int, bytes]]) -> None:
    assert merkle_root(events) == merkle.merkle_root(events)
