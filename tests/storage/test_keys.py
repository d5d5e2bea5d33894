"""Key files: one secret each, for its owner's eyes only, never overwritten."""

import logging
import os
import stat
import traceback
from pathlib import Path

import pytest

from gossipbook.errors import KeyFileError
from gossipbook.identity import Identity
from gossipbook.storage.keys import create_key, load_key
from storage.support import identity


def lines(key: Identity) -> list[str]:
    return ["gossipbook key 1", f"secret {key.seed.hex()}", f"public {key.public_key.hex()}"]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o600)
    return path


def test_a_key_is_read_back(tmp_path: Path) -> None:
    made = create_key(tmp_path / "keys" / "peer.key")
    assert load_key(tmp_path / "keys" / "peer.key").seed == made.seed
    assert made.seed != create_key(tmp_path / "keys" / "other.key").seed


def test_only_the_owner_can_read_a_new_key(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        create_key(tmp_path / "keys" / "peer.key")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "keys" / "peer.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601, 0o610, 0o777, 0o444])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "peer.key"
    create_key(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"chmod 600 {path}"):
        load_key(path)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_of_the_owner_alone_is_good(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "peer.key"
    made = create_key(path)
    path.chmod(mode)
    assert load_key(path).public_key == made.public_key


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "peer.key"
    create_key(path)
    before = path.read_bytes()
    with pytest.raises(KeyFileError, match="never overwritten"):
        create_key(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("target", ["there", "nowhere"])
def test_a_link_is_never_written_through(tmp_path: Path, target: str) -> None:
    (tmp_path / "there").write_text("precious")
    (tmp_path / "peer.key").symlink_to(tmp_path / target)
    with pytest.raises(KeyFileError):
        create_key(tmp_path / "peer.key")
    assert (tmp_path / "there").read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


KEY = identity("somebody")
WHOLE = "\n".join(lines(KEY)) + "\n"
HEADER, SECRET, PUBLIC = lines(KEY)
MALFORMED = {
    "empty": "",
    "no header": f"{SECRET}\n{PUBLIC}\n",
    "another header": f"gossipbook key 2\n{SECRET}\n{PUBLIC}\n",
    "no public key": f"{HEADER}\n{SECRET}\n",
    "a line too many": WHOLE + "more\n",
    "another public key": f"{HEADER}\n{SECRET}\npublic {identity('else').public_key.hex()}\n",
    "a short secret": f"{HEADER}\n{SECRET[:-2]}\n{PUBLIC}\n",
    "a long secret": f"{HEADER}\n{SECRET}00\n{PUBLIC}\n",
    "half a digit pair": f"{HEADER}\n{SECRET[:-1]}\n{PUBLIC}\n",
    "not hexadecimal": f"{HEADER}\n{SECRET[:-2]}zz\n{PUBLIC}\n",
    "lines swapped": f"{HEADER}\n{PUBLIC}\n{SECRET}\n",
    "not text": b"\xff\xfe\x00" + WHOLE.encode(),
    "zeros": bytes(200),
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_key_file(tmp_path: Path, content: str | bytes) -> None:
    path = write(tmp_path / "peer.key", content)
    with pytest.raises(KeyFileError) as caught:
        load_key(path)
    shown = "".join(traceback.format_exception(caught.value))
    assert str(path) in str(caught.value)
    assert KEY.seed.hex()[:16] not in shown


@pytest.mark.parametrize("length", range(0, len(WHOLE) - 1, 9))
def test_a_key_file_cut_short(tmp_path: Path, length: int) -> None:
    with pytest.raises(KeyFileError):
        load_key(write(tmp_path / "peer.key", WHOLE[:length]))


def test_a_key_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(KeyFileError, match=r"cannot read the key|mode"):
            load_key(path)


def test_secrets_are_in_no_text(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "peer.key"
    made = create_key(path)
    loaded = load_key(path)
    try:
        create_key(path)
    except KeyFileError as error:
        refused = "".join(traceback.format_exception(error))
    logging.getLogger("gossipbook").warning("%s %r", loaded, {"key": loaded})
    shown = " ".join([repr(made), str(loaded), f"{loaded}", repr([loaded]), refused, caplog.text])
    assert made.public_key.hex()[:16] in shown
    for secret in (made.seed, made.seed + made.public_key):
        assert secret.hex() not in shown
        assert repr(secret) not in shown


def test_a_new_key_survives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is synced after the file, else the name may be gone though the content is there."""
    synced: list[str] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), real(fd))[1])
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc to tell what is synced")
    path = tmp_path / "keys" / "peer.key"
    create_key(path)
    assert synced[:1] == [str(path)]
    assert str(path.parent) in synced[1:]
