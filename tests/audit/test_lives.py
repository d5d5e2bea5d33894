"""Rules version 3, broken with everybody's signatures: lives, newcomers, evidence, empty blocks."""

from pathlib import Path
from typing import Any

import pytest

from gossipbook.crdt.op import LIFE, Evidence, Op, sign_op
from gossipbook.crdt.stays import opening_expiry_ms
from gossipbook.ids import ZERO_DIGEST
from gossipbook.limits import Limits
from gossipbook.manifest import Manifest
from gossipbook.matching.commands import Cancel, Place
from gossipbook.matching.events import LEFT

from .forge import START_MS, build
from .support import SYMBOLS, Wallet, has_reason, identity, make_manifest, verify_lines

SYMBOL = SYMBOLS[0]
HOUR_MS = 3_600_000
BUY, LIMIT, IOC, GTC = 1, 1, 3, 1
DIFFER = "its events differ from what the rules give"


def wallets(*names: str, **options: Any) -> list[Wallet]:
    manifest = make_manifest(rules_version=3, **options)
    return [Wallet(name, manifest, SYMBOL) for name in names]


def fleeting(wallet: Wallet) -> Op:
    """An op that leaves nothing open."""
    return wallet.sign([Place(wallet.next_id(), BUY, LIMIT, 90, 1, IOC)])


def resting(wallet: Wallet) -> Op:
    return wallet.sign([Place(wallet.next_id(), BUY, LIMIT, 90, 1, GTC)])


def first_of_life(manifest: Manifest, name: str, life: int, made_ms: int) -> Op:
    expiry_ms = opening_expiry_ms(made_ms, manifest.limits.author_retention_ms)
    return sign_op(identity(name), manifest.chain_id, SYMBOL, life * LIFE, ZERO_DIGEST, [Cancel(1)], expiry_ms)


def test_a_life_ends_and_another_begins(tmp_path: Path) -> None:
    ann, ben = wallets("ann", "ben")
    late_ms = HOUR_MS + 1_000
    again = first_of_life(ann.manifest, "ann", 1, START_MS + late_ms)
    blocks = [[fleeting(ann), resting(ben)], [fleeting(ben)], [again]]
    lines = build(ann.manifest, SYMBOL, blocks, after_ms=(10, late_ms, late_ms + 10))
    assert verify_lines(tmp_path, lines).reasons == []


def test_whom_the_manifest_lists_stays(tmp_path: Path) -> None:
    """A warden has nothing open as a rule, and left like everybody else; at a full table there was no way back."""
    warden, ben = "ann", "ben"
    manifest = make_manifest(rules_version=3, wardens=(identity(warden).public_key,))
    ann, ben_wallet = Wallet(warden, manifest, SYMBOL), Wallet(ben, manifest, SYMBOL)
    late_ms = HOUR_MS + 1_000
    blocks = [[fleeting(ann), fleeting(ben_wallet)], [], [fleeting(ann)]]
    lines = build(manifest, SYMBOL, blocks, after_ms=(10, late_ms, late_ms + 10))
    assert verify_lines(tmp_path, lines).reasons == []
    left = [event for line in lines[1:] for event in line["events"] if event[0] == LEFT]
    assert [bytes.fromhex(event[2]) for event in left] == [ben_wallet.identity.public_key]


@pytest.mark.parametrize("life", [0, 1])
def test_nothing_of_a_life_that_is_over_comes_again(tmp_path: Path, life: int) -> None:
    ann, ben = wallets("ann", "ben")
    late_ms = HOUR_MS + 1_000
    first, second = fleeting(ann), fleeting(ann)
    old = first if life == 0 else second
    blocks = [[first, resting(ben)], [fleeting(ben)], [old]]
    lines = build(ann.manifest, SYMBOL, blocks, after_ms=(10, late_ms, late_ms + 10))
    report = verify_lines(tmp_path, lines)
    said = "is in the chain already" if life == 0 else "which begins no life"
    assert has_reason(report, f"{SYMBOL} block 3", said), report.reasons


def test_a_first_op_is_taken_in_its_time_only(tmp_path: Path) -> None:
    manifest = make_manifest(rules_version=3)
    for made_ms, said in (
        (START_MS - HOUR_MS, "begins a life, but not in the time in which it may"),
        (START_MS + HOUR_MS, "begins a life, but not in the time in which it may"),
        (START_MS, ""),
    ):
        report = verify_lines(tmp_path, build(manifest, SYMBOL, [[first_of_life(manifest, "ann", 0, made_ms)]]))
        assert has_reason(report, f"{SYMBOL} block 1", said) if said else report.reasons == []


def test_no_more_newcomers_than_a_block_may_let_in(tmp_path: Path) -> None:
    limits = Limits(max_newcomers_per_block=2)
    traders = wallets("ann", "ben", "cat", limits=limits)
    manifest = traders[0].manifest
    first = [resting(each) for each in traders]
    report = verify_lines(tmp_path, build(manifest, SYMBOL, [first]))
    assert has_reason(report, f"{SYMBOL} block 1", "more new authors than a block may let in")
    assert verify_lines(tmp_path, build(manifest, SYMBOL, [first[:2], first[2:]])).reasons == []


def test_evidence_is_taken_against_authors_of_the_table_in_their_life(tmp_path: Path) -> None:
    (ann,) = wallets("ann")
    manifest = ann.manifest

    first = resting(ann)
    report = verify_lines(tmp_path, build(manifest, SYMBOL, [[forks(ann, 0)]]))
    assert has_reason(report, f"{SYMBOL} block 1", "against an author who is not in the table")
    report = verify_lines(tmp_path, build(manifest, SYMBOL, [[first], [forks(ann, 1)]]))
    assert has_reason(report, f"{SYMBOL} block 2", "of another life")
    assert verify_lines(tmp_path, build(manifest, SYMBOL, [[first], [forks(ann, 0)]])).reasons == []


def forks(wallet: Wallet, life: int) -> Evidence:
    ops = [
        sign_op(wallet.identity, wallet.manifest.chain_id, SYMBOL, life * LIFE + 7, ZERO_DIGEST, [Cancel(n)])
        for n in (1, 2)
    ]
    return Evidence(*sorted(ops, key=lambda op: op.id))


def test_who_is_frozen_in_one_life_may_be_frozen_in_another(tmp_path: Path) -> None:
    ann, ben = wallets("ann", "ben")
    late_ms = HOUR_MS + 1_000
    again = first_of_life(ann.manifest, "ann", 1, START_MS + late_ms)
    blocks = [[resting(ann), resting(ben)], [forks(ann, 0)], [fleeting(ben)], [again], [forks(ann, 1)]]
    lines = build(ann.manifest, SYMBOL, blocks, after_ms=(10, 20, late_ms, late_ms + 10, late_ms + 20))
    assert verify_lines(tmp_path, lines).reasons == []
    lines[5]["ops"][0]["id"] = lines[2]["ops"][0]["id"]
    assert has_reason(verify_lines(tmp_path, lines), f"{SYMBOL} block 5", "the ops listed are not those")


def test_a_life_may_have_the_number_of_one_before(tmp_path: Path) -> None:
    """No honest author's does; whoever does it is frozen by the forks of the first time, under the same id."""
    ann, ben = wallets("ann", "ben")
    late_ms = HOUR_MS + 1_000
    again = first_of_life(ann.manifest, "ann", 0, START_MS + late_ms)
    blocks = [[resting(ann), resting(ben)], [forks(ann, 0)], [fleeting(ben)], [again], [forks(ann, 0)]]
    lines = build(ann.manifest, SYMBOL, blocks, after_ms=(10, 20, late_ms, late_ms + 10, late_ms + 20))
    assert verify_lines(tmp_path, lines).reasons == []


def test_rules_without_lives_name_an_authors_evidence_by_the_author_alone(tmp_path: Path) -> None:
    ann = Wallet("ann", make_manifest(rules_version=2), SYMBOL)
    later, first = forks(ann, 1), [resting(ann)]
    assert verify_lines(tmp_path, build(ann.manifest, SYMBOL, [first, [later.by_rules(2)]])).reasons == []
    report = verify_lines(tmp_path, build(ann.manifest, SYMBOL, [first, [later]]))
    assert has_reason(report, f"{SYMBOL} block 2", "is not the hash of its bytes")


def test_an_empty_block_tells_the_time_and_no_more(tmp_path: Path) -> None:
    (ann,) = wallets("ann")
    first = [resting(ann)]
    report = verify_lines(tmp_path, build(ann.manifest, SYMBOL, [first, []], after_ms=(10, 1_009)))
    assert has_reason(report, f"{SYMBOL} block 2", "it is empty, and nothing was due")
    assert verify_lines(tmp_path, build(ann.manifest, SYMBOL, [first, []], after_ms=(10, 1_010))).reasons == []


@pytest.mark.parametrize(
    "obeyed",
    [
        {"author_retention_ms": HOUR_MS // 2},
        {"author_retention_ms": 2 * HOUR_MS},
        {"max_authors_per_pair": 400},
    ],
)
def test_nobody_leaves_sooner_or_later_than_the_rules_say(tmp_path: Path, obeyed: dict[str, int]) -> None:
    """Members who obey other limits than they say: their events tell."""
    small = Limits(max_authors_per_pair=4)
    ann, ben, cat = wallets("ann", "ben", "cat", limits=small)
    dan = Wallet("dan", ann.manifest, SYMBOL)
    between_ms = 3 * HOUR_MS // 4 if obeyed.get("author_retention_ms") == HOUR_MS // 2 else 3 * HOUR_MS // 2
    blocks = [[resting(ann), resting(ben), resting(cat), resting(dan)], [resting(ann)]]
    other = make_manifest(rules_version=3, limits=Limits(**{"max_authors_per_pair": 4, **obeyed}))
    lines = build(ann.manifest, SYMBOL, blocks, obeyed=other, after_ms=(10, between_ms))
    report = verify_lines(tmp_path, lines)
    assert has_reason(report, f"{SYMBOL} block 2", DIFFER), report.reasons
    assert verify_lines(tmp_path, build(ann.manifest, SYMBOL, blocks, after_ms=(10, between_ms))).reasons == []


def test_nobody_leaves_with_a_block_that_had_no_room_for_another_op(tmp_path: Path) -> None:
    limits = Limits(max_block_commands=4, max_commands_per_op=2)
    late_ms = HOUR_MS + 1_000
    for commands, leave in ((2, 1), (3, 0)):
        traders = wallets("ann", "ben", limits=limits)
        blocks = [[fleeting(traders[0]), resting(traders[1])]]
        blocks.append([traders[1].sign([Place(2 + n, BUY, LIMIT, 90, 1, GTC)]) for n in range(commands)])
        lines = build(traders[0].manifest, SYMBOL, blocks, after_ms=(10, late_ms))
        assert sum(event[0] == LEFT for event in lines[2]["events"]) == leave
        assert verify_lines(tmp_path, lines).reasons == []


def test_a_crowded_book_displaces_only_those_who_have_more_than_their_share(tmp_path: Path) -> None:
    limits = Limits(max_open_orders_per_pair=80, max_authors_per_pair=20)
    small, *others = wallets("ann", "ben", "cat", "dan", "eve", "fay", "gus", "hal", limits=limits)
    *large, busy = others
    late_ms = HOUR_MS + 1_000
    first = [small.sign([Place(n, BUY, LIMIT, 90, 1, GTC) for n in range(1, 5)])]
    blocks = [first, *([w.sign([Place(n, BUY, LIMIT, 90, 1, GTC) for n in range(1, 11)])] for w in large)]
    blocks += [[fleeting(busy)], [resting(busy)]]
    made_ms = [10 * number for number in range(1, len(blocks))]
    lines = build(small.manifest, SYMBOL, blocks, after_ms=(*made_ms, late_ms))
    left = [bytes.fromhex(event[2]) for event in lines[-1]["events"] if event[0] == LEFT]
    assert left == [large[0].identity.public_key]
    assert verify_lines(tmp_path, lines).reasons == []


def test_whom_the_manifest_lists_needs_no_place(tmp_path: Path) -> None:
    warden, ben, cat = "ann", "ben", "cat"
    limits = Limits(max_authors_per_pair=1, max_newcomers_per_block=1)
    manifest = make_manifest(rules_version=3, wardens=(identity(warden).public_key,), limits=limits)
    listed, first, second = (Wallet(name, manifest, SYMBOL) for name in (warden, ben, cat))
    lines = build(manifest, SYMBOL, [[resting(first), resting(listed)], [resting(listed)]])
    assert verify_lines(tmp_path, lines).reasons == []
    lines = build(manifest, SYMBOL, [[resting(second)], [fleeting(Wallet(ben, manifest, SYMBOL))]])
    report = verify_lines(tmp_path, lines)
    assert has_reason(report, f"{SYMBOL} block 2", "more authors than the author table holds")
