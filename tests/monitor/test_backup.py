"""Backups of running peers, and what becomes of them."""

import json
import os
import sqlite3
import stat
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from cli.support import Network, Trader, answer, invoke, until

from gossipbook.errors import ConfigError
from gossipbook.storage.backup import CONTENTS, JOURNAL, restore_backup, write_backup

from .conftest import PAIR


def folder_with_a_journal(path: Path) -> Path:
    (path / "keys").mkdir(parents=True)
    (path / "data").mkdir()
    (path / "keys" / "peer.key").write_text("a secret")
    (path / "network.toml").write_text("name = 'n'\n")
    (path / "config.toml").write_text('network = "../elsewhere/network.toml"\nlisten = "127.0.0.1:7401"\n')
    elsewhere = path.parent / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    (elsewhere / "network.toml").write_text("name = 'real'\n")
    with closing(sqlite3.connect(path / JOURNAL)) as journal, journal:
        journal.execute("CREATE TABLE meta (one INTEGER, observer TEXT NOT NULL)")
        journal.execute("INSERT INTO meta VALUES (1, '')")
    with closing(sqlite3.connect(path / "keys" / "me.key.ops")) as wallet, wallet:
        wallet.execute("CREATE TABLE meta (whole INTEGER NOT NULL)")
        wallet.execute("INSERT INTO meta VALUES (1)")
    return path


def test_a_seat_that_was_restored_does_not_vote(
    peers: Network, traders: Callable[[Network], tuple[Trader, Trader]], tmp_path: Path
) -> None:
    alice, bob = traders(peers)
    alice.do("place", PAIR, "buy", 3, "100.25")
    file = tmp_path / "peer3.backup"
    told = answer("backup", peers.home(3), file)
    assert told["bytes"] == file.stat().st_size > 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    bob.do("place", PAIR, "sell", 1, "100.25")
    peers.kill(3)
    peers.home(3).rename(tmp_path / "lost")
    restored = answer("restore", file, peers.home(3))
    assert restored["seats_that_do_not_vote"] == [PAIR]
    peers.start(3)
    status = peers.wait_for_state(3, "certifying")
    row = status["pairs"][0]
    assert not row["voting"]
    assert "restored from a backup of" in row["observer_reason"]
    bob.do("place", PAIR, "sell", 1, "100.25")
    caught_up = lambda: answer("trades", PAIR, "--home", peers.home(3))["trades"][-1:]  # noqa: E731
    assert len(answer("trades", PAIR, "--home", peers.home(3))["trades"]) in (1, 2)
    until(lambda: len(answer("trades", PAIR, "--home", peers.home(3))["trades"]) == 2, "its accounts of today")
    assert caught_up()[0]["qty_lots"] == 1
    peers.kill(1)
    until(lambda: peers.states(2)[PAIR] == "no-quorum", "what its vote is missed for")


def test_what_a_backup_holds(tmp_path: Path) -> None:
    folder = folder_with_a_journal(tmp_path / "peer")
    with closing(sqlite3.connect(folder / JOURNAL)) as journal:
        journal.execute("PRAGMA journal_mode = WAL")
        journal.execute("BEGIN")
        journal.execute("UPDATE meta SET observer = 'not committed'")
        contents = write_backup(folder, tmp_path / "b", "1.2.3")
    assert set(contents["files"]) == {
        *("config.toml", "network.toml", "keys/peer.key", "keys/me.key.ops", JOURNAL),
    }
    restore_backup(tmp_path / "b", tmp_path / "new")
    with closing(sqlite3.connect(tmp_path / "new" / JOURNAL)) as journal:
        (observer,) = journal.execute("SELECT observer FROM meta").fetchone()
    assert observer.startswith("restored from a backup of")
    with closing(sqlite3.connect(tmp_path / "new" / "keys" / "me.key.ops")) as wallet:
        assert wallet.execute("SELECT whole FROM meta").fetchone() == (0,), "it asks what else its key has signed"
    assert (tmp_path / "new" / "network.toml").read_text() == "name = 'real'\n"
    assert (tmp_path / "new" / "config.toml").read_text().splitlines() == [
        'network = "network.toml"',
        'listen = "127.0.0.1:7401"',
    ]
    assert stat.S_IMODE((tmp_path / "new" / "keys" / "peer.key").stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="never overwritten"):
        write_backup(folder, tmp_path / "b", "1.2.3")
    with pytest.raises(ConfigError, match="not empty"):
        restore_backup(tmp_path / "b", tmp_path / "new")
    with pytest.raises(ConfigError, match="not a peer's folder"):
        write_backup(tmp_path / "elsewhere", tmp_path / "c", "1.2.3")


@pytest.mark.parametrize("damage", ["cut", "flipped", "added", "left-out", "outside", "newer", "other"])
def test_a_damaged_backup_makes_no_folder(tmp_path: Path, damage: str) -> None:
    folder = folder_with_a_journal(tmp_path / "peer")
    good, bad = tmp_path / "good", tmp_path / "bad"
    write_backup(folder, good, "1.2.3")
    raw = bytearray(good.read_bytes())
    if damage == "cut":
        bad.write_bytes(raw[: len(raw) // 2])
    elif damage == "flipped":
        at = raw.index(b"a secret")
        raw[at] ^= 1
        bad.write_bytes(raw)
    elif damage == "other":
        bad.write_bytes(os.urandom(4_096))
    else:
        rewrite(good, bad, damage)
    with pytest.raises(ConfigError):
        restore_backup(bad, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "stranger").exists()


def rewrite(good: Path, bad: Path, damage: str) -> None:
    """The same archive with one thing changed."""
    import io

    with tarfile.open(good) as source, tarfile.open(bad, "w") as target:
        for member in source:
            file = source.extractfile(member)
            assert file is not None
            content = file.read()
            if member.name == "keys/peer.key" and damage == "left-out":
                continue
            if member.name == CONTENTS and damage in ("newer", "outside"):
                told = json.loads(content)
                if damage == "newer":
                    told["format"] = 99
                else:
                    told["files"]["../stranger"] = told["files"].pop("keys/peer.key")
                content = json.dumps(told).encode()
            if member.name == "keys/peer.key" and damage == "outside":
                member.name = "../stranger"
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
            if damage == "added" and member.name == CONTENTS:
                more = tarfile.TarInfo("keys/more.key")
                more.size = 1
                target.addfile(more, io.BytesIO(b"x"))


def test_an_upgrade_makes_a_backup_and_a_downgrade_is_refused(peers: Network, tmp_path: Path) -> None:
    home = peers.home(4)
    refused = invoke("upgrade", home, code=4)
    assert "in use" in refused.output, "while it runs"
    peers.kill(4)
    (home / "PROGRAM").write_text("0.0.1\n")
    told = answer("upgrade", home, "--backup", tmp_path / "before")
    assert (told["from"], Path(told["backup"]).exists()) == ("0.0.1", True)
    (home / "PROGRAM").write_text("99.0\n")
    for command in (("start", home), ("upgrade", home, "--backup", tmp_path / "again")):
        result = invoke(*command, code=4)
        assert "newer than this one" in result.output
    assert not (tmp_path / "again").exists()
    assert (home / "PROGRAM").read_text() == "99.0\n"


def test_a_debug_bundle_has_no_secrets(peers: Network, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("a line\n")
    file = tmp_path / "bundle.tar.gz"
    told = answer("debug-bundle", peers.home(1), file, "--log", log)
    assert {"versions.json", "doctor.json", "status.json", "peers.json", "metrics.txt", "log.txt"} <= set(told["parts"])
    secret = next(
        line.split()[1]
        for line in (peers.home(1) / "keys" / "peer.key").read_text().splitlines()
        if line.startswith("secret")
    )
    with tarfile.open(file) as bundle:
        for member in bundle:
            part = bundle.extractfile(member)
            assert part is not None
            raw = part.read()
            assert secret.encode() not in raw
            assert bytes.fromhex(secret) not in raw
    invoke("debug-bundle", peers.home(1), file, code=2)
