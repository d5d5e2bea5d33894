"""Ten thousand false receipts, and each is refused with a reason."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gossipbook.consensus.block import decode_block
from gossipbook.consensus.committee import PREPARE, Committee
from gossipbook.errors import VerifyError
from gossipbook.ids import DIGEST_BYTES
from gossipbook.receipt.format import MAGIC, BlockPart, Receipt, decode_receipt, seal
from gossipbook.receipt.making import make_receipt
from gossipbook.receipt.verifying import open_receipt, verify_receipt

from .kit import MANIFEST, Story, make_manifest, sign_votes, tell

MUTANTS = 10_000
FLIPPED, RESEALED = 3_000, 4_000  # of them; the rest are made of whole parts


@pytest.fixture(scope="module")
def story() -> Story:
    return tell()


@pytest.fixture(scope="module")
def donors(story: Story) -> list[Receipt]:
    """Other true receipts: of another order, another chain of the same members, another network, other quantities."""
    bob = decode_receipt(story.chain.receipt(story.bob.key, 1))
    others = tell(lots=21), tell(make_manifest("elsewhere")), tell(make_manifest(matchers=6))
    return [bob, *(other.receipt for other in others)]


def refusal(raw: bytes) -> str:
    with pytest.raises(VerifyError) as caught:
        verify_receipt(raw, MANIFEST.chain_id)
    assert len(str(caught.value)) > 10
    return str(caught.value)


def damaged(raw: bytes, rng: random.Random) -> bytes:
    """What a bad disk or a clumsy hand makes of a file."""
    at = rng.randrange(len(raw))
    match rng.randrange(6):
        case 0:
            return raw[:at]
        case 1:
            return raw[at + 1 :]
        case 2:
            return raw[:at] + raw[at + 1 :]
        case 3:
            return raw + rng.randbytes(rng.randint(1, 40))
        case 4:
            other = rng.randrange(len(raw))
            swapped = bytearray(raw)
            swapped[at], swapped[other] = swapped[other], swapped[at]
            return bytes(swapped)
        case _:
            return raw[:at] + bytes([raw[at] ^ (1 << rng.randrange(8))]) + raw[at + 1 :]


def resealed(raw: bytes, rng: random.Random) -> bytes:
    """A byte or a few changed by somebody who then makes the digest at the end anew."""
    body = bytearray(raw[len(MAGIC) : -DIGEST_BYTES])
    at = rng.randrange(len(body))
    match rng.randrange(3):
        case 0:
            body[at] ^= 1 << rng.randrange(8)
        case 1:
            body[at] = rng.randrange(256)
        case _:
            length = rng.randint(1, 64)
            body[at : at + length] = rng.randbytes(len(body[at : at + length]))
    return seal(bytes(body))


Forge = Callable[[Receipt, Receipt, random.Random], Receipt]


def forgeries() -> dict[str, Forge]:
    """Receipts put together of parts that are good by themselves."""

    def part(change: Callable[[BlockPart, BlockPart, random.Random], dict[str, Any]]) -> Forge:
        def forge(receipt: Receipt, donor: Receipt, rng: random.Random) -> Receipt:
            at = rng.randrange(len(receipt.blocks))
            other = rng.choice(donor.blocks + receipt.blocks)
            blocks = list(receipt.blocks)
            blocks[at] = replace(blocks[at], **change(blocks[at], other, rng))
            return replace(receipt, blocks=tuple(blocks))

        return forge

    def order(receipt: Receipt, donor: Receipt, rng: random.Random) -> Receipt:
        blocks = list(receipt.blocks)
        rng.shuffle(blocks)
        return replace(receipt, blocks=tuple(blocks))

    def dropped(receipt: Receipt, donor: Receipt, rng: random.Random) -> Receipt:
        at = rng.randrange(len(receipt.blocks) - 1)  # Without its last block it would be an earlier, true receipt.
        return replace(receipt, blocks=receipt.blocks[:at] + receipt.blocks[at + 1 :])

    def added(receipt: Receipt, donor: Receipt, rng: random.Random) -> Receipt:
        at = rng.randrange(len(receipt.blocks) + 1)
        return replace(receipt, blocks=(*receipt.blocks[:at], rng.choice(donor.blocks), *receipt.blocks[at:]))

    def without(p: BlockPart, rng: random.Random) -> tuple[Any, ...]:
        at = rng.randrange(len(p.events))
        return p.events[:at] + p.events[at + 1 :]

    def event_changed(p: BlockPart, rng: random.Random) -> tuple[Any, ...]:
        at = rng.randrange(len(p.events))
        event = list(p.events[at])
        field = rng.choice([i for i, value in enumerate(event) if type(value) is int])
        event[field] += rng.choice([-1, 1, 100])
        event[field] = abs(event[field])
        if tuple(event) == p.events[at]:
            event[field] += 2
        return (*p.events[:at], tuple(event), *p.events[at + 1 :])

    def voted(p: BlockPart, seats: list[int], kind: int = PREPARE, term: int | None = None) -> Any:
        committee = Committee.of(MANIFEST, MANIFEST.chain_id, "BTC-USD")
        return sign_votes(committee, decode_block(p.raw), p.term if term is None else term, seats, kind)

    return {
        "another's manifest": lambda r, d, _: replace(r, manifest=d.manifest),
        "another's op": lambda r, d, _: replace(r, signed=d.signed, signature=d.signature),
        "another's signature": lambda r, d, _: replace(r, signature=d.signature),
        "another client id": lambda r, _, rng: replace(r, client_id=rng.randint(2, 2**62)),
        "another's blocks": lambda r, d, _: replace(r, blocks=d.blocks),
        "another's head": lambda r, d, rng: replace(r, blocks=(rng.choice(d.blocks), *r.blocks[1:])),
        "blocks shuffled": order,
        "a block left out": dropped,
        "a block added": added,
        "another block's bytes": part(lambda p, o, _: {"raw": o.raw}),
        "a spliced certificate": part(lambda p, o, _: {"term": o.term, "votes": o.votes}),
        "a spliced vote": part(lambda p, o, _: {"votes": (*p.votes[:2], o.votes[2])}),
        "quorum minus one": part(lambda p, o, rng: {"votes": tuple(sorted(rng.sample(p.votes, 2)))}),
        "a seat twice": part(lambda p, o, rng: {"votes": (p.votes[0], *rng.sample(p.votes[:1] + p.votes[2:], 2))}),
        "seats out of order": part(lambda p, o, _: {"votes": p.votes[::-1]}),
        "a vote too many": part(lambda p, o, _: {"votes": voted(p, [0, 1, 2, 3], 2)}),
        "PREPAREs": part(lambda p, o, _: {"votes": voted(p, [0, 1, 2])}),
        "a PREPARE among them": part(lambda p, o, _: {"votes": (*p.votes[:2], *voted(p, [2]))}),
        "another term": part(lambda p, o, rng: {"term": p.term + rng.randint(1, 9)}),
        "seats exchanged": part(lambda p, o, _: {"votes": tuple((s + 1, g) for s, g in p.votes)}),
        "another's events": part(lambda p, o, _: {"events": o.events, "siblings": o.siblings}),
        "another digest before": part(lambda p, o, _: {"digest_before": o.digest_before}),
        "an event left out": part(lambda p, o, rng: {"events": without(p, rng)}),
        "an event changed": part(lambda p, o, rng: {"events": event_changed(p, rng)}),
        "an event of another order": part(lambda p, o, rng: {"events": (*p.events[:-1], rng.choice(o.events))}),
        "an event twice": part(lambda p, o, _: {"events": (p.events[0], *p.events)}),
        "siblings added": part(lambda p, o, rng: {"siblings": (*p.siblings, rng.randbytes(32))}),
        "siblings shuffled": part(lambda p, o, _: {"siblings": p.siblings[::-1] or (p.digest_before,)}),
        "siblings for events": part(lambda p, o, _: {"events": p.events[:1], "siblings": p.siblings[1:]}),
    }


def test_the_untouched_receipt_is_accepted(story: Story) -> None:
    proven = verify_receipt(story.raw, MANIFEST.chain_id)
    assert (proven.op.author, proven.client_id, proven.pinned) == (story.alice.key, 1, True)


def test_no_mutant_is_accepted(story: Story, donors: list[Receipt]) -> None:
    rng = random.Random(20)
    raw, receipt = story.raw, story.receipt
    reasons: Counter[str] = Counter()
    made = 0
    while made < FLIPPED + RESEALED:
        mutant = damaged(raw, rng) if made < FLIPPED else resealed(raw, rng)
        if mutant != raw:
            reasons[refusal(mutant)] += 1
            made += 1
    ways = forgeries()
    used: Counter[str] = Counter()
    while made < MUTANTS:
        name = list(ways)[made % len(ways)]
        mutant = ways[name](receipt, rng.choice(donors), rng).encode()
        if mutant != raw:
            reasons[refusal(mutant)] += 1
            used[name] += 1
            made += 1
        else:
            made += name == "blocks shuffled"  # The one that may change nothing.
    assert set(used) == set(ways)
    assert len(reasons) > 40


def test_every_byte_counts(story: Story) -> None:
    """Each byte of the body, changed and sealed anew."""
    raw = story.raw
    body = raw[len(MAGIC) : -DIGEST_BYTES]
    for at in range(len(body)):
        refusal(seal(body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]))


def test_a_network_of_ones_own_is_named(story: Story) -> None:
    """Anybody can make a network and certify what they like in it: only the chain id tells."""
    forged = tell(make_manifest("receipts", wardens=(story.alice.key,))).raw
    proven = verify_receipt(forged)
    assert not proven.pinned
    assert proven.chain_id != MANIFEST.chain_id
    assert "another network: 'receipts'" in refusal(forged)


def test_earlier_receipts_of_one_order_are_good(story: Story) -> None:
    """A receipt made before the order's next event proves less, and nothing false."""
    blocks = story.chain.blocks
    filled = []
    for height in range(2, len(blocks) + 1):
        raw = make_receipt(story.chain.manifest, story.alice.key, 1, blocks[:height])
        filled.append(verify_receipt(raw).life.filled_lots)
    assert filled == [0, 4, 4, 5, 7, 7]


def test_votes_of_other_seats_are_another_good_receipt(story: Story) -> None:
    receipt = story.receipt
    chain = story.chain
    part = receipt.blocks[0]
    block = open_receipt(story.raw, None).links[0].block
    votes = sign_votes(chain.committee, block, 5, [0, 2, 3])
    other = replace(receipt, blocks=(replace(part, term=5, votes=votes), *receipt.blocks[1:])).encode()
    assert other != story.raw
    assert verify_receipt(other).life == verify_receipt(story.raw).life
