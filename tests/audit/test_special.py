"""Rules version 2: chains with all of it are valid, and chains that break any of it are refused, whoever signed."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from gossipbook import cbor
from gossipbook.audit import Report, Verdict
from gossipbook.audit.fields import Defect
from gossipbook.audit.records import decode_op
from gossipbook.audit.writer import write_export
from gossipbook.consensus.certificate import Certificate
from gossipbook.consensus.messages import FinalizedBlock
from gossipbook.crdt.op import Op, open_op
from gossipbook.errors import DecodeError
from gossipbook.limits import Limits
from gossipbook.manifest import Manifest
from gossipbook.matching.commands import (
    AdmitToGroup,
    Command,
    JoinGroup,
    Lease,
    Place,
    PlaceSpecial,
    SetState,
)
from tests.audit.forge import build, items_of
from tests.audit.support import (
    SYMBOLS,
    WARDEN,
    Line,
    Network,
    Wallet,
    has_reason,
    make_manifest,
    reseal,
    seats_of,
    special_network,
    verify_lines,
    write,
    write_all,
)
from tests.audit.support import verify_exports as verify

SYMBOL = SYMBOLS[0]
BUY, SELL = 1, 2
LIMIT, STOP_LIMIT, GTC = 1, 4, 1


@pytest.fixture(scope="module")
def special() -> Network:
    return special_network()


# -- what is in order ------------------------------------------------------------------------------------------


def test_exports_of_such_a_network_are_valid(special: Network, tmp_path: Path) -> None:
    report = verify(write_all(tmp_path, special.exports), write(tmp_path / "acks", special.acks), special.manifest)
    assert report.reasons == []
    assert (report.verdict, report.digests_equal, report.acked_ops_lost) == (Verdict.VALID, True, 0)


def test_the_run_has_everything_in_it(special: Network) -> None:
    blocks = [line for files in special.exports.values() for line in files[0][1:]]
    events = [event for line in blocks for event in line["events"]]
    assert {event[0] for event in events} == set(range(1, 16)) - {7}
    assert {event[-1] for event in events if event[0] == 4} >= {1, 3, 4, 7, 9}
    assert {event[-1] for event in events if event[0] == 2} >= {2, 3, 14, 15, 16, 17, 18, 19, 20}
    empty = [{event[0] for event in line["events"]} for line in blocks if not line["ops"]]
    assert any(13 in kinds for kinds in empty), "a lease that ended with no op around"
    assert any(8 in kinds and 13 not in kinds for kinds in empty), "a line that was left over"


def test_an_export_is_read_back_and_exported_again(special: Network, tmp_path: Path) -> None:
    """From the lines alone, blocks without ops too, to the same bytes."""
    lines = special.exports[SYMBOL][0]
    blocks = []
    for line in lines[1:]:
        signers = tuple((seat, bytes.fromhex(signature)) for seat, signature in line["certificate"]["signers"])
        fc = Certificate(2, line["certificate"]["term"], line["height"], bytes.fromhex(line["id"]), signers)
        blocks.append(FinalizedBlock(SYMBOL, 0, bytes.fromhex(line["block"]), fc, tuple(items_of(line))))
    assert write_export(tmp_path / "again", special.manifest, SYMBOL, blocks) == len(blocks)
    assert (tmp_path / "again").read_text() == write(tmp_path / "first", lines).read_text()


# -- what is not -----------------------------------------------------------------------------------------------


def wallets(*names: str, **options: object) -> list[Wallet]:
    manifest = make_manifest(**{"wardens": (WARDEN,), **options})
    return [Wallet(name, manifest, SYMBOL) for name in names]


def order(wallet: Wallet, side: int, lots: int, price: int = 100) -> Op:
    return wallet.sign([Place(wallet.next_id(), side, LIMIT, price, lots, GTC)])


def refused(folder: Path, lines: Sequence[Line], *reasons: str) -> Report:
    """Each of these is said of the last block, all of whose hashes and votes are good."""
    report = verify_lines(folder, lines)
    assert report.verdict is Verdict.INVALID
    for reason in reasons:
        assert has_reason(report, f"{SYMBOL} block {len(lines) - 1}: ", reason), report.reasons
    return report


def with_events(manifest: Manifest, lines: Sequence[Line], events: Sequence[Sequence[object]]) -> list[Line]:
    """The chain with other events in its last block, renumbered, their digest right and the block signed anew."""
    first = lines[-1]["events"][0][1]
    numbered = [[event[0], first + at, *event[2:]] for at, event in enumerate(events)]
    line = reseal(seats_of(manifest, SYMBOL), {**lines[-1], "events": numbered}, before=lines[-2])
    return [*lines[:-1], line]


DIFFER = "its events differ from what the rules give"


def test_an_empty_block_with_nothing_due(tmp_path: Path) -> None:
    ann, ben = wallets("ann", "ben")
    trade = [order(ann, BUY, 5), order(ben, SELL, 3)]
    refused(tmp_path, build(ann.manifest, SYMBOL, [trade, []]), "it is empty, and nothing was due")
    lapsing = ann.sign([Place(ann.next_id(), BUY, LIMIT, 90, 5, 2, expires_ms=1_700_000_000_015)])
    refused(tmp_path, build(ann.manifest, SYMBOL, [trade, [lapsing], []]), "it is empty, and nothing was due")


def leased(for_ms: int) -> tuple[Manifest, list[Op], Wallet]:
    """A trade, and two lots of ann's left in the book under her lease; blocks are 10 ms apart."""
    ann, ben = wallets("ann", "ben")
    first = [ann.sign([Lease(for_ms), Place(ann.next_id(), BUY, LIMIT, 100, 5, GTC)]), order(ben, SELL, 3)]
    return ann.manifest, first, ben


def test_a_lease_that_ends_in_an_empty_block(tmp_path: Path) -> None:
    manifest, first, _ = leased(9)
    lines = build(manifest, SYMBOL, [first, []])
    assert [event[0] for event in lines[-1]["events"]] == [13, 4]
    assert verify_lines(tmp_path, lines).reasons == []
    refused(tmp_path, build(manifest, SYMBOL, [first, [], []]), "it is empty, and nothing was due")
    manifest, first, _ = leased(10)
    refused(tmp_path, build(manifest, SYMBOL, [first, []]), "it is empty, and nothing was due")


def test_a_lease_that_is_not_ended(tmp_path: Path) -> None:
    manifest, first, ben = leased(9)
    lines = build(manifest, SYMBOL, [first, [order(ben, BUY, 1, 90)]])
    assert [event[0] for event in lines[-1]["events"]] == [13, 4, 1]
    forged = with_events(manifest, lines, lines[-1]["events"][2:])
    refused(tmp_path, forged, DIFFER, "has run out and was not ended")
    refused(tmp_path, with_events(manifest, lines, lines[-1]["events"][::2]), DIFFER)


def test_a_lease_that_is_ended_too_soon(tmp_path: Path) -> None:
    manifest, first, ben = leased(10)
    lines = build(manifest, SYMBOL, [first, [order(ben, BUY, 1, 90)]])
    ann = first[0].author.hex()
    forged = with_events(manifest, lines, [[13, 0, ann], [4, 0, ann, 1, 2, 0, 9], *lines[-1]["events"]])
    refused(tmp_path, forged, DIFFER, "ends, but has not run out")


def stopped(**options: object) -> tuple[list[Wallet], list[list[Op]]]:
    """Cat's two stop orders wait for 101; then ann and ben trade there."""
    ann, ben, cat, wes = wallets("ann", "ben", "cat", "wes", **options)
    stops = [PlaceSpecial(cat.next_id(), BUY, STOP_LIMIT, 103, 2, GTC, stop_ticks=101) for _ in range(2)]
    return [ann, ben, cat, wes], [[cat.sign(stops)], [order(ann, SELL, 3, 101)], [order(ben, BUY, 3, 101)]]


def test_a_stop_that_is_not_triggered(tmp_path: Path) -> None:
    (ann, *_), blocks = stopped()
    lines = build(ann.manifest, SYMBOL, blocks)
    assert [event[0] for event in lines[-1]["events"]] == [1, 3, 8, 8]
    assert verify_lines(tmp_path, lines).reasons == []
    refused(tmp_path, with_events(ann.manifest, lines, lines[-1]["events"][:2]), DIFFER)
    refused(tmp_path, with_events(ann.manifest, lines, lines[-1]["events"][:3]), DIFFER)


def test_a_stop_that_is_triggered_too_soon(tmp_path: Path) -> None:
    (ann, *_), blocks = stopped()
    lines = build(ann.manifest, SYMBOL, blocks[:2])
    trigger = [8, 0, blocks[0][0].author.hex(), 1, 103, 2]
    forged = with_events(ann.manifest, lines, [*lines[-1]["events"], trigger])
    refused(tmp_path, forged, DIFFER, "no trade has reached its stop price")


def test_more_triggers_than_a_block_may_run(tmp_path: Path) -> None:
    """What is left over is due in an empty block, unless the pair is halted."""
    (ann, _, _, wes), blocks = stopped(limits=Limits.of(2, max_triggers_per_block=1))
    lines = build(ann.manifest, SYMBOL, [*blocks, []])
    assert [event[0] for event in lines[-1]["events"]] == [8]
    assert verify_lines(tmp_path, lines).reasons == []
    halting = [*blocks, [wes.sign([SetState(4)])], []]
    assert has_reason(verify_lines(tmp_path, build(ann.manifest, SYMBOL, halting[:-1])), "no") is False
    refused(tmp_path, build(ann.manifest, SYMBOL, halting), "it is empty, and nothing was due")
    generous = replace(ann.manifest, limits=Limits.of(2, max_triggers_per_block=2))
    refused(tmp_path, build(ann.manifest, SYMBOL, blocks, obeyed=generous), DIFFER)


def test_a_command_of_somebody_who_is_no_warden(tmp_path: Path) -> None:
    ann, ben = wallets("ann", "ben")
    trade = [order(ann, BUY, 5), order(ben, SELL, 3)]
    halt = [ann.sign([SetState(4)])]
    assert verify_lines(tmp_path, build(ann.manifest, SYMBOL, [trade, halt])).reasons == []
    obeyed = replace(ann.manifest, wardens=(ann.identity.public_key,))
    refused(tmp_path, build(ann.manifest, SYMBOL, [trade, halt], obeyed=obeyed), DIFFER)


def test_a_wardens_command_that_is_not_obeyed(tmp_path: Path) -> None:
    ann, wes = wallets("ann", "wes")
    halt = [wes.sign([SetState(4)])]
    nobody = replace(ann.manifest, wardens=())
    assert verify_lines(tmp_path, build(ann.manifest, SYMBOL, [halt, [order(ann, BUY, 5)]])).reasons == []
    refused(tmp_path, build(ann.manifest, SYMBOL, [halt], obeyed=nobody), DIFFER)


def test_a_rate_limit_that_is_ignored(tmp_path: Path) -> None:
    ann, ben = wallets("ann", "ben", limits=Limits.of(2, max_commands_per_author_per_s=2))
    hasty = ann.sign([Place(ann.next_id(), BUY, LIMIT, 100, 1, GTC) for _ in range(3)])
    blocks = [[order(ben, SELL, 1)], [hasty]]
    lines = build(ann.manifest, SYMBOL, blocks)
    assert lines[-1]["events"][-1][0] == 2
    assert verify_lines(tmp_path, lines).reasons == []
    refused(
        tmp_path,
        build(
            ann.manifest,
            SYMBOL,
            blocks,
            obeyed=replace(
                ann.manifest,
                limits=Limits.of(
                    2,
                ),
            ),
        ),
        DIFFER,
    )


def test_a_trade_within_a_group(tmp_path: Path) -> None:
    ann, ben = wallets("ann", "ben")
    join = [ann.sign([JoinGroup(ben.identity.public_key)]), ben.sign([AdmitToGroup(ann.identity.public_key)])]
    blocks = [join, [order(ann, BUY, 5)], [order(ben, SELL, 3)]]
    lines = build(ann.manifest, SYMBOL, blocks)
    accepted, cancelled = lines[-1]["events"]
    assert cancelled[-1] == 4
    fill = [3, 0, 100, 3, ann.identity.public_key.hex(), 1, ben.identity.public_key.hex(), 1, SELL]
    forged = with_events(ann.manifest, lines, [accepted, fill])
    refused(tmp_path, forged, DIFFER, "of one group trade")


def test_an_iceberg_that_trades_out_of_its_place(tmp_path: Path) -> None:
    """Its second slice goes to the back of the queue; here it stays in front."""
    ann, ben, cat = wallets("ann", "ben", "cat")
    iceberg = ann.sign([PlaceSpecial(ann.next_id(), BUY, LIMIT, 100, 5, GTC, display_lots=2)])
    lines = build(ann.manifest, SYMBOL, [[iceberg], [order(ben, BUY, 2)], [order(cat, SELL, 4)]])
    accepted, first, sliced, second = lines[-1]["events"]
    assert second[4] == ben.identity.public_key.hex()
    assert verify_lines(tmp_path, lines).reasons == []
    twice = with_events(ann.manifest, lines, [accepted, [*first[:3], 4, *first[4:]]])
    refused(tmp_path, twice, DIFFER, "fills 4 lots, but shows 2")
    refused(tmp_path, with_events(ann.manifest, lines, [accepted, first, sliced, first]), DIFFER)


def test_an_auction_at_two_prices(tmp_path: Path) -> None:
    ann, ben, cat, wes = wallets("ann", "ben", "cat", "wes")
    crossed = [order(ann, BUY, 2, 103), order(ben, BUY, 2, 102)], [order(cat, SELL, 4, 101)]
    lines = build(ann.manifest, SYMBOL, [[wes.sign([SetState(5)])], *crossed, [wes.sign([SetState(1)])]])
    opened, uncrossed, first, second = lines[-1]["events"]
    assert verify_lines(tmp_path, lines).reasons == []
    price = uncrossed[2]
    doctored = [*second[:2], price - 1, *second[3:]]
    forged = with_events(ann.manifest, lines, [opened, uncrossed, first, doctored])
    refused(tmp_path, forged, DIFFER, f"2 lots trade at {price - 1} in an auction of 2 more at {price}")
    forged = with_events(ann.manifest, lines, [opened, uncrossed, first])
    refused(tmp_path, forged, DIFFER, "an auction ends with 2 lots left to trade")


def test_version_2_in_a_network_of_version_1(tmp_path: Path) -> None:
    ann, ben = wallets("ann", "ben", rules_version=1)
    blocks = [[order(ann, BUY, 5)], [order(ben, SELL, 3)]]
    assert verify_lines(tmp_path, build(ann.manifest, SYMBOL, blocks)).verdict is Verdict.VALID
    lines = build(ann.manifest, SYMBOL, [*blocks, [ann.sign([Lease(5)])]])
    refused(tmp_path, lines, "is of version 2, in a network of rules version 1")


def test_a_special_order_has_a_class(tmp_path: Path) -> None:
    """Leases, states and groups go with the cancels; a special order that is post-only before the rest."""
    ann, ben, cat, dan = wallets("ann", "ben", "cat", "dan")
    key = ann.identity.public_key
    slide = PlaceSpecial(1, BUY, LIMIT, 90, 5, GTC, flags=3)
    plain = PlaceSpecial(1, BUY, LIMIT, 90, 5, GTC, display_lots=1)
    calm: list[Command] = [Lease(1_000), JoinGroup(key), AdmitToGroup(key), SetState(1)]
    items = [
        ann.sign([plain]),
        ben.sign([slide]),
        *(Wallet(f"w{n}", ann.manifest, SYMBOL).sign([c]) for n, c in enumerate(calm)),
        cat.sign([*calm, slide]),
        dan.sign([*calm, plain]),
    ]
    lines = build(ann.manifest, SYMBOL, [items])
    places = [op.priority_class for op in items_of(lines[1])]
    assert places == [0, 0, 0, 0, 1, 1, 2, 2]
    assert verify_lines(tmp_path, lines).reasons == []
    shuffled = build(ann.manifest, SYMBOL, [items[::-1]], ordered=False)
    refused(tmp_path, shuffled, "its ops are out of canonical order")


# -- ops from their bytes ----------------------------------------------------------------------------------------

KEY = bytes(32)
SPECIAL = [5, 1, 1, 1, 100, 5, 1, 0, 1, 0, 2, 0, 0]


def decoded(version: object, *commands: object) -> str:
    """What is wrong with an op of these commands, to the auditor; the peer's own reading is of the same mind."""
    signed = cbor.encode([version, KEY, SYMBOL, KEY, 0, KEY, 0, list(commands)])
    try:
        op = decode_op(signed, bytes(64))
    except Defect as defect:
        with pytest.raises(DecodeError):
            open_op(signed, bytes(64))
        return str(defect)
    assert (op.id, op.version) == (sha256(signed).digest(), version)
    assert list(map(list, op.commands)) == list(commands)
    assert op.priority == open_op(signed, bytes(64)).priority_class
    return ""


@pytest.mark.parametrize(
    "command",
    [
        SPECIAL,
        [5, 1, 2, 4, 100, 5, 2, 0, 4, 9, 0, 0, 7],
        [5, 1, 2, 1, 100, 5, 1, 3, 1, 0, 0, 0, 0],
        [5, 1, 2, 1, 100, 5, 3, 1, 1, 0, 0, 2, 0],
        [6, 0],
        [6, cbor.INT_CAP],
        *([7, state] for state in range(1, 6)),
        [8, b""],
        [8, KEY],
        [9, KEY, 0],
        [9, KEY, 1],
    ],
)
def test_what_decodes(command: list[object]) -> None:
    assert decoded(2, command) == ""
    assert decoded(2, [2, 1], command) == ""
    assert "version 1 is not that of its commands" in decoded(1, command)
    assert "version 2 is not that of its commands" in decoded(2, [2, 1])


@pytest.mark.parametrize(
    "command",
    [
        [5, 1, 1, 1, 100, 5, 1, 0, 1, 0, 0, 0, 0],
        [5, 1, 1, 2, 100, 5, 3, 1, 1, 0, 0, 0, 0],
        *([*SPECIAL[:at], 9, *SPECIAL[at + 1 :]] for at in (2, 3, 6, 7, 8)),
        [*SPECIAL[:1], 0, *SPECIAL[2:]],
        SPECIAL[:-1],
        [*SPECIAL, 0],
        [*SPECIAL[:-1], -1],
        [*SPECIAL[:-1], True],
        [*SPECIAL[:-1], b""],
        [6],
        [6, -1],
        [6, KEY],
        [7, 0],
        [7, 6],
        [8],
        [8, 0],
        [8, b"short"],
        [8, KEY, 1],
        [9, KEY],
        [9, b"", 1],
        [9, KEY, 2],
        [9, KEY, True],
        [9, 1, KEY],
        [10, 1],
        [0, 1],
        [True, 1],
        [b"", 1],
    ],
)
def test_what_does_not_decode(command: list[object]) -> None:
    assert "does not decode" in decoded(2, command)
    assert "does not decode" in decoded(2, [6, 1], command)
