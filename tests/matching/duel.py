"""Runs an engine and the oracle side by side and compares them event by event, block by block."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from gossipbook.audit.oracle import OracleBook
from gossipbook.flow import FlowStep
from gossipbook.limits import Limits
from gossipbook.manifest import Pair
from gossipbook.matching.commands import KINDS, Command
from gossipbook.matching.engine import Engine
from gossipbook.matching.events import CANCELLED, REJECTED

from .audit import Audit

PlainCommand = tuple[Any, ...]


class Run(NamedTuple):
    author: bytes
    commands: Sequence[Command]
    void: bool = False


class Freeze(NamedTuple):
    author: bytes


class Leave(NamedTuple):
    author: bytes


Op = Run | Freeze | Leave


class Rules(NamedTuple):
    """The limits of a duel's pair; small, so that they are met."""

    min_qty: int = 1
    max_qty: int = 20
    max_price: int = 200
    band_bps: int = 0
    max_own: int = 12
    max_all: int = 40
    rate: int = 0
    triggers: int = 256
    wardens: tuple[bytes, ...] = ()
    rules: int = 2
    block_work: int = 16_384
    op_work: int = 8_192

    def engine(self, engine_type: type[Engine] = Engine) -> Engine:
        pair = Pair("A/B", "1", "1", self.min_qty, self.max_qty, self.max_price, self.band_bps)
        limits = Limits(
            max_block_work=self.block_work,
            max_op_work=self.op_work,
            max_open_orders_per_author=self.max_own,
            max_open_orders_per_pair=self.max_all,
            max_commands_per_author_per_s=self.rate,
            max_triggers_per_block=self.triggers,
        )
        return engine_type(pair, limits, self.wardens, self.rules)


BROAD = Rules(1, 10**9, 10**9, 0, 20_000, 1_000_000)
"""A manifest's defaults, for flows that are not meant to meet the limits."""


def blocks_of(steps: Sequence[FlowStep], size: int) -> list[Sequence[FlowStep]]:
    return [steps[first : first + size] for first in range(0, len(steps), size)]


class Solo:
    """The oracle alone, with the audit on: what can be asked of the rules without an engine."""

    def __init__(self, rules: Rules, book_type: type[OracleBook] = OracleBook) -> None:
        self.oracle = book_type(*rules)
        self.audit = Audit()
        self.seen: Counter[tuple[int, int]] = Counter()  # by event kind, and reason or cause

    def play(self, time_ms: int, ops: Sequence[Op]) -> "Executed":
        events = execute_oracle(self.oracle, time_ms, ops)
        self._look(events, ops[: events.ran])
        return events

    def play_and_undo(self, time_ms: int, ops: Sequence[Op]) -> None:
        """The oracle's way to undo is a copy from before."""
        before = self.oracle
        self.oracle = before.copy()
        execute_oracle(self.oracle, time_ms, ops)
        self.oracle = before

    def _look(self, events: Sequence[Any], ops: Sequence[Op]) -> None:
        """Audit a block's events and the book after them, and count what happened."""
        for op in ops:
            if isinstance(op, Run):
                self.audit.sent(op.author, op.commands)
            elif isinstance(op, Leave):
                self.audit.left(op.author)
        bids, asks = (self.oracle.resting_whole(side) for side in (1, 2))
        auction_goes_on = self.oracle.auction is not None
        stops = self.oracle.waiting() + self.oracle.line()
        self.audit.block(events, bids, asks, stops, auction_goes_on=auction_goes_on)
        for event in events:
            why = event[5] if event[0] == REJECTED else event[6] if event[0] == CANCELLED else 0
            self.seen[event[0], why] += 1


class Duel(Solo):
    """``play`` executes a block on both and keeps it; ``play_and_undo`` also takes it back."""

    def __init__(self, rules: Rules, engine_type: type[Engine] = Engine) -> None:
        super().__init__(rules)
        self.engine = rules.engine(engine_type)

    def play(self, time_ms: int, ops: Sequence[Op]) -> "Executed":
        events = execute_engine(self.engine, time_ms, ops)
        self._compare(events, self.oracle, time_ms, ops)
        self.engine.commit()
        self._look(events, ops[: events.ran])
        return events

    def play_and_undo(self, time_ms: int, ops: Sequence[Op]) -> None:
        """The block's events must be right, and then it must be as if it had not been."""
        before, digest = self.engine.state(), self.engine.digest()
        events = execute_engine(self.engine, time_ms, ops)
        self._compare(events, self.oracle.copy(), time_ms, ops)
        self.engine.rollback()
        assert self.engine.state() == before
        assert self.engine.digest() == digest
        assert execute_engine(self.engine, time_ms, ops) == events, "a second execution differs from the first"
        self.engine.rollback()
        assert self.engine.digest() == digest
        self._compare_books(self.oracle)

    def _compare(self, events: "Executed", oracle: OracleBook, time_ms: int, ops: Sequence[Op]) -> None:
        expected = execute_oracle(oracle, time_ms, ops)
        for got, want in zip(events, expected, strict=False):
            assert got == want, f"the engine says {got}, the oracle {want}"
        assert len(events) == len(expected), "one of the two says more"
        assert events.ran == expected.ran, "one of the two runs more"
        assert self.engine.has_left_over() == oracle.has_left_over()
        self._compare_books(oracle)

    def _compare_books(self, oracle: OracleBook) -> None:
        for side in (1, 2):
            rows = self.engine.open_orders(side)
            assert [(*row[:4], row[5]) for row in rows] == oracle.resting_whole(side)
            entered = [(price, number) for _, _, price, _, number, _ in rows]
            assert all(a[0] != b[0] or a[1] < b[1] for a, b in pairwise(entered)), "a queue is not in order of entry"
            levels: dict[int, list[int]] = {}
            for _, _, price, shown in oracle.resting(side):
                levels.setdefault(price, []).append(shown)
            depth = [(price, sum(lots), len(lots)) for price, lots in levels.items()]
            assert self.engine.depth(side, 1000) == depth
            assert self.engine.depth(side, 2) == depth[:2]
        waiting = self.engine.waiting_orders()
        assert [row[:6] for row in waiting] == oracle.waiting()
        assert all(a[6] < b[6] for a, b in pairwise(waiting)), "waiting orders are not in order of number"
        assert [row[:6] for row in self.engine.line()] == oracle.line()
        assert self.engine.pair_state == oracle.pair_state
        assert self.engine.leases() == oracle.leases()


class Executed(list[Any]):
    """A block's events; ``ran``: how many ops ran until the block was full."""

    ran = 0


def execute_engine(engine: Engine, time_ms: int, ops: Sequence[Op]) -> Executed:
    engine.begin_block(time_ms)
    ran = 0
    while ran < len(ops) and not engine.is_full:
        op = ops[ran]
        ran += 1
        if isinstance(op, Run):
            engine.run(op.author, op.commands, op.void, ran)
        elif isinstance(op, Leave):
            engine.leave(op.author)
        else:
            engine.freeze(op.author)
    events = Executed(engine.end_block())
    events.ran = ran
    return events


def execute_oracle(oracle: OracleBook, time_ms: int, ops: Sequence[Op]) -> Executed:
    oracle.begin_block(time_ms)
    ran = 0
    while ran < len(ops) and not oracle.is_full():
        op = ops[ran]
        ran += 1
        if isinstance(op, Run):
            oracle.run(op.author, [plain(command) for command in op.commands], op.void, ran)
        elif isinstance(op, Leave):
            oracle.leave(op.author)
        else:
            oracle.freeze(op.author)
    events = Executed(oracle.end_block())
    events.ran = ran
    return events


def plain(command: Command) -> PlainCommand:
    fields = (value if isinstance(value, bytes | str) else int(value) for value in command)
    return (KINDS[type(command)], *fields)
