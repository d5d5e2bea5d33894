"""A peer whose clock is wrong links all the same, says so, and is well again once it is put right."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .support import Network, answer, invoke, until

PROGRAM = """
import sys, time
real_ns, file = time.time_ns, {file!r}
def off_ns():
    with open(file) as said:
        return round(float(said.read() or 0) * 1e9)
time.time_ns = lambda: real_ns() + off_ns()
time.time = lambda: time.time_ns() / 1e9
from gossipbook.cli import main
main()
"""


@pytest.fixture
def off(tmp_path: Path) -> Iterator[tuple[Network, Path]]:
    """Four peers; the fourth one's clock is off by the seconds in a file."""
    file = tmp_path / "off"
    file.write_text("45")
    made = Network(tmp_path / "net", 4, ["A-B"])
    made.programs = {4: [sys.executable, "-c", PROGRAM.format(file=str(file))]}  # type: ignore[misc]
    try:
        for number in range(1, 5):
            made.start(number)
        yield made, file
    finally:
        made.stop_all()


def test_a_clock_that_is_wrong_and_is_put_right(off: tuple[Network, Path]) -> None:
    network, file = off
    network.wait_for_all_links()

    def told(number: int) -> str:
        trouble: str = answer("status", "--home", network.home(number), code=None)["clock_trouble"]
        return trouble

    until(lambda: "ahead of the committee's" in told(4), "peer 4 knows that its clock is wrong")
    assert 40_000 < answer("status", "--home", network.home(4), code=None)["clock_offset_ms"] < 50_000
    assert "nobody takes its blocks" in invoke("status", "--home", network.home(4), code=None).stdout
    until(lambda: "this clock is 4" in (network.folder / "peer4.log").read_text(), "it is logged")
    assert told(1) == "", "one wrong clock moves nobody's median"
    file.write_text("0")
    until(lambda: told(4) == "", "peer 4 is well again")
    network.wait_for_all_links()
