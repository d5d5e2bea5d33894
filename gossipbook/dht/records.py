"""Provider records: what a peer says about itself under a key of the DHT, signed and short-lived.

A record is good for one network (the signature covers the chain id), one key (the key is inside), one
signer and a short time. Whoever holds the bytes can check all of that without trusting who sent them.

The time is a duration: whoever takes a record keeps it for as long as lies between its signing and its expiry, by
their own clock that nobody sets. What the time of day is, signer and holders need not agree on: a peer whose clock is
wrong is found all the same. So whoever kept an old record can have it taken again, after it has expired and until its
signer says something newer. It is a hint that leads nowhere; an address that does not answer is left alone.

Form: CBOR ``[body, signature]`` with ``body`` a byte string holding CBOR ``[version, key, public key,
addresses, roles, sequence, expires_ms, heads, load, withdrawn]``.
"""

import re
from dataclasses import dataclass
from typing import Any

from gossipbook import cbor
from gossipbook.errors import ConfigError, DecodeError
from gossipbook.identity import DOMAIN_RECORD, Identity, SignatureCheck, Verifier, signed_message, verify_signature
from gossipbook.ids import PEER_ID_BYTES, PUBLIC_KEY_BYTES, SIGNATURE_BYTES, ChainId, PeerId, PublicKey

RECORD_VERSION = 1
RECORD_FIELDS = 10
RECORD_BYTES_CAP = 768  # One record and eight nodes fit a datagram of 1,232 bytes (IPv6's least MTU).
ADDRESSES_CAP = 4
ADDRESS_CHARS_CAP = 128
ROLES_CAP = 4
ROLE_CHARS_CAP = 16
HEADS_CAP = 16
SYMBOL_CHARS_CAP = 32

EXPIRY_MS = 30_000  # DESIGN: announce every 10 s with a 30 s expiry, so two announcements may be lost.
EXPIRY_CAP_MS = 2 * EXPIRY_MS

_ADDRESS = re.compile(r"wss?://(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]):([1-9][0-9]{0,4})")
_ROLE = re.compile(r"[a-z][a-z0-9-]*")


class RecordError(DecodeError):
    """A record that is refused; ``reason`` is one fixed word, fit for a counter's name."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    """One peer under one key.

    ``addresses`` are ``ws://host:port`` or ``wss://host:port``; ``sequence`` is the signer's wall clock in
    milliseconds at signing, and the newest wins; ``heads`` are (pair symbol, finalized height); ``load`` is
    the signer's own measure, larger is busier. A withdrawn record says that the peer has gone.
    """

    key: PeerId
    public_key: PublicKey
    addresses: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    sequence: int = 0
    expires_ms: int = 0
    heads: tuple[tuple[str, int], ...] = ()
    load: int = 0
    withdrawn: bool = False

    @property
    def lasts_ms(self) -> int:
        """For how long it is good, from when it is taken."""
        return self.expires_ms - self.sequence


def sign_record(identity: Identity, chain_id: ChainId, record: ProviderRecord) -> bytes:
    """The record's signed form.

    Raises:
        ConfigError: a field is out of its range, the record is too large, or it names another signer.
    """
    if record.public_key != identity.public_key:
        raise ConfigError("provider record: its public key is not the signer's")
    body = cbor.encode(
        [
            RECORD_VERSION,
            record.key,
            record.public_key,
            record.addresses,
            record.roles,
            record.sequence,
            record.expires_ms,
            record.heads,
            record.load,
            record.withdrawn,
        ]
    )
    raw = cbor.encode([body, identity.sign(DOMAIN_RECORD, chain_id, body)])
    if len(raw) > RECORD_BYTES_CAP:
        raise ConfigError(
            f"provider record: {len(raw)} bytes, at most {RECORD_BYTES_CAP}; give fewer or shorter addresses or heads"
        )
    try:
        _parse_body(body)
    except DecodeError as error:
        raise ConfigError(f"provider record: {error}") from None
    return raw


def parse_record(raw: bytes, key: PeerId) -> ProviderRecord:
    """Everything that can be checked of a record without its signature, which costs a hundred times more.

    Raises:
        RecordError: wrong size, format or key, or good for no time or too long a one.
    """
    if len(raw) > RECORD_BYTES_CAP:
        raise RecordError("size", f"{len(raw)} bytes, at most {RECORD_BYTES_CAP}")
    record = _parse_body(_open(raw)[0])
    if record.key != key:
        raise RecordError("key", "signed for another key")
    if not 0 < record.lasts_ms <= EXPIRY_CAP_MS:
        raise RecordError("expiry", f"not good for more than no time and at most {EXPIRY_CAP_MS} ms")
    return record


def record_check(raw: bytes, chain_id: ChainId) -> SignatureCheck:
    """The signature to verify of a record that :func:`parse_record` took."""
    body, signature = _open(raw)
    return SignatureCheck(_parse_body(body).public_key, signed_message(DOMAIN_RECORD, chain_id, body), signature)


def open_record(raw: bytes, chain_id: ChainId, key: PeerId, verifier: Verifier | None = None) -> ProviderRecord:
    """The record, fully checked; ``verifier`` caches verdicts, for a reader who meets a record many times.

    Raises:
        RecordError: as :func:`parse_record`, or the signature is not the named signer's over this network.
    """
    record = parse_record(raw, key)
    check = record_check(raw, chain_id)
    if not (verifier.good(check) if verifier else verify_signature(check)):
        raise RecordError("signature")
    return record


def _open(raw: bytes) -> tuple[bytes, bytes]:
    try:
        body, signature = cbor.decode_array(raw, 2)
        cbor.check_blob(body, "body", RECORD_BYTES_CAP)
        return body, cbor.check_bytes(signature, "signature", SIGNATURE_BYTES)
    except DecodeError as error:
        raise RecordError("format", str(error)) from None


def _parse_body(body: bytes) -> ProviderRecord:
    try:
        fields = cbor.decode_array(body, RECORD_FIELDS)
        version, key, public_key, addresses, roles, sequence, expires_ms, heads, load, withdrawn = fields
        if version != RECORD_VERSION or type(version) is not int:
            raise DecodeError("unknown version")
        if type(withdrawn) is not bool:
            raise DecodeError("withdrawn: expected a boolean")
        return ProviderRecord(
            key=cbor.check_bytes(key, "key", PEER_ID_BYTES),
            public_key=cbor.check_bytes(public_key, "public key", PUBLIC_KEY_BYTES),
            addresses=tuple(_address(item) for item in cbor.check_list(addresses, "addresses", ADDRESSES_CAP)),
            roles=tuple(_role(item) for item in cbor.check_list(roles, "roles", ROLES_CAP)),
            sequence=cbor.check_uint(sequence, "sequence"),
            expires_ms=cbor.check_uint(expires_ms, "expires_ms"),
            heads=_heads(cbor.check_list(heads, "heads", HEADS_CAP)),
            load=cbor.check_uint(load, "load"),
            withdrawn=withdrawn,
        )
    except DecodeError as error:
        raise RecordError("format", str(error)) from None


def _address(item: object) -> str:
    text = cbor.check_text(item, "address", ADDRESS_CHARS_CAP)
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match[1]) > 65_535:
        raise DecodeError("address: expected ws://host:port or wss://host:port")
    return text


def _role(item: object) -> str:
    text = cbor.check_text(item, "role", ROLE_CHARS_CAP)
    if _ROLE.fullmatch(text) is None:
        raise DecodeError("role: expected a lower-case word")
    return text


def _heads(items: list[Any]) -> tuple[tuple[str, int], ...]:
    heads: dict[str, int] = {}
    for item in items:
        if type(item) is not list or len(item) != 2:
            raise DecodeError("head: expected a symbol and a height")
        symbol = cbor.check_text(item[0], "symbol", SYMBOL_CHARS_CAP)
        if not symbol or not symbol.isascii() or not symbol.isprintable() or symbol in heads:
            raise DecodeError("symbol: expected printable ASCII, each symbol once")
        heads[symbol] = cbor.check_uint(item[1], "height")
    return tuple(heads.items())
