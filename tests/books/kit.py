"""An engine and the books that are kept beside it from its events alone."""

from typing import Any

from matching.duel import Duel, Op, Rules

from gossipbook.books.changes import BlockChanges, apply_orders
from gossipbook.books.l3 import L3Book
from gossipbook.books.levels import L2Book
from gossipbook.books.queues import OrderKey
from gossipbook.books.snapshot import BookSnapshot
from gossipbook.ids import digest
from gossipbook.manifest import Pair
from gossipbook.matching.commands import Place, PlaceSpecial, Side
from gossipbook.matching.engine import Engine
from gossipbook.peer.books import engine_rows

SPEC = Pair("A/B", "1", "1")
ALICE, BOB, CAROL = (bytes([letter]) * 32 for letter in b"ABC")


def block_id(height: int) -> bytes:
    return digest(b"a block", height.to_bytes(8, "big"))


def place(client_id: int, side: int, price: int, qty: int, **changes: int) -> Place:
    return Place(client_id, side, 1, price, qty, 1)._replace(**changes)


def special(client_id: int, side: int, price: int, qty: int, **changes: int) -> PlaceSpecial:
    return PlaceSpecial(client_id, side, 1, price, qty, 1)._replace(**changes)


class Shelf:
    """Books of every kind, moved on block by block and held against the engine."""

    def __init__(self, engine: Engine, spec: Pair = SPEC) -> None:
        self.engine = engine
        self.l3 = L3Book(spec)
        self.late: L3Book | None = None
        self.l2 = L2Book()
        self.queues: dict[int, dict[int, dict[OrderKey, int]]] = {1: {}, 2: {}}

    def take(self, time_ms: int, events: list[Any]) -> BlockChanges:
        height, previous = self.l3.height + 1, self.l3.sequence
        changes = self.l3.apply(height, block_id(height), time_ms, events)
        self.l2.apply(previous, self.l3.sequence, changes.levels)
        apply_orders(self.queues, changes.orders)
        if self.late is not None:
            assert self.late.apply(height, block_id(height), time_ms, events) == changes
            assert self.late.snapshot() == self.l3.snapshot()
        self.compare()
        return changes

    def come_late(self) -> None:
        """From now on there is a second book, which starts from a snapshot of the engine's as it is."""
        engine, book = self.engine, self.l3
        snapshot = BookSnapshot(
            *(book.spec.symbol, book.height, book.block_id, book.time_ms, engine.event_number),
            *(engine.last_trade_ticks, engine.pair_state, tuple(engine_rows(engine))),
        )
        assert snapshot == book.snapshot()
        self.late = L3Book.of_snapshot(book.spec, snapshot)
        assert self.late.snapshot() == snapshot

    def compare(self) -> None:
        assert self.l3.sequence == self.engine.event_number
        for side in Side:
            whole = [(*row[:4], row[5]) for row in self.engine.open_orders(side)]
            assert list(self.l3.whole_orders(side)) == whole
            resting = [row[:4] for row in whole]
            assert list(self.l3.orders(side)) == resting
            prices = sorted(self.queues[side], reverse=side == Side.BUY)
            told = [(*key, price, lots) for price in prices for key, lots in self.queues[side][price].items()]
            assert told == resting
            depth = self.engine.depth(side, 10_000)
            assert self.l3.levels(side) == depth
            assert self.l3.levels(side, 3) == depth[:3]
        assert self.l2.view() == self.l3.l2()
        assert self.l3.waiting_orders() == [row[:6] for row in self.engine.waiting_orders()]
        assert self.l3.line() == [row[:6] for row in self.engine.line()]
        assert self.l3.open_count == self.engine.book.open_count
        assert self.l3.state == self.engine.pair_state
        assert self.l3.last_ticks == self.engine.last_trade_ticks


class Stage:
    """A duel with its shelf: ``play`` a block, or a list of places of one author after another."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.duel = Duel(rules or Rules())
        self.shelf = Shelf(self.duel.engine)
        self.blocks: list[tuple[int, list[Any]]] = []

    def play(self, time_ms: int, ops: list[Op]) -> BlockChanges:
        events = self.duel.play(time_ms, ops)
        self.blocks.append((time_ms, events))
        return self.shelf.take(time_ms, events)
