"""Merkle trees over a block's events, so that one event's proof is a short path.

A leaf is SHA-256(0 ‖ encoded event), a node SHA-256(1 ‖ left ‖ right); an odd last node moves up unchanged.
The root of no leaves is 32 zero bytes.
"""

import hashlib
from collections.abc import Iterable

from gossipbook import cbor
from gossipbook.ids import ZERO_DIGEST, Digest, digest

sha256 = hashlib.sha256


def merkle_root(items: Iterable[object]) -> Digest:
    """Root over the CBOR encodings of the items."""
    encode = cbor.encode
    nodes = [sha256(b"\0" + encode(item)).digest() for item in items]
    if not nodes:
        return ZERO_DIGEST
    while len(nodes) > 1:
        odd = [nodes[-1]] if len(nodes) % 2 else []
        nodes = [sha256(b"\1" + nodes[i] + nodes[i + 1]).digest() for i in range(0, len(nodes) - 1, 2)] + odd
    return nodes[0]


def chain_events_digest(parent: Digest, events: Iterable[object]) -> Digest:
    """The events digest of a block: H(parent's events digest ‖ Merkle root of this block's events)."""
    return digest(b"events", parent, merkle_root(events))
