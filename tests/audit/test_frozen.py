"""Exports of each version of the rules: what was certified by them is valid for ever, and executes to the same bytes.

``GOSSIPBOOK_REWRITE=1`` makes those that are missing; one that is there is never made anew.
"""

import json
import os
import random
from pathlib import Path

import pytest

from gossipbook.consensus.block import decode_block
from gossipbook.crdt.interpretation import Interpretation
from gossipbook.crdt.op import Evidence, Op, sign_op
from gossipbook.manifest import KNOWN_RULES, Manifest
from gossipbook.matching.commands import Cancel

from .forge import START_MS, build, items_of
from .support import SYMBOLS, WARDEN, Line, Wallet, make_manifest, some_command, some_named, some_special, verify_lines

FOLDER = Path(__file__).parent.parent / "vectors" / "exports"
SYMBOL = SYMBOLS[0]
BLOCKS, EVERY_MS = 12, 700


def made_by(rules: int) -> list[Line]:
    """A chain with what the rules have: orders of all kinds, ops that came too late, a key that signed twice."""
    rng = random.Random(rules)
    manifest = make_manifest(rules_version=rules, wardens=(WARDEN,) if rules > 1 else ())
    traders = [Wallet(name, manifest, SYMBOL) for name in ("ann", "ben", "cat", "dan")]
    some = {1: some_command, 2: some_special, 3: some_special, 4: some_named, 5: some_named}[rules]
    blocks: list[list[Op | Evidence]] = []
    for number in range(1, BLOCKS + 1):
        now_ms = START_MS + number * EVERY_MS
        ops: list[Op | Evidence] = []
        for trader in traders[: 3 if number > BLOCKS // 2 else 4]:
            expiry_ms = now_ms - 1 if rng.random() < 0.1 else 0
            ops.append(trader.sign([some(trader, rng, now_ms) for _ in range(rng.randint(1, 4))], expiry_ms))
        blocks.append(ops)
    blocks[BLOCKS // 2].append(_forks(manifest, traders[3]))
    return build(manifest, SYMBOL, blocks, after_ms=[EVERY_MS * number for number in range(1, BLOCKS + 1)])


def _forks(manifest: Manifest, who: Wallet) -> Evidence:
    ops = [sign_op(who.identity, manifest.chain_id, SYMBOL, who.seq, who.prev, [Cancel(n)]) for n in (1, 2)]
    return Evidence(*sorted(ops, key=lambda op: op.id))


def lines_of(rules: int) -> list[Line]:
    path = FOLDER / f"rules-{rules}.jsonl"
    if not path.exists() and os.environ.get("GOSSIPBOOK_REWRITE") == "1":
        FOLDER.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(line, sort_keys=True) + "\n" for line in made_by(rules)))
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("rules", KNOWN_RULES)
def test_what_was_certified_stays_valid(tmp_path: Path, rules: int) -> None:
    lines = lines_of(rules)
    report = verify_lines(tmp_path, lines)
    assert report.reasons == []
    assert report.verdict.value == "valid"
    assert len(lines) == BLOCKS + 1


@pytest.mark.parametrize("rules", KNOWN_RULES)
def test_what_was_certified_executes_to_the_same_bytes(rules: int) -> None:
    first, *blocks = lines_of(rules)
    manifest = Manifest.from_dict(first["manifest"])
    assert manifest.rules_version == rules
    certified = Interpretation(manifest, SYMBOL)
    for line in blocks:
        items = items_of(line)
        assert certified.refusal(items, line["time_ms"]) is None
        block = decode_block(bytes.fromhex(line["block"]))
        assert certified.execute(line["time_ms"], items).events_digest == block.events_digest
        certified.commit()


@pytest.mark.parametrize("rules", KNOWN_RULES)
def test_an_export_has_what_its_rules_have(rules: int) -> None:
    kinds = {event[0] for line in lines_of(rules)[1:] for event in line["events"]}
    assert {1, 2, 3, 4} <= kinds
    assert rules == 1 or kinds & {9, 10, 11, 12, 13, 14, 15}
