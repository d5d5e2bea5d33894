"""The building blocks of message layouts: how one field is written, and read back with its type and size checked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gossipbook import cbor
from gossipbook.client_messages import AckLevel
from gossipbook.consensus.certificate import (
    Certificate,
    TermChange,
    decode_certificate,
    decode_term_change,
    decode_timeout,
    decode_vote,
)
from gossipbook.crdt.author_log import FrontierEntry
from gossipbook.crdt.op import Evidence, Op, open_op
from gossipbook.errors import DecodeError
from gossipbook.ids import DIGEST_BYTES, PUBLIC_KEY_BYTES, SIGNATURE_BYTES

_BYTES = frozenset({bytes})
_DIGEST_LENGTHS = frozenset({DIGEST_BYTES})

Reader = Callable[[object, str], Any]
Writer = Callable[[Any], Any]

EVENT_FIELDS_CAP = 24
"""A fill has seventeen; later rules may add some."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a layout. ``read`` takes the decoded value and the field's name, for its error."""

    write: Writer
    read: Reader


def _same(value: Any) -> Any:
    return value


def _encode(value: Any) -> Any:
    return value.encode()


def _array(value: object, name: str, length: int) -> list[Any]:
    if type(value) is not list or len(value) != length:
        raise DecodeError(f"{name}: expected an array of {length}")
    return value


def uint(limit: int = cbor.INT_CAP) -> Field:
    return Field(_same, lambda value, name: cbor.check_uint(value, name, limit))


def text(limit: int) -> Field:
    return Field(_same, lambda value, name: cbor.check_text(value, name, limit))


def fixed(length: int) -> Field:
    return Field(_same, lambda value, name: cbor.check_bytes(value, name, length))


def blob(limit: int) -> Field:
    return Field(_same, lambda value, name: cbor.check_blob(value, name, limit))


def many(item: Field, limit: int) -> Field:
    """A tuple of at most ``limit`` items."""

    def write(values: Any) -> Any:
        return [item.write(value) for value in values]

    def read(value: object, name: str) -> Any:
        return tuple(item.read(part, name) for part in cbor.check_list(value, name, limit))

    return Field(write, read)


def digests(limit: int) -> Field:
    """A tuple of at most ``limit`` digests; the same as ``many(DIGEST, limit)``, looked through at once."""

    def read(value: object, name: str) -> Any:
        items = cbor.check_list(value, name, limit)
        if not (_BYTES.issuperset(map(type, items)) and _DIGEST_LENGTHS.issuperset(map(len, items))):
            raise DecodeError(f"{name}: expected {DIGEST_BYTES} bytes each")
        return tuple(items)

    return Field(list, read)


def optional(item: Field) -> Field:
    return Field(
        lambda value: None if value is None else item.write(value),
        lambda value, name: None if value is None else item.read(value, name),
    )


def _read_flag(value: object, name: str) -> bool:
    if type(value) is not bool:
        raise DecodeError(f"{name}: expected true or false")
    return value


def _write_op(op: Op) -> list[bytes]:
    return [op.signed, op.signature]


def _read_op(value: object, name: str) -> Op:
    signed, signature = _array(value, name, 2)
    return open_op(signed, signature)


def _write_item(item: Op | Evidence) -> list[Any]:
    """An op is [signed, signature]; evidence is [[signed, signature], [signed, signature]]."""
    if isinstance(item, Evidence):
        return [_write_op(item.first), _write_op(item.second)]
    return _write_op(item)


def _read_item(value: object, name: str) -> Op | Evidence:
    first, second = _array(value, name, 2)
    if type(first) is list:
        return Evidence(_read_op(first, name), _read_op(second, name))
    return open_op(first, second)


def _read_evidence(value: object, name: str) -> Evidence:
    item = _read_item(value, name)
    if not isinstance(item, Evidence):
        raise DecodeError(f"{name}: expected two ops of one author")
    return item


def _write_proof(certificate: Certificate | TermChange) -> list[Any]:
    return [isinstance(certificate, TermChange), certificate.encode()]


def _read_proof(value: object, name: str) -> Certificate | TermChange:
    is_term_change, raw = _array(value, name, 2)
    return decode_term_change(raw) if _read_flag(is_term_change, name) else decode_certificate(raw)


def _write_entry(entry: FrontierEntry) -> list[Any]:
    return [entry.author, entry.seq, entry.head, entry.forked]


def _read_entry(value: object, name: str) -> FrontierEntry:
    author, seq, head, forked = _array(value, name, 4)
    return FrontierEntry(
        cbor.check_bytes(author, name, PUBLIC_KEY_BYTES),
        cbor.check_uint(seq, name),
        cbor.check_bytes(head, name, DIGEST_BYTES),
        _read_flag(forked, name),
    )


_LEVELS = (AckLevel.REFUSED, AckLevel.DURABLE, AckLevel.RELAYED, AckLevel.CERTIFIED)
"""What peers ack, by its number on the wire."""


def _read_level(value: object, name: str) -> AckLevel:
    return _LEVELS[cbor.check_uint(value, name, len(_LEVELS) - 1)]


def _read_event(value: object, name: str) -> tuple[Any, ...]:
    items = cbor.check_list(value, name, EVENT_FIELDS_CAP)
    for item in items:
        if type(item) not in (int, bytes):
            raise DecodeError(f"{name}: expected integers and byte strings")
    return tuple(items)


SYMBOL = text(32)
EPOCH = uint(2**32 - 1)
DIGEST = fixed(DIGEST_BYTES)
PUBLIC_KEY = fixed(PUBLIC_KEY_BYTES)
SIGNATURE = fixed(SIGNATURE_BYTES)
FLAG = Field(_same, _read_flag)
OP = Field(_write_op, _read_op)
ITEM = Field(_write_item, _read_item)
EVIDENCE = Field(_write_item, _read_evidence)
VOTE = Field(_encode, lambda value, name: decode_vote(value))
TIMEOUT = Field(_encode, lambda value, name: decode_timeout(value))
CERTIFICATE = Field(_encode, lambda value, name: decode_certificate(value))
TERM_CHANGE = Field(_encode, lambda value, name: decode_term_change(value))
PROOF = Field(_write_proof, _read_proof)
ENTRY = Field(_write_entry, _read_entry)
LEVEL = Field(_LEVELS.index, _read_level)
EVENT = Field(list, _read_event)
