"""Where a demonstration's orders come from: one stream of (pair, step), merged from a flow for each pair."""

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from gossipbook.flow import FlowStep, generated_flow, lobster_flow

MAKERS = 8
TAKERS = 4
FILE_STEPS_PER_GENERATED = 10
"""With a recorded flow on the first pair, each of the others gets one generated command for so many recorded."""


def merged_flow(
    pairs: list[str], file: Path | None, limit: int | None, seed: int
) -> tuple[Iterator[tuple[str, FlowStep]], int | None]:
    """The stream, and how many commands it has if that is known beforehand.

    Without a file every pair gets generated flow in turn. With one, it goes to the first pair, whole unless ``limit``
    cuts it, and the generator to the others beside it.
    """
    generated = [_steps(generated_flow(seed + i, makers=MAKERS, takers=TAKERS)) for i in range(len(pairs))]
    if file is None:
        turns = _in_turns(pairs, generated)
        return islice(turns, limit), limit
    recorded = _steps(lobster_flow(file, makers=MAKERS, takers=TAKERS))
    merged = _beside(pairs, recorded, generated[1:])
    return (merged if limit is None else islice(merged, limit)), limit


def _steps(flow: tuple[list[FlowStep], Iterator[FlowStep]]) -> Iterator[FlowStep]:
    prelude, steps = flow
    return chain(prelude, steps)


def _in_turns(pairs: list[str], flows: list[Iterator[FlowStep]]) -> Iterator[tuple[str, FlowStep]]:
    while True:
        for pair, steps in zip(pairs, flows, strict=True):
            yield pair, next(steps)


def _beside(
    pairs: list[str], recorded: Iterator[FlowStep], generated: list[Iterator[FlowStep]]
) -> Iterator[tuple[str, FlowStep]]:
    for number, step in enumerate(recorded):
        yield pairs[0], step
        if number % FILE_STEPS_PER_GENERATED == 0:
            for pair, steps in zip(pairs[1:], generated, strict=True):
                yield pair, next(steps)
