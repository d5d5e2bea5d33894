"""The duel of engine and oracle over all arenas, for as many commands as asked for. Not a test: run it by hand.

    cd tests && python -m matching.long_run --commands 1000000 --seed 1

Each round is a new market of the next arena, with its own seed. Every block's events are compared one by one, then
the books; every hundredth block is executed another time first and taken back, which must restore the digest. The
program ends with the counts, or with an AssertionError that names the arena, the seed and the block.
"""

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from itertools import count

from gossipbook.matching.events import EVENT_TYPES

from .chaos import ALL_ARENAS, Arena, Chaos
from .duel import Duel, Op, Run

ROUND_BLOCKS = 500
ROLLBACK_EVERY = 100
PROGRESS_COMMANDS = 50_000


class Tally:
    """What was compared so far."""

    def __init__(self) -> None:
        self.commands = self.blocks = self.rollbacks = self.undone_commands = self.rounds = 0
        self.events: Counter[str] = Counter()

    def __str__(self) -> str:
        return (
            f"{self.commands:,} commands and {sum(self.events.values()):,} events agreed in {self.blocks:,} blocks"
            f" of {self.rounds:,} rounds; {self.rollbacks:,} rollbacks of {self.undone_commands:,} commands more"
        )


def play_round(arena: Arena, seed: int, commands: int, tally: Tally) -> None:
    """A market of an arena, for ``ROUND_BLOCKS`` blocks or until ``tally`` has so many commands."""
    duel = Duel(arena.rules)
    chaos = Chaos(seed, arena)
    tally.rounds += 1
    for _ in range(ROUND_BLOCKS):
        if tally.commands >= commands:
            break
        block = chaos.block(duel.oracle)
        tally.blocks += 1
        if tally.blocks % ROLLBACK_EVERY == 0:
            duel.play_and_undo(chaos.time_ms, block)
            tally.rollbacks += 1
            tally.undone_commands += commands_in(block)
        duel.play(chaos.time_ms, block)
        tally.commands += commands_in(block)
    for (kind, _), seen in duel.seen.items():
        tally.events[EVENT_TYPES[kind].__name__] += seen


def commands_in(block: Sequence[Op]) -> int:
    return sum(len(op.commands) for op in block if isinstance(op, Run))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m matching.long_run", description="Engine against oracle.")
    parser.add_argument("--commands", type=int, default=1_000_000, help="how many must agree")
    parser.add_argument("--seed", type=int, default=1, help="equal seeds run equal commands")
    args = parser.parse_args()
    tally = Tally()
    started = time.perf_counter()
    shown = 0
    for number in count():
        name = list(ALL_ARENAS)[number % len(ALL_ARENAS)]
        seed = args.seed * 1_000_003 + number
        before = tally.blocks
        try:
            play_round(ALL_ARENAS[name], seed, args.commands, tally)
        except AssertionError as error:
            error.add_note(f"arena {name}, seed {seed}, block {tally.blocks - before} of its round")
            raise
        if tally.commands - shown >= PROGRESS_COMMANDS:
            shown = tally.commands
            print(f"{time.perf_counter() - started:7.0f} s  {tally}", flush=True)
        if tally.commands >= args.commands:
            break
    print(", ".join(f"{kind} {seen:,}" for kind, seen in tally.events.most_common()))
    print(f"done in {time.perf_counter() - started:.0f} s: {tally}")


if __name__ == "__main__":
    main()
