"""Sets speculative blocks aside and puts them back, without executing them again, so that certified state can be read.

An undo leaves no trace of what it undid. Here each entry of the undo log is turned, before it is undone, into the entry
that brings the change back, so that these entries, read the other way, restore the book. Both ways cost what an undo
costs, which does not depend on what executing the block cost.
"""

from dataclasses import dataclass
from typing import Any

from gossipbook.matching.book import Book
from gossipbook.matching.engine import Engine
from gossipbook.matching.ladder import Account, Order
from gossipbook.matching.undo import (
    HIDDEN,
    INDEXED,
    LINED_UP,
    MAPPED,
    OPEN,
    ORDER,
    PLACE,
    RUN,
    SORTED_ADDED,
    SORTED_REMOVED,
    TIDIED,
    TOLD,
    UNINDEXED,
    UndoEntry,
)

_LINE_UP, _TAKE_FIRST = -LINED_UP, -RUN  # what brings back an entry of the line; no undo log has these


@dataclass(slots=True)
class SuspendedBlock:
    """A speculative block that was set aside."""

    log: list[UndoEntry]
    forward: list[UndoEntry]
    accounts: list[tuple[Account, int, int]]  # with the last id after the block, and the one before
    made: list[Account]
    engine: dict[str, Any]


def suspend(engine: Engine) -> list[SuspendedBlock]:
    """Set the engine's speculative blocks aside, which leaves the engine as it was before them; the newest first.

    There must be at least one. The engine must not be moved until they are back by :func:`resume`.
    """
    blocks = [_suspend_newest(engine)]
    while engine.uncover():
        blocks.append(_suspend_newest(engine))
    return blocks


def resume(engine: Engine, blocks: list[SuspendedBlock]) -> None:
    """Put blocks back that :func:`suspend` set aside; they are good for that alone, and only once."""
    for number, block in enumerate(reversed(blocks)):
        if number:
            engine.cover()
        _resume(engine, block)


def _suspend_newest(engine: Engine) -> SuspendedBlock:
    book = engine.book
    log, book.log = book.log, []
    forward = []
    for entry in reversed(log):
        forward.append(_opposite(book, entry))
        _apply(book, entry)
    accounts = []
    for account in book.met:
        accounts.append((account, account.last_id, account.before))
        account.last_id = account.before
    held = {name: getattr(engine, name) for name in _FIELDS}
    engine._restore()
    engine._mind_state()
    if engine._max_rate:
        engine._rates_second, engine._rates = engine._rates_before
    book.emptied.clear()  # Whose change has been seen to when the block was executed.
    book.log = []  # What was taken out of queues on the way was logged too.
    made, book.met, book.made = book.made, [], []
    return SuspendedBlock(log, forward, accounts, made, held)


def _resume(engine: Engine, block: SuspendedBlock) -> None:
    book = engine.book
    for entry in reversed(block.forward):
        _apply(book, entry)
    for account, last_id, before in block.accounts:
        account.last_id, account.before = last_id, before
        book.met.append(account)
    for name, value in block.engine.items():
        setattr(engine, name, value)
    engine._mind_state()
    book.log, book.made = block.log, block.made


_FIELDS = (
    *("event_number", "order_number", "reference_ticks", "last_trade_ticks", "low_ticks", "high_ticks"),
    *("auction", "pair_state"),
    *("_rates_second", "_rates", "_rates_before", "_before"),
)


def _opposite(book: Book, entry: UndoEntry) -> UndoEntry:
    """Return the entry that, once ``entry`` was undone, brings the present state back."""
    if type(entry) is Order:
        return entry  # It rests now, or it does not: each time it is met it changes to the other.
    kind = entry[0]
    match kind:
        case _ if kind == OPEN:
            return (OPEN, entry[1], entry[1].open_lots)
        case _ if kind == ORDER:
            order = entry[1]
            return (ORDER, order, order.price_ticks, order.total_lots, order.open_lots, order.number)
        case _ if kind == TOLD:
            return (TOLD, entry[1], entry[1].filled_lots, entry[1].last_event)
        case _ if kind == HIDDEN:
            return (HIDDEN, entry[1], entry[1].hidden_lots)
        case _ if kind == MAPPED:
            return (MAPPED, entry[1], entry[2], entry[1].get(entry[2]))
        case _ if kind == TIDIED:
            return (TIDIED, book.line)
        case _ if kind == PLACE:
            return (PLACE, entry[1], entry[1].place)
        case _:
            return (_OPPOSITES[kind], *entry[1:])


_OPPOSITES = {
    SORTED_ADDED: SORTED_REMOVED,
    SORTED_REMOVED: SORTED_ADDED,
    INDEXED: UNINDEXED,
    UNINDEXED: INDEXED,
    LINED_UP: _LINE_UP,
    RUN: _TAKE_FIRST,
}


def _apply(book: Book, entry: UndoEntry) -> None:
    if type(entry) is Order:
        book._undo_order(entry)
    elif entry[0] == _LINE_UP:
        book.line.append(entry[1])
    elif entry[0] == _TAKE_FIRST:
        book.line.popleft()
    else:
        book._undo_entry(entry)
