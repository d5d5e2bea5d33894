"""What honest peers export is valid, and is counted right."""

from pathlib import Path

import pytest

from gossipbook.audit import Verdict, verify_exports
from gossipbook.audit.writer import export_lines, header, write_export
from gossipbook.consensus.certificate import Certificate
from gossipbook.consensus.messages import FinalizedBlock
from gossipbook.crdt.op import Evidence, sign_op
from gossipbook.errors import VerifyError
from gossipbook.ids import ZERO_DIGEST
from gossipbook.manifest import Manifest, Matcher, Pair
from gossipbook.matching.commands import Place
from gossipbook.peer.events import Submitted
from gossipbook.sim.world import World
from tests.audit.forge import build, items_of
from tests.audit.support import (
    MEMBERS,
    SYMBOLS,
    Network,
    copy,
    identity,
    make_manifest,
    seats_of,
    sign_votes,
    verify_lines,
    write,
)


def test_all_exports_of_all_peers(net: Network, exports: list[Path], tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    acks = write(tmp_path / "acks", net.acks)
    report = verify_exports(exports, acks=acks, manifest=net.manifest, progress=lambda *at: seen.append(at))
    assert report.reasons == []
    assert (report.verdict, report.exit_code, report.digests_equal) == (Verdict.VALID, 0, True)
    blocks = [line for files in net.exports.values() for line in files[0][1:]]
    assert report.blocks == len(blocks) > 20
    assert report.certified_ops == sum(len(line["ops"]) for line in blocks)
    assert report.fills == sum(event[0] == 3 for line in blocks for event in line["events"]) > 20
    assert (report.acked_ops, report.acked_ops_lost, report.double_fills) == (len(net.acks), 0, 0)
    assert report.pairs == SYMBOLS
    assert report.tips[SYMBOLS[0]].id == net.exports[SYMBOLS[0]][0][-1]["id"]
    assert seen[-1][0] == seen[-1][1] == sum(path.stat().st_size for path in exports)
    assert report.to_dict()["verdict"] == "valid"


def test_the_run_has_everything_in_it(net: Network) -> None:
    """Else the tests around it would prove little."""
    blocks = [line for files in net.exports.values() for line in files[0][1:]]
    kinds = {event[0] for line in blocks for event in line["events"]}
    causes = {event[-1] for line in blocks for event in line["events"] if event[0] == 4}
    reasons = {event[-1] for line in blocks for event in line["events"] if event[0] == 2}
    assert kinds == {1, 2, 3, 4, 5, 6, 7}
    assert causes >= {1, 2, 3, 4, 6}
    assert 2 in reasons  # void ops
    assert any("evidence" in op for line in blocks for op in line["ops"])
    assert max(len(line["ops"]) for line in blocks) >= 4


def test_peers_rightly_hold_different_certificates(net: Network, tmp_path: Path) -> None:
    """The same blocks with other signers, from another term, and with a vote more, are one chain."""
    lines = net.exports[SYMBOLS[0]][0]
    seats = seats_of(net.manifest, SYMBOLS[0])
    others = copy(lines)
    for number, line in enumerate(others[1:]):
        voters = [(1, 2, 3), (0, 2, 3), (0, 1, 2, 3)][number % 3]
        line["certificate"] = sign_votes(seats, line, voters, term=line["created_term"] + number % 2)
    assert others != lines
    report = verify_lines(tmp_path, lines, others)
    assert (report.reasons, report.digests_equal) == ([], True)
    reordered = [dict(reversed(line.items())) for line in others]
    assert verify_lines(tmp_path, lines, reordered).reasons == []


def test_a_shorter_chain_is_a_prefix(net: Network, tmp_path: Path) -> None:
    lines = net.exports[SYMBOLS[0]][0]
    for files in ((lines[:9], lines), (lines, lines[:9])):
        report = verify_lines(tmp_path, *files)
        assert (report.verdict, report.digests_equal) == (Verdict.VALID, False)
        assert report.tips[SYMBOLS[0]].height == len(lines) - 1


def test_peers_may_hold_different_evidence(tmp_path: Path) -> None:
    """Of an author's three forks one peer keeps two, another peer another two; the block names the author alone."""
    manifest, eve = make_manifest(), identity("eve")
    forks = [sign_op(eve, manifest.chain_id, SYMBOLS[0], 0, ZERO_DIGEST, [Place(n, 1, 1, 9, 5, 1)]) for n in (1, 2, 3)]
    low, middle, high = sorted(forks, key=lambda op: op.id)
    trade = [
        sign_op(identity(name), manifest.chain_id, SYMBOLS[0], 0, ZERO_DIGEST, [Place(1, side, 1, 100, 5, 1)])
        for name, side in (("ann", 1), ("ben", 2))
    ]
    here, there = (build(manifest, SYMBOLS[0], [trade, [Evidence(low, other)]]) for other in (middle, high))
    assert here[2]["id"] == there[2]["id"]
    assert here[2]["ops"] != there[2]["ops"]
    report = verify_lines(tmp_path, here, there)
    assert (report.verdict, report.digests_equal) == (Verdict.VALID, True)


def test_unknown_if_nothing_happened(tmp_path: Path) -> None:
    manifest, ann = make_manifest(), identity("ann")
    lonely = sign_op(ann, manifest.chain_id, SYMBOLS[0], 0, ZERO_DIGEST, [Place(1, 1, 1, 90, 5, 1)])
    for lines in ([header(manifest, SYMBOLS[0])], build(manifest, SYMBOLS[0], [[lonely]])):
        report = verify_lines(tmp_path, lines)
        assert (report.verdict, report.exit_code, report.reasons) == (Verdict.UNKNOWN, 3, [])


def test_the_last_line_end_may_be_missing(net: Network, tmp_path: Path) -> None:
    path = write(tmp_path / "a", net.exports[SYMBOLS[1]][0])
    path.write_bytes(path.read_bytes()[:-1])
    assert verify_exports([path]).verdict is Verdict.VALID


def test_files_that_cannot_be_read(tmp_path: Path, exports: list[Path]) -> None:
    for paths, acks in (([], None), ([tmp_path / "none"], None), ([tmp_path], None), (exports, tmp_path / "none")):
        with pytest.raises(VerifyError):
            verify_exports(paths, acks=acks)


def test_one_member_alone_crash_model(tmp_path: Path) -> None:
    """n = 1 and the crash model, from a live peer's journal through the writer."""
    matcher = Matcher("m0", MEMBERS[0].public_key, "op0", ("here:1",))
    manifest = Manifest("alone", (Pair("A/B"),), (matcher,), 1, "crash", rules_version=2)
    world = World(manifest, MEMBERS[:1], seed=1)
    host = MEMBERS[0].peer_id
    world.start(host)
    for name, side in (("ann", 1), ("ben", 2)):
        op = sign_op(identity(name), manifest.chain_id, "A/B", 0, ZERO_DIGEST, [Place(1, side, 1, 100, 5, 1)])
        world.push(0, host, Submitted(op))
    world.run(2_000)
    blocks = world.hosts[host].journal.blocks("A/B", 1, 99, 0)
    assert write_export(tmp_path / "x", manifest, "A/B", blocks) == len(blocks) > 0
    report = verify_exports([tmp_path / "x"], manifest=manifest)
    assert (report.verdict, report.fills) == (Verdict.VALID, 1)


def test_the_writer_exports_nothing_false_knowingly(net: Network) -> None:
    line = net.exports[SYMBOLS[0]][0][1]
    fc = Certificate(2, 0, 1, bytes.fromhex(line["id"]), ())
    block = FinalizedBlock(SYMBOLS[0], 0, bytes.fromhex(line["block"]), fc, tuple(items_of(line))[:-1])
    with pytest.raises(VerifyError, match="does not execute"):
        list(export_lines(net.manifest, SYMBOLS[0], [block]))
