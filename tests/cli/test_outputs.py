"""What ``-o`` writes to: regular files whole or not at all; links are followed, devices and pipes written through."""

import os
import pty
import stat
import threading
from pathlib import Path

import pytest

from gossipbook.cli.whole_file import whole_file
from gossipbook.errors import Unavailable


def write(path: Path, raw: bytes) -> None:
    with whole_file(path) as file:
        file.write(raw)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"before")

    def fail_halfway() -> None:
        with whole_file(path) as file:
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert path.read_bytes() == b"before"
    write(path, b"after")
    assert path.read_bytes() == b"after"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_that_a_link_names_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"before")
    link.symlink_to(real)
    write(link, b"after")
    assert link.is_symlink()
    assert real.read_bytes() == b"after"


def test_a_pipe_is_written_through(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write(pipe, b"through")
    reader.join()
    assert read == [b"through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_is_written_through() -> None:
    reading, writing = pty.openpty()
    try:
        device = Path(os.ttyname(writing))
        write(device, b"through")
        assert os.read(reading, 100) == b"through"
        assert stat.S_ISCHR(device.stat().st_mode)
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("name", ["missing/out", ".", "file/out"])
def test_where_nothing_can_be_written_it_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot write"):
        write(tmp_path / name, b"nowhere")


def test_a_full_device_is_told() -> None:
    with pytest.raises(Unavailable, match="No space left"):
        write(Path("/dev/full"), b"too much")
