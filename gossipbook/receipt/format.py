"""The bytes of a receipt; the package docstring gives the layout. What is decoded here is not believed yet."""

from dataclasses import dataclass
from typing import Any

from gossipbook import cbor
from gossipbook.consensus.block import BLOCK_BYTES_CAP
from gossipbook.crdt.op import OP_BYTES_CAP
from gossipbook.errors import DecodeError, VerifyError
from gossipbook.ids import DIGEST_BYTES, SIGNATURE_BYTES, Digest, digest
from gossipbook.manifest import COMMITTEE_CAP
from gossipbook.matching.events import RawEvent

NAME = b"gossipbook receipt "
MAGIC = NAME + b"1\n"
RECEIPT_BYTES_CAP = 16 * 2**20
RECEIPT_BLOCKS_CAP = 4_096
SHOWN_EVENTS_CAP = 65_536  # in one block
WHOLE_EVENTS_CAP = 64
"""A block of at most so many events is shown whole, which proves that the order had no others in it; about 6 KiB."""
MANIFEST_BYTES_CAP = 512 * 1024


@dataclass(frozen=True, slots=True)
class BlockPart:
    """One block of a receipt: its bytes, its votes, and its events as far as they are shown."""

    raw: bytes
    term: int
    votes: tuple[tuple[int, bytes], ...]
    digest_before: Digest
    events: tuple[RawEvent, ...]
    siblings: tuple[Digest, ...]

    def fields(self) -> list[Any]:
        votes = [list(vote) for vote in self.votes]
        return [self.raw, self.term, votes, self.digest_before, list(self.events), list(self.siblings)]


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt's parts."""

    manifest: bytes
    client_id: int
    signed: bytes
    signature: bytes
    blocks: tuple[BlockPart, ...]

    def encode(self) -> bytes:
        """The file."""
        blocks = [part.fields() for part in self.blocks]
        return seal(cbor.encode([self.manifest, self.client_id, self.signed, self.signature, blocks]))


def seal(body: bytes) -> bytes:
    """The file with a body."""
    return MAGIC + body + digest(b"receipt", MAGIC + body)


def decode_receipt(raw: bytes) -> Receipt:
    """A receipt's parts from its file.

    Raises:
        VerifyError: it is not a receipt, is damaged, or does not follow the format.
    """
    if len(raw) > RECEIPT_BYTES_CAP:
        raise VerifyError(f"larger than a receipt can be, which is {RECEIPT_BYTES_CAP} bytes")
    if not raw.startswith(MAGIC):
        known = raw.startswith(NAME)
        raise VerifyError("a receipt of a version that this build does not know" if known else "not a receipt")
    if len(raw) < len(MAGIC) + DIGEST_BYTES or digest(b"receipt", raw[:-DIGEST_BYTES]) != raw[-DIGEST_BYTES:]:
        raise VerifyError("damaged or cut off: its bytes do not have the digest that it ends with")
    try:
        return _decode(raw[len(MAGIC) : -DIGEST_BYTES])
    except DecodeError as error:
        raise VerifyError(f"malformed: {error}") from None


def _decode(body: bytes) -> Receipt:
    manifest, client_id, signed, signature, blocks = cbor.decode_array(body, 5)
    parts = tuple(_decode_part(part) for part in cbor.check_list(blocks, "blocks", RECEIPT_BLOCKS_CAP))
    if not parts:
        raise DecodeError("blocks: there is none")
    return Receipt(
        cbor.check_blob(manifest, "manifest", MANIFEST_BYTES_CAP),
        cbor.check_uint(client_id, "client id"),
        cbor.check_blob(signed, "op", OP_BYTES_CAP),
        cbor.check_bytes(signature, "op signature", SIGNATURE_BYTES),
        parts,
    )


def _decode_part(part: object) -> BlockPart:
    raw, term, votes, before, events, siblings = _array(part, 6, "block")
    return BlockPart(
        cbor.check_blob(raw, "block", BLOCK_BYTES_CAP),
        cbor.check_uint(term, "term"),
        tuple(_decode_vote(vote) for vote in cbor.check_list(votes, "votes", COMMITTEE_CAP)),
        cbor.check_bytes(before, "events digest before", DIGEST_BYTES),
        tuple(_decode_event(event) for event in cbor.check_list(events, "events", SHOWN_EVENTS_CAP)),
        tuple(
            cbor.check_bytes(sibling, "sibling", DIGEST_BYTES)
            for sibling in cbor.check_list(siblings, "siblings", 64 * SHOWN_EVENTS_CAP)
        ),
    )


def _decode_vote(vote: object) -> tuple[int, bytes]:
    seat, signature = _array(vote, 2, "vote")
    return (
        cbor.check_uint(seat, "seat", COMMITTEE_CAP - 1),
        cbor.check_bytes(signature, "vote signature", SIGNATURE_BYTES),
    )


def _decode_event(event: object) -> RawEvent:
    """Of any kind: later versions know more of them."""
    if type(event) is not list or len(event) < 2:
        raise DecodeError("event: expected an array of a kind, a number and fields")
    for field in event[:2]:
        cbor.check_uint(field, "event kind and number")
    if any(type(field) not in (int, bytes) for field in event):
        raise DecodeError("event: expected integers and byte strings")
    return tuple(event)


def _array(value: object, length: int, what: str) -> list[Any]:
    if type(value) is not list or len(value) != length:
        raise DecodeError(f"{what}: expected an array of {length}")
    return value
