"""The demonstration end to end, one of each fault: real processes, real kills, a computed verdict."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

AAPL = Path(__file__).parents[3] / "shared" / "data" / "AAPL_2012-06-21_34200000_37800000_message_50.csv"
ENOUGH_S = 120
COMMANDS = 1_500

KEYS = [
    *("verdict", "peers", "pairs", "certified_ops", "certified_commands", "fills", "elapsed_s", "commands_per_s"),
    *("certify_ms", "takeovers", "takeover_ms", "digests_equal", "acked_ops_lost", "double_fills", "rejected_frames"),
]


def demo(*arguments: object) -> tuple[int, dict[str, Any], str]:
    """Exit code, the last line's JSON, standard error."""
    command = [sys.executable, "-m", "gossipbook", "demo", "--json", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=ENOUGH_S, check=False)
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.mark.parametrize("fault", [None, "--kill-leader", "--kill-two", "--kill-all"])
def test_a_demonstration_is_valid(fault: str | None) -> None:
    arguments = ["--limit", COMMANDS, "--commands-per-op", 8, *([fault] if fault else [])]
    code, row, errors = demo(*arguments)
    assert (code, row["verdict"]) == (0, "valid"), errors
    assert list(row) == KEYS
    assert (row["peers"], row["pairs"], row["certified_commands"]) == (4, 3, COMMANDS)
    assert row["fills"] > 0
    assert (row["digests_equal"], row["acked_ops_lost"], row["double_fills"]) == (True, 0, 0)
    assert row["rejected_frames"] == 0
    if fault == "--kill-leader":
        assert row["takeovers"] >= 1
        assert row["takeover_ms"] is not None


def test_recorded_flow(tmp_path: Path) -> None:
    if not AAPL.exists():
        pytest.skip("the recorded order flow is not there")
    folder = tmp_path / "kept"
    code, row, errors = demo("--flow", AAPL, "--limit", 3_000, "--commands-per-op", 16, "--keep", folder)
    assert (code, row["verdict"], row["certified_commands"]) == (0, "valid", 3_000), errors
    exports = sorted(folder.glob("*.ndjson"))
    assert len(exports) == 4 * 3 + 1, "each peer's chain of each pair, and the acks"
    verify = [sys.executable, "-m", "gossipbook", "verify", "--json", "--acks", str(folder / "acks.ndjson")]
    chains = [str(path) for path in exports if path.name != "acks.ndjson"]
    done = subprocess.run([*verify, *chains], capture_output=True, text=True, timeout=ENOUGH_S, check=False)
    report = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, report["verdict"]) == (0, "valid")
    assert report["acked_ops"] == row["certified_ops"]


def test_nothing_happened_is_unknown() -> None:
    """One command cannot trade with anybody."""
    code, row, _ = demo("--limit", 1)
    assert (code, row["verdict"], row["fills"]) == (3, "unknown", 0)


def test_a_folder_that_exists_is_not_used(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gossipbook", "demo", "--keep", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=ENOUGH_S, check=False)
    assert done.returncode == 1
    assert "exists" in done.stderr
