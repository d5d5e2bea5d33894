"""``replay``: recorded flow through a running network, and what it says of itself."""

from pathlib import Path

import pytest

from .support import Network, answer, invoke

TAPE = """\
1.0,1,10,5,1000000,-1
1.1,1,11,5,1010000,-1
1.2,4,10,5,1000000,-1
"""
BOOKS = """\
1000000,5,9999999999,0
1000000,5,9999999999,0
1010000,5,9999999999,0
"""


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    path = tmp_path / "tape.csv"
    path.write_text(TAPE)
    path.with_name("books.csv").write_text(BOOKS)
    return path


def test_a_recorded_flow_is_compared_with_the_recording(network: Network, tape: Path) -> None:
    """A command a second is slow enough for the network to keep their order."""
    where = ("replay", "TAPE-USD", "--home", network.home(1), "--flow", tape, "--ops-per-s", 1)
    row = answer(*where, "--orderbook", tape.with_name("books.csv"))
    assert row["certified_commands"] == 3
    assert row["recording"] == {
        "takes": 1,
        "takes_reproduced": 1,
        "takes_mended": 0,
        "phantom_lots": 0,
        "orders_taken_out": 0,
        "commands_refused": 0,
        "complete": True,
    }


def test_the_table_has_the_figures_and_a_generated_flow_has_none(network: Network, tape: Path) -> None:
    where = ("replay", "TAPE-USD", "--home", network.home(1))
    said = invoke(*where, "--flow", tape, "--limit", 2).stdout
    for line in (
        "recorded takes",
        "0 of 0 by order id",
        "filled, not recorded",
        "orders taken out",
        "commands refused",
    ):
        assert line in said
    assert "recording" not in answer(*where, "--limit", 5)
    assert "--orderbook needs --flow" in invoke(*where, "--orderbook", tape, code=2).stderr
