"""The export format, ``gossipbook-export`` version 1, and its streaming reader.

NDJSON in UTF-8. The first line is the header; each further line is one finalized block, heights ascending from 1::

    {"kind":"header","format":"gossipbook-export","version":1,"network":name,"pair":symbol,"chain_id":hex,
     "epoch":n,"manifest":{...}}
    {"kind":"block","height":n,"id":hex,"block":hex,"time_ms":n,"proposer":hex,"created_term":n,
     "ops":[{"id":hex,"signed":hex,"signature":hex}
            or {"id":hex,"evidence":[{"signed":hex,"signature":hex},{"signed":hex,"signature":hex}]}, ...],
     "events":[[kind,number,...], ...],
     "certificate":{"term":n,"height":n,"block_id":hex,"signers":[[seat,hex], ...]}}

Byte strings are lower-case hex. ``block`` and ``signed`` are the exact bytes that were hashed and signed; what is
repeated beside them in plain sight must agree with them. The manifest is without the matchers' addresses, which are
hints and no part of the chain id; so every character of an export, white space aside, is bound to the chain id or to
the chain.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from gossipbook.audit.fields import Defect, array, hex_bytes, parse_json, take, uint
from gossipbook.errors import GossipbookError, VerifyError
from gossipbook.ids import DIGEST_BYTES, PUBLIC_KEY_BYTES, SIGNATURE_BYTES
from gossipbook.manifest import Manifest

FORMAT = "gossipbook-export"
VERSION = 1
MAX_LINE_BYTES = 256 * 2**20  # a block that cancels a full book of a million orders has about 200 MB of events

HEADER_KEYS = ("kind", "format", "version", "network", "pair", "chain_id", "epoch", "manifest")
BLOCK_KEYS = ("kind", "height", "id", "block", "time_ms", "proposer", "created_term", "ops", "events", "certificate")
CERTIFICATE_KEYS = ("term", "height", "block_id", "signers")
CERTIFICATE_MARK = b',"certificate":'

# Which fields of an event are keys (b), keys or empty (e) and numbers (i), by kind. Kind and number are left out.
EVENT_FIELDS = {
    1: "biiii",
    2: "biii",
    3: "iibibii",
    4: "biiii",
    5: "bii",
    6: "biiii",
    7: "b",
    8: "biii",
    9: "biii",
    10: "bi",
    11: "ii",
    12: "bi",
    13: "b",
    14: "bei",
    15: "biiiii",
    16: "b",
}

PAST_FIELDS = {1: "i", 2: "i", 15: "i", 3: "iiiiiiii", 4: "iii", 5: "iii", 6: "ii", 8: "iii", 9: "iii"}
"""What follows in events of rules version 3 and above."""

Event = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Header:
    manifest: Manifest
    pair: str
    chain_id: bytes


@dataclass(frozen=True, slots=True)
class OpEntry:
    """An op as listed: its (signed bytes, signature), or the two of an evidence."""

    id: bytes
    is_evidence: bool
    parts: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class CertificateEntry:
    term: int
    height: int
    block_id: bytes
    signers: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """A block line, every field of the right shape and none of them believed yet."""

    height: int
    id: bytes
    block: bytes
    time_ms: int
    proposer: bytes
    created_term: int
    ops: tuple[OpEntry, ...]
    events: tuple[Event, ...]
    certificate: CertificateEntry


def read_header(raw: bytes) -> Header:
    """The header line, and the manifest in it checked against the chain id."""
    kind, form, version, network, pair, chain_id, epoch, table = take(parse_json(raw), HEADER_KEYS, "header")
    if (kind, form) != ("header", FORMAT):
        raise Defect(f"not a {FORMAT}: the first line is not its header")
    if type(version) is not int or version != VERSION:
        raise Defect(f"{FORMAT} version {version!r}; this verifier knows {VERSION}")
    if uint(epoch, "epoch") != 0:
        raise Defect(f"epoch {epoch}; this verifier knows epoch 0")
    chain_id = hex_bytes(chain_id, "chain_id", DIGEST_BYTES)
    try:
        manifest = Manifest.from_dict(table)
        digest = manifest.digest
    except (GossipbookError, ValueError, TypeError, OverflowError, AttributeError) as error:
        raise Defect(f"header: the manifest is not sound: {error}") from None
    if manifest.epoch != 0 or manifest.to_dict() != table or any(m.addresses for m in manifest.matchers):
        raise Defect("header: the manifest is not in the form in which it is exported")
    if digest != chain_id:
        raise Defect("header: the chain id is not the manifest's digest")
    if network != manifest.name:
        raise Defect("header: the network's name is not the manifest's")
    if type(pair) is not str or pair not in manifest.symbols():
        raise Defect(f"header: no pair {pair!r} in the manifest")
    return Header(manifest, pair, chain_id)


def read_block(raw: bytes) -> BlockEntry:
    """A block line."""
    kind, height, block_id, block, time_ms, proposer, term, ops, events, certificate = take(
        parse_json(raw), BLOCK_KEYS, "block line"
    )
    if kind != "block":
        raise Defect("not a block line")
    return BlockEntry(
        height=uint(height, "height"),
        id=hex_bytes(block_id, "id", DIGEST_BYTES),
        block=hex_bytes(block, "block"),
        time_ms=uint(time_ms, "time_ms"),
        proposer=hex_bytes(proposer, "proposer", PUBLIC_KEY_BYTES),
        created_term=uint(term, "created_term"),
        ops=tuple(_read_op(item) for item in array(ops, "ops")),
        events=tuple(_read_event(item) for item in array(events, "events")),
        certificate=read_certificate(certificate),
    )


def read_certificate(table: object) -> CertificateEntry:
    term, height, block_id, signers = take(table, CERTIFICATE_KEYS, "certificate")
    return CertificateEntry(
        uint(term, "certificate term"),
        uint(height, "certificate height"),
        hex_bytes(block_id, "certificate block_id", DIGEST_BYTES),
        tuple(
            (uint(seat, "seat"), hex_bytes(signature, "vote signature", SIGNATURE_BYTES))
            for seat, signature in (array(signer, "signer", 2) for signer in array(signers, "signers"))
        ),
    )


def split_certificate(raw: bytes) -> tuple[bytes, bytes] | None:
    """A block line as what all peers share and the certificate, which rightly differs; None if not so written."""
    head, mark, tail = raw.rstrip(b"\n").rpartition(CERTIFICATE_MARK)
    return (head, tail[:-1]) if mark and tail.endswith(b"}") else None


def _read_op(item: object) -> OpEntry:
    if type(item) is dict and "evidence" in item:
        op_id, pair = take(item, ("id", "evidence"), "evidence")
        parts = [take(half, ("signed", "signature"), "evidence") for half in array(pair, "evidence", 2)]
    else:
        op_id, *part = take(item, ("id", "signed", "signature"), "op")
        parts = [part]
    signed = tuple((hex_bytes(s, "signed"), hex_bytes(g, "signature", SIGNATURE_BYTES)) for s, g in parts)
    return OpEntry(hex_bytes(op_id, "op id", DIGEST_BYTES), len(parts) == 2, signed)


def _read_event(item: object) -> Event:
    fields = array(item, "event")
    shape = EVENT_FIELDS.get(fields[0]) if fields and type(fields[0]) is int else None
    past = "" if shape is None or len(fields) == len(shape) + 2 else PAST_FIELDS.get(fields[0], "")
    if shape is None or len(fields) != len(shape + past) + 2:
        raise Defect("event: unknown kind or a wrong number of fields")
    event = [fields[0], uint(fields[1], "event number")]
    for letter, value in zip(shape + past, fields[2:], strict=True):
        if letter == "i":
            event.append(uint(value, "event"))
        else:
            empty = letter == "e" and value == ""
            event.append(hex_bytes(value, "event", 0 if empty else PUBLIC_KEY_BYTES))
    return tuple(event)


class ExportFile:
    """One export, read line by line.

    Raises:
        VerifyError: if the file cannot be read at all. What is in it raises nothing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = str(path)
        self.line_number = 0
        self.bytes_read = 0
        try:
            self._file: BinaryIO = Path(path).open("rb")  # noqa: SIM115 - closed by close()
            self.size = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise VerifyError(f"cannot read {self.name}: {error.strerror}") from None

    def next_line(self) -> bytes | None:
        """The next line, or None at the end. A line above the cap comes back cut, and will not parse."""
        try:
            raw = self._file.readline(MAX_LINE_BYTES)
        except OSError as error:
            raise VerifyError(f"cannot read {self.name}: {error.strerror}") from None
        if not raw:
            return None
        self.line_number += 1
        self.bytes_read += len(raw)
        return raw

    def where(self, line_number: int, raw: bytes) -> str:
        """A line, for people."""
        cut = "" if raw.endswith(b"\n") else ", which is cut off before its end"
        return f"{self.name} line {line_number}{cut}"

    def close(self) -> None:
        self._file.close()
