"""Blocks and ops from their bytes, by the format's rules.

A block is ``[1, chain id, epoch, pair, height, parent, proposer, created term, time_ms, [op id, …], events digest,
""]``. An op's signed bytes are ``[version, chain id, pair, author, seq, prev, expiry_ms, [[command kind, field, …],
…]]``; the version is 2 if one of its commands is of kind 5 or above, else 1.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gossipbook import cbor
from gossipbook.audit.fields import Defect
from gossipbook.errors import DecodeError
from gossipbook.ids import DIGEST_BYTES, PUBLIC_KEY_BYTES, SIGNATURE_BYTES, digest

BLOCK_BYTES_CAP = 49_152
BLOCK_OPS_CAP = 1_024
OP_BYTES_CAP = 65_536
COMMANDS_CAP = 256
SYMBOL_CAP = 32
EPOCH_MAX = 2**32 - 1
LIVES_SINCE = 3  # the rules version
LIFE = 2**36  # how many sequence numbers a life of an author has

PLACE, CANCEL, AMEND, CANCEL_ALL = 1, 2, 3, 4
PLACE_SPECIAL, LEASE, SET_STATE, JOIN_GROUP, ADMIT_TO_GROUP, PLACE_NAMED = 5, 6, 7, 8, 9, 10
FIELD_COUNTS = {
    PLACE: 9,
    CANCEL: 1,
    AMEND: 4,
    CANCEL_ALL: 1,
    PLACE_SPECIAL: 12,
    LEASE: 1,
    SET_STATE: 1,
    JOIN_GROUP: 1,
    ADMIT_TO_GROUP: 2,
    PLACE_NAMED: 13,
}
OP_VERSIONS = (1, 2, 4)
FIRST_KINDS = (PLACE, CANCEL, AMEND, CANCEL_ALL)
TEXT_ID_CAP = 36
ALLOW = 5  # of the ways of self-trade prevention

# The least and the most that a field may be, by its position in the command; any number will do where nothing is said.
ANY_ID = (1, cbor.INT_CAP)  # client order ids start at 1
RANGES: dict[int, dict[int, tuple[int, int]]] = {
    PLACE: {1: ANY_ID, 2: (1, 2), 3: (1, 2), 6: (1, 4), 7: (0, 1), 8: (1, 4)},
    CANCEL: {1: ANY_ID},
    AMEND: {1: ANY_ID, 4: (0, 1)},
    CANCEL_ALL: {1: (0, 2)},
    PLACE_SPECIAL: {1: ANY_ID, 2: (1, 2), 3: (1, 4), 6: (1, 4), 7: (0, 3), 8: (1, 4)},
    LEASE: {},
    SET_STATE: {1: (1, 5)},
    JOIN_GROUP: {},
    ADMIT_TO_GROUP: {2: (0, 1)},
    PLACE_NAMED: {1: ANY_ID, 2: (1, 2), 3: (1, 4), 6: (1, 4), 7: (0, 3), 8: (1, ALLOW)},
}

CANCELS, POST_ONLY, REST = 0, 1, 2  # priority classes

Command = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Block:
    id: bytes
    chain_id: bytes
    epoch: int
    pair: str
    height: int
    parent: bytes
    proposer: bytes
    created_term: int
    time_ms: int
    op_ids: tuple[bytes, ...]
    events_digest: bytes


@dataclass(frozen=True, slots=True)
class Op:
    """``priority`` is the op's own class: the highest of its commands'."""

    id: bytes
    version: int
    chain_id: bytes
    pair: str
    author: bytes
    seq: int
    prev: bytes
    expiry_ms: int
    commands: tuple[Command, ...]
    priority: int
    signed: bytes
    signature: bytes

    @property
    def size(self) -> int:
        """Bytes of a block's budget."""
        return len(self.signed) + SIGNATURE_BYTES


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two ops that prove their author an equivocator."""

    id: bytes
    author: bytes
    first: Op
    second: Op

    @property
    def size(self) -> int:
        return self.first.size + self.second.size


Item = Op | Evidence


def decode_block(raw: bytes) -> Block:
    try:
        cbor.check_blob(raw, "block", BLOCK_BYTES_CAP)
        version, chain_id, epoch, pair, height, parent, proposer, term, time_ms, ids, events_digest, root = (
            cbor.decode_array(raw, 12)
        )
        if type(version) is not int or version != 1 or root != b"":
            raise DecodeError("unknown version or a state root")
        return Block(
            id=digest(b"block", raw),
            chain_id=cbor.check_bytes(chain_id, "chain id", DIGEST_BYTES),
            epoch=cbor.check_uint(epoch, "epoch", EPOCH_MAX),
            pair=cbor.check_text(pair, "pair", SYMBOL_CAP),
            height=cbor.check_uint(height, "height"),
            parent=cbor.check_bytes(parent, "parent", DIGEST_BYTES),
            proposer=cbor.check_bytes(proposer, "proposer", PUBLIC_KEY_BYTES),
            created_term=cbor.check_uint(term, "created term"),
            time_ms=cbor.check_uint(time_ms, "time_ms"),
            op_ids=tuple(
                cbor.check_bytes(op_id, "op id", DIGEST_BYTES) for op_id in cbor.check_list(ids, "ops", BLOCK_OPS_CAP)
            ),
            events_digest=cbor.check_bytes(events_digest, "events digest", DIGEST_BYTES),
        )
    except DecodeError as error:
        raise Defect(f"the block's bytes do not decode: {error}") from None


def decode_op(signed: bytes, signature: bytes) -> Op:
    op_id = hashlib.sha256(signed).digest()
    try:
        cbor.check_blob(signed, "op", OP_BYTES_CAP)
        version, chain_id, pair, author, seq, prev, expiry_ms, commands = cbor.decode_array(signed, 8)
        if type(version) is not int or version not in OP_VERSIONS:
            raise DecodeError("unknown version")
        decoded = tuple(_command(item) for item in cbor.check_list(commands, "commands", COMMANDS_CAP))
        if not decoded:
            raise DecodeError("no commands")
        if version != max(_since(command[0]) for command in decoded):
            raise DecodeError(f"version {version} is not that of its commands")
        return Op(
            id=op_id,
            version=version,
            chain_id=cbor.check_bytes(chain_id, "chain id", DIGEST_BYTES),
            pair=cbor.check_text(pair, "pair", SYMBOL_CAP),
            author=cbor.check_bytes(author, "author", PUBLIC_KEY_BYTES),
            seq=cbor.check_uint(seq, "seq"),
            prev=cbor.check_bytes(prev, "prev", DIGEST_BYTES),
            expiry_ms=cbor.check_uint(expiry_ms, "expiry_ms"),
            commands=decoded,
            priority=max(map(_priority, decoded)),
            signed=signed,
            signature=signature,
        )
    except DecodeError as error:
        raise Defect(f"op {op_id.hex()[:10]} does not decode: {error}") from None


def make_evidence(first: Op, second: Op, *, rules_version: int) -> Evidence:
    same = (first.author, first.seq) == (second.author, second.seq)
    if not same or first.id >= second.id:
        raise Defect("evidence is not of two different ops of one author and sequence number, smaller id first")
    life = first.seq // LIFE if rules_version >= LIVES_SINCE else 0
    parts = (first.author, life.to_bytes(8, "big")) if life else (first.author,)
    return Evidence(digest(b"evidence", *parts), first.author, first, second)


def _command(item: object) -> Command:
    if type(item) is not list or not item:
        raise DecodeError("a command is an array")
    kind = cbor.check_uint(item[0], "command")
    if len(item) - 1 != FIELD_COUNTS.get(kind):
        raise DecodeError(f"command kind {kind} with {len(item) - 1} fields")
    for position, value in enumerate(item[1:], 1):
        if position == 1 and kind in (JOIN_GROUP, ADMIT_TO_GROUP):
            nobody = kind == JOIN_GROUP and value == b""
            cbor.check_bytes(value, "command", 0 if nobody else PUBLIC_KEY_BYTES)
            continue
        if position == FIELD_COUNTS[PLACE_NAMED] and kind == PLACE_NAMED:
            text = cbor.check_text(value, "text id", TEXT_ID_CAP)
            if any(not " " <= character <= "~" for character in text):
                raise DecodeError("a text id of other than printable ASCII characters")
            continue
        least, most = RANGES[kind].get(position, (0, cbor.INT_CAP))
        if not least <= cbor.check_uint(value, "command") <= most:
            raise DecodeError(f"a value out of range in a command of kind {kind}")
    if kind == PLACE_SPECIAL and not _is_special(item):
        raise DecodeError("a plain order is a command of kind 1")
    if kind == PLACE_NAMED and not item[13] and item[8] != ALLOW:
        raise DecodeError("an order without a text, that prevents self-trades, is a command of kind 1 or 5")
    return tuple(item)


def allowing_orders(items: Iterable[Item]) -> Iterator[tuple[bytes, int]]:
    """The orders (author, client order id) that ops place so that they may trade with their author's own."""
    for item in items:
        for command in item.commands if isinstance(item, Op) else ():
            if command[0] == PLACE_NAMED and command[8] == ALLOW:
                yield item.author, command[1]


def _since(kind: int) -> int:
    """The rules version that a kind of command came with."""
    return 1 if kind in FIRST_KINDS else 4 if kind == PLACE_NAMED else 2


def _is_special(item: list[Any]) -> bool:
    """Whether kind 1 could not say it: a displayed or minimum quantity, a stop price, a slide, a stop order."""
    return any(item[10:]) or item[7] > 1 or item[3] > 2


def _priority(command: Command) -> int:
    if command[0] in (PLACE, PLACE_SPECIAL, PLACE_NAMED):
        return POST_ONLY if command[7] & 1 else REST
    return REST if command[0] == AMEND and not command[4] else CANCELS
