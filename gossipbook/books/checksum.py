"""Fingerprints of a book: a CRC-32 of its top ten levels, and a SHA-256 of all its resting orders in queue order.

Both cover what is shown: of an iceberg the lots that it shows, and no stop order that waits. A third is of the rest.

**Checksum**, after Kraken's for its WebSocket v2 ``book`` channel (https://docs.kraken.com, guide "Book checksum
(WebSocket v2)"; its example is a test vector here). The ten best asks from low to high, then the ten best bids from
high to low. Of each level the price, then the quantity, each written as a decimal with all the digits of the pair's
``tick_size`` or ``lot_size``, without its decimal point and without leading zeros. All that in one string of ASCII
digits, and of it the CRC-32 of IEEE 802.3 (zlib's), an unsigned integer. An empty book's is 0.

A count times its unit has just the unit's digits, so that the decimal without its point is a product of integers:
401 ticks of 0.25 are 100.25, written 10025 = 401 · 25.

**Digest** (of this project): SHA-256 over ``gossipbook/l3-book``, a zero byte, the length of what follows as u32, and
then bids and asks in turn: the number of orders as u32, and each order, best price first and in queue order, as price
in ticks u64, open lots u64, client id u64 and author (32 bytes). All integers big-endian. It covers no height: two
books are equal, or they are not.

**Unseen** (of this project): SHA-256 over ``gossipbook/l3-unseen``, a zero byte, the length of what follows as u32, and
the canonical CBOR of [state of the pair, last trade's price in ticks, rows], the rows being those of a snapshot that
are not of wholly shown orders.
"""

import struct
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from zlib import crc32

from gossipbook import cbor
from gossipbook.books.levels import Level
from gossipbook.ids import Digest, PublicKey, digest
from gossipbook.manifest import Pair
from gossipbook.matching.events import RawEvent

CHECKSUM_LEVELS = 10

DIGEST_ORDERS = 1_024
"""A book of so many open orders gets its digests with every block; ``benchmarks/books.py`` says what an order costs."""
DIGEST_EVERY = 16
"""A larger book gets them at every height that this divides."""

_ORDER = struct.Struct(">QQQ32s")

OrderRow = tuple[int, int, int, PublicKey]
"""Price in ticks, open lots, client id, author."""


def book_checksum(spec: Pair, bids: Sequence[Level], asks: Sequence[Level]) -> int:
    """The CRC-32 of the ten best levels; both sides best first."""
    tick, lot = unit_digits(spec.tick_size), unit_digits(spec.lot_size)
    levels = (*asks[:CHECKSUM_LEVELS], *bids[:CHECKSUM_LEVELS])
    text = "".join([f"{level.price_ticks * tick}{level.lots * lot}" for level in levels])
    return crc32(text.encode())


@lru_cache(maxsize=1_024)
def unit_digits(unit: str) -> int:
    """A tick or lot size without its decimal point: 25 for "0.25", 50 for "0.50", 10 for "1E+1"."""
    return int(f"{Decimal(unit):f}".replace(".", ""))


def book_digest(bids: Iterable[OrderRow], asks: Iterable[OrderRow]) -> Digest:
    """The SHA-256 of all orders; both sides best first, each level in queue order."""
    parts = []
    for side in (bids, asks):
        rows = [_ORDER.pack(*row) for row in side]
        parts += [len(rows).to_bytes(4, "big"), *rows]
    return digest(b"l3-book", b"".join(parts))


def unseen_digest(state: int, last_ticks: int, rows: Iterable[RawEvent]) -> Digest:
    """Return the SHA-256 of hidden lots, waiting stops and the pair's state, which the other two leave out."""
    return digest(b"l3-unseen", cbor.encode([int(state), last_ticks, [list(row) for row in rows]]))


def is_digest_due(height: int, orders: int) -> bool:
    """Return whether a peer sends both digests after the block at this height, with so many orders open."""
    return orders <= DIGEST_ORDERS or height % DIGEST_EVERY == 0
