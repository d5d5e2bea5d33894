"""The command line: how much CPU one order takes, in terms of what importing trio and trio-websocket alone takes.

    python benchmarks/cli.py [--runs 15]

Four peers run on this machine. The two commands take turns, so that whatever else the machine does falls on both.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PYTHON = sys.executable
BINARY = [PYTHON, "-m", "gossipbook"]
FLOOR = [PYTHON, "-c", "import trio, trio_websocket"]
FIRST_PORT = 7_801
READY_S = 30.0


def cpu_ms(command: list[str]) -> float:
    """User and system time of one run, interpreter start and all."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1_000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def measure(runs: int, commands: dict[str, list[str]]) -> dict[str, list[float]]:
    """CPU times of each command, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        cpu_ms(command)  # What was never imported is compiled once.
    for _ in range(runs):
        for name, command in commands.items():
            times[name].append(cpu_ms(command))
    return times


def start_network(folder: Path) -> list[subprocess.Popen[bytes]]:
    """Four peers, once each of them has told where it listens."""
    make = [*BINARY, "network", "init", str(folder), "--first-port", str(FIRST_PORT)]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    homes = [folder / f"peer{number}" for number in range(1, 5)]
    peers = [subprocess.Popen([*BINARY, "start", str(home)], stdout=subprocess.DEVNULL) for home in homes]
    end_s = time.monotonic() + READY_S
    while not all((home / "data" / "endpoint.json").exists() for home in homes):
        if time.monotonic() > end_s:
            raise SystemExit("the peers did not start")
        time.sleep(0.1)
    return peers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        peers = start_network(folder / "net")
        try:
            key, home = str(folder / "a.key"), str(folder / "net" / "peer1")
            subprocess.run([*BINARY, "keys", "new", key], check=True, stdout=subprocess.DEVNULL)
            where = ["--key", key, "--home", home]
            times = measure(
                runs,
                {
                    "import trio, trio_websocket": FLOOR,
                    "order place": [*BINARY, "order", "place", "BTC-USD", "sell", "1", "100.50", *where],
                    "order show": [*BINARY, "order", "show", "BTC-USD", "1", *where],
                    "--help": [*BINARY, "--help"],
                },
            )
        finally:
            for peer in peers:
                peer.terminate()
            for peer in peers:
                peer.wait()
    floor = times["import trio, trio_websocket"]
    print(f"{runs} runs; CPU in ms, least / median; bytecode {'not ' if sys.dont_write_bytecode else ''}written")
    for name, each in times.items():
        ratio = min(each) / min(floor), statistics.median(each) / statistics.median(floor)
        least, middle = min(each), statistics.median(each)
        print(f"{name:28} {least:6.0f} / {middle:6.0f}   {ratio[0]:.2f} / {ratio[1]:.2f} of the first")


if __name__ == "__main__":
    os.environ.pop("GOSSIPBOOK_HOME", None)
    main()
