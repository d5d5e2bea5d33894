"""Certified commands a second with four peers on this machine, and the latency at a tenth of that load.

python benchmarks/throughput.py [--flow FILE] [--limit 40000]
"""

import argparse
import json
import subprocess
import sys
from typing import Any

COMMANDS_PER_OP = 16


def demo(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "gossipbook", "demo", "--json", "--commands-per-op", str(COMMANDS_PER_OP)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=600, check=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flow", help="a LOBSTER message file; whole unless --limit is given")
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    source = ["--flow", options.flow] if options.flow else []
    limit = options.limit or (None if options.flow else 40_000)
    full = demo(*source, *(["--limit", str(limit)] if limit else []))
    rate = full["commands_per_s"]
    print(f"{full['verdict']}: {full['certified_commands']:,} commands, {rate:,.0f} certified commands/s")
    print(f"  submit to certified at full load: p50 {full['certify_ms']['p50']} ms, p99 {full['certify_ms']['p99']} ms")
    ops_per_s = rate / 10 / COMMANDS_PER_OP
    light = demo(*source, "--limit", "6000", "--ops-per-s", f"{ops_per_s:.1f}")
    latency = light["certify_ms"]
    print(f"{light['verdict']}: at a tenth of that load: p50 {latency['p50']} ms, p99 {latency['p99']} ms")


if __name__ == "__main__":
    main()
