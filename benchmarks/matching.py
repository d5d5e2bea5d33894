"""The matching engine beside a minimal loop and the Python engines of the package index, on the same flows.

    python benchmarks/matching.py [--rounds 9] [--quick] [--no-peers] [--no-scale] [--flow FILE] [--json FILE]
    python benchmarks/matching.py --profile

Measures commands per CPU second, all contenders in turn in one run, and in which way a command's cost grows with the
book. Ratios are medians over rounds. The recorded flow is one hour of AAPL if the file is there, see `--flow`; the
generator's flow is always run. What is installed and compiled goes to `build/matching`. See `engines/__init__.py` for
the rules and `engines/churn.py` for the deep books.
"""

import argparse
import cProfile
import json
import pstats
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT)]

from engines.bars import Bar, scale_bars, speed_bars  # noqa: E402
from engines.product import COMMANDS_PER_OP, OPS_PER_BLOCK, Product  # noqa: E402
from engines.race import Missing, race, start_others, start_ours  # noqa: E402
from engines.scale import scale  # noqa: E402
from engines.steps import Steps, generated_steps, recorded_steps  # noqa: E402

SIZES = [1_000, 10_000, 100_000, 1_000_000]
RECORDED = ROOT.parent / "shared" / "data"


def flows(options: argparse.Namespace) -> list[Steps]:
    limit = 20_000 if options.quick else None
    recorded = [options.flow] if options.flow else sorted(RECORDED.glob("*_message_50.csv"))
    made = [recorded_steps(path, limit) for path in recorded[:1]]
    return [*made, generated_steps(limit or 100_000)]


def print_flow(flow: Steps, rows: list[dict[str, Any]]) -> None:
    ops = sum(map(len, Product().prepare(flow.steps)))
    print(
        f"\n{flow.name} flow: {len(flow.steps):,} commands ({flow.left_out} without effect left out, {flow.trimmed} "
        f"takes cut to what they fill); the product gets ops of at most {COMMANDS_PER_OP} commands "
        f"({len(flow.steps) / ops:.1f} on average), {OPS_PER_BLOCK} ops a block"
    )
    print(f"{'engine':20} {'in':9} {'Python':7} {'commands/s':>11} {'x loop':>7} {'x comp.':>7} {'x prod.':>7}  volume")
    notes = sorted({row["note"] for row in rows if row["note"]})
    for row in sorted(rows, key=lambda row: -row["commands_s"]):
        ratios = " ".join(
            f"{row[what]:7.2f}" if row[what] is not None else f"{'-':>7}"
            for what in ("x_loop", "x_compiled_loop", "x_product")
        )
        volume = "agrees" if row["agrees"] else f"DIFFERS: {row['lots']:,} lots for {row['notional']:,}"
        mark = f" [{notes.index(row['note']) + 1}]" if row["note"] else ""
        who = f"{row['engine']:20} {row['language']:9} {row['python']:7}"
        print(f"{who} {row['commands_s']:11,.0f} {ratios}  {volume}{mark}")
    for number, note in enumerate(notes, 1):
        print(f"[{number}] {note}")


def print_scale(rows: list[dict[str, Any]]) -> None:
    print("\ndeep books: CPU us and instructions a command near the best prices, and anywhere in the book; bytes of")
    print("resident memory an order in a fresh book, and in one with tombstones")
    print(f"{'engine':18} {'orders':>10} {'CPU':>7} {'anyw.':>7} {'instr.':>8} {'anyw.':>8} {'fresh':>6} {'worn':>6}")
    for row in rows:
        counted = " ".join(
            f"{row[what]:8,.0f}" if row[what] else f"{'-':>8}" for what in ("instructions", "instructions_anywhere")
        )
        cpu = f"{row['cpu_us']:7.3f} {row['cpu_anywhere_us']:7.3f}"
        memory = f"{row['fresh_bytes']:6,.0f} {row['worn_bytes']:6,.0f}"
        print(f"{row['engine']:18} {row['orders']:10,} {cpu} {counted} {memory}")


def print_verdicts(bars: list[Bar], missing: Missing) -> None:
    print()
    for bar in bars:
        figure = "-" if bar.figure is None else f"{bar.figure:.2f}"
        print(f"{bar.what:52} {figure:>8} {'>=' if bar.at_least else '<='} {bar.bound:g}: {bar.verdict}")
    for what, reason in missing.items():
        print(f"without {what}: {reason}")


def profile(steps: Steps) -> None:
    """Where the product's time goes. The profiler makes calls look dearer than they are."""
    product = Product()
    blocks = product.prepare(steps.steps)
    with cProfile.Profile() as profiler:
        product.run(blocks)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(20)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--quick", action="store_true", help="short flows, three rounds, books up to 10,000 orders")
    parser.add_argument("--no-peers", action="store_true", help="nothing from the package index")
    parser.add_argument("--no-scale", action="store_true", help="no deep books")
    parser.add_argument("--flow", type=Path, help="a LOBSTER message file")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--profile", action="store_true", help="only profile the product, on the first flow")
    options = parser.parse_args()
    rounds = options.rounds or (3 if options.quick else 9)
    if options.profile:
        profile(flows(options)[0])
        return 0

    missing: Missing = {}
    contenders = start_ours(missing) + ([] if options.no_peers else start_others(missing))
    raced: list[dict[str, Any]] = []
    try:
        for flow in flows(options):
            rows = race(flow, contenders, rounds, missing)
            print_flow(flow, rows)
            raced += rows
    finally:
        for contender in contenders:
            contender.end()
    deep: list[dict[str, Any]] = []
    if not options.no_scale:
        deep = scale(SIZES[:2] if options.quick else SIZES, rounds, missing)
        print_scale(deep)
    bars = speed_bars(raced) + scale_bars(deep)
    print_verdicts(bars, missing)
    if options.json:
        verdicts = [bar._asdict() | {"verdict": bar.verdict} for bar in bars]
        result = {"race": raced, "scale": deep, "bars": verdicts, "missing": missing}
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
