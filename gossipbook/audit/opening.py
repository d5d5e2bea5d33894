"""A block line taken at its word no longer: bytes decoded, ids recomputed, signatures to be verified.

What is checked here depends on the line alone; what depends on the chain before it is :mod:`~gossipbook.audit.chain`'s.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from gossipbook.audit.export import (
    BlockEntry,
    CertificateEntry,
    Event,
    OpEntry,
    read_block,
    read_certificate,
    split_certificate,
)
from gossipbook.audit.fields import Defect, parse_json
from gossipbook.audit.records import Block, Evidence, Item, Op, decode_block, decode_op, make_evidence
from gossipbook.audit.seats import PREPARE, VOTE_TAG, Seats, op_check
from gossipbook.audit.signatures import Verdicts
from gossipbook.identity import SignatureCheck, verify_signature
from gossipbook.ids import DIGEST_BYTES as CHAIN_ID_BYTES


class OpClaim(NamedTuple):
    """An author's signature that a line stands on."""

    check: SignatureCheck
    op_id: bytes

    def reason(self) -> str:
        return f"the author's signature on op {self.op_id.hex()[:10]} is not good"


class VoteClaim(NamedTuple):
    """A member's COMMIT that a line stands on."""

    check: SignatureCheck
    seat: int

    def reason(self) -> str:
        at = len(VOTE_TAG) + CHAIN_ID_BYTES
        as_prepare = self.check.signed[:at] + bytes([PREPARE]) + self.check.signed[at + 1 :]
        if verify_signature(self.check._replace(signed=as_prepare)):
            return f"the certificate has a PREPARE of seat {self.seat} in place of a COMMIT"
        return f"the certificate's vote of seat {self.seat} is not good"


@dataclass(frozen=True, slots=True)
class Opened:
    """A line that agrees with itself, if its claims hold."""

    block: Block
    items: tuple[Item, ...]
    events: tuple[Event, ...]
    op_claims: tuple[OpClaim, ...]
    vote_claims: tuple[VoteClaim, ...]

    def claims(self) -> Iterator[OpClaim | VoteClaim]:
        yield from self.vote_claims
        yield from self.op_claims

    def broken_claim(self, verdicts: Verdicts) -> str | None:
        """The first claim that does not hold."""
        for claim in self.claims():
            if not verdicts.good(claim.check):
                return claim.reason()
        return None


def _agree(entry: BlockEntry, block: Block) -> None:
    """What the line says in plain sight must be what the block's bytes say."""
    if block.id != entry.id:
        raise Defect(f"the id is not the hash of the block's bytes, which is {block.id.hex()[:10]}")
    said = (entry.height, entry.time_ms, entry.proposer, entry.created_term)
    if said != (block.height, block.time_ms, block.proposer, block.created_term):
        raise Defect("height, time, proposer or created term are not those in the block's bytes")


def open_line(raw: bytes, seats: Seats) -> Opened:
    """A whole block line."""
    entry = read_block(raw)
    block = decode_block(entry.block)
    _agree(entry, block)
    if block.chain_id != seats.chain_id:
        raise Defect("a block of another chain")
    if (block.pair, block.epoch) != (seats.symbol, seats.epoch):
        raise Defect("a block of another pair or epoch")
    if block.proposer != seats.leader(block.created_term):
        raise Defect("its proposer did not lead the term it was created in")
    seats.check_shape(entry.certificate, block.height, block.id, block.created_term)
    if tuple(op.id for op in entry.ops) != block.op_ids:
        raise Defect("the ops listed are not those that the block names")
    items: list[Item] = []
    claims: list[OpClaim] = []
    for listed in entry.ops:
        item = _open_op(listed, seats)
        items.append(item)
        for op in (item.first, item.second) if isinstance(item, Evidence) else (item,):
            check = op_check(seats.chain_id, op.author, op.signed, op.signature)
            claims.append(OpClaim(check, op.id))
    return Opened(block, tuple(items), entry.events, tuple(claims), _vote_claims(seats, entry.certificate))


def same_but_certificate(raw: bytes, other_raw: bytes, opened: Opened, seats: Seats) -> Opened | None:
    """A line that differs from an opened one in its certificate alone: only that is read. None if it is not so."""
    here, there = split_certificate(raw), split_certificate(other_raw)
    if here is None or there is None or here[0] != there[0]:
        return None
    try:
        parse_json(there[1])  # The opened line is JSON as a whole and so is its tail: the cut is where it seems.
        table = parse_json(here[1])
    except Defect:
        return None
    certificate = read_certificate(table)
    block = opened.block
    seats.check_shape(certificate, block.height, block.id, block.created_term)
    return replace(opened, vote_claims=_vote_claims(seats, certificate))


def _vote_claims(seats: Seats, certificate: CertificateEntry) -> tuple[VoteClaim, ...]:
    return tuple(
        VoteClaim(check, seat) for check, (seat, _) in zip(seats.votes(certificate), certificate.signers, strict=True)
    )


def _open_op(listed: OpEntry, seats: Seats) -> Item:
    ops: list[Op] = []
    for signed, signature in listed.parts:
        op = decode_op(signed, signature)
        if op.chain_id != seats.chain_id or op.pair != seats.symbol:
            raise Defect(f"op {op.id.hex()[:10]} is of another chain or pair")
        if op.version > seats.rules_version:
            raise Defect(
                f"op {op.id.hex()[:10]} is of version {op.version}, in a network of rules version {seats.rules_version}"
            )
        ops.append(op)
    item: Item = make_evidence(*ops, rules_version=seats.rules_version) if listed.is_evidence else ops[0]
    if item.id != listed.id:
        raise Defect(f"op {listed.id.hex()[:10]} is not the hash of its bytes")
    return item
