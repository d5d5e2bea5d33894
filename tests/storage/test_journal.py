"""The journal on disk keeps what the one in memory keeps, whole commits at a time, for its own key and network only."""

import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gossipbook.consensus.records import ItemRecord, VoteRecord
from gossipbook.crdt.op import LIFE, evidence_id
from gossipbook.errors import JournalError, JournalFull
from gossipbook.storage.sqlite import SCHEMA_VERSION, SqliteJournal, all_blocks, final_ids
from storage.support import (
    CHAIN,
    ME,
    PAIRS,
    Story,
    create,
    dump,
    filled,
    forks,
    identity,
    in_memory,
    load,
    python,
    reopen,
    snapshot,
    turns,
)

TURNS = turns()
MEMORY = in_memory(TURNS)


# -- what is kept -----------------------------------------------------------------------------------


@pytest.mark.parametrize("after", range(len(TURNS) + 1))
def test_every_commit_loads_as_from_memory(tmp_path: Path, after: int) -> None:
    expected = dump(in_memory(TURNS[:after]).load())
    journal = filled(tmp_path / "a", TURNS[:after])
    assert dump(journal.load()) == expected
    assert load(snapshot(tmp_path / "a", tmp_path / "killed")) == expected
    journal.close()
    assert load(tmp_path / "a") == expected


def test_each_kind_of_record_is_in_the_story() -> None:
    kinds = {type(record).__name__ for records in TURNS for record in records}
    assert kinds == {"ItemRecord", "BlockRecord", "FinalRecord", "VoteRecord"}
    stored = MEMORY.load()[PAIRS[0]]
    assert stored.chain
    assert stored.blocks
    assert stored.pending
    assert stored.votes is not None
    assert None not in (stored.votes.timeout, stored.votes.high_tc, stored.votes.lock, stored.votes.proposing)


def test_evidence_against_one_author_in_two_lives_is_kept_apart(tmp_path: Path) -> None:
    """It had one id: the second body was not written, and the journal could not be read any more."""
    story = Story(PAIRS[0])
    for life in (0, 1, 1):
        story.finalize_items([forks("eve", life)])
    journal = filled(tmp_path, story.turns)
    stored = journal.load()[PAIRS[0]]
    assert [items[0].first.seq // LIFE for _, _, items in stored.chain] == [0, 1, 1]
    assert stored.pending == []
    journal.close()
    assert load(tmp_path) == dump(in_memory(story.turns).load())


def test_evidence_of_networks_without_lives_is_read_under_the_id_that_it_has(tmp_path: Path) -> None:
    """Whatever numbers its ops have: a journal of an earlier program holds it so."""
    story = Story(PAIRS[0])
    story.finalize_items([forks("eve", 7).by_rules(2)])
    journal = filled(tmp_path, story.turns)
    ((block, _, items),) = journal.load()[PAIRS[0]].chain
    journal.close()
    assert block.op_ids == (items[0].id,) == (evidence_id(items[0].author),)


def test_stored_blocks_are_those_of_memory(tmp_path: Path) -> None:
    journal = filled(tmp_path, TURNS)
    for pair in PAIRS:
        for first, last in [(1, 3), (2, 2), (3, 9), (4, 9), (1, 0)]:
            found = journal.blocks(pair, first, last, 0)
            expected = MEMORY.blocks(pair, first, last, 0)
            assert [(m.block, m.fc, [i.encode() for i in m.items]) for m in found] == [
                (m.block, m.fc, [i.encode() for i in m.items]) for m in expected
            ]
    chains = MEMORY.load()
    assert final_ids(tmp_path / "journal.db") == {
        (pair, block.height): block.id.hex() for pair in PAIRS for block, _, _ in chains[pair].chain
    }
    assert [m.block for m in all_blocks(tmp_path / "journal.db", PAIRS[1], 0)] == [
        block.raw for block, _, _ in chains[PAIRS[1]].chain
    ]
    journal.close()


@pytest.mark.parametrize("name", ["100%25", "what?", "no#1"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    journal = filled(tmp_path / name, TURNS)
    try:
        found = journal.blocks(PAIRS[0], 1, 9, 0)
    except sqlite3.Error:
        found = []
    journal.close()
    assert len(found) == len(MEMORY.load()[PAIRS[0]].chain)


def test_repeated_records_change_nothing(tmp_path: Path) -> None:
    journal = filled(tmp_path, TURNS)
    before = dump(journal.load())
    journal.commit([record for record in TURNS[-1] if not isinstance(record, VoteRecord)])
    assert dump(journal.load()) == before
    journal.close()


# -- whose it is ------------------------------------------------------------------------------------


def test_another_networks_journal_is_refused(tmp_path: Path) -> None:
    create(tmp_path).close()
    with pytest.raises(JournalError, match=r"another network.*use another folder"):
        SqliteJournal.open(tmp_path, chain_id=b"x" * 32, public_key=ME.public_key)


def test_another_keys_journal_is_refused(tmp_path: Path) -> None:
    create(tmp_path).close()
    with pytest.raises(JournalError, match=r"another key.*put that key back"):
        SqliteJournal.open(tmp_path, chain_id=CHAIN, public_key=identity("else").public_key)


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    filled(tmp_path, TURNS).close()
    connection = sqlite3.connect(tmp_path / "journal.db")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    before = (tmp_path / "journal.db").read_bytes()
    with pytest.raises(JournalError, match=r"newer gossipbook.*Nothing was changed.*newer version"):
        reopen(tmp_path)
    assert (tmp_path / "journal.db").read_bytes() == before


def test_a_journal_of_an_older_schema_opens_and_is_marked_by_its_first_commit(tmp_path: Path) -> None:
    def version() -> int:
        with closing(sqlite3.connect(tmp_path / "journal.db")) as connection:
            marked: int = connection.execute("PRAGMA user_version").fetchone()[0]
            return marked

    filled(tmp_path, TURNS[:-1]).close()
    with closing(sqlite3.connect(tmp_path / "journal.db")) as connection:
        connection.execute("PRAGMA user_version = 1")
    journal = reopen(tmp_path)
    assert version() == 1
    journal.commit(TURNS[-1])
    journal.close()
    assert version() == SCHEMA_VERSION


def test_some_other_database_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "journal.db")
    connection.execute("CREATE TABLE t (a)")
    connection.close()
    with pytest.raises(JournalError, match="not a gossipbook journal"):
        reopen(tmp_path)


def test_a_refused_journal_keeps_no_files_open(tmp_path: Path) -> None:
    create(tmp_path).close()
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("no /proc to count open files in")
    before = len(list(descriptors.iterdir()))
    for _ in range(5):
        with pytest.raises(JournalError):
            SqliteJournal.open(tmp_path, chain_id=b"x" * 32, public_key=ME.public_key)
    assert len(list(descriptors.iterdir())) == before


# -- the commit number kept twice -------------------------------------------------------------------


def test_a_database_older_than_highwater_is_refused(tmp_path: Path) -> None:
    journal = filled(tmp_path / "a", TURNS[:5])
    old = snapshot(tmp_path / "a", tmp_path / "restored")
    for records in TURNS[5:8]:
        journal.commit(records)
    journal.close()
    (old / "HIGHWATER").write_bytes((tmp_path / "a" / "HIGHWATER").read_bytes())
    with pytest.raises(JournalError, match=r"its last 3 of 8 commits are missing.*Move the folder"):
        reopen(old)


@pytest.mark.parametrize("content", [None, b"", b"\0\0\0"])
def test_highwater_may_be_missing(tmp_path: Path, content: bytes | None) -> None:
    """It is not synced: after a power cut it may be old, empty or gone."""
    filled(tmp_path, TURNS).close()
    (tmp_path / "HIGHWATER").unlink()
    if content is not None:
        (tmp_path / "HIGHWATER").write_bytes(content)
    assert load(tmp_path) == dump(MEMORY.load())


def test_highwater_is_written_again_after_it_was_lost(tmp_path: Path) -> None:
    filled(tmp_path / "a", TURNS[:6]).close()
    (tmp_path / "a" / "HIGHWATER").unlink()
    journal = reopen(tmp_path / "a")
    old = snapshot(tmp_path / "a", tmp_path / "old")
    journal.commit(TURNS[6])
    journal.close()
    (old / "HIGHWATER").write_bytes((tmp_path / "a" / "HIGHWATER").read_bytes())
    with pytest.raises(JournalError, match="last 1 of 7 commits are missing"):
        reopen(old)


# -- a full disk ------------------------------------------------------------------------------------


def test_a_full_disk_refuses_whole_commits(tmp_path: Path) -> None:
    """SQLite's own limit on pages stands in for the disk: what it raises is the same SQLITE_FULL."""
    journal = filled(tmp_path, TURNS[:4])
    limit = journal._write.execute("PRAGMA max_page_count").fetchone()[0]
    journal._write.execute("PRAGMA max_page_count = 1")  # as many as there are: nothing more fits
    before, commits = dump(journal.load()), journal.commits
    big = [ItemRecord(PAIRS[0], Story(PAIRS[0], 200).op(f"author {i}")) for i in range(20)]
    for _ in range(3):
        with pytest.raises(JournalFull, match=r"full.*Free some space"):
            journal.commit([*big, *TURNS[4]])
        assert dump(journal.load()) == before
        assert journal.commits == commits
    journal._write.execute(f"PRAGMA max_page_count = {limit}")
    for records in TURNS[4:]:
        journal.commit(records)
    assert dump(journal.load()) == dump(MEMORY.load())
    journal.close()
    assert load(tmp_path) == dump(MEMORY.load())


FILES_THAT_CANNOT_GROW = """
import resource, sys
from pathlib import Path
from gossipbook.errors import JournalFull
from storage.support import PAIRS, Story, TIME_MS, create, dump, in_memory
from gossipbook.consensus.records import ItemRecord

def op(name):
    return [ItemRecord(PAIRS[0], Story(PAIRS[0], 40).op(name))]

journal = create(Path(sys.argv[1]))
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
kept = []
try:
    for number in range(1_000):
        journal.commit(op(f"a{number}"))
        kept.append(op(f"a{number}"))
except JournalFull as error:
    assert "Free some space" in str(error), error
else:
    sys.exit("the disk never became full")
assert len(kept) > 3
assert dump(journal.load()) == dump(in_memory(kept).load())
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
journal.commit(op("after"))
assert dump(journal.load()) == dump(in_memory([*kept, op("after")]).load())
journal.close()
print("done")
"""


def test_a_disk_that_refuses_a_write_in_the_middle(tmp_path: Path) -> None:
    process = python(FILES_THAT_CANNOT_GROW, tmp_path)
    output, _ = process.communicate(timeout=20)
    assert (process.returncode, output) == (0, "done\n")
    assert load(tmp_path)


def test_a_highwater_that_cannot_be_written_does_not_undo_a_commit(tmp_path: Path) -> None:
    """By then the commit is durable: it may not be reported as if nothing had been written."""
    (tmp_path / "HIGHWATER").symlink_to("/dev/full")
    journal = create(tmp_path)
    for records in TURNS:
        journal.commit(records)
    assert dump(journal.load()) == dump(MEMORY.load())
    journal.close()


def test_closing_on_a_full_disk_loses_nothing_and_raises_nothing_strange(tmp_path: Path) -> None:
    """The log cannot be folded into the database then; it need not be."""
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom storage.support import filled, turns\n"
        "from gossipbook.errors import JournalError\n"
        "journal = filled(Path(sys.argv[1]), turns())\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8_192, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))\n"
        "try:\n    journal.close()\nexcept JournalError:\n    pass\n"
    )
    process = python(code, tmp_path)
    process.communicate(timeout=20)
    assert load(tmp_path) == dump(MEMORY.load())
    assert process.returncode == 0


# -- others at the same time ------------------------------------------------------------------------


def test_a_reader_beside_the_writer(tmp_path: Path) -> None:
    """Blocks are read on another thread while commits go on; each is whole or not there yet."""
    story = Story(PAIRS[0], places=20)
    for _ in range(40):
        story.finalize()
    journal = create(tmp_path)
    found: list[int] = []
    stopped = threading.Event()

    def read() -> None:
        while not stopped.is_set() or not found or found[-1] < 40:
            blocks = journal.blocks(PAIRS[0], 1, 99, 0)
            assert [m.fc.height for m in blocks] == list(range(1, len(blocks) + 1))
            assert all(len(m.items) == 2 for m in blocks)
            found.append(len(blocks))

    errors: list[BaseException] = []
    reader = threading.Thread(target=lambda: _record(read, errors))
    reader.start()
    for records in story.turns:
        journal.commit(records)
    stopped.set()
    reader.join(timeout=20)
    assert not reader.is_alive()
    assert errors == []
    assert found == sorted(found)
    assert found[-1] == 40
    assert load(snapshot(tmp_path, tmp_path / "copy")) == dump(in_memory(story.turns).load())


def _record(call: Callable[[], None], errors: list[BaseException]) -> None:
    try:
        call()
    except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
        errors.append(error)


COMMIT_UNTIL_KILLED = """
import sys
from pathlib import Path
from storage.support import PAIRS, Story, create
from gossipbook.consensus.records import ItemRecord

journal = create(Path(sys.argv[1]))
for number in range(1_000):
    story = Story(PAIRS[0], 100)
    records = [ItemRecord(PAIRS[0], story.op(f"{number}")) for _ in range(30)]
    print(number, flush=True)
    journal.commit(records)
"""


def test_a_commit_is_whole_or_not_there_when_killed_in_it(tmp_path: Path) -> None:
    """Killed at various points of commits of some hundred pages each."""
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        process = python(COMMIT_UNTIL_KILLED, folder)
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if int(line) == 2 + attempt:
                    break
            wal, start = folder / "journal.db-wal", (folder / "journal.db-wal").stat().st_size
            while wal.stat().st_size == start and process.poll() is None:
                pass  # Until this commit's pages begin to arrive.
            process.send_signal(signal.SIGKILL)
        finally:
            process.kill()
            process.communicate()
        stored = reopen(folder)
        authors: dict[bytes, int] = {}
        for item in stored.load()[PAIRS[0]].pending:
            authors[item.author] = authors.get(item.author, 0) + 1
        assert set(authors.values()) == {30}
        assert 2 + attempt <= len(authors) == stored.commits
        stored.close()
