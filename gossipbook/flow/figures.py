"""Compares the fills of a replayed flow with those of its recording."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gossipbook.flow.step import FlowStep
from gossipbook.matching.commands import Command

REJECTED, FILL = 2, 3
"""The kinds of events that count here, by their numbers in ``matching.events``, which are part of the format."""

Fills = list[tuple[int, int]]
"""What a take gets, in order: (order id, lots)."""

Name = tuple[int, int]
"""An order's author and client id."""

STRANGER, UNKNOWN = -1, -(10**19)
"""Stand for an author and for an order that are none of the flow's."""


@dataclass(frozen=True, slots=True)
class ReplayFigures:
    """What came of a recording, as far as its steps were drawn.

    ``takes_reproduced`` filled the orders that the recording names, in its order, with its lots. ``takes_mended`` were
    sent after moving an order aside that the recording passes over and names later. ``phantom_lots`` were filled though
    the recording does not fill them, or not by that take. ``orders_taken_out`` were cancelled because what is recorded
    later could not have happened beside them, and no message names them again.
    """

    takes: int
    takes_reproduced: int
    takes_mended: int
    phantom_lots: int
    orders_taken_out: int
    commands_refused: int


@dataclass(slots=True)
class Tally:
    """What a replay knows of its own steps, as far as they were drawn."""

    names: dict[Name, int] = field(default_factory=dict)
    """The order id of every submission."""
    recorded: dict[Name, Fills] = field(default_factory=dict)
    """What each take got in the recording."""
    expected: dict[Name, Fills] = field(default_factory=dict)
    """What each take gets in the replay's own book."""
    takes_not_sent: int = 0
    """All of their lots had been filled early."""
    takes_mended: int = 0
    orders_taken_out: int = 0

    def figures(self, filled: Mapping[Name, Fills], commands_refused: int) -> ReplayFigures:
        """Compare what orders got with the recording."""
        nothing: Fills = []
        return ReplayFigures(
            takes=len(self.recorded) + self.takes_not_sent,
            takes_reproduced=sum(filled.get(name) == fills for name, fills in self.recorded.items()),
            takes_mended=self.takes_mended,
            phantom_lots=sum(_phantom_lots(fills, self.recorded.get(name, nothing)) for name, fills in filled.items()),
            orders_taken_out=self.orders_taken_out,
            commands_refused=commands_refused,
        )


class ReplayEngine(Protocol):
    """What a flow needs of a matching engine to be run by it."""

    def begin_block(self, time_ms: int) -> None: ...

    def run(self, author: bytes, commands: Sequence[Command]) -> None: ...

    def end_block(self) -> Iterable[tuple[Any, ...]]: ...

    def commit(self) -> None: ...


class ReplayAudit:
    """Compares the events of whoever runs a recorded flow with the recording."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._filled: dict[Name, Fills] = {}
        self._refused = 0

    def saw(self, event: Sequence[Any], authors: Mapping[bytes, int]) -> None:
        """Take one event of an engine. ``authors`` has the flow's index of each key; events of others do not count."""
        if event[0] == FILL:
            _, _, _, lots, maker, maker_client_id, taker, taker_client_id, *_ = event
            if taker in authors or maker in authors:
                order_id = self._tally.names.get((authors.get(maker, STRANGER), maker_client_id), UNKNOWN)
                fills = self._filled.setdefault((authors.get(taker, STRANGER), taker_client_id), [])
                fills.append((order_id, lots))
        elif event[0] == REJECTED and event[2] in authors:
            self._refused += 1

    def run(self, engine: ReplayEngine, steps: Iterable[FlowStep]) -> ReplayFigures:
        """Run steps through an engine, each in a block of its own, and return the figures."""
        authors: dict[bytes, int] = {}
        for step in steps:
            key = step.author.to_bytes(32, "big")
            authors[key] = step.author
            engine.begin_block(step.time_us // 1000)
            engine.run(key, [step.command])
            for event in engine.end_block():
                self.saw(event, authors)
            engine.commit()
        return self.figures()

    def figures(self) -> ReplayFigures:
        """The figures of the steps drawn so far: a take whose fills were not seen is not reproduced."""
        return self._tally.figures(self._filled, self._refused)


def _phantom_lots(fills: Fills, recorded: Fills) -> int:
    """The lots that were filled beyond those that the recording filled of the same order."""
    if fills == recorded:
        return 0
    more: Counter[int] = Counter()
    for order_id, lots in fills:
        more[order_id] += lots
    for order_id, lots in recorded:
        more[order_id] -= lots
    return sum((+more).values())
