"""A replay fills what the recording fills, whatever the recording did not see."""

import random
from itertools import chain, islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossipbook.flow import RecordedFlow, ReplayFigures, lobster_flow
from gossipbook.flow.figures import Tally
from gossipbook.flow.follower import RecordingFollower
from gossipbook.flow.lobster import (
    DELETE,
    EXECUTE,
    EXECUTE_HIDDEN,
    REDUCE,
    SUBMIT,
    RecordedMessage,
    group_takes,
    read_messages,
)
from gossipbook.flow.orderbook import BookRow, read_books
from gossipbook.flow.recorded_book import RecordedBook
from gossipbook.flow.unseen import UnseenOrder, merge_unseen, outline
from gossipbook.limits import Limits
from gossipbook.manifest import Pair
from gossipbook.matching.commands import Side
from gossipbook.matching.engine import Engine

from .recorder import HOUR, Recorder, cut

FIRST_MESSAGES = HOUR.with_name("AAPL_2012-06-21_first999_message_10.csv")
FIRST_BOOKS = HOUR.with_name("AAPL_2012-06-21_first999_orderbook_10.csv")

recorded = pytest.mark.skipif(not HOUR.exists(), reason="no recorded flow")


def run(flow: RecordedFlow) -> ReplayFigures:
    """What the product's engine makes of a flow; the replay's own book has to expect the same."""
    figures = flow.audit().run(Engine(Pair("A/B"), Limits()), chain(flow.prelude, flow.steps))
    print(figures)
    return figures


# -- the recorded hour ---------------------------------------------------------------------------------


@recorded
def test_the_hour_is_reproduced_take_by_take() -> None:
    """Eight takes pass over the head of a queue, for reasons that the recording does not tell."""
    flow = lobster_flow(HOUR)
    figures = run(flow)
    assert figures == flow.figures() == ReplayFigures(3323, 3323, 8, 0, 0, 0)


@recorded
@pytest.mark.parametrize(("levels", "taken_out"), [(10, 1_040), (5, 2_222), (1, 4_713)])
def test_so_it_is_with_fewer_levels(tmp_path: Path, levels: int, taken_out: int) -> None:
    messages, books = cut(HOUR, levels).write(tmp_path)
    flow = lobster_flow(messages)
    figures = run(flow)
    assert figures == flow.figures()
    assert (figures.takes, figures.takes_reproduced, figures.phantom_lots) == (3323, 3323, 0)
    assert (figures.orders_taken_out, figures.commands_refused) == (taken_out, 0)
    assert figures.takes_mended <= 8
    shown = run(lobster_flow(messages, orderbook=books))
    assert (shown.takes, shown.takes_reproduced, shown.phantom_lots, shown.commands_refused) == (3323, 3323, 0, 0)


@recorded
def test_the_cut_is_the_one_that_lobster_makes(tmp_path: Path) -> None:
    first = [message[1:] for message in read_messages(FIRST_MESSAGES)]
    assert [message[1:] for message in islice(read_messages(cut(HOUR, 10).write(tmp_path)[0]), 999)] == first


@recorded
def test_if_submissions_take_nobody_out_they_fill_what_was_not_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages, _ = cut(HOUR, 5).write(tmp_path)

    monkeypatch.setattr(RecordedBook, "crossed_by", lambda book, side, price_ticks: [])
    figures = run(lobster_flow(messages))
    assert figures.takes_reproduced < 0.995 * figures.takes
    assert figures.phantom_lots > 1_000
    assert figures.commands_refused > 0


@recorded
def test_the_first_999_books_are_those_of_the_orderbook_file() -> None:
    assert books_differ(FIRST_MESSAGES, FIRST_BOOKS) == []


@recorded
@pytest.mark.parametrize("levels", [10, 1])
def test_every_book_of_a_cut_is_that_of_its_orderbook_file(tmp_path: Path, levels: int) -> None:
    assert books_differ(*cut(HOUR, levels).write(tmp_path)) == []


def books_differ(messages: Path, orderbook: Path) -> list[int]:
    """After which items of a recording an engine's best levels are not those shown."""
    first = outline(read_messages(messages))
    views = read_books(orderbook)
    view = next(read_books(orderbook))
    assert first.message is not None
    follower = RecordingFollower(Tally(), first.removed_lots, 4, 1, 100, view.levels)
    engine = Engine(Pair("A/B"), Limits())
    steps = follower.open(first.message.time_ns, first.resting) + follower.show(view.before(first.message, 100))
    differing = []
    for number, item in enumerate(merge_unseen(group_takes(read_messages(messages)), first.unseen)):
        steps += follower.follow(item)
        if isinstance(item, UnseenOrder):
            continue
        for _ in getattr(item, "executions", (item,)):
            view = next(views)
        steps += follower.show(view)
        for step in steps:
            engine.begin_block(0)
            engine.run(bytes([step.author]) * 32, [step.command])
            engine.end_block()
            engine.commit()
        steps = []
        bids, asks = ({price: lots for price, lots, _ in engine.depth(side, view.levels)} for side in Side)
        if BookRow(view.levels, bids, asks) != view:
            differing.append(number)
    return differing


# -- markets of our own, of which all is known ------------------------------------------------------------


class Market:
    """Random orders around a price, and what an exchange would record of them."""

    def __init__(self, seed: int, levels: int) -> None:
        self.rng = random.Random(seed)
        self.recorder = Recorder(levels)
        self.queues: dict[tuple[int, int], list[int]] = {}
        self.last_id = self.now = 0

    def play(self, events: int) -> Recorder:
        rng = self.rng
        for number in range(events):
            self.now += rng.randrange(1_000, 5_000)
            what = rng.random()
            if what < 0.5 or not self.recorder.book.orders:
                self.submit(rests=number < events // 10)
            elif what < 0.75:
                order_id = rng.choice(list(self.recorder.book.orders))
                self.lower(DELETE, order_id, self.recorder.book.orders[order_id][2])
            elif what < 0.85:
                order_id = rng.choice(list(self.recorder.book.orders))
                if self.recorder.book.orders[order_id][2] > 1:
                    self.lower(REDUCE, order_id, rng.randrange(1, self.recorder.book.orders[order_id][2]))
            elif what < 0.87:
                self.say(EXECUTE_HIDDEN, 0, 1, 10_000, Side.BUY)
            else:
                self.take(rng.choice([Side.BUY, Side.SELL]), rng.randrange(1, 30))
        return self.recorder

    def submit(self, *, rests: bool) -> None:
        """``rests``: before the recording begins."""
        side = self.rng.choice([Side.BUY, Side.SELL])
        other = self.recorder.book.keys[Side.SELL if side == Side.BUY else Side.BUY]
        price = 100 + self.rng.randrange(-6, 7)
        if other:
            best = abs(other[0]) // 100
            price = min(price, best - 1) if side == Side.BUY else max(price, best + 1)
        self.last_id += 1
        lots = self.rng.randrange(1, 12)
        self.queues.setdefault((side, price * 100), []).append(self.last_id)
        if rests:
            self.recorder.book.enter(self.last_id, side, price * 100, lots)
        else:
            self.say(SUBMIT, self.last_id, lots, price * 100, side)

    def lower(self, kind: int, order_id: int, lots: int) -> None:
        side, price, left = self.recorder.book.orders[order_id]
        if lots == left:
            self.queues[side, price].remove(order_id)
        self.say(kind, order_id, lots, price, side)

    def take(self, side: Side, lots: int) -> None:
        """Of the resting orders of a side, down to some price."""
        book = self.recorder.book
        for key in book.keys[side][: self.rng.randrange(1, 4)]:
            for order_id in list(self.queues[side, abs(key)]):
                part = min(lots, book.orders[order_id][2])
                if part:
                    lots -= part
                    self.lower(EXECUTE, order_id, part)

    def say(self, kind: int, order_id: int, size: int, price: int, side: int) -> None:
        self.recorder.take(RecordedMessage(0, self.now, kind, order_id, size, price, side))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 1, 2, 3, 5, 50]), st.sampled_from([30, 120, 600]))
def test_of_any_market_and_level_every_take_is_reproduced(
    tmp_path_factory: pytest.TempPathFactory, seed: int, levels: int, events: int
) -> None:
    messages, books = Market(seed, levels).play(events).write(tmp_path_factory.getbasetemp())
    for orderbook in (None, books):
        figures = run(lobster_flow(messages, orderbook=orderbook if messages.stat().st_size else None))
        assert figures.takes_reproduced == figures.takes
        assert (figures.phantom_lots, figures.commands_refused) == (0, 0)
    if messages.stat().st_size:
        assert books_differ(messages, books) == []
