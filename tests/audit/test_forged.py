"""Lies with every hash right and a full quorum's fresh signatures: only the rules themselves can catch these."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from gossipbook import cbor
from gossipbook.audit import Report, Verdict
from gossipbook.crdt.op import Evidence, Op, sign_op
from gossipbook.ids import ZERO_DIGEST
from gossipbook.limits import Limits
from gossipbook.matching.commands import Amend, Cancel, Place
from tests.audit.forge import build, execute, items_of
from tests.audit.support import (
    SYMBOLS,
    Line,
    Network,
    Wallet,
    block_fields,
    copy,
    has_reason,
    identity,
    make_manifest,
    reseal,
    seats_of,
    sign_votes,
    verify_lines,
    write,
)

SYMBOL = SYMBOLS[0]
BUY, SELL = 1, 2


def buy(wallet: Wallet, lots: int, price: int = 100) -> Op:
    return wallet.sign([Place(wallet.next_id(), BUY, 1, price, lots, 1)])


def sell(wallet: Wallet, lots: int, price: int = 100) -> Op:
    return wallet.sign([Place(wallet.next_id(), SELL, 1, price, lots, 1)])


def wallets(*names: str, **options: object) -> list[Wallet]:
    manifest = make_manifest(**options)
    return [Wallet(name, manifest, SYMBOL) for name in names]


def simple_chain() -> tuple[list[Line], list[Wallet]]:
    """Four blocks: ann rests 5, ben takes 3 of them, ann lowers the rest, cat takes it."""
    ann, ben, cat = traders = wallets("ann", "ben", "cat")
    amend = [Amend(1, 0, 4, 1)]
    lines = build(ann.manifest, SYMBOL, [[buy(ann, 5)], [sell(ben, 3)], [ann.sign(amend)], [sell(cat, 1)]])
    return lines, traders


def replace_last(lines: Sequence[Line], events: list[list[object]]) -> list[Line]:
    """The chain with other events in its last block, their digest right and the block signed anew."""
    seats = seats_of(make_manifest(), SYMBOL)
    numbered = [[event[0], lines[-1]["events"][0][1] + i, *event[2:]] for i, event in enumerate(events)]
    return [*lines[:-1], reseal(seats, {**lines[-1], "events": numbered}, before=lines[-2])]


def invalid(report: Report) -> Report:
    assert report.verdict is Verdict.INVALID
    return report


def test_the_simple_chain_is_valid(tmp_path: Path) -> None:
    lines, _ = simple_chain()
    assert [event[0] for line in lines[1:] for event in line["events"]] == [1, 1, 3, 6, 1, 3]
    assert verify_lines(tmp_path, lines).verdict is Verdict.VALID
    assert verify_lines(tmp_path, replace_last(lines, lines[-1]["events"])).verdict is Verdict.VALID


def test_a_repeated_fill(tmp_path: Path) -> None:
    lines, _ = simple_chain()
    accepted, fill = lines[-1]["events"]
    report = invalid(verify_lines(tmp_path, replace_last(lines, [accepted, fill, fill])))
    assert has_reason(report, f"{SYMBOL} block 4", "its events differ from what the rules give, from its event 3 on")
    assert has_reason(report, f"{SYMBOL} block 4", "digest is not that of the events that the rules give")
    assert has_reason(report, f"{SYMBOL} block 4", "filled twice or too much")
    assert report.double_fills == 1


def test_an_overfill(tmp_path: Path) -> None:
    lines, _ = simple_chain()
    accepted, fill = lines[-1]["events"]
    report = invalid(verify_lines(tmp_path, replace_last(lines, [accepted, [*fill[:3], 2, *fill[4:]]])))
    assert has_reason(report, f"{SYMBOL} block 4", "fills 2 lots, but has 1 open: filled twice or too much")
    assert report.double_fills == 1


@pytest.mark.parametrize("number", [0, 1])
def test_an_event_left_out(tmp_path: Path, number: int) -> None:
    lines, _ = simple_chain()
    events = [event for at, event in enumerate(lines[-1]["events"]) if at != number]
    assert has_reason(invalid(verify_lines(tmp_path, replace_last(lines, events))), "its events differ")


def test_event_numbers(tmp_path: Path) -> None:
    lines, _ = simple_chain()
    shifted = [[event[0], event[1] + 1, *event[2:]] for event in lines[-1]["events"]]
    line = reseal(seats_of(make_manifest(), SYMBOL), {**lines[-1], "events": shifted}, before=lines[-2])
    report = invalid(verify_lines(tmp_path, [*lines[:-1], line]))
    assert has_reason(report, f"{SYMBOL} block 4", "event 6 follows event 4")


def test_a_false_events_digest(tmp_path: Path) -> None:
    lines, _ = simple_chain()
    line = reseal(seats_of(make_manifest(), SYMBOL), lines[-1], events_digest=bytes(32))
    report = invalid(verify_lines(tmp_path, [*lines[:-1], line]))
    assert report.reasons == [f"{SYMBOL} block 4: its events digest is not that of the events that the rules give"]


def test_a_void_op_that_ran(tmp_path: Path) -> None:
    """The members ran an op whose expiry had passed."""
    ann, ben = wallets("ann", "ben")
    late = ben.sign([Place(1, SELL, 1, 100, 5, 1)], expiry_ms=1)
    fresh = Wallet("ben", ben.manifest, SYMBOL).sign([Place(1, SELL, 1, 100, 5, 1)])
    first = buy(ann, 5)
    lines = build(ann.manifest, SYMBOL, [[first], [late]])
    as_if_fresh = build(ann.manifest, SYMBOL, [[first], [fresh]])
    assert verify_lines(tmp_path, lines).reasons == []
    assert has_reason(
        invalid(verify_lines(tmp_path, replace_last(lines, as_if_fresh[-1]["events"]))), "its events differ"
    )


def test_out_of_canonical_order(net: Network, tmp_path: Path) -> None:
    """Two authors' ops change places; everything else about the block is as it should be."""
    seats = seats_of(net.manifest, SYMBOL)
    lines = net.exports[SYMBOL][0]
    swapped = 0
    for at in range(1, len(lines)):
        items = items_of(lines[at])
        for i in range(len(items) - 1):
            if items[i].author == items[i + 1].author or isinstance(items[i], Evidence):
                continue
            line = copy([lines[at]])[0]
            line["ops"][i : i + 2] = reversed(line["ops"][i : i + 2])
            line = reseal(seats, execute(net.manifest, SYMBOL, lines[:at], line), before=lines[at - 1])
            report = invalid(verify_lines(tmp_path, [*lines[:at], line]))
            assert report.reasons == [f"{SYMBOL} block {at}: its ops are out of canonical order"]
            swapped += 1
    assert swapped > 5


def test_an_op_left_out_of_a_remade_chain(net: Network, tmp_path: Path) -> None:
    """A block remade without an acked op: alone it looks fine; the ack and the other export tell."""
    seats = seats_of(net.manifest, SYMBOL)
    lines = net.exports[SYMBOL][0]
    at = next(n for n, line in enumerate(lines) if n and len({item.author for item in items_of(line)}) > 2)
    line = copy([lines[at]])[0]
    gone = line["ops"].pop()["id"]
    remade = [*lines[:at], reseal(seats, execute(net.manifest, SYMBOL, lines[:at], line), before=lines[at - 1])]
    acks = [ack for ack in net.acks if ack["pair"] == SYMBOL and ack["height"] <= at]
    assert verify_lines(tmp_path, remade).reasons == []
    report = invalid(verify_lines(tmp_path, remade, acks=write(tmp_path / "acks", acks)))
    assert report.acked_ops_lost == 1
    assert has_reason(report, f"acked op {gone[:10]} of {SYMBOL}", "is lost")
    beside = invalid(verify_lines(tmp_path, remade, lines))
    assert has_reason(beside, f"two blocks at height {at} of {SYMBOL}, each with a full certificate")
    assert not beside.digests_equal


def test_two_blocks_at_one_height(net: Network, tmp_path: Path) -> None:
    """Both with full certificates: in two files, and within one."""
    lines = net.exports[SYMBOL][0]
    at = next(n for n, line in enumerate(lines) if n > 3 and all(item.author for item in items_of(line)))
    line = {**lines[at], "time_ms": lines[at]["time_ms"] + 1}
    line = execute(net.manifest, SYMBOL, lines[:at], line)
    rival = reseal(seats_of(net.manifest, SYMBOL), line, before=lines[at - 1], time_ms=line["time_ms"])
    said = f"two blocks at height {at} of {SYMBOL}, each with a full certificate"
    assert verify_lines(tmp_path, [*lines[:at], rival]).verdict is not Verdict.INVALID
    for files in ((lines, [*lines[:at], rival]), ([*lines[:at], rival], lines[: at + 1], lines)):
        report = invalid(verify_lines(tmp_path, *files))
        assert has_reason(report, said)
        assert not report.digests_equal
    assert has_reason(invalid(verify_lines(tmp_path, [*lines[: at + 1], rival, *lines[at + 1 :]])), said)
    assert has_reason(invalid(verify_lines(tmp_path, [*lines[: at + 3], rival])), said)


def test_a_double_fill_over_two_blocks_at_one_height(tmp_path: Path) -> None:
    """Each block alone is in order; together they sell ann's five lots twice."""
    ann, ben, cat = wallets("ann", "ben", "cat")
    first = buy(ann, 5)
    here = build(ann.manifest, SYMBOL, [[first], [sell(ben, 5)]])
    there = build(ann.manifest, SYMBOL, [[first], [sell(cat, 5)]])
    report = invalid(verify_lines(tmp_path, here, there))
    assert has_reason(report, f"two blocks at height 2 of {SYMBOL}")
    assert report.double_fills == 1
    harmless = build(ann.manifest, SYMBOL, [[first], [buy(cat, 5)]])
    assert invalid(verify_lines(tmp_path, here, harmless)).double_fills == 0


def test_a_lone_liar_makes_no_second_block(net: Network, tmp_path: Path) -> None:
    """Fewer than a quorum sign it: the block is not certified, and the honest export is followed."""
    lines = net.exports[SYMBOL][0]
    seats = seats_of(net.manifest, SYMBOL)
    rival = reseal(seats, lines[5], time_ms=lines[5]["time_ms"] + 1)
    rival["certificate"] = sign_votes(seats, rival, [0, 1])
    report = invalid(verify_lines(tmp_path, [*lines[:5], rival], lines))
    assert len(report.reasons) == 1
    assert has_reason(report, f"{SYMBOL} block 5: the certificate has 2 votes of the 3", "0.ndjson line 6")
    assert report.blocks == len(lines) - 1


def test_bad_parent_time_proposer_and_place(tmp_path: Path) -> None:
    lines, (ann, *_) = simple_chain()
    seats = seats_of(ann.manifest, SYMBOL)
    fields = block_fields(lines[3])

    def said(**changes: object) -> Report:
        return invalid(verify_lines(tmp_path, [*lines[:3], reseal(seats, lines[3], **changes)]))

    assert has_reason(said(parent=fields["proposer"]), f"{SYMBOL} block 3: its parent is not the block before it")
    for time_ms in (0, lines[2]["time_ms"]):
        assert has_reason(said(time_ms=time_ms), f"{SYMBOL} block 3: its time {time_ms} is not above its parent's")
    assert has_reason(said(proposer=seats.keys[1]), "its proposer did not lead the term")
    assert has_reason(said(created_term=1), "its proposer did not lead the term")
    assert has_reason(said(chain_id=bytes(32)), "a block of another chain")
    assert has_reason(said(epoch=1), "a block of another pair or epoch")
    assert has_reason(said(pair=SYMBOLS[1]), "a block of another pair or epoch")
    assert has_reason(said(height=4), "a height gap: block 4 comes after block 2")
    assert has_reason(said(height=0), "block 0 comes again")
    assert has_reason(said(version=2), "do not decode")
    assert has_reason(said(root=b"r"), "do not decode")
    later = reseal(seats, lines[3], created_term=2, proposer=seats.leader(2))
    later["certificate"] = sign_votes(seats, later, range(3), term=1)
    assert has_reason(verify_lines(tmp_path, [*lines[:3], later]), "of term 1, but the block was created in term 2")


def test_ops_that_are_not_eligible(tmp_path: Path) -> None:
    ann, ben, eve = wallets("ann", "ben", "eve")
    manifest = ann.manifest
    a0, a1, a2, b0 = buy(ann, 5), buy(ann, 4), buy(ann, 3), sell(ben, 1)

    def said(*blocks: list[Op | Evidence]) -> Report:
        return invalid(verify_lines(tmp_path, build(manifest, SYMBOL, blocks)))

    assert has_reason(said([a0], [b0], [a0]), f"{SYMBOL} block 3", "is in the chain already, at height 1")
    assert has_reason(said([a0], [b0, b0]), f"{SYMBOL} block 2", "is in the chain already, at height 2")
    assert has_reason(said([a0], [a2]), f"{SYMBOL} block 2", "has seq 2 and does not follow its author's last, seq 0")
    assert has_reason(said([a1]), f"{SYMBOL} block 1", "has seq 1 and does not follow")
    elsewhere = sign_op(ann.identity, manifest.chain_id, SYMBOL, 1, b0.id, [Cancel(1)])
    assert has_reason(said([a0], [elsewhere]), f"{SYMBOL} block 2", "does not follow its author's last")
    skipping = sign_op(ann.identity, manifest.chain_id, SYMBOL, 2, a0.id, [Cancel(1)])
    assert has_reason(said([a0], [skipping]), f"{SYMBOL} block 2", "has seq 2 and does not follow its author's last")
    e0, e1 = (sign_op(eve.identity, manifest.chain_id, SYMBOL, 0, ZERO_DIGEST, [Cancel(n)]) for n in (1, 2))
    proof = Evidence(*sorted((e0, e1), key=lambda op: op.id))
    assert has_reason(said([proof, e0]), f"{SYMBOL} block 1", "is of a frozen author")
    assert has_reason(said([proof], [proof]), f"{SYMBOL} block 2", "is of a frozen author")
    assert has_reason(said([]), f"{SYMBOL} block 1: it is empty, and nothing was due")


def test_ops_of_elsewhere_and_forged(tmp_path: Path) -> None:
    ann, ben = wallets("ann", "ben")
    good = buy(ann, 5)
    for chain_id, pair in ((bytes(32), SYMBOL), (ann.manifest.chain_id, SYMBOLS[1])):
        stray = sign_op(ben.identity, chain_id, pair, 0, ZERO_DIGEST, [Cancel(1)])
        report = invalid(verify_lines(tmp_path, build(ann.manifest, SYMBOL, [[good], [stray]])))
        assert has_reason(report, f"{SYMBOL} block 2", "is of another chain or pair")
    e0, e1 = (sign_op(ben.identity, ann.manifest.chain_id, SYMBOL, 0, ZERO_DIGEST, [Cancel(n)]) for n in (1, 2))
    lines = build(ann.manifest, SYMBOL, [[Evidence(*sorted((e0, e1), key=lambda op: op.id))]])
    halves = lines[1]["ops"][0]["evidence"]
    for bad in (halves[::-1], [halves[0], halves[0]]):
        doctored = copy(lines)
        doctored[1]["ops"][0]["evidence"] = bad
        assert has_reason(verify_lines(tmp_path, doctored), f"{SYMBOL} block 1", "evidence is not of two different ops")
    doctored = copy(lines)
    doctored[1]["ops"][0]["evidence"][1]["signature"] = halves[0]["signature"]
    assert has_reason(verify_lines(tmp_path, doctored), f"{SYMBOL} block 1", "the author's signature on op")
    lines[1]["ops"][0]["id"] = good.id.hex()
    line = reseal(seats_of(ann.manifest, SYMBOL), lines[1], op_ids=[good.id])
    assert has_reason(verify_lines(tmp_path, [lines[0], line]), f"{SYMBOL} block 1", "is not the hash of its bytes")


def test_admission_and_author_table(tmp_path: Path) -> None:
    ann, ben = wallets("ann", "ben", admission=(identity("ann").public_key,))
    report = verify_lines(tmp_path, build(ann.manifest, SYMBOL, [[buy(ann, 1)], [sell(ben, 1)]]))
    assert has_reason(invalid(report), f"{SYMBOL} block 2", "is of an author who is not admitted")
    ann, ben = wallets("ann", "ben", limits=Limits(max_authors_per_pair=1))
    report = verify_lines(tmp_path, build(ann.manifest, SYMBOL, [[buy(ann, 1)], [sell(ben, 1)]]))
    assert has_reason(invalid(report), f"{SYMBOL} block 2", "more authors than the author table holds")


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(max_block_ops=2), "above the block limits: 3 ops"),
        (Limits(max_op_bytes=1_000, max_block_bytes=2_128), "bytes of ops"),
        (Limits(max_commands_per_op=10, max_block_commands=20), "above the block limits: 30 commands"),
        (Limits(max_commands_per_op=9), "is above the op limits"),
        (Limits(max_op_bytes=200), "is above the op limits"),
    ],
)
def test_limits(tmp_path: Path, limits: Limits, reason: str) -> None:
    traders = wallets("ann", "ben", "cat", limits=limits)
    padding = [Cancel(2**62)] * 10
    if "bytes of ops" in reason:
        padding = [Cancel(2**62)] * 70
    ops = [wallet.sign(padding) for wallet in traders]
    report = invalid(verify_lines(tmp_path, build(traders[0].manifest, SYMBOL, [ops])))
    assert has_reason(report, f"{SYMBOL} block 1", reason), report.reasons


def test_ops_that_do_not_decode(tmp_path: Path) -> None:
    """Signed by their author and certified by all, and still no ops of this format."""
    (ann,) = wallets("ann")
    lines = build(ann.manifest, SYMBOL, [[buy(ann, 1)]])
    seats = seats_of(ann.manifest, SYMBOL)
    fields = cbor.decode(bytes.fromhex(lines[1]["ops"][0]["signed"]))
    place = fields[7][0]
    bad_commands: list[object] = [[], [[10, 1]], [[2, 0]], [[4, 3]], [[2, -1]], [[1, 1]], [[3, 1, 1, 1, 2]], [7], [[]]]
    bad_commands += [[[*place[:at], 9, *place[at + 1 :]]] for at in (2, 3, 6, 7, 8)] + [[[2, 1]] * 257, [[2, True]]]
    variants = [[*fields[:7], commands] for commands in bad_commands]
    variants += [[2, *fields[1:]], fields[:7], [*fields[:4], -1, *fields[5:]], [*fields[:3], b"short", *fields[4:]]]
    for variant in variants:
        signed = cbor.encode(variant)
        op_id = sha256(signed).hexdigest()
        signature = ann.identity.sign(b"op", ann.manifest.chain_id, signed).hex()
        line = {**lines[1], "ops": [{"id": op_id, "signed": signed.hex(), "signature": signature}]}
        report = invalid(verify_lines(tmp_path, [lines[0], reseal(seats, line)]))
        assert has_reason(report, f"{SYMBOL} block 1", "does not decode"), (variant, report.reasons)
