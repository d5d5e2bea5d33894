"""Orders of one author under one client id, in two lives: each has its receipt, and none is about both."""

from dataclasses import replace

import pytest

from gossipbook.crdt.op import LIFE, Op, life_of, sign_op
from gossipbook.crdt.stays import opening_expiry_ms
from gossipbook.errors import VerifyError
from gossipbook.ids import ZERO_DIGEST
from gossipbook.matching.commands import Cancel, Place, Side
from gossipbook.receipt.format import Receipt, decode_receipt
from gossipbook.receipt.making import make_receipt
from gossipbook.receipt.verifying import verify_receipt

from .kit import MANIFEST, START_MS, SYMBOL, Author, Chain

LATER_MS = 2 * MANIFEST.limits.author_retention_ms


def again(author: Author, place: Place) -> Op:
    """The first op of the author's next life, which knows of no order before it."""
    expiry_ms = opening_expiry_ms(START_MS + LATER_MS, MANIFEST.limits.author_retention_ms)
    return sign_op(author.identity, MANIFEST.chain_id, SYMBOL, LIFE, ZERO_DIGEST, [place], expiry_ms)


def two_lives(second: Place) -> tuple[Chain, Author]:
    chain, ann, ben = Chain(), Author("alice"), Author("bob")
    chain.add(ann.sign(ann.place(Side.SELL, 100, 5)), ben.sign(ben.place(Side.BUY, 1, 1)))
    chain.add(ann.sign(Cancel(1)))
    chain.pass_time(LATER_MS)
    chain.add(ben.sign(ben.place(Side.BUY, 2, 1)))
    assert ann.key not in chain.certified.authors
    chain.add(again(ann, second))
    chain.add(ben.sign(ben.place(Side.BUY, 101, 3)))
    return chain, ann


def test_a_receipt_is_about_the_order_of_the_last_life() -> None:
    chain, ann = two_lives(Place(1, Side.SELL, 1, 101, 7, 1))
    proven = verify_receipt(chain.receipt(ann.key, 1))
    assert life_of(proven.op.seq) == 1
    assert (proven.life.total_lots, proven.life.filled_lots, proven.life.open_lots) == (7, 3, 4)
    before = verify_receipt(make_receipt(MANIFEST, ann.key, 1, chain.blocks[:3]))
    assert (life_of(before.op.seq), before.life.status, before.life.filled_lots) == (0, "cancelled", 0)


def test_that_it_was_refused_in_a_later_life_is_said_of_that_one() -> None:
    chain, ann = two_lives(Place(1, Side.SELL, 1, 10**12, 7, 1))
    proven = verify_receipt(chain.receipt(ann.key, 1))
    assert (life_of(proven.op.seq), proven.life.status) == (1, "rejected")


def test_a_receipt_of_two_lives_is_refused() -> None:
    chain, ann = two_lives(Place(1, Side.SELL, 1, 101, 7, 1))
    first = decode_receipt(make_receipt(MANIFEST, ann.key, 1, chain.blocks[:3]))
    last = decode_receipt(chain.receipt(ann.key, 1))
    both = Receipt(first.manifest, 1, first.signed, first.signature, (*first.blocks, *last.blocks))
    with pytest.raises(VerifyError, match="cannot follow the order's events before it"):
        verify_receipt(both.encode())


def test_a_receipt_says_nothing_of_another_op_with_the_same_id() -> None:
    """Of two ops in one block with one client order id, either could be said to be what became of the other."""
    chain, ann = Chain(), Author("alice")
    first = ann.sign(Place(1, Side.SELL, 1, 10**12, 5, 1))
    second = ann.sign(Place(1, Side.BUY, 1, 50, 3, 1))
    chain.add(first, second)
    true = decode_receipt(chain.receipt(ann.key, 1))
    assert true.signed == first.signed
    assert verify_receipt(chain.receipt(ann.key, 1)).life.status == "rejected"
    with pytest.raises(VerifyError, match="cannot follow"):
        verify_receipt(replace(true, signed=second.signed, signature=second.signature).encode())


def test_a_life_number_that_is_used_again_is_another_order() -> None:
    chain, ann, ben = Chain(), Author("alice"), Author("bob")
    chain.add(ann.sign(ann.place(Side.SELL, 100, 5)), ben.sign(ben.place(Side.BUY, 1, 1)))
    chain.add(ann.sign(Cancel(1)))
    chain.pass_time(LATER_MS)
    chain.add(ben.sign(ben.place(Side.BUY, 2, 1)))
    expiry_ms = opening_expiry_ms(START_MS + LATER_MS, MANIFEST.limits.author_retention_ms)
    place = Place(1, Side.SELL, 1, 10**12, 7, 1)
    chain.add(sign_op(ann.identity, MANIFEST.chain_id, SYMBOL, 0, ZERO_DIGEST, [place], expiry_ms))
    proven = verify_receipt(chain.receipt(ann.key, 1))
    assert (proven.op.expiry_ms, proven.life.status, len(proven.blocks)) == (expiry_ms, "rejected", 1)
