"""The archive of events: what went in comes out, whatever came between."""

import sqlite3
from contextlib import closing

import pytest

from gossipbook.consensus.records import FinalRecord, ItemRecord
from gossipbook.errors import JournalError
from gossipbook.receipt.making import make_receipt
from gossipbook.receipt.verifying import verify_receipt
from gossipbook.storage.archive import FILE, ArchivedBlock, EventArchive, Past
from gossipbook.storage.sqlite import SqliteJournal
from tests.receipt.kit import MANIFEST, SYMBOL, Story, tell


@pytest.fixture(scope="module")
def story() -> Story:
    return tell()


def blocks(story: Story) -> list[ArchivedBlock]:
    return [
        ArchivedBlock(SYMBOL, b.block.height, b.block.time_ms, tuple(b.events), tuple(b.items))
        for b in story.chain.blocks
    ]


@pytest.fixture
def folder(tmp_path, story):
    """A journal with the story's chain, and no archive."""
    journal = SqliteJournal.create(tmp_path, journal_id="one", chain_id=MANIFEST.chain_id, public_key=story.alice.key)
    for executed in story.chain.blocks:
        journal.commit([ItemRecord(SYMBOL, item) for item in executed.items])
        journal.commit([FinalRecord(SYMBOL, executed.block, executed.fc)])
    journal.close()
    return tmp_path


def archive(folder) -> EventArchive:
    return EventArchive(folder, MANIFEST.chain_id)


def test_a_receipt_out_of_it(folder, story):
    with closing(archive(folder)) as made:
        made.add(blocks(story)[:3])
        made.add(blocks(story))  # What is there already is left out.
        assert made.heights == {SYMBOL: 7}
    with closing(Past(folder, 0)) as past:
        assert past.complete(SYMBOL)
        assert past.heights(SYMBOL, story.alice.key, 1) == [2, 3, 5, 6, 7]
        raw = make_receipt(MANIFEST, story.alice.key, 1, past.blocks(SYMBOL, story.alice.key, 1))
    assert raw == story.raw
    verify_receipt(raw, MANIFEST.chain_id)


def test_it_goes_on_where_it_was(folder, story):
    with closing(archive(folder)) as made:
        made.add(blocks(story)[:4])
    with closing(Past(folder, 0)) as past:
        assert not past.complete(SYMBOL)
        with pytest.raises(JournalError, match="block 5"):
            past.block(SYMBOL, 5)
    with closing(archive(folder)) as made:
        assert made.heights == {SYMBOL: 4}
        made.add(blocks(story))
    with closing(Past(folder, 0)) as past:
        assert past.complete(SYMBOL)


@pytest.mark.parametrize("damage", ["garbage", "another network's", "a newer one", "a table less"])
def test_one_that_is_of_no_use_is_made_anew(folder, story, damage):
    if damage == "garbage":
        (folder / FILE).write_bytes(b"garbage " * 1_000)
    else:
        chain = b"\1" * 32 if damage == "another network's" else MANIFEST.chain_id
        with closing(EventArchive(folder, chain)) as made:
            made.add(blocks(story))
        with closing(sqlite3.connect(folder / FILE)) as db:
            db.execute("PRAGMA user_version = 9" if damage == "a newer one" else "SELECT 1")
            if damage == "a table less":
                db.execute("DROP TABLE blocks")
    with closing(archive(folder)) as made:
        assert made.heights == {}
        made.add(blocks(story))
        assert made.heights == {SYMBOL: 7}


def test_no_archive_is_said(folder):
    with pytest.raises(JournalError, match="cannot read the past"):
        Past(folder, 0)


def test_a_false_archive_makes_no_receipt_that_is_taken(folder, story):
    false = [block._replace(events=tuple((*e[:-2], 77, e[-1]) for e in block.events)) for block in blocks(story)]
    with closing(archive(folder)) as made:
        made.add(false)
    with closing(Past(folder, 0)) as past:
        raw = make_receipt(MANIFEST, story.alice.key, 1, past.blocks(SYMBOL, story.alice.key, 1))
    with pytest.raises(Exception, match="not those that it certifies"):
        verify_receipt(raw)
