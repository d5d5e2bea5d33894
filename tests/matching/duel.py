"""Runs an engine and the oracle side by side and compares them event by event, block by block."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from gossipbook.audit.oracle import OracleBook
from gossipbook.flow import FlowStep
from gossipbook.manifest import Limits, Pair
from gossipbook.matching.commands import KINDS, Command
from gossipbook.matching.engine import Engine
from gossipbook.matching.events import CANCELLED, REJECTED

from .audit import Audit


class Run(NamedTuple):
    author: bytes
    commands: Sequence[Command]
    void: bool = False


class Freeze(NamedTuple):
    author: bytes


Op = Run | Freeze


class Rules(NamedTuple):
    """The limits of a duel's pair; small, so that they are met."""

    min_qty: int = 1
    max_qty: int = 20
    max_price: int = 200
    band_bps: int = 0
    max_own: int = 12
    max_all: int = 40

    def engine(self, engine_type: type[Engine] = Engine) -> Engine:
        pair = Pair("A/B", "1", "1", self.min_qty, self.max_qty, self.max_price, self.band_bps)
        return engine_type(pair, Limits(max_open_orders_per_author=self.max_own, max_open_orders_per_pair=self.max_all))


BROAD = Rules(1, 10**9, 10**9, 0, 20_000, 1_000_000)
"""A manifest's defaults, for flows that are not meant to meet the limits."""


def blocks_of(steps: Sequence[FlowStep], size: int) -> list[Sequence[FlowStep]]:
    return [steps[first : first + size] for first in range(0, len(steps), size)]


class Duel:
    """``play`` executes a block on both and keeps it; ``play_and_undo`` also takes it back."""

    def __init__(self, rules: Rules, engine_type: type[Engine] = Engine) -> None:
        self.engine = rules.engine(engine_type)
        self.oracle = OracleBook(*rules)
        self.audit = Audit()
        self.seen: Counter[tuple[int, int]] = Counter()  # by event kind, and reason or cause

    def play(self, time_ms: int, ops: Sequence[Op]) -> list[Any]:
        events = _execute_engine(self.engine, time_ms, ops)
        self._compare(events, self.oracle, time_ms, ops)
        self.engine.commit()
        for op in ops:
            if isinstance(op, Run):
                self.audit.sent(op.author, op.commands)
        self.audit.block(events, *(self.oracle.resting(side) for side in (1, 2)))
        for event in events:
            why = event[5] if event[0] == REJECTED else event[6] if event[0] == CANCELLED else 0
            self.seen[event[0], why] += 1
        return events

    def play_and_undo(self, time_ms: int, ops: Sequence[Op]) -> None:
        """The block's events must be right, and then it must be as if it had not been."""
        before, digest = self.engine.state(), self.engine.digest()
        events = _execute_engine(self.engine, time_ms, ops)
        self._compare(events, self.oracle.copy(), time_ms, ops)
        self.engine.rollback()
        assert self.engine.state() == before
        assert self.engine.digest() == digest
        assert _execute_engine(self.engine, time_ms, ops) == events, "a second execution differs from the first"
        self.engine.rollback()
        assert self.engine.digest() == digest
        self._compare_books(self.oracle)

    def _compare(self, events: list[Any], oracle: OracleBook, time_ms: int, ops: Sequence[Op]) -> None:
        expected = _execute_oracle(oracle, time_ms, ops)
        for got, want in zip(events, expected, strict=False):
            assert got == want, f"the engine says {got}, the oracle {want}"
        assert len(events) == len(expected), "one of the two says more"
        self._compare_books(oracle)

    def _compare_books(self, oracle: OracleBook) -> None:
        for side in (1, 2):
            resting = oracle.resting(side)
            assert [order[:4] for order in self.engine.open_orders(side)] == resting
            entered = [(price, number) for _, _, price, _, number in self.engine.open_orders(side)]
            assert all(a[0] != b[0] or a[1] < b[1] for a, b in pairwise(entered)), "a queue is not in order of entry"
            levels: dict[int, list[int]] = {}
            for _, _, price, lots in resting:
                levels.setdefault(price, []).append(lots)
            depth = [(price, sum(lots), len(lots)) for price, lots in levels.items()]
            assert self.engine.depth(side, 1000) == depth
            assert self.engine.depth(side, 2) == depth[:2]


def _execute_engine(engine: Engine, time_ms: int, ops: Sequence[Op]) -> list[Any]:
    engine.begin_block(time_ms)
    for op in ops:
        if isinstance(op, Run):
            engine.run(op.author, op.commands, op.void)
        else:
            engine.freeze(op.author)
    return list(engine.end_block())


def _execute_oracle(oracle: OracleBook, time_ms: int, ops: Sequence[Op]) -> list[Any]:
    oracle.begin_block(time_ms)
    for op in ops:
        if isinstance(op, Run):
            plain = [(KINDS[type(command)], *(int(value) for value in command)) for command in op.commands]
            oracle.run(op.author, plain, op.void)
        else:
            oracle.freeze(op.author)
    return oracle.end_block()
