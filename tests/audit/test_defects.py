"""Copies with one thing wrong, which anybody without keys could make."""

import random
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from gossipbook.audit import Verdict, verify_exports
from gossipbook.audit.report import MAX_REASONS
from gossipbook.audit.writer import header
from tests.audit.support import (
    SYMBOLS,
    Line,
    Network,
    copy,
    dumps,
    has_reason,
    identity,
    make_manifest,
    seats_of,
    sign_votes,
    verify_lines,
    write,
)

SYMBOL = SYMBOLS[0]
AT = 8  # the line that is doctored, and its block's height


def flip(text: str, position: int = 40) -> str:
    """Another hex digit at a position."""
    return text[:position] + ("0" if text[position] != "0" else "1") + text[position + 1 :]


def flip_in(*path: str | int) -> Callable[[Line], None]:
    """Changes one digit of a field."""

    def doctor(line: Line) -> None:
        inner = line
        for step in path[:-1]:
            inner = inner[step]
        value = inner[path[-1]]
        inner[path[-1]] = value + 1 if isinstance(value, int) else flip(value)

    return doctor


def signers(change: Callable[[list[list[object]]], object]) -> Callable[[Line], None]:
    def doctor(line: Line) -> None:
        line["certificate"]["signers"].sort()
        change(line["certificate"]["signers"])

    return doctor


FLIPS: list[tuple[Callable[[Line], None], str]] = [
    (flip_in("id"), "the id is not the hash of the block's bytes"),
    (flip_in("block"), "the id is not the hash of the block's bytes"),
    (flip_in("height"), "not those in the block's bytes"),
    (flip_in("time_ms"), "not those in the block's bytes"),
    (flip_in("proposer"), "not those in the block's bytes"),
    (flip_in("created_term"), "not those in the block's bytes"),
    (flip_in("ops", 0, "id"), "not those that the block names"),
    (flip_in("ops", 0, "signature"), "the author's signature on op"),
    (flip_in("events", 0, 1), "its events differ from what the rules give"),
    (flip_in("events", 0, 2), "its events differ from what the rules give"),
    (flip_in("certificate", "signers", 1, 1), "vote of seat"),
    (flip_in("certificate", "term"), "vote of seat"),
    (flip_in("certificate", "height"), "the certificate is another block's"),
    (flip_in("certificate", "block_id"), "the certificate is another block's"),
    (signers(lambda s: s.pop()), "has 2 votes of the 3 that it needs"),
    (signers(lambda s: s.clear()), "has 0 votes of the 3 that it needs"),
    (signers(lambda s: s.__setitem__(1, list(s[0]))), "twice"),
    (signers(lambda s: s.__setitem__(2, [4, s[2][1]])), "seat 4, which is not in the committee"),
    (signers(lambda s: s.reverse()), "not in ascending order"),
    (lambda line: line["ops"].pop(), "not those that the block names"),
    (lambda line: line["events"].pop(), "its events differ from what the rules give"),
    (lambda line: line["events"].append(list(line["events"][-1])), "its events differ from what the rules give"),
    (lambda line: line.pop("time_ms"), "missing or unknown key 'time_ms'"),
    (lambda line: line.update(more=1), "missing or unknown key 'more'"),
    (lambda line: line.update(height=True), "height: expected an integer"),
    (lambda line: line.update(id=line["id"].upper()), "lower-case hex"),
    (lambda line: line.update(events=[[9, 1]]), "unknown kind"),
    (lambda line: line.update(kind="header"), "not a block line"),
]


@pytest.mark.parametrize(("doctor", "reason"), FLIPS)
def test_a_flipped_field(net: Network, tmp_path: Path, doctor: Callable[[Line], None], reason: str) -> None:
    lines = copy(net.exports[SYMBOL][0])
    doctor(lines[AT])
    report = verify_lines(tmp_path, lines)
    assert report.verdict is Verdict.INVALID
    assert has_reason(report, f"{SYMBOL} block {AT}", reason), report.reasons


@pytest.mark.parametrize(("doctor", "reason"), FLIPS)
def test_a_flipped_field_beside_a_good_export(
    net: Network, tmp_path: Path, doctor: Callable[[Line], None], reason: str
) -> None:
    """The good one is followed to its end all the same, whichever comes first; only its events cannot be told apart."""
    good = net.exports[SYMBOL][0]
    lines = copy(good)
    doctor(lines[AT])
    for files in ((good, lines), (lines, good)):
        report = verify_lines(tmp_path, *files)
        assert report.verdict is Verdict.INVALID
        assert has_reason(report, f"{SYMBOL} block {AT}"), report.reasons
        assert not report.digests_equal or "events" in reason
        if "events" not in reason:
            assert has_reason(report, f"{SYMBOL} block {AT}", reason), report.reasons
            assert report.blocks == len(good) - 1


def test_a_flipped_byte_of_an_op(net: Network, tmp_path: Path) -> None:
    lines = copy(net.exports[SYMBOL][0])
    op = lines[AT]["ops"][0]
    op["signed"] = flip(op["signed"], len(op["signed"]) - 1)
    assert has_reason(verify_lines(tmp_path, lines), f"{SYMBOL} block {AT}", "op")


def test_votes_of_the_wrong_kind_or_key(net: Network, tmp_path: Path) -> None:
    seats = seats_of(net.manifest, SYMBOL)
    lines = copy(net.exports[SYMBOL][0])
    lines[AT]["certificate"] = sign_votes(seats, lines[AT], range(3), lines[AT]["created_term"], kind=1)
    assert has_reason(verify_lines(tmp_path, lines), f"{SYMBOL} block {AT}", "a PREPARE of seat 0 in place of a COMMIT")
    voted = sign_votes(seats, lines[AT], range(4), lines[AT]["created_term"])
    voted["signers"] = [[seat, voted["signers"][seat + 1][1]] for seat in range(3)]
    lines[AT]["certificate"] = voted
    assert has_reason(verify_lines(tmp_path, lines), f"{SYMBOL} block {AT}", "vote of seat 0 is not good")
    other = copy(net.exports[SYMBOL][0])
    other[AT]["certificate"] = other[AT + 1]["certificate"]
    assert has_reason(verify_lines(tmp_path, other), f"{SYMBOL} block {AT}", "another block's")


def test_only_one_peers_certificate_is_false(net: Network, tmp_path: Path) -> None:
    """The line differs from the good one in its certificate alone, and still that is checked."""
    good = net.exports[SYMBOL][0]
    lines = copy(good)
    lines[AT]["certificate"]["signers"][0][1] = flip(lines[AT]["certificate"]["signers"][0][1])
    assert has_reason(verify_lines(tmp_path, good, lines), f"{SYMBOL} block {AT}", "vote of seat", "1.ndjson line 9")
    lines[AT]["certificate"] = {**good[AT]["certificate"], "term": None}
    assert has_reason(verify_lines(tmp_path, good, lines), f"{SYMBOL} block {AT}", "certificate term")


def test_heights(net: Network, tmp_path: Path) -> None:
    lines = net.exports[SYMBOL][0]
    gap = verify_lines(tmp_path, lines[:AT] + lines[AT + 1 :])
    assert has_reason(gap, f"{SYMBOL} block {AT + 1}", f"a height gap: block {AT + 1} comes after block {AT - 1}")
    assert has_reason(verify_lines(tmp_path, [lines[0], *lines[2:]]), "a height gap: block 2 comes after block 0")
    again = verify_lines(tmp_path, [*lines[: AT + 1], *lines[AT:]])
    assert has_reason(again, f"{SYMBOL} block {AT}", f"block {AT} comes again")


def test_lines_that_are_not_json(net: Network, tmp_path: Path) -> None:
    lines = [dumps(line) for line in net.exports[SYMBOL][0]]
    for bad in ("", "{", "[" * 100_000, "NaN", "é" * 5, lines[AT] + "x", lines[AT].replace('"height"', '"id"'), "1e3"):
        report = verify_lines(tmp_path, [*lines[:AT], bad, *lines[AT + 1 :]])
        assert report.verdict is Verdict.INVALID
        assert has_reason(report, f"line {AT + 1}"), report.reasons
    twice = lines[AT].replace('"kind":"block"', '"kind":"block","kind":"block"')
    assert has_reason(verify_lines(tmp_path, [*lines[:AT], twice]), f"line {AT + 1}", "a key appears twice")
    path = write(tmp_path / "latin", lines)
    path.write_bytes(path.read_bytes().replace(b'"kind":"block"', b'"kind":"bl\xffck"', 1))
    assert has_reason(verify_exports([path]), "line 2", "not JSON")


def test_a_truncated_file(net: Network, tmp_path: Path) -> None:
    path = write(tmp_path / "cut", net.exports[SYMBOL][0])
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    last = len(net.exports[SYMBOL][0])
    assert has_reason(verify_exports([path]), f"line {last}, which is cut off before its end")
    path.write_bytes(whole[:100])
    assert has_reason(verify_exports([path]), "line 1, which is cut off before its end")
    path.write_bytes(b"")
    assert has_reason(verify_exports([path]), "the file is empty")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": "block"}, "not its header"),
        ({"format": "something"}, "not its header"),
        ({"version": 2}, "version 2; this verifier knows 1"),
        ({"version": True}, "version True"),
        ({"network": "other"}, "the network's name is not the manifest's"),
        ({"pair": "XRP/USD"}, "no pair 'XRP/USD'"),
        ({"chain_id": "00" * 32}, "the chain id is not the manifest's digest"),
        ({"epoch": 1}, "this verifier knows epoch 0"),
        ({"manifest": {}}, "the manifest is not sound"),
        ({"manifest": None}, "the manifest is not sound"),
        ({"extra": 1}, "unknown key 'extra'"),
    ],
)
def test_the_header(net: Network, tmp_path: Path, change: Line, reason: str) -> None:
    lines = copy(net.exports[SYMBOL][0])
    lines[0].update(change)
    report = verify_lines(tmp_path, lines)
    assert report.verdict is Verdict.INVALID
    assert has_reason(report, "line 1", reason), report.reasons


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(committee_size=5),
        lambda m: m.update(name="\ud800"),
        lambda m: m.update(epoch=1),
        lambda m: m["limits"].update(max_block_ops=511),
        lambda m: m["matcher"].pop(),
        lambda m: m["matcher"][0].update(addresses=["here:1"]),
        lambda m: m["matcher"][0].update(public_key=m["matcher"][0]["public_key"].upper()),
        lambda m: m["pair"][0].update(tick_size="0.02"),
        lambda m: m.update(matcher=[1, 2]),
        lambda m: m.update(wardens=[[]]),
    ],
)
def test_the_manifest_in_the_header(net: Network, tmp_path: Path, change: Callable[[Line], None]) -> None:
    lines = copy(net.exports[SYMBOL][0])
    change(lines[0]["manifest"])
    report = verify_lines(tmp_path, lines)
    assert (report.verdict, report.blocks) == (Verdict.INVALID, 0)
    assert has_reason(report, "line 1", "header"), report.reasons


def test_foreign_chains(net: Network, tmp_path: Path) -> None:
    lines = net.exports[SYMBOL][0]
    other = make_manifest(wardens=(identity("w").public_key,))
    assert has_reason(verify_lines(tmp_path, lines, manifest=other), "line 1", "another network")
    mixed = verify_lines(tmp_path, lines, [header(other, SYMBOL)])
    assert has_reason(mixed, "1.ndjson line 1", "another network")
    assert not mixed.digests_equal
    foreign = verify_lines(tmp_path, [header(other, SYMBOL), *lines[1:]])
    assert has_reason(foreign, f"{SYMBOL} block 1", "a block of another chain")
    crossed = verify_lines(tmp_path, [net.exports[SYMBOLS[1]][0][0], *lines[1:]])
    assert has_reason(crossed, f"{SYMBOLS[1]} block 1", "a block of another pair")


def test_reasons_are_bounded(net: Network, tmp_path: Path) -> None:
    """However many acks are lost, so many are named and all are counted."""
    acks = [{"pair": SYMBOL, "op_id": random.Random(i).randbytes(32).hex(), "level": "durable"} for i in range(200)]
    report = verify_lines(tmp_path, net.exports[SYMBOL][0], acks=write(tmp_path / "acks", acks))
    assert len(report.reasons) == MAX_REASONS
    assert all(reason.isprintable() for reason in report.reasons)
    assert (report.reasons_left_out, report.acked_ops_lost) == (200 - MAX_REASONS, 200)


def test_reasons_are_fit_to_print(net: Network, tmp_path: Path) -> None:
    ack = {"pair": "\x1b[31m\ud800\n" + "x" * 9_999, "op_id": "00" * 32, "level": "durable"}
    report = verify_lines(tmp_path, net.exports[SYMBOL][0], acks=write(tmp_path / "acks", [ack]))
    (reason,) = report.reasons
    assert reason.isprintable()
    assert len(reason) < 1_000


def test_acks(net: Network, tmp_path: Path) -> None:
    lines = net.exports[SYMBOL][0]
    ours = [ack for ack in net.acks if ack["pair"] == SYMBOL]

    def check(acks: list[Line | str], files: list[list[Line]]) -> tuple[list[str], int]:
        report = verify_lines(tmp_path, *files, acks=write(tmp_path / "acks", acks))
        return report.reasons, report.acked_ops_lost

    assert check([*ours, *ours], [lines]) == ([], 0)
    last = [ack for ack in ours if ack["height"] == len(lines) - 1]
    reasons, lost = check([*ours], [lines[:-1]])
    assert lost == len(last)
    assert all(f"of {SYMBOL}" in reason and "is lost: it is not in the certified chain" in reason for reason in reasons)
    moved = {**ours[0], "level": "certified", "height": ours[0]["height"] + 1}
    assert "was acked at height 2 and is at height 1" in check([moved], [lines])[0][0]
    assert check([{**moved, "level": "durable"}], [lines]) == ([], 0)
    reasons, lost = check([{**ours[0], "pair": "ETH/USD"}], [lines])
    assert (lost, "no export of the pair was given" in reasons[0]) == (1, True)
    for bad in ("x", "[]", dumps({**ours[0], "level": "sure"}), dumps({**ours[0], "op_id": "zz"}), '{"pair":1}'):
        assert "acks line 2: " in check([ours[0], bad], [lines])[0][0]


def test_acks_of_an_equivocator_are_void(net: Network, tmp_path: Path) -> None:
    lines = net.exports[SYMBOL][0]
    proof = next(op for line in lines[1:] for op in line["ops"] if "evidence" in op)
    ids = [sha256(bytes.fromhex(half["signed"])).hexdigest() for half in proof["evidence"]]
    acks = [{"pair": SYMBOL, "op_id": op_id, "level": "durable"} for op_id in ids]
    report = verify_lines(tmp_path, lines, acks=write(tmp_path / "acks", acks))
    assert (report.verdict, report.acked_ops, report.acked_ops_lost) == (Verdict.VALID, 2, 0)
