"""Orders by text id through two leader kills and a gateway kill: the short form of ``benchmarks/exactly_once.py``."""

import json
import subprocess
import sys
from pathlib import Path

ORDERS = 4_000  # so many that each kill is felt before they are all placed
WITHIN_S = 240
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "exactly_once.py"


def test_each_order_is_certified_once() -> None:
    command = [sys.executable, str(BENCHMARK), "--orders", str(ORDERS), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2_000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["certified_once"], told["certified_more"], told["missing"]) == (ORDERS, 0, 0)
    assert len(told["kills"]) == 3
    assert told["placed_again"] > 0, "the kills were felt"
