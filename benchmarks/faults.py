"""Demonstrations with faults, many of each, with seeds of their own: how often valid, and how long takeovers take.

python benchmarks/faults.py [--runs 20] [--limit 2000]
"""

import argparse
import json
import subprocess
import sys
from typing import Any

FAULTS = ("--kill-leader", "--kill-two", "--kill-all")


def run(fault: str, seed: int, limit: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "gossipbook", "demo", "--json", "--commands-per-op", "8"]
    command += ["--limit", str(limit), "--seed", str(seed), fault]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if done.returncode:
        print(f"  seed {seed}: {row['verdict']}: {done.stderr.strip().splitlines()[-3:]}", flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--limit", type=int, default=2_000)
    options = parser.parse_args()
    bad = 0
    for fault in FAULTS:
        rows = [run(fault, seed, options.limit) for seed in range(1, options.runs + 1)]
        verdicts = [row["verdict"] for row in rows]
        lost = sum(row["acked_ops_lost"] for row in rows)
        doubles = sum(row["double_fills"] for row in rows)
        line = f"{fault}: {verdicts.count('valid')} of {len(rows)} valid, {lost} acked ops lost, {doubles} double fills"
        times = sorted(row["takeover_ms"] for row in rows if row["takeover_ms"] is not None)
        if times:
            line += f", takeover ms median {times[len(times) // 2]:.0f}, max {times[-1]:.0f}"
        print(line, flush=True)
        bad += len(rows) - verdicts.count("valid")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
