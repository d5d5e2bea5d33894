"""Identifiers: 32-byte digests for things, 20-byte ids for places in the DHT's key space.

Every digest is domain-separated: the first bytes hashed name the kind of thing, so that bytes of one
kind can never be passed off as another.
"""

import hashlib
import re

DIGEST_BYTES = 32
PEER_ID_BYTES = 20
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64

ChainId = bytes
PeerId = bytes
PublicKey = bytes
OpId = bytes
BlockId = bytes
Digest = bytes

ZERO_DIGEST: Digest = bytes(DIGEST_BYTES)


def digest(tag: bytes, *parts: bytes) -> Digest:
    """SHA-256 of ``gossipbook/<tag>``, a zero byte, and the parts, each behind its u32 length."""
    h = hashlib.sha256(b"gossipbook/" + tag + b"\0")
    for part in parts:
        h.update(len(part).to_bytes(4, "big"))
        h.update(part)
    return h.digest()


def peer_id(public_key: PublicKey) -> PeerId:
    """A peer's place in the DHT: the first 160 bits of SHA-256 of its public key."""
    return hashlib.sha256(public_key).digest()[:PEER_ID_BYTES]


def pair_key(manifest_digest: Digest, symbol: str) -> PeerId:
    """A pair's place in the DHT: the first 160 bits of SHA-256("gossipbook/pair", manifest digest, symbol)."""
    raw = b"gossipbook/pair" + manifest_digest + symbol.encode()
    return hashlib.sha256(raw).digest()[:PEER_ID_BYTES]


def xor_distance(a: PeerId, b: PeerId) -> int:
    """Kademlia's metric: the two ids' exclusive-or, read as a big-endian integer."""
    return int.from_bytes(a, "big") ^ int.from_bytes(b, "big")


def short(identifier: bytes) -> str:
    """The first ten hex digits, for people."""
    return identifier.hex()[:10]


_HEX_KEY = re.compile(rf"[0-9a-fA-F]{{{2 * PUBLIC_KEY_BYTES}}}", re.ASCII)


def read_public_key(text: str) -> PublicKey | None:
    """A public key from its hex digits; None if these are not what one has."""
    return bytes.fromhex(text) if _HEX_KEY.fullmatch(text) else None
