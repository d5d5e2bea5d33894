"""An hour of recorded order flow. The files may not be redistributed: where they are absent, these tests skip."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from gossipbook.flow.lobster import (
    DELETE,
    EXECUTE,
    REDUCE,
    SUBMIT,
    RecordedMessage,
    Take,
    group_takes,
    price_ticks,
    read_messages,
)
from gossipbook.flow.replay import UnseenOrder, lobster_flow, merge_unseen, unseen_orders
from gossipbook.matching.commands import Side

from .chaos import AUTHORS
from .duel import BROAD, Duel, Run, blocks_of
from .tape import TICK_E4, Tape

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
HOUR = DATA / "AAPL_2012-06-21_34200000_37800000_message_50.csv"
FIRST_MESSAGES = DATA / "AAPL_2012-06-21_first999_message_10.csv"
FIRST_BOOKS = DATA / "AAPL_2012-06-21_first999_orderbook_10.csv"

TAKES = 3323
UNEXPLAINED = {2411, 2420, 36332, 42575, 42576, 42577, 63789, 88000}
"""The last lines of the takes that skip the head of a queue, for reasons that the recording does not tell."""

pytestmark = pytest.mark.skipif(not HOUR.exists(), reason=f"no recorded flow in {DATA}")


def test_an_hour_of_takes_is_reproduced_order_by_order() -> None:
    tape = Tape()
    resting, unseen = unseen_orders(read_messages(HOUR), TICK_E4)
    assert (len(resting), len(unseen)) == (36, 44)
    for item in (*resting, *merge_unseen(group_takes(read_messages(HOUR)), unseen)):
        tape.play(item)
    print(f"{tape.takes - len(tape.differing)} of {tape.takes} takes reproduced")
    assert tape.takes == TAKES
    assert tape.old_ids == 229
    assert set(tape.differing) <= UNEXPLAINED
    assert tape.takes - len(tape.differing) >= 3315
    engine = {
        (author, client_id): lots for side in Side for author, client_id, _, lots, *_ in tape.engine.open_orders(side)
    }
    assert engine == {(order.author, order.client_id): order.open_lots for order in tape.orders.values()}


def test_the_oracle_agrees_on_the_recorded_flow() -> None:
    flow = lobster_flow(HOUR, makers=4, takers=1)
    duel = Duel(BROAD)
    for steps in blocks_of([*flow.prelude, *islice(flow.steps, 40_000)], 200):
        duel.play(steps[0].time_us // 1000, [Run(AUTHORS[step.author], [step.command]) for step in steps])


Levels = list[tuple[int, int]]
Book = tuple[Levels, Levels]


def test_the_first_999_books_are_exact_at_ten_levels() -> None:
    """The deeper tape drives the book, since levels beyond the tenth change unseen in the other.

    Orders that no message names in this stretch of the tape are known by their quantity alone: what a price
    showed when it first came into view, less the orders that are known there.
    """
    messages = list(read_messages(HOUR))
    lines = _lines_of(messages, list(read_messages(FIRST_MESSAGES)))
    books = dict(zip(lines, map(_book, FIRST_BOOKS.read_text().splitlines()), strict=True))
    assert len(books) == 999
    stretch = messages[: lines[-1]]
    known = [order for orders in unseen_orders(stretch, TICK_E4) for order in orders]
    anonymous = _anonymous(known, stretch, books)
    tape = Tape()
    for order in known:
        tape.play(order)
    for i, ((side, price), lots) in enumerate(anonymous):
        tape.play(UnseenOrder(-1 - i, side, price, lots))

    for message in stretch:
        # Each execution is an aggressor of its own here: the file has a row, and a book, after each.
        tape.play(Take((message,)) if message.kind == EXECUTE else message)
        if message.line in books:
            bids, asks = ([(price, lots) for price, lots, _ in tape.engine.depth(side, 10)] for side in Side)
            assert (bids, asks) == books[message.line], f"line {message.line}"
    assert not tape.differing


def _book(row: str) -> Book:
    numbers = [int(number) for number in row.split(",")]
    asks, bids = ([(numbers[i] // TICK_E4, numbers[i + 1]) for i in range(first, len(numbers), 4)] for first in (0, 2))
    return bids, asks


def _lines_of(messages: list[RecordedMessage], wanted: list[RecordedMessage]) -> list[int]:
    """At which lines of the deeper tape the messages of the shallower one are."""
    rest = iter(messages)
    return [next(message.line for message in rest if message[1:] == one[1:]) for one in wanted]


def _anonymous(
    known: list[UnseenOrder], stretch: list[RecordedMessage], books: dict[int, Book]
) -> Iterator[tuple[tuple[int, int], int]]:
    open_lots: Counter[tuple[int, int]] = Counter()
    for order in known:
        open_lots[order.side, order.price_ticks] += order.qty_lots
    seen: set[tuple[int, int]] = set()
    for message in stretch:
        if message.kind in (SUBMIT, REDUCE, DELETE, EXECUTE):
            sign = 1 if message.kind == SUBMIT else -1
            open_lots[message.side, price_ticks(message, TICK_E4)] += sign * message.size
        for side, levels in zip(Side, books.get(message.line, ()), strict=False):
            for price, lots in levels:
                if (side, price) not in seen:
                    seen.add((side, price))
                    if lots != open_lots[side, price]:
                        yield (side, price), lots - open_lots[side, price]
