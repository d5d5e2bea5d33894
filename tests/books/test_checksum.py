"""The fingerprints, against vectors that were worked out by hand or published by others."""

import hashlib
from decimal import Decimal
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from gossipbook.books.checksum import book_checksum, book_digest, is_digest_due, unit_digits
from gossipbook.books.l3 import L3Book
from gossipbook.books.levels import Level
from gossipbook.books.snapshot import BookSnapshot
from gossipbook.manifest import Pair

from .kit import ALICE, BOB, SPEC, block_id

PUBLISHED = 3310070434
"""The example of Kraken's guide to its WebSocket v2 book checksum, for the book below."""
ASKS = """45285.2 0.00100000, 45286.4 1.54571953, 45286.6 1.54571109, 45289.6 1.54560911, 45290.2 0.15890660,
45291.8 1.54553491, 45294.7 0.04454749, 45296.1 0.35380000, 45297.5 0.09945542, 45299.5 0.18772827"""
BIDS = """45283.5 0.10000000, 45283.4 1.54582015, 45282.1 0.10000000, 45281.0 0.10000000, 45280.3 1.54592586,
45279.0 0.07990000, 45277.6 0.03310103, 45277.5 0.30000000, 45277.3 1.54602737, 45276.6 0.15445238"""


def levels(text: str, spec: Pair) -> list[Level]:
    rows = [row.split() for row in text.split(",")]
    return [
        Level(int(Decimal(p) / Decimal(spec.tick_size)), int(Decimal(q) / Decimal(spec.lot_size)), 1) for p, q in rows
    ]


def test_the_published_example() -> None:
    spec = Pair("BTC/USD", "0.1", "0.00000001")
    bids, asks = levels(BIDS, spec), levels(ASKS, spec)
    assert book_checksum(spec, bids, asks) == PUBLISHED
    assert book_checksum(spec, [*bids, Level(1, 1, 1)], [*asks, Level(9_999_999, 1, 1)]) == PUBLISHED


def test_a_book_by_hand() -> None:
    """Ticks of 0.25, lots of 0.10. Asks 100.25 × 1.20 and 100.50 × 0.10; bids 99.75 × 30.00 and 0.25 × 0.50."""
    spec = Pair("A/B", "0.25", "0.10")
    asks = [Level(401, 12, 2), Level(402, 1, 1)]
    bids = [Level(399, 300, 1), Level(1, 5, 1)]
    text = "".join(["10025", "120", "10050", "10", "9975", "3000", "25", "50"])
    assert crc32(text.encode()) == 0x7F32F6D4
    assert book_checksum(spec, bids, asks) == 0x7F32F6D4


def test_an_empty_book() -> None:
    assert book_checksum(SPEC, [], []) == 0


units = st.sampled_from(["1", "0.01", "0.10", "0.25", "10", "2.5", "1E+1", "1e-3", "0.00000001", "12"])


@given(units, units, st.integers(1, 10**15), st.integers(1, 10**15))
def test_it_is_the_decimals_without_point_and_leading_zeros(tick: str, lot: str, price: int, qty: int) -> None:
    text = ""
    for count, unit in ((price, tick), (qty, lot)):
        decimal = f"{Decimal(count) * Decimal(unit):f}"
        text += decimal.replace(".", "").lstrip("0")
        assert decimal.replace(".", "").lstrip("0") == str(count * unit_digits(unit))
    assert book_checksum(Pair("A/B", tick, lot), [Level(price, qty, 1)], []) == crc32(text.encode())


def test_the_digest_of_what_is_not_shown_by_hand() -> None:
    """In CBOR: [5, 101, [[2, ALICE, 1, 1, 100, 3, 4], [3, BOB, 7, 2, 95, 90, 6]]]."""
    rows = b"\x87\x02\x58\x20" + ALICE + bytes.fromhex("0101 1864 03 04")
    rows += b"\x87\x03\x58\x20" + BOB + bytes.fromhex("0702 185f 185a 06")
    body = b"\x83\x05\x18\x65\x82" + rows
    book = L3Book.of_snapshot(
        SPEC,
        BookSnapshot(
            *(SPEC.symbol, 1, block_id(1), 1, 9, 101, 5),
            ((1, BOB, 2, 1, 101, 3), (2, ALICE, 1, 1, 100, 3, 4), (3, BOB, 7, 2, 95, 90, 6)),
        ),
    )
    assert book.unseen() == hashlib.sha256(b"gossipbook/l3-unseen\0" + len(body).to_bytes(4, "big") + body).digest()


def test_the_digest_by_hand() -> None:
    body = (
        (2).to_bytes(4, "big")
        + b"".join(number.to_bytes(8, "big") for number in (100, 5, 1)) + ALICE
        + b"".join(number.to_bytes(8, "big") for number in (100, 7, 3)) + BOB
        + (0).to_bytes(4, "big")
    )  # fmt: skip
    expected = hashlib.sha256(b"gossipbook/l3-book\0" + len(body).to_bytes(4, "big") + body)
    assert book_digest([(100, 5, 1, ALICE), (100, 7, 3, BOB)], []) == expected.digest()
    assert expected.hexdigest() == "0f954825bf9f80fa9e6e442182fe8e2630942ea541e54757f7283f1c1da9d6fb"


def a_book(*events: tuple[object, ...]) -> L3Book:
    book = L3Book(SPEC)
    book.apply(1, block_id(1), 1, [(kind, number, *rest) for number, (kind, *rest) in enumerate(events, 1)])
    return book


def test_the_digest_covers_queue_order_and_the_checksum_does_not() -> None:
    first, second = (1, ALICE, 1, 1, 100, 5), (1, BOB, 1, 1, 100, 5)
    one, other = a_book(first, second), a_book(second, first)
    assert one.l2() == other.l2()
    assert one.checksum() == other.checksum()
    assert one.digest() != other.digest()
    assert a_book(first, second, (2, ALICE, 9, 2, 11)).digest() == one.digest()


def test_a_small_book_has_its_digest_with_every_block_and_a_large_one_now_and_then() -> None:
    assert is_digest_due(7, 1_024)
    assert not is_digest_due(7, 1_025)
    assert is_digest_due(32, 1_000_000)
