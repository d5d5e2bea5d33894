"""Golden bytes: what is written here is what other builds read.

``GOSSIPBOOK_REWRITE=1`` writes the files anew. A changed line breaks every network that runs; a new one does not.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from consensus.kit import SYMBOL, network

from gossipbook import cbor
from gossipbook.consensus.block import decode_block
from gossipbook.consensus.certificate import Timeout, decode_timeout
from gossipbook.consensus.committee import Committee
from gossipbook.consensus.messages import GiveUp
from gossipbook.consensus.records import VoteState
from gossipbook.crdt.op import decode_evidence, decode_op
from gossipbook.errors import DecodeError
from gossipbook.manifest import Manifest
from gossipbook.storage.rows import to_row
from gossipbook.wire.codec import LAYOUTS, decode_message, encode_message
from gossipbook.wire.handshake import RULES_2, RULES_3, RULES_4, RULES_5, decode_hello

from . import samples

VECTORS = Path(__file__).parent.parent / "vectors"


def every_vector() -> dict[str, bytes]:
    found = {f"message.{name}": encode_message(message) for name, message in samples.messages().items()}
    for name, record in samples.records().items():
        row = to_row(record)
        values = [getattr(row, part) for part in row.__slots__]
        found[f"record.{name}"] = cbor.encode(values)
    hello, dialler, listener = samples.handshake()
    found["handshake.hello"] = hello.encode()
    found["handshake.dialler-signature"], found["handshake.listener-signature"] = dialler, listener
    hello, dialler, listener = samples.handshake(RULES_2)
    found["handshake.rules-2.hello"] = hello.encode()
    found["handshake.rules-2.dialler-signature"], found["handshake.rules-2.listener-signature"] = dialler, listener
    hello, dialler, listener = samples.handshake(RULES_2, RULES_3)
    found["handshake.rules-3.hello"] = hello.encode()
    found["handshake.rules-3.dialler-signature"], found["handshake.rules-3.listener-signature"] = dialler, listener
    found["op.version-2"] = samples.a_later_op().encode()
    later = network(rules_version=2)[0]
    found["manifest.rules-2.canonical"], found["manifest.rules-2.chain-id"] = later.canonical(), later.chain_id
    found["handshake.rules-4.hello"] = samples.handshake(RULES_2, RULES_3, RULES_4)[0].encode()
    newest = network(rules_version=4)[0]
    found["manifest.rules-4.canonical"], found["manifest.rules-4.chain-id"] = newest.canonical(), newest.chain_id
    found["op.version-4"] = samples.the_latest_op().encode()
    found["handshake.rules-5.hello"] = samples.handshake(RULES_2, RULES_3, RULES_4, RULES_5)[0].encode()
    newest = network(rules_version=5)[0]
    found["manifest.rules-5.canonical"], found["manifest.rules-5.chain-id"] = newest.canonical(), newest.chain_id
    deep = Committee.of(newest, newest.chain_id, SYMBOL)
    found["signed.timeout-with-lock-height"] = deep.timeout_body(4, 5, samples.SOME[0], 3, samples.SOME[1], 8)
    timeout = Timeout(4, 5, samples.SOME[0], 3, samples.SOME[1], 2, bytes(64), 8)
    found["message.GiveUp.lock-height"] = encode_message(GiveUp(SYMBOL, 0, timeout, None, None, ()))
    newest = network(rules_version=3)[0]
    found["manifest.rules-3.canonical"], found["manifest.rules-3.chain-id"] = newest.canonical(), newest.chain_id
    bench = samples.a_bench()
    found["block"] = bench.blocks["b1"].raw
    found["op"] = samples.an_op().encode()
    found["evidence"] = samples.some_evidence().encode()
    found["manifest.canonical"] = network()[0].canonical()
    found["manifest.chain-id"] = network()[0].chain_id
    committee = bench.committee
    found["signed.vote"] = committee.vote_body(1, 2, 3, samples.SOME[0])
    found["signed.timeout"] = committee.timeout_body(4, 5, samples.SOME[0], 3, samples.SOME[1])
    found["signed.timeout-without-lock"] = committee.timeout_body(4, 5, samples.SOME[0], None, bytes(32))
    found["signed.propose"] = committee.propose_body(2, 3, samples.SOME[0])
    found["committee.genesis"] = committee.genesis
    return found


EVERY = every_vector()


@pytest.mark.parametrize("name", EVERY)
def test_bytes_are_what_they_were(name: str) -> None:
    path = VECTORS / f"{name}.hex"
    if os.environ.get("GOSSIPBOOK_REWRITE") == "1":
        path.write_text(EVERY[name].hex() + "\n")
    assert EVERY[name].hex() == path.read_text().strip()


def test_every_message_kind_has_a_vector() -> None:
    assert {type(message) for message in samples.messages().values()} == set(LAYOUTS)


def test_kinds_are_what_they_were() -> None:
    kinds = {cls.__name__: kind for cls, (kind, _) in LAYOUTS.items()}
    for path in VECTORS.glob("message.*.hex"):
        values = cbor.decode(bytes.fromhex(path.read_text()))
        assert values[0] == kinds[path.name.split(".")[1]], path.name


@pytest.mark.parametrize("name", [name for name in EVERY if name.startswith("message.")])
def test_messages_read_back(name: str) -> None:
    message = decode_message(bytes.fromhex((VECTORS / f"{name}.hex").read_text()))
    known = samples.messages().get(name.removeprefix("message."))
    assert message == known if known is not None else encode_message(message) == EVERY[name]


def test_other_formats_read_back() -> None:
    assert decode_op(EVERY["op"]) == samples.an_op()
    assert decode_op(EVERY["op.version-2"]).commands == samples.a_later_op().commands
    assert decode_op(EVERY["op.version-4"]).commands == samples.the_latest_op().commands
    assert decode_evidence(EVERY["evidence"]) == samples.some_evidence()
    assert decode_block(EVERY["block"]) == samples.a_bench().blocks["b1"]
    assert decode_hello(EVERY["handshake.hello"]) == samples.handshake()[0]
    assert decode_hello(EVERY["handshake.rules-2.hello"]) == samples.handshake(RULES_2)[0]
    assert decode_hello(EVERY["handshake.rules-3.hello"]) == samples.handshake(RULES_2, RULES_3)[0]


def test_vote_states_of_one_vote_a_kind_read_back() -> None:
    """Journals of the time when each proposal was recorded, and one vote of each kind."""
    row = cbor.decode(bytes.fromhex((VECTORS / "record.VoteRecord-before-depth.hex").read_text()))
    now, before = VoteState.decode(samples.records()["VoteRecord"].state), VoteState.decode(row[-2])  # type: ignore[attr-defined]
    assert before == now
    assert len(now.prepared) == len(now.committed) == 1


def test_a_locks_height_is_told_where_it_says_something() -> None:
    told = decode_message(EVERY["message.GiveUp.lock-height"])
    assert (told.timeout.fin, told.timeout.lock_height) == (5, 8)
    next_one = replace(told.timeout, lock_height=6)
    assert len(next_one.encode()) == len(told.timeout.encode()) - 1
    for height in (0, 6):
        with pytest.raises(DecodeError):
            decode_timeout([*next_one.encode(), height])


def test_a_manifest_survives_its_toml_form() -> None:
    for rules_version in (1, 2, 4, 5):
        manifest = network(rules_version=rules_version)[0]
        assert Manifest.from_dict(manifest.to_dict()) == manifest
