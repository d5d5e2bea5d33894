"""Each check of the verifier is needed: there is a forgery that only it finds."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from click.testing import CliRunner

from gossipbook.cli.app import app
from gossipbook.consensus.block import decode_block
from gossipbook.crdt.op import sign_op
from gossipbook.errors import VerifyError
from gossipbook.ids import ZERO_DIGEST
from gossipbook.matching.commands import Place, Side
from gossipbook.matching.events import ACCEPTED, CANCELLED, FILL
from gossipbook.receipt import verifying
from gossipbook.receipt.format import BlockPart, Receipt, decode_receipt
from gossipbook.receipt.making import NoReceipt
from gossipbook.receipt.tree import leaf
from gossipbook.receipt.verifying import CHECKS, open_receipt, verify_receipt

from .kit import MANIFEST, Author, Chain, Story, make_manifest, remake, sign_votes, tell

OTHER = make_manifest("other")


@pytest.fixture(scope="module")
def story() -> Story:
    return tell()


def first(story: Story) -> tuple[Receipt, BlockPart]:
    """The story's receipt as it was after the order was accepted: one block."""
    receipt = story.receipt
    return replace(receipt, blocks=receipt.blocks[:1]), receipt.blocks[0]


def reblocked(story: Story, **changes: object) -> Receipt:
    receipt, part = first(story)
    return replace(receipt, blocks=(story.chain.reforge(part, remake(decode_block(part.raw), **changes)),))


def of_another_network(story: Story) -> Receipt:
    return tell(OTHER).receipt


def op_of_another_chain(story: Story) -> Receipt:
    place = Place(1, Side.SELL, 1, 100, 20, 1)
    op = sign_op(story.alice.identity, OTHER.chain_id, "BTC-USD", 0, ZERO_DIGEST, [place])
    return replace(reblocked(story, op_ids=(op.id,)), signed=op.signed, signature=op.signature)


def unsigned_op(story: Story) -> Receipt:
    receipt, _ = first(story)
    return replace(receipt, signature=receipt.signature[:-1] + b"\0")


def order_of_nobody(story: Story) -> Receipt:
    receipt, part = first(story)
    events = [(*event[:3], 7, *event[4:]) if event[3] == 1 else event for event in part.events]
    part = story.chain.reforge(part, decode_block(part.raw), events)
    return replace(receipt, client_id=7, blocks=(part,))


def block_of_another_chain(story: Story) -> Receipt:
    return reblocked(story, chain_id=OTHER.chain_id)


def block_of_another_pair(story: Story) -> Receipt:
    return reblocked(story, pair="ETH-USD")


def heights_that_fall(story: Story) -> Receipt:
    receipt = story.receipt
    part = story.chain.reforge(receipt.blocks[1], remake(decode_block(receipt.blocks[1].raw), height=2))
    return replace(receipt, blocks=(receipt.blocks[0], part))


def a_false_parent(story: Story) -> Receipt:
    receipt = story.receipt
    part = story.chain.reforge(receipt.blocks[1], remake(decode_block(receipt.blocks[1].raw), parent=ZERO_DIGEST))
    return replace(receipt, blocks=(receipt.blocks[0], part))


def a_block_without_the_op(story: Story) -> Receipt:
    _, part = first(story)
    names = decode_block(part.raw).op_ids
    return reblocked(story, op_ids=tuple(op_id for op_id in names if op_id != open_op_id(story)))


def open_op_id(story: Story) -> bytes:
    return open_receipt(story.raw, None).op.id


def a_usurper(story: Story) -> Receipt:
    return reblocked(story, proposer=story.chain.committee.key(1))


def seats(story: Story, *numbers: int) -> Receipt:
    receipt, part = first(story)
    votes = sign_votes(story.chain.committee, decode_block(part.raw), part.term, numbers)
    return replace(receipt, blocks=(replace(part, votes=votes),))


def a_vote_short(story: Story) -> Receipt:
    return seats(story, 0, 1)


def a_vote_too_many(story: Story) -> Receipt:
    return seats(story, 0, 1, 2, 3)


def one_seat_three_times(story: Story) -> Receipt:
    return seats(story, 1, 1, 1)


def certified_too_early(story: Story) -> Receipt:
    receipt, part = first(story)
    committee = story.chain.committee
    block = remake(decode_block(part.raw), created_term=4, proposer=committee.key(0))
    return replace(receipt, blocks=(story.chain.reforge(part, block, term=3),))


def a_forged_vote(story: Story) -> Receipt:
    receipt, part = first(story)
    votes = (*part.votes[:2], (2, part.votes[1][1]))
    return replace(receipt, blocks=(replace(part, votes=votes),))


def numbers_that_fall(story: Story) -> Receipt:
    receipt = story.receipt
    part = receipt.blocks[1]
    fills = [(event[0], at, *event[2:]) for at, event in enumerate(part.events, 1)]
    part = story.chain.reforge(replace(part), decode_block(part.raw), fills)
    return replace(receipt, blocks=(receipt.blocks[0], part))


def a_better_price(story: Story) -> Receipt:
    receipt = story.receipt
    part = receipt.blocks[1]
    events = tuple((*event[:2], 500, *event[3:]) if event[0] == FILL else event for event in part.events)
    return replace(receipt, blocks=(receipt.blocks[0], replace(part, events=events)))


def nothing_of_the_order(story: Story) -> Receipt:
    receipt = story.receipt
    quiet = story.chain.blocks[3]
    votes, before = quiet.fc.signers[:3], quiet.digest_before
    part = BlockPart(quiet.block.raw, quiet.fc.term, votes, before, tuple(quiet.events), ())
    return replace(receipt, blocks=(receipt.blocks[0], part))


def half_a_block(story: Story) -> Receipt:
    """The taker's acceptance is left out of a short block, with what proves that it is there."""
    chain = Chain()
    alice, bob, carol = Author("alice"), Author("bob"), Author("carol")
    chain.add(*(author.sign(author.place(Side.SELL, 100 + at, 5)) for at, author in enumerate((alice, bob, carol))))
    author = {author.key: author for author in (alice, bob, carol)}[chain.blocks[0].events[0][2]]
    receipt = decode_receipt(chain.receipt(author.key, 1))
    part = receipt.blocks[0]
    half = replace(part, events=(part.events[0], part.events[2]), siblings=(leaf(part.events[1]),))
    return replace(receipt, blocks=(half,))


def another_price_than_asked(story: Story) -> Receipt:
    receipt, part = first(story)
    events = [(*event[:5], 90, event[6]) if event[2] == story.alice.key else event for event in part.events]
    return replace(receipt, blocks=(story.chain.reforge(part, decode_block(part.raw), events),))


def a_fill_left_out(story: Story) -> Receipt:
    receipt = story.receipt
    return replace(receipt, blocks=receipt.blocks[:1] + receipt.blocks[2:])


def neither_accepted_nor_refused(story: Story) -> Receipt:
    receipt, part = first(story)
    events = [(2, event[1], *event[2:4], 2, 11) if event[2] == story.alice.key else event for event in part.events]
    return replace(receipt, blocks=(story.chain.reforge(part, decode_block(part.raw), events),))


Forge = Callable[[Story], Receipt]
ONLY: dict[str, list[Forge]] = {
    "check_network": [of_another_network],
    "check_op_chain": [op_of_another_chain],
    "check_op_signature": [unsigned_op],
    "check_entered": [order_of_nobody],
    "check_block_chain": [block_of_another_chain, block_of_another_pair],
    "check_heights": [heights_that_fall],
    "check_parents": [a_false_parent],
    "check_named": [a_block_without_the_op],
    "check_proposers": [a_usurper],
    "check_seats": [a_vote_short, a_vote_too_many, one_seat_three_times],
    "check_terms": [certified_too_early],
    "check_votes": [a_forged_vote],
    "check_numbers": [numbers_that_fall],
    "check_events_digest": [a_better_price],
    "check_own_events": [nothing_of_the_order],
    "check_shown": [half_a_block],
    "check_asked": [another_price_than_asked],
    "check_life": [a_fill_left_out, neither_accepted_nor_refused],
}


def test_each_check_has_its_forgery() -> None:
    assert list(ONLY) == [check.__name__ for check in CHECKS]


@pytest.mark.parametrize(
    ("name", "forge"), [(name, forge) for name, found in ONLY.items() for forge in found],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)  # fmt: skip
def test_only_this_check_finds_it(story: Story, name: str, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = forge(story).encode()
    with pytest.raises(VerifyError) as caught:
        verify_receipt(raw, MANIFEST.chain_id)
    assert len(str(caught.value)) > 10
    left = [check for check in CHECKS if check.__name__ != name]
    monkeypatch.setattr(verifying, "CHECKS", left)
    claim = open_receipt(raw, MANIFEST.chain_id)
    for check in verifying.CHECKS:
        check(claim)  # The verifier that forgot one takes the forgery.


def test_what_is_proven(story: Story) -> None:
    proven = verify_receipt(story.raw)
    assert [(b.block.height, b.event_count, b.whole, len(b.events)) for b in proven.blocks] == [
        (2, 2, True, 1),
        (3, 2, True, 1),
        (5, 101, False, 1),
        (6, 3, True, 2),
        (7, 1, True, 1),
    ]
    assert proven.blocks[-1].events[0][0] == CANCELLED
    life = proven.life
    assert (life.status, life.total_lots, life.filled_lots, life.cancelled_lots) == ("cancelled", 15, 7, 8)
    assert (proven.network, proven.pair.symbol, proven.pinned) == ("receipts", "BTC-USD", False)


def test_a_refused_order_has_a_receipt_too() -> None:
    chain, alice = Chain(), Author("alice")
    chain.add(alice.sign(alice.place(Side.BUY, 10**12, 1)))
    proven = verify_receipt(chain.receipt(alice.key, 1))
    assert (proven.life.status, proven.life.reason) == ("rejected", "price-out-of-range")


def test_two_orders_of_one_op_have_a_receipt_each() -> None:
    chain, alice = Chain(), Author("alice")
    chain.add(alice.sign(alice.place(Side.BUY, 90, 1), alice.place(Side.BUY, 91, 2)))
    for client_id, lots in ((1, 1), (2, 2)):
        proven = verify_receipt(chain.receipt(alice.key, client_id))
        assert (proven.client_id, proven.life.total_lots) == (client_id, lots)


def test_no_receipt_without_a_certified_op() -> None:
    chain, alice = Chain(), Author("alice")
    chain.add(alice.sign(alice.place(Side.BUY, 90, 1)))
    with pytest.raises(NoReceipt, match="no certified op"):
        chain.receipt(alice.key, 2)


def test_events_of_kinds_that_are_not_known_are_proven_without_sums(story: Story) -> None:
    receipt = story.receipt
    part = receipt.blocks[1]
    events = [(99, event[1], 5, story.alice.key, 1) if event[0] == FILL else event for event in part.events]
    part = story.chain.reforge(part, decode_block(part.raw), events)
    proven = verify_receipt(replace(receipt, blocks=(receipt.blocks[0], part)).encode())
    assert not proven.life.known
    assert proven.blocks[1].events[0][0] == 99
    assert proven.blocks[0].events[0][0] == ACCEPTED


def test_events_that_no_engine_makes_are_refused_and_not_stumbled_over(story: Story) -> None:
    """A network of one's own may certify anything."""
    receipt, part = first(story)
    own = next(event for event in part.events if event[2] == story.alice.key)
    for false in (
        (*own[:6], b"lots"),
        (*own[:4], 7, *own[5:]),
        (*own[:6], -1),
        own[:-2],
        (*own, 1),
        (FILL, own[1], 100, b"x", own[2], own[3], own[2], own[3], 1),
        (FILL, own[1], 100, 5, own[2], own[3], 9, 9, 1),
    ):
        events = [false if event == own else event for event in part.events]
        forged = story.chain.reforge(part, decode_block(part.raw), events)
        with pytest.raises(VerifyError):
            verify_receipt(replace(receipt, blocks=(forged,)).encode())


def test_text_of_a_strange_network_is_fit_for_a_terminal(tmp_path) -> None:  # type: ignore[no-untyped-def]
    told = tell(make_manifest("a\x1b[2Jb"))
    file = tmp_path / "strange.receipt"
    file.write_bytes(told.raw)
    shown = CliRunner().invoke(app, ["receipt", "verify", str(file)])
    assert shown.exit_code == 0
    assert "a?[2Jb" in shown.stdout
    assert "\x1b" not in shown.stdout


def test_what_an_open_order_may_hide_is_not_claimed(story: Story) -> None:
    """While an order is open its last fills can be left out, and what is proven says so; once it is over none can."""
    blocks = story.receipt.blocks
    hiding = verify_receipt(replace(story.receipt, blocks=blocks[:2]).encode())
    assert (hiding.life.filled_lots, hiding.life.accounted) == (4, False)
    assert verify_receipt(story.raw).life.accounted
    for at in range(len(blocks) - 1):
        with pytest.raises(VerifyError):
            verify_receipt(replace(story.receipt, blocks=blocks[:at] + blocks[at + 1 :]).encode())
