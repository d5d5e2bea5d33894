"""What-if over an export: the table, the JSON, and what is refused."""

import json

import pytest

from gossipbook.audit.writer import write_export
from gossipbook.consensus.messages import FinalizedBlock
from gossipbook.matching.commands import Side
from tests.receipt.kit import MANIFEST, SYMBOL, Author, Chain

from .support import answer, invoke


@pytest.fixture
def export(tmp_path):
    """Two offers of one price, and a bid for part of them: who is first gets all, or each its share."""
    chain, first, second, taker = Chain(), Author("first"), Author("second"), Author("taker")
    chain.add(first.sign(first.place(Side.SELL, 10_050, 6)))
    chain.add(second.sign(second.place(Side.SELL, 10_050, 2)))
    chain.add(taker.sign(taker.place(Side.BUY, 10_150, 4)))
    file = tmp_path / "one.ndjson"
    blocks = [FinalizedBlock(SYMBOL, 0, b.block.raw, b.fc, tuple(b.items)) for b in chain.blocks]
    assert write_export(file, MANIFEST, SYMBOL, blocks) == 3
    return file


def test_its_own_rule_changes_nothing(export):
    told = answer("rematch", export, "--rule", "price-time")
    assert told["reproduced"]
    assert told["certified"] == told["other"]
    assert (told["certified"]["fills"], told["orders"]) == (1, [])


def test_pro_rata(export):
    told = answer("rematch", export, "--rule", "pro-rata")
    assert (told["certified"]["fills"], told["other"]["fills"], told["other"]["volume_lots"]) == (1, 2, 4)
    names = {Author(name).key.hex(): name for name in ("first", "second", "taker")}
    changed = {names[row["order"].split(":")[0]]: (row["certified_lots"], row["other_lots"]) for row in told["orders"]}
    assert changed == {"first": (4, 3), "second": (0, 1)}
    text = invoke("rematch", export, "--rule", "pro-rata").stdout
    assert "price-time comes to the certified fills" in text
    assert "orders that got another quantity or price: 2" in text


def test_batch_auction(export):
    told = answer("rematch", export, "--rule", "batch-auction")
    assert told["other"]["last_ticks"] == 10_050  # Offers are left over: the lowest price.
    lines = invoke("rematch", export, "--rule", "batch-auction").stdout.splitlines()
    assert next(line.split()[:4] for line in lines if "average" in line) == ["average", "price", "10,050.000", "ticks"]


def test_winners_and_losers(tmp_path):
    chain, maker, taker = Chain(), Author("maker"), Author("taker")
    chain.add(maker.sign(maker.place(Side.SELL, 100, 2)))
    chain.add(taker.sign(taker.place(Side.BUY, 110, 5)))
    file = tmp_path / "one.ndjson"
    blocks = [FinalizedBlock(SYMBOL, 0, b.block.raw, b.fc, tuple(b.items)) for b in chain.blocks]
    write_export(file, MANIFEST, SYMBOL, blocks)
    told = answer("rematch", file, "--rule", "batch-auction")
    assert [row["gain_ticks_lots"] for row in told["authors"]] == [20, -20]
    assert told["authors"][0]["author"] == maker.key.hex()
    text = invoke("rematch", file, "--rule", "batch-auction").stdout
    assert "+20" in text
    assert "-20" in text


def test_what_is_refused(export, tmp_path):
    invoke("rematch", export, "--rule", "first-come", code=2)
    lines = export.read_text().splitlines()
    last = json.loads(lines[-1])
    last["events"][1][3] = 3  # another quantity filled
    false = tmp_path / "false.ndjson"
    false.write_text("\n".join([*lines[:-1], json.dumps(last)]) + "\n")
    assert "do not come to its fills" in invoke("rematch", false, "--rule", "pro-rata", code=1).stderr
    false.write_text("nothing\n")
    assert "line 1" in invoke("rematch", false, "--rule", "pro-rata", code=1).stderr
