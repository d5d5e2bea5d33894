"""What whoever makes a receipt leaves out of it is missed: it is refused, or claims no more than what is true."""

import random
from dataclasses import replace

import pytest
from click.testing import CliRunner

from gossipbook.cli.app import app
from gossipbook.crdt.op import Op
from gossipbook.errors import VerifyError
from gossipbook.ids import ZERO_DIGEST
from gossipbook.matching.commands import Amend, Cancel, Command, Place, PlaceSpecial, Side
from gossipbook.receipt.format import BlockPart, Receipt, decode_receipt
from gossipbook.receipt.making import Executed, NoReceipt, entering_op, make_receipt
from gossipbook.receipt.order import Life, concerns
from gossipbook.receipt.tree import Tree, leaf
from gossipbook.receipt.verifying import verify_receipt

from .kit import MANIFEST, Author, Chain, make_manifest

FALSE_RECEIPTS = 10_000
CHAINS = 25
BLOCKS = 14
TRADERS = 4


def random_chain(seed: int) -> tuple[Chain, list[Author]]:
    """Few orders that meet a lot: icebergs, amends, decrements, stops, used ids; some blocks are long."""
    rng = random.Random(seed)
    chain = Chain()
    traders = [Author(f"trader {i}") for i in range(TRADERS)]
    crowd = [Author(f"crowd {i}") for i in range(30)]
    for _ in range(BLOCKS):
        ops = [trader.sign(*(_command(rng, trader) for _ in range(rng.randint(1, 4)))) for trader in traders]
        if rng.random() < 0.3:
            ops += [one.sign(*(one.place(Side.BUY, 10 + n, 1) for n in range(3))) for one in crowd]
        chain.add(*ops)
    return chain, traders


def _command(rng: random.Random, trader: Author) -> Command:
    draw, lately = rng.random(), max(1, trader.client_id - rng.randint(0, 3))
    if trader.client_id and draw < 0.15:
        return Amend(lately, rng.choice((0, 0, 100 + rng.randint(-2, 2))), rng.randint(1, 40))
    if trader.client_id and draw < 0.22:
        return Cancel(lately)
    if trader.client_id and draw < 0.27:
        return Place(lately, Side.SELL, 1, 100, 5, 1)
    trader.client_id += 1
    side = rng.choice((Side.BUY, Side.SELL))
    place = PlaceSpecial(
        trader.client_id, side, 1, 100 + rng.randint(-2, 2), rng.randint(2, 30), 1, 0, rng.randint(1, 4)
    )
    if draw < 0.5:
        return place._replace(display_lots=1)
    if draw < 0.6:
        stop = 101 if side == Side.BUY else 99
        return place._replace(type=4, stop_ticks=stop, price_ticks=stop)
    return Place(*place[:9])


def truth(chain: Chain, author: bytes, client_id: int) -> Life:
    entered = (entering_op(executed, author, client_id) for executed in chain.blocks)
    life = Life(next(op.seq for op in entered if op is not None))
    for executed in chain.blocks:
        life.follow([event for event in executed.events if concerns(event, author, client_id)], author, client_id)
    return life


def with_less(receipt: Receipt, chain: Chain, author: bytes, rng: random.Random) -> Receipt:
    """The receipt of a liar who leaves out blocks, or events of long blocks, and proves all the rest."""
    by_raw = {executed.block.raw: executed for executed in chain.blocks}
    parts: list[BlockPart] = []
    for part in receipt.blocks:
        if rng.random() < 0.25:
            continue
        executed = by_raw[part.raw]
        if len(executed.events) > 64 and rng.random() < 0.7:
            part = _fewer_events(part, executed, author, receipt.client_id, rng)
        parts.append(part)
    return replace(receipt, blocks=tuple(parts))


def _fewer_events(part: BlockPart, executed: Executed, author: bytes, client_id: int, rng: random.Random) -> BlockPart:
    events = [tuple(event) for event in executed.events]
    own = [at for at, event in enumerate(events) if concerns(event, author, client_id)]
    places = {at for at in own if rng.random() < 0.6} | {0, len(events) - 1}
    siblings = Tree([leaf(event) for event in events]).prune(places)
    return replace(part, events=tuple(events[at] for at in sorted(places)), siblings=tuple(siblings))


def test_ten_thousand_that_leave_something_out() -> None:
    made = refused = 0
    for seed in range(CHAINS):
        chain, traders = random_chain(seed)
        rng = random.Random(1_000 + seed)
        orders = [(trader, client_id) for trader in traders for client_id in range(1, trader.client_id + 1)]
        true = {}
        for trader, client_id in orders:
            raw = make_receipt(MANIFEST, trader.key, client_id, chain.blocks)
            true[trader.key, client_id] = (decode_receipt(raw), truth(chain, trader.key, client_id))
            proven = verify_receipt(raw, MANIFEST.chain_id)
            assert proven.life == true[trader.key, client_id][1], "and a true one says all that is true"
        while made < FALSE_RECEIPTS * (seed + 1) // CHAINS:
            (author, client_id), (receipt, life) = rng.choice(list(true.items()))
            less = with_less(receipt, chain, author, rng)
            if less == receipt:
                continue
            made += 1
            try:
                told = verify_receipt(less.encode(), MANIFEST.chain_id).life
            except VerifyError:
                refused += 1
                continue
            assert not told.accounted or told == life, (seed, client_id, told, life)
            assert told.filled_lots <= life.filled_lots
            assert told.cancelled_lots <= life.cancelled_lots
            assert told.status != "rejected" or life.status == "rejected"
    assert made == FALSE_RECEIPTS
    assert 0 < refused < made


def test_an_amend_that_is_left_out_is_missed() -> None:
    chain, alice, bob = Chain(), Author("alice"), Author("bob")
    chain.add(alice.sign(Place(1, Side.SELL, 1, 100, 5, 1)))
    chain.add(alice.sign(Amend(1, 0, 10)))
    chain.add(bob.sign(bob.place(Side.BUY, 100, 5)))
    chain.add(bob.sign(bob.place(Side.BUY, 100, 5)))
    whole = verify_receipt(make_receipt(MANIFEST, alice.key, 1, chain.blocks), MANIFEST.chain_id)
    assert (whole.life.status, whole.life.filled_lots, whole.life.accounted) == ("filled", 10, True)
    with pytest.raises(VerifyError, match="events of the order are left out"):
        verify_receipt(make_receipt(MANIFEST, alice.key, 1, [chain.blocks[0], chain.blocks[2]]), MANIFEST.chain_id)


def test_where_events_do_not_tell_their_past_a_receipt_says_at_least(tmp_path) -> None:  # type: ignore[no-untyped-def]
    old = make_manifest(rules_version=2)
    chain, alice, bob = Chain(old), Author("alice", old), Author("bob", old)
    chain.add(alice.sign(Place(1, Side.SELL, 1, 100, 5, 1)))
    chain.add(alice.sign(Amend(1, 0, 10)))
    chain.add(bob.sign(bob.place(Side.BUY, 100, 5)))
    raw = make_receipt(old, alice.key, 1, [chain.blocks[0], chain.blocks[2]])
    life = verify_receipt(raw, old.chain_id).life
    assert (life.filled_lots, life.told, life.accounted) == (5, False, False)
    file = tmp_path / "old.receipt"
    file.write_bytes(raw)
    shown = CliRunner().invoke(app, ["receipt", "verify", str(file), "--chain-id", old.chain_id.hex()])
    assert shown.exit_code == 0
    assert "at least 5 of 5 filled" in shown.stdout
    assert "amends may be left out" in shown.stdout


def test_a_used_id_says_nothing_of_the_order_that_used_it() -> None:
    chain, alice, bob = Chain(), Author("alice"), Author("bob")
    chain.add(alice.sign(Place(1, Side.SELL, 1, 100, 5, 1)))
    chain.add(bob.sign(bob.place(Side.BUY, 100, 5)))
    chain.add(alice.sign(Place(1, Side.SELL, 1, 100, 5, 1)))
    honest = verify_receipt(make_receipt(MANIFEST, alice.key, 1, chain.blocks), MANIFEST.chain_id)
    assert (honest.life.status, honest.life.accounted) == ("filled", True)
    with pytest.raises(NoReceipt, match="no certified op"):
        make_receipt(MANIFEST, alice.key, 1, chain.blocks[2:])
    other = decode_receipt(make_receipt(MANIFEST, alice.key, 1, chain.blocks))
    used = chain.blocks[2]
    (again,) = used.items
    assert isinstance(again, Op)
    part = replace(other.blocks[0], raw=used.block.raw, digest_before=used.digest_before, events=tuple(used.events))
    part = replace(part, votes=used.fc.signers[:3])
    false = Receipt(other.manifest, 1, again.signed, again.signature, (part,))
    with pytest.raises(VerifyError, match="nor refuses it for more than a used id"):
        verify_receipt(false.encode(), MANIFEST.chain_id)


def test_the_digest_before_is_not_what_binds_a_receipt_to_its_chain() -> None:
    """A block without the order's first event cannot stand first, whatever digest is put before it."""
    chain, alice, bob = Chain(), Author("alice"), Author("bob")
    chain.add(alice.sign(Place(1, Side.SELL, 1, 100, 5, 1)))
    chain.add(bob.sign(bob.place(Side.BUY, 100, 5)))
    receipt = decode_receipt(make_receipt(MANIFEST, alice.key, 1, chain.blocks))
    for digest_before in (receipt.blocks[1].digest_before, ZERO_DIGEST):
        lie = replace(receipt, blocks=(replace(receipt.blocks[1], digest_before=digest_before),))
        with pytest.raises(VerifyError):
            verify_receipt(lie.encode(), MANIFEST.chain_id)
