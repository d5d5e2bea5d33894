"""One process a folder, and a key that votes only with the journal that knows its votes."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gossipbook.errors import FolderLocked, GossipbookError, JournalError
from gossipbook.identity import Identity
from gossipbook.storage.folder import PeerFolder
from gossipbook.storage.keys import create_key
from storage.support import CHAIN, python

HOLD = """
import sys
from pathlib import Path
from gossipbook.storage.folder import PeerFolder
with PeerFolder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path) -> "Iterator[subprocess.Popen[str]]":
    """A process that has the folder."""
    process = python(HOLD, folder)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    create_key(tmp_path / "keys" / "peer.key")
    return tmp_path


def start(home: Path) -> tuple[str, str]:
    """Open and close a folder as a peer does; its journal's id, and why the key may not vote."""
    with PeerFolder(home) as folder:
        journal = folder.open_journal(folder.identity(), CHAIN)
        found = journal.journal_id, journal.observer
        journal.close()
    return found


# -- one process ------------------------------------------------------------------------------------


def test_a_second_process_is_refused(home: Path) -> None:
    with holder(home) as process:
        with (
            pytest.raises(FolderLocked, match=f"in use by process {process.pid}.*stop that one first"),
            PeerFolder(home),
        ):
            pass
        process.communicate(timeout=10)
        start(home)


def test_a_killed_process_holds_nothing(home: Path) -> None:
    with holder(home) as process:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)
        assert (home / "LOCK").read_text() == f"{process.pid}\n"
        start(home)


def test_a_second_peer_of_the_same_process_is_refused(home: Path) -> None:
    with PeerFolder(home), pytest.raises(FolderLocked, match=str(os.getpid())), PeerFolder(home):
        pass
    start(home)


def test_another_path_to_the_same_folder_is_refused(home: Path) -> None:
    link = home.parent / f"{home.name}-link"
    link.symlink_to(home)
    with holder(home), pytest.raises(FolderLocked), PeerFolder(link):
        pass


def test_a_refusal_leaves_the_lock_to_its_holder(home: Path) -> None:
    with holder(home) as process:
        for _ in range(3):
            with pytest.raises(FolderLocked), PeerFolder(home):
                pass
        assert (home / "LOCK").read_text() == f"{process.pid}\n"


# -- the version ------------------------------------------------------------------------------------


def test_a_folder_of_a_newer_version_is_refused(home: Path) -> None:
    start(home)
    (home / "VERSION").write_text("2\n")
    with pytest.raises(JournalError, match=r"folder version 2.*Nothing was changed"), PeerFolder(home):
        pass


def test_a_refused_version_does_not_hold_the_folder(home: Path) -> None:
    start(home)
    (home / "VERSION").write_text("2\n")
    with pytest.raises(JournalError), PeerFolder(home):
        pass
    (home / "VERSION").write_text("1\n")
    start(home)


def test_a_version_file_emptied_by_a_power_cut(home: Path) -> None:
    first = start(home)
    (home / "VERSION").write_text("")
    assert start(home) == first


def test_a_folder_that_cannot_be_used_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GossipbookError, match="file"), PeerFolder(tmp_path / "file" / "peer"):
        pass


# -- the journal that knows the votes ---------------------------------------------------------------


def test_the_same_journal_every_time(home: Path) -> None:
    first = start(home)
    assert first[1] == ""
    assert start(home) == first


def test_a_new_journal_survives_a_power_cut(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every folder on the way to it is synced before the first commit may count as durable."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc to tell what is synced")
    synced: set[str] = set()
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.add(os.readlink(f"/proc/self/fd/{fd}")), real(fd))[1])
    start(home)
    assert {str(home / "data"), str(home / "keys"), str(home)} <= synced


def test_a_missing_journal_makes_an_observer(home: Path) -> None:
    first = start(home)
    shutil.rmtree(home / "data")
    second = start(home)
    assert second[0] != first[0]
    assert "missing" in second[1]
    assert start(home) == second, "and it stays one"


def test_a_missing_database_makes_an_observer(home: Path) -> None:
    start(home)
    (home / "data" / "journal.db").unlink()
    assert "missing" in start(home)[1]


def test_a_swapped_journal_makes_an_observer(home: Path, tmp_path: Path) -> None:
    """The same key has voted with another journal: a folder restored from a backup of the key alone."""
    start(home)
    other = tmp_path / "other"
    (other / "keys").mkdir(parents=True)
    shutil.copy2(home / "keys" / "peer.key", other / "keys" / "peer.key")
    start(other)
    shutil.rmtree(home / "data")
    shutil.copytree(other / "data", home / "data")
    for _ in range(2):
        assert "not the one that knows this key's last votes" in start(home)[1]


def test_a_journal_beside_another_key_is_refused(home: Path) -> None:
    start(home)
    for file in ("peer.key", "peer.key.ops"):
        (home / "keys" / file).unlink()
    create_key(home / "keys" / "peer.key")
    with pytest.raises(JournalError, match="another key"):
        start(home)


def test_a_refused_journal_lets_go_of_the_folder(home: Path) -> None:
    first = start(home)
    with PeerFolder(home) as folder, pytest.raises(JournalError):
        folder.open_journal(Identity(bytes(32)), CHAIN)
    assert start(home) == first


@pytest.mark.parametrize("statements", range(4))
def test_a_first_start_that_was_killed_is_repeated(home: Path, statements: int) -> None:
    """Nothing was voted with a journal that was not whole yet: it is made anew."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom gossipbook.storage import sqlite\n"
        "from gossipbook.storage.folder import PeerFolder\nfrom storage.support import CHAIN\n"
        "connect, left = sqlite._connect, [int(sys.argv[2])]\n"
        "class Dying:\n"
        "    def __init__(self, connection):\n        self.connection = connection\n"
        "    def __getattr__(self, name):\n"
        "        if not left[0]:\n            os._exit(9)\n"
        "        left[0] -= 1\n"
        "        return getattr(self.connection, name)\n"
        "sqlite._connect = lambda *args: Dying(connect(*args))\n"
        "with PeerFolder(Path(sys.argv[1])) as folder:\n"
        "    folder.open_journal(folder.identity(), CHAIN)\n"
    )
    process = python(code, home, statements)
    process.communicate(timeout=20)
    assert process.returncode == 9
    assert start(home)[1] == ""
