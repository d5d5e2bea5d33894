"""A damaged journal is told as such, with what to do; it never loads as something else.

Each damage is done to the files of a journal whose process was killed: some of it in the database, some in the log.
"""

import random
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gossipbook.consensus.records import ItemRecord
from gossipbook.errors import JournalError
from gossipbook.storage import rows
from storage.support import (
    FILES,
    PAIRS,
    Story,
    dump,
    filled,
    identity,
    in_memory,
    load,
    python,
    reopen,
    snapshot,
    turns,
)

TURNS = [*turns(heights=8, places=40), [ItemRecord(PAIRS[0], Story(PAIRS[0]).op("dee"))]]
FOLDED = len(TURNS) - 1
SHORT = turns(heights=2)
WHAT_TO_DO = ("Move the folder", "Start it with", "use another folder", "put that key back")
Images = dict[str, bytes]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """An uncleanly stopped journal."""
    home = tmp_path_factory.mktemp("journal")
    journal = filled(home, TURNS, folded=FOLDED)
    images = {name: (home / name).read_bytes() for name in FILES}
    assert all(images.values())
    in_log = {images["journal.db-wal"][at : at + 4] for at in range(32, len(images["journal.db-wal"]), 4_096 + 24)}
    assert len(in_log) < len(images["journal.db"]) // 4_096 // 2, "most pages are to be read from the database"
    journal.close()
    return images


@pytest.fixture(scope="module")
def original() -> dict[str, Any]:
    return dump(in_memory(TURNS).load())


def put(images: Images, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in images.items():
        (folder / name).write_bytes(content)
    return folder


def outcome(images: Images) -> dict[str, Any] | str:
    """What the damaged files load as, or the error's message."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return load(put(images, Path(folder)))
        except JournalError as error:
            return str(error)


def check(images: Images, original: dict[str, Any] | None) -> None:
    """Refused, saying what to do; or the same as ever, if ``original`` is given."""
    found = outcome(images)
    if isinstance(found, str):
        assert any(words in found for words in WHAT_TO_DO), found
    elif original is not None:
        assert found == original


def flipped(images: Images, name: str, bit: int) -> Images:
    content = bytearray(images[name])
    content[bit // 8] ^= 1 << bit % 8
    return images | {name: bytes(content)}


# -- whole pieces missing ---------------------------------------------------------------------------


def test_nothing_wrong(files: Images, original: dict[str, Any]) -> None:
    assert outcome(files) == original


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal"])
def test_a_file_cut_short_is_refused(files: Images, name: str, share: float) -> None:
    content = files[name]
    found = outcome(files | {name: content[: int(len(content) * share)]})
    assert isinstance(found, str)
    assert "Move the folder" in found


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal"])
def test_a_file_that_lacks_its_end_is_never_silently_less(files: Images, original: dict[str, Any], name: str) -> None:
    """What is missing of the database may be in the log."""
    for missing in (1, 100, 4_095, 4_096, 4_120, 9_000):
        check(files | {name: files[name][:-missing]}, original)


@pytest.mark.parametrize("page", range(1, 9))
def test_a_database_cut_at_a_page_is_never_silently_less(files: Images, original: dict[str, Any], page: int) -> None:
    check(files | {"journal.db": files["journal.db"][: 4_096 * page]}, original)


def test_a_log_deleted_after_an_unclean_stop_is_refused(files: Images) -> None:
    found = outcome({name: content for name, content in files.items() if name != "journal.db-wal"})
    assert isinstance(found, str)
    assert f"its last {len(TURNS) - FOLDED} of {len(TURNS)} commits are missing" in found


def test_a_log_of_another_time_is_refused(files: Images, tmp_path: Path) -> None:
    """The database goes on, and then somebody puts an old log back beside it."""
    journal = filled(tmp_path / "a", TURNS[:4])
    old = snapshot(tmp_path / "a", tmp_path / "old")
    for records in TURNS[4:8]:
        journal.commit(records)
    journal.close()
    (tmp_path / "a" / "journal.db-wal").write_bytes((old / "journal.db-wal").read_bytes())
    expected = dump(in_memory(TURNS[:8]).load())
    check({name: (tmp_path / "a" / name).read_bytes() for name in FILES}, expected)


def test_random_bytes_are_refused(files: Images) -> None:
    noise = random.Random(1).randbytes(len(files["journal.db"]))
    for images in (files | {"journal.db": noise}, {"journal.db": noise}):
        found = outcome(images)
        assert isinstance(found, str)
        assert "Move the folder" in found


REFUSED = """
import sys
from pathlib import Path
from gossipbook.errors import JournalError
from storage.support import reopen
try:
    reopen(Path(sys.argv[1]))
except JournalError as error:
    assert "Nothing was changed" in str(error), error
    print("refused")
"""


def test_a_refused_journal_is_left_as_it_was(files: Images, tmp_path: Path) -> None:
    """The message says that nothing was changed: an expert may want what is left of the log."""
    damaged = flipped(files, "journal.db-wal", 8 * (len(files["journal.db-wal"]) // 2))
    folder = put(damaged, tmp_path)
    process = python(REFUSED, folder)
    assert process.communicate(timeout=20)[0] == "refused\n"
    assert {name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()} == damaged


# -- one flipped bit --------------------------------------------------------------------------------


def flips(images: Images, original: dict[str, Any] | None, examples: int) -> None:
    """Flip bits chosen by hypothesis, each in a copy of its own; and some that are known to be delicate."""
    sizes = {name: len(images[name]) * 8 for name in ("journal.db", "journal.db-wal")}
    places = st.one_of([st.tuples(st.just(name), st.integers(0, size - 1)) for name, size in sizes.items()])
    stored = in_memory(TURNS).load()[PAIRS[0]]
    delicate = [b"TABLE items", stored.pending[-2].signature, stored.chain[-1][1].signers[0][1]]

    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(places)
    @example(("journal.db", 8 * 63))  # the schema version
    @example(("journal.db", 8 * 59))  # the text encoding
    def flip(place: tuple[str, int]) -> None:
        check(flipped(images, *place), original)

    for content in delicate:
        assert content in images["journal.db"]
        check(flipped(images, "journal.db", 8 * images["journal.db"].index(content) + 7), original)
    flip()


def test_a_flipped_bit_raises_nothing_strange(files: Images) -> None:
    flips(files, None, 150)


def test_a_flipped_bit_is_noticed_or_harmless(files: Images, original: dict[str, Any]) -> None:
    flips(files, original, 150)


@pytest.mark.parametrize("kind", ["read_item", "read_block", "read_votes"])
def test_a_journal_that_checks_no_hashes_is_caught(
    files: Images, original: dict[str, Any], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Planted: the check of a row against its own hash is gone. A flip in such a row then shows it, and only then."""
    damaged = _flip_all(files, _content(kind))
    check(damaged, original)
    assert "damaged" in str(outcome(damaged))
    monkeypatch.setattr(rows, kind, BLIND[kind])
    monkeypatch.setattr(rows, "check_row", lambda row: None)
    with pytest.raises(AssertionError):
        check(damaged, original)


def _content(kind: str) -> bytes:
    """Bytes that are in rows of one kind only, and may be anything as far as their format is concerned."""
    stored = in_memory(TURNS).load()[PAIRS[0]]
    votes = stored.votes
    assert votes is not None
    assert votes.timeout is not None
    return {
        "read_item": identity("bea").public_key,
        "read_block": stored.blocks[0].events_digest,
        "read_votes": votes.timeout.signature,
    }[kind]


def _flip_all(images: Images, content: bytes) -> Images:
    """Flip a bit of some content wherever it is in the database."""
    assert content in images["journal.db"]
    other = bytes([content[0] ^ 1]) + content[1:]
    return images | {"journal.db": images["journal.db"].replace(content, other)}


def _blind_item(row: rows.ItemRow) -> Any:
    try:
        return rows.decode_evidence(row.body) if row.is_evidence else rows.decode_op(row.body)
    except rows.DecodeError as error:
        raise JournalError(str(error)) from None


def _blind_block(pair: str, block_id: bytes, body: bytes) -> Any:
    try:
        return rows.decode_block(body)
    except rows.DecodeError as error:
        raise JournalError(str(error)) from None


def _blind_votes(row: rows.VoteRow) -> Any:
    try:
        return rows.VoteState.decode(row.state)
    except rows.DecodeError as error:
        raise JournalError(str(error)) from None


BLIND: dict[str, Callable[..., Any]] = {
    "read_item": _blind_item,
    "read_block": _blind_block,
    "read_votes": _blind_votes,
}


# -- one flipped bit in a given column --------------------------------------------------------------

COLUMNS = {
    "items": ["pair", "id", "evidence", "body"],
    "blocks": ["pair", "id", "height", "body"],
    "finals": ["pair", "height", "id", "body", "fc", "checksum"],
    "votes": ["pair", "epoch", "state", "checksum"],
    "meta": ["chain_id", "public_key"],
}


@pytest.mark.parametrize(
    ("table", "column"),
    [pytest.param(table, column) for table in COLUMNS for column in COLUMNS[table]],
)
def test_no_column_may_change_unnoticed(tmp_path: Path, table: str, column: str) -> None:
    """A flip that keeps the database in order as SQLite sees it; only the journal's own checks can tell."""
    filled(tmp_path / "whole", SHORT).close()
    original = dump(in_memory(SHORT).load())
    whole = (tmp_path / "whole" / "journal.db").read_bytes()
    highwater = (tmp_path / "whole" / "HIGHWATER").read_bytes()
    unnoticed = []
    for number, change in enumerate(_changes(tmp_path / "whole" / "journal.db", table, column)):
        folder = put({"journal.db": whole, "HIGHWATER": highwater}, tmp_path / str(number))
        connection = sqlite3.connect(folder / "journal.db")
        try:
            connection.execute(*change)
            connection.commit()
        except sqlite3.IntegrityError:
            continue  # Two rows of one key: SQLite's own check finds that.
        finally:
            connection.close()
        try:
            found = load(folder)
        except JournalError:
            continue
        if found != original:
            unnoticed.append(change[1][1:])
    assert not unnoticed, f"{len(unnoticed)} changes of {table}.{column} went unnoticed"


def test_a_vote_state_moved_to_another_epoch_does_not_hide_later_ones(tmp_path: Path) -> None:
    committed = turns()
    filled(tmp_path, committed[:-1]).close()
    connection = sqlite3.connect(tmp_path / "journal.db")
    connection.execute("UPDATE votes SET epoch = 1")
    connection.commit()
    connection.close()
    try:
        journal = reopen(tmp_path)
        journal.commit(committed[-1])
        found = dump(journal.load())
        journal.close()
    except JournalError:
        return
    assert found == dump(in_memory(committed).load())


def _changes(path: Path, table: str, column: str) -> list[tuple[str, tuple[Any, ...]]]:
    """One statement for each row: the column's value with one bit flipped, in the middle and at the end."""
    keys = {"meta": ["one"], "items": ["pair", "id"], "blocks": ["pair", "id"]}
    key = keys.get(table, ["pair", "height"] if table == "finals" else ["pair", "epoch"])
    connection = sqlite3.connect(path)
    found = connection.execute(f"SELECT {', '.join(key)}, {column} FROM {table}").fetchall()
    connection.close()
    where = " AND ".join(f"{name} = ?" for name in key)
    statement = f"UPDATE {table} SET {column} = ? WHERE {where}"
    return [(statement, (flip, *values)) for *values, value in found for flip in _flips(value)]


def _flips(value: Any) -> list[Any]:
    if isinstance(value, int):
        return [value ^ 1, value ^ 4]
    if isinstance(value, str):
        return [value[:-1] + chr(ord(value[-1]) ^ 1)] if value else ["x"]
    return [bytes(b ^ (i == at) for i, b in enumerate(value)) for at in (len(value) // 2, len(value) - 1)]
