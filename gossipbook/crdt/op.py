"""The op: one author's signed step in one pair, carrying 1 to 256 commands.

``signed`` is the CBOR array ``[version, chain id, pair, author, seq, prev, expiry_ms, [command, …]]``; a command is
``[kind, field, …]`` (:mod:`~gossipbook.crdt.command_code`). The version is the lowest version of the rules that has all
its commands, and networks of lower ones do not take it. The op's id is the SHA-256 of exactly those bytes.
``prev`` is the id of the author's op ``seq - 1`` (zeros for the first), so a head names a whole verified prefix.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gossipbook import cbor
from gossipbook.crdt.command_code import decode_commands, encode_command, least_version, priority_class
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
from gossipbook.limits import COMMANDS_PER_OP_CAP
from gossipbook.matching.commands import Command

OP_VERSIONS = (1, 2, 4)
LIFE: Final = 1 << 36
"""Sequence numbers of one life of an author's (:mod:`~gossipbook.crdt.stays`): at a hundred ops a second it lasts for
more than twenty years. There are as many lives as minutes in two centuries, so that the time can number them."""
LIVES_SINCE: Final = 3
"""The rules version since when authors have lives."""
OP_BYTES_CAP = 65_536  # above any manifest's max_op_bytes; checked before decoding
SYMBOL_CAP = 32
GENESIS_PREV: OpId = ZERO_DIGEST


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
    version: int

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

    It is an unsigned system op: its id derives from the author and the life alone, so that all evidence against an
    author in one life is one block entry. ``has_life``: by rules that know lives; before, an author has one id.
    """

    first: Op
    second: Op
    has_life: bool = field(default=True, kw_only=True)

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
        return evidence_id(self.author, life_of(self.first.seq) if self.has_life else 0)

    def by_rules(self, rules_version: int) -> "Evidence":
        """The same evidence as networks of a rules version name it."""
        return replace(self, has_life=rules_version >= LIVES_SINCE)

    @property
    def size(self) -> int:
        return self.first.size + self.second.size

    def joined(self, other: "Evidence") -> "Evidence":
        """Which evidence two give that are against one author: of the lower number, and then of the smallest ids."""
        if self.first.seq != other.first.seq:
            return min(self, other, key=lambda one: one.first.seq)
        ops = {op.id: op for op in (self.first, self.second, other.first, other.second)}
        first, second = sorted(ops)[:2]
        return Evidence(ops[first], ops[second], has_life=self.has_life)

    def checks(self) -> list[SignatureCheck]:
        return [self.first.check(), self.second.check()]

    def encode(self) -> bytes:
        return cbor.encode([[op.signed, op.signature] for op in (self.first, self.second)])


def life_of(seq: int) -> int:
    """The life that a sequence number belongs to; 0 in networks whose rules know none."""
    return seq // LIFE


def evidence_id(author: PublicKey, life: int = 0) -> OpId:
    """The id of all evidence against an author in a life."""
    return digest(b"evidence", author, life.to_bytes(8, "big")) if life else digest(b"evidence", author)


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
    if min(seq, expiry_ms) < 0 or max(seq, expiry_ms) > cbor.INT_CAP:
        raise ValueError("the numbers of an op are from 0 to 2**63 - 1")
    version = least_version(tuple(commands))
    body = [version, chain_id, pair, identity.public_key, seq, prev, expiry_ms]
    signed = cbor.encode([*body, [encode_command(command) for command in commands]])
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
    version, chain_id, pair, author, seq, prev, expiry_ms, commands = cbor.decode_array(signed, 8, looked_at=True)
    if cbor.check_uint(version, "version") not in OP_VERSIONS:
        raise DecodeError(f"op: version {version!r}; this build knows {OP_VERSIONS}")
    decoded = decode_commands(cbor.check_list(commands, "commands", COMMANDS_PER_OP_CAP))
    if not decoded:
        raise DecodeError("op: no commands")
    if version != least_version(decoded):
        raise DecodeError(f"op: version {version!r}, and its commands are those of version {least_version(decoded)}")
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
        priority_class=max(map(priority_class, decoded)),
        version=version,
    )
