"""All benchmarks, one after another; what they print is recorded in benchmarks/RESULTS.md by hand, with the machine."""

import runpy
import sys
from pathlib import Path

SCRIPTS = (
    *("throughput.py", "latency.py", "cost.py", "faults.py", "simulation.py", "matching.py", "blocks.py", "books.py"),
    *("receipts.py", "cli.py", "messages.py", "flood.py", "asgi.py", "gateway.py", "exactly_once.py"),
)


def main() -> None:
    for script in SCRIPTS:
        print(f"== {script}", flush=True)
        sys.argv = [script]
        try:
            runpy.run_path(str(Path(__file__).parent / script), run_name="__main__")
        except SystemExit as end:
            if end.code:
                print(f"{script} ended with {end.code}")


if __name__ == "__main__":
    main()
