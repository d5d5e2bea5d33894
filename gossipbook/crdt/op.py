"""The op: one author's signed step in one pair, carrying 1 to 256 commands.

``signed`` is the CBOR array ``[1, chain id, pair, author, seq, prev, expiry_ms, [command, …]]``; a command is
``[kind, field, …]``. The op's id is the SHA-256 of exactly those bytes. ``prev`` is the id of the author's op
``seq - 1`` (zeros for the first), so a head names a whole verified prefix.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from gossipbook import cbor
from gossipbook.errors import DecodeError
from gossipbook.identity import DOMAIN_OP, Identity, SignatureCheck, signed_message
from gossipbook.ids import (
    DIGEST_BYTES,
    PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES,
    ZERO_DIGEST,
    ChainId,
    OpId,
    PublicKey,
    digest,
)
from gossipbook.manifest import MAX_COMMANDS_PER_OP
from gossipbook.matching.commands import (
    AMEND,
    CANCEL,
    CANCEL_ALL,
    KINDS,
    PLACE,
    Amend,
    AmendFlags,
    Cancel,
    CancelAll,
    Command,
    Place,
    PlaceFlags,
)

OP_VERSION = 1
OP_BYTES_CAP = 65_536  # above any manifest's max_op_bytes; checked before decoding
SYMBOL_CAP = 32
GENESIS_PREV: OpId = ZERO_DIGEST

_INTEGERS = {int}
_POST_ONLY, _REDUCE_ONLY = int(PlaceFlags.POST_ONLY), int(AmendFlags.REDUCE_ONLY)  # enum arithmetic is slow

CLASS_CANCELS, CLASS_POST_ONLY, CLASS_REST = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """A decoded op. Whether its signature is good is the business of whoever took it from a link."""

    id: OpId
    chain_id: ChainId
    pair: str
    author: PublicKey
    seq: int
    prev: OpId
    expiry_ms: int
    commands: tuple[Command, ...]
    signed: bytes
    signature: bytes
    priority_class: int

    @property
    def size(self) -> int:
        """Bytes that the op takes in a block's byte budget."""
        return len(self.signed) + SIGNATURE_BYTES

    def check(self) -> SignatureCheck:
        return SignatureCheck(self.author, signed_message(DOMAIN_OP, self.chain_id, self.signed), self.signature)

    def encode(self) -> bytes:
        """The op with its signature, as it travels and is stored."""
        return cbor.encode([self.signed, self.signature])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Op) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two different ops that one author signed with one sequence number; ``first`` has the smaller id.

    It is an unsigned system op: its id derives from the author alone, so that all evidence against an
    author is one block entry.
    """

    first: Op
    second: Op

    def __post_init__(self) -> None:
        a, b = self.first, self.second
        same = (a.chain_id, a.pair, a.author, a.seq) == (b.chain_id, b.pair, b.author, b.seq)
        if not same or a.id >= b.id:
            raise DecodeError(
                "evidence: expected two different ops of one author and sequence number, smaller id first"
            )

    @property
    def author(self) -> PublicKey:
        return self.first.author

    @property
    def id(self) -> OpId:
        return evidence_id(self.author)

    @property
    def size(self) -> int:
        return self.first.size + self.second.size

    def checks(self) -> list[SignatureCheck]:
        return [self.first.check(), self.second.check()]

    def encode(self) -> bytes:
        return cbor.encode([[op.signed, op.signature] for op in (self.first, self.second)])


def evidence_id(author: PublicKey) -> OpId:
    return digest(b"evidence", author)


def sign_op(
    identity: Identity,
    chain_id: ChainId,
    pair: str,
    seq: int,
    prev: OpId,
    commands: Sequence[Command],
    expiry_ms: int = 0,
) -> Op:
    """Make an author's next op. ``expiry_ms``: block time after which its places are void; 0 for never."""
    numbers = [seq, expiry_ms, *(int(number) for command in commands for number in command)]
    if min(numbers) < 0 or max(numbers) > cbor.MAX_INT:
        raise ValueError("the numbers of an op are from 0 to 2**63 - 1")
    body = [OP_VERSION, chain_id, pair, identity.public_key, seq, prev, expiry_ms]
    signed = cbor.encode([*body, [(KINDS[type(command)], *map(int, command)) for command in commands]])
    return open_op(signed, identity.sign(DOMAIN_OP, chain_id, signed))


def decode_op(raw: bytes) -> Op:
    """An op from the bytes of :meth:`Op.encode`. The signature is not verified here."""
    if len(raw) > OP_BYTES_CAP:
        raise DecodeError(f"op: more than {OP_BYTES_CAP} bytes")
    signed, signature = cbor.decode_array(raw, 2)
    return open_op(signed, signature)


def decode_evidence(raw: bytes) -> Evidence:
    """Evidence from the bytes of :meth:`Evidence.encode`. The signatures are not verified here."""
    if len(raw) > 2 * OP_BYTES_CAP:
        raise DecodeError("evidence: too large")
    ops = []
    for item in cbor.decode_array(raw, 2):
        if len(cbor.check_list(item, "evidence", 2)) != 2:
            raise DecodeError("evidence: expected two pairs of signed bytes and signature")
        ops.append(open_op(*item))
    return Evidence(*ops)


def open_op(signed: object, signature: object) -> Op:
    """An op from its signed bytes and signature, all fields checked.

    Raises:
        DecodeError: naming the field that is wrong.
    """
    signed = cbor.check_blob(signed, "op", OP_BYTES_CAP)
    signature = cbor.check_bytes(signature, "op signature", SIGNATURE_BYTES)
    version, chain_id, pair, author, seq, prev, expiry_ms, commands = cbor.decode_array(signed, 8)
    if cbor.check_uint(version, "version") != OP_VERSION:
        raise DecodeError(f"op: version {version!r}; this build knows {OP_VERSION}")
    decoded = tuple(_decode_command(item) for item in cbor.check_list(commands, "commands", MAX_COMMANDS_PER_OP))
    if not decoded:
        raise DecodeError("op: no commands")
    return Op(
        id=hashlib.sha256(signed).digest(),
        chain_id=cbor.check_bytes(chain_id, "chain id", DIGEST_BYTES),
        pair=cbor.check_text(pair, "pair", SYMBOL_CAP),
        author=cbor.check_bytes(author, "author", PUBLIC_KEY_BYTES),
        seq=cbor.check_uint(seq, "seq"),
        prev=cbor.check_bytes(prev, "prev", DIGEST_BYTES),
        expiry_ms=cbor.check_uint(expiry_ms, "expiry_ms"),
        commands=decoded,
        signed=signed,
        signature=signature,
        priority_class=max(map(_priority_class, decoded)),
    )


def _priority_class(command: Command) -> int:
    if type(command) is Place:
        return CLASS_POST_ONLY if command.flags & _POST_ONLY else CLASS_REST
    if type(command) is Amend:
        return CLASS_CANCELS if command.flags & _REDUCE_ONLY else CLASS_REST
    return CLASS_CANCELS


def _decode_command(item: object) -> Command:
    """A command from its array. Unknown kinds and values out of range make the whole op undeliverable."""
    if type(item) is not list or not item:
        raise DecodeError("command: expected an array")
    if set(map(type, item)) != _INTEGERS or min(item) < 0 or max(item) > cbor.MAX_INT:
        raise DecodeError("command: expected integers from 0 to 2**63 - 1")
    kind, fields = item[0], item[1:]
    if kind == PLACE and len(fields) == 9:
        return _check_place(Place._make(fields))
    if kind == CANCEL and len(fields) == 1:
        _check_id(fields[0])
        return Cancel._make(fields)
    if kind == AMEND and len(fields) == 4:
        if fields[3] > 1:
            raise DecodeError("amend: unknown flags")
        _check_id(fields[0])
        return Amend._make(fields)
    if kind == CANCEL_ALL and len(fields) == 1 and fields[0] <= 2:
        return CancelAll._make(fields)
    raise DecodeError(f"command: unknown kind {kind} with {len(fields)} fields")


def _check_place(c: Place) -> Place:
    if not (1 <= c.side <= 2 and 1 <= c.type <= 2 and 1 <= c.tif <= 4 and c.flags <= 1 and 1 <= c.self_trade <= 4):
        raise DecodeError("place: a side, type, time in force, flag or self-trade mode is unknown")
    _check_id(c.client_id)
    return c


def _check_id(client_id: int) -> None:
    if not client_id:
        raise DecodeError("command: client order ids start at 1")
