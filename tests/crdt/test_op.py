"""An op: what its bytes may say."""

import cbor2
import pytest
from consensus.kit import SYMBOL, buy, identity, sell

from gossipbook import cbor
from gossipbook.crdt.command_code import CLASS_CANCELS, CLASS_POST_ONLY, CLASS_REST, encode_command
from gossipbook.crdt.op import (
    Evidence,
    decode_evidence,
    decode_op,
    evidence_id,
    open_op,
)
from gossipbook.errors import DecodeError
from gossipbook.identity import Verifier
from gossipbook.matching.commands import (
    AdmitToGroup,
    Amend,
    Cancel,
    CancelAll,
    JoinGroup,
    Lease,
    PlaceFlags,
    SetState,
)

from .kit import chain, key, op, signed

OP = signed("alice", 0, None, buy(1), Cancel(1), Amend(1, 5, 5, 1), CancelAll(1))
FIELDS = cbor.decode(OP.signed)
PLACE = list(FIELDS[7][0])


def with_field(at: int, value: object) -> bytes:
    fields = list(FIELDS)
    fields[at] = value
    return cbor.encode(fields)


def with_command(command: object) -> bytes:
    return with_field(7, [command])


def place(at: int, value: object) -> list:
    fields = list(PLACE)
    fields[at] = value
    return fields


BAD = {
    "version 0": with_field(0, 0),
    "version 2": with_field(0, 2),
    "version text": with_field(0, "1"),
    "short chain id": with_field(1, bytes(31)),
    "chain id text": with_field(1, "x" * 32),
    "pair bytes": with_field(2, b"GOLD"),
    "long pair": with_field(2, "x" * 33),
    "long author": with_field(3, bytes(33)),
    "negative seq": with_field(4, -1),
    "huge seq": with_field(4, 2**63),
    "true seq": with_field(4, True),
    "short prev": with_field(5, b""),
    "null prev": with_field(5, None),
    "negative expiry": with_field(6, -1),
    "no commands": with_field(7, []),
    "commands null": with_field(7, None),
    "too many commands": with_field(7, [[2, 1]] * 257),
    "a field too many": cbor.encode([*FIELDS, 0]),
    "a field too few": cbor.encode(FIELDS[:7]),
    "not an array": cbor.encode(7),
    "command not an array": with_command(2),
    "command empty": with_command([]),
    "command nested": with_command([2, [1]]),
    "command of text": with_command([2, "1"]),
    "command of booleans": with_command([2, True]),
    "command of bytes": with_command([2, b"1"]),
    "kind 0": with_command([0, 1]),
    "kind 9": with_command([9, 1]),
    "cancel of nothing": with_command([2, 0]),
    "cancel of two": with_command([2, 1, 2]),
    "negative id": with_command([2, -1]),
    "huge id": with_command([2, 2**63]),
    "amend flags": with_command([3, 1, 1, 1, 2]),
    "amend of nothing": with_command([3, 0, 1, 1, 0]),
    "amend too short": with_command([3, 1, 1, 1]),
    "cancel-all side": with_command([4, 3]),
    "cancel-all bare": with_command([4]),
    "place id 0": with_command(place(1, 0)),
    "place side 0": with_command(place(2, 0)),
    "place side 3": with_command(place(2, 3)),
    "place type 0": with_command(place(3, 0)),
    "place type 3": with_command(place(3, 3)),
    "place tif 0": with_command(place(6, 0)),
    "place tif 5": with_command(place(6, 5)),
    "place flags": with_command(place(7, 2)),
    "place self-trade 0": with_command(place(8, 0)),
    "place self-trade 5": with_command(place(8, 5)),
    "place negative price": with_command(place(4, -5)),
    "place too short": with_command(PLACE[:-1]),
    "place too long": with_command([*PLACE, 0]),
}


@pytest.mark.parametrize("name", BAD)
def test_malformed_ops_are_refused(name: str) -> None:
    with pytest.raises(DecodeError):
        open_op(BAD[name], bytes(64))


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(65), None, "x" * 64, 5])
def test_malformed_signatures_are_refused(signature: object) -> None:
    with pytest.raises(DecodeError):
        open_op(OP.signed, signature)


ODD = (
    1.0,
    float("nan"),
    None,
    True,
    cbor2.undefined,
    cbor2.CBORSimpleValue(99),
    [1],
    8.0,
    9.0,
    cbor2.CBORSimpleValue(8),
)


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_no_leaf_of_an_op_is_of_an_odd_type(odd: object) -> None:
    """An op's leaves are looked at once, by who reads them."""
    commands = [buy(1), Cancel(1), Amend(1, 5, 5, 1), CancelAll(1), Lease(1), SetState(1), JoinGroup(bytes(32))]
    arrays = [encode_command(command) for command in (*commands, AdmitToGroup(bytes(32), 1))]
    spoilt = [[*array[:at], odd, *array[at + 1 :]] for array in arrays for at in range(len(array))]
    lists = [[array] for array in spoilt] + [[*arrays, array] for array in spoilt]
    raws = [cbor.encode([version, *FIELDS[1:7], array]) for array in lists for version in (1, 2)]
    for raw in [*raws, *(with_field(at, odd) for at in range(8)), with_field(7, [odd])]:
        with pytest.raises(DecodeError):
            open_op(raw, bytes(64))


def test_a_mixture_of_commands_keeps_its_order() -> None:
    commands = (JoinGroup(b""), Cancel(7), buy(1), AdmitToGroup(bytes(32), 0), sell(2), Cancel(8), buy(3))
    assert decode_op(signed("alice", 0, None, *commands).encode()).commands == commands


def test_an_op_reads_back() -> None:
    again = decode_op(OP.encode())
    assert (again, again.commands, again.signature) == (OP, OP.commands, OP.signature)
    assert Verifier().good(again.check())
    assert again.size == len(OP.signed) + 64


def test_a_full_op_reads_back() -> None:
    full = signed("alice", 0, None, *(buy(i) for i in range(1, 257)))
    assert len(decode_op(full.encode()).commands) == 256


def test_the_signature_covers_every_field() -> None:
    verifier = Verifier()
    for at, value in ((1, bytes(32)), (2, "X"), (4, 9), (5, key("bob")), (6, 1), (7, [[2, 1]])):
        assert not verifier.good(open_op(with_field(at, value), OP.signature).check())
    foreign = open_op(with_field(3, key("bob")), OP.signature)
    assert not verifier.good(foreign.check())


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ([Cancel(1)], CLASS_CANCELS),
        ([CancelAll(), Amend(1, 0, 1, 1)], CLASS_CANCELS),
        ([Amend(1, 0, 1)], CLASS_REST),
        ([buy(1)._replace(flags=PlaceFlags.POST_ONLY), Cancel(1)], CLASS_POST_ONLY),
        ([buy(1)._replace(flags=PlaceFlags.POST_ONLY), sell(2)], CLASS_REST),
    ],
)
def test_priority_classes(commands: list, expected: int) -> None:
    assert signed("alice", 0, None, *commands).priority_class == expected


def test_evidence_is_two_ops_of_one_place_smaller_id_first() -> None:
    a, b = sorted((op("eve", 0), op("eve", 0, None, 150)), key=lambda o: o.id)
    assert Evidence(a, b).id == evidence_id(key("eve"))
    again = decode_evidence(Evidence(a, b).encode())
    assert again == Evidence(a, b)
    follower = chain("eve", 2)[1]
    for first, second in ((b, a), (a, a), (a, follower), (a, op("bob", 0))):
        with pytest.raises(DecodeError):
            Evidence(first, second)


def test_evidence_ids_name_the_author_alone() -> None:
    assert evidence_id(key("eve")) != evidence_id(key("bob"))
    assert OP.pair == SYMBOL
    assert identity("alice").public_key == OP.author
