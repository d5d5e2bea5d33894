"""The book by order, from events alone, is the engine's to the last queue position."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matching.chaos import ALL_ARENAS, ARENAS, AUTHORS, Chaos
from matching.duel import BROAD, Freeze, Op, Rules, Run, blocks_of
from matching.test_oracle_agrees import blocks, rules

from gossipbook.books.changes import Action, OrderChange
from gossipbook.books.l3 import HANDLERS, BookError, L3Book, UnknownEvent
from gossipbook.books.levels import L1, Level, LevelChange, SequenceGap
from gossipbook.books.snapshot import ICEBERG, LINED_UP, RESTING, WAITING, BookSnapshot
from gossipbook.flow.replay import lobster_flow
from gossipbook.matching.commands import (
    Amend,
    Cancel,
    CancelAll,
    OrderType,
    PairState,
    PlaceFlags,
    PlaceSpecial,
    SelfTrade,
    SetState,
)
from gossipbook.matching.events import EVENT_TYPES, GROUPED, LEFT, PAIR_STATE, UNCROSSED

from .kit import ALICE, BOB, CAROL, SPEC, Shelf, Stage, block_id, place, special

HOUR = Path(__file__).resolve().parents[3] / "shared" / "data" / "AAPL_2012-06-21_34200000_37800000_message_50.csv"
BUY, SELL = 1, 2


@settings(max_examples=400, deadline=None)
@given(rules, st.lists(blocks, max_size=6))
def test_any_sequence_of_blocks(limits: Rules, sequence: list[tuple[bool, int, list[Op]]]) -> None:
    stage = Stage(limits)
    time_ms = 1
    for late, wait_ms, block in sequence:
        if late:
            stage.shelf.come_late()
        time_ms += wait_ms
        stage.play(time_ms, block)


@pytest.mark.parametrize("arena", ALL_ARENAS)
@pytest.mark.parametrize("seed", [1, 2])
def test_long_random_runs(arena: str, seed: int) -> None:
    """With consumers who come later, and start from a snapshot."""
    stage, chaos = Stage(ALL_ARENAS[arena].rules), Chaos(seed, ALL_ARENAS[arena])
    for _ in range(150):
        block = chaos.block(stage.duel.oracle)
        stage.play(chaos.time_ms, block)
        if chaos.rng.random() < 0.1:
            stage.shelf.come_late()
    kinds = {event[0] for _, events in stage.blocks for event in events}
    rare = {"auctioned": set(), "taken": {PAIR_STATE, UNCROSSED, GROUPED}}.get(arena, {PAIR_STATE, UNCROSSED})
    if arena in ARENAS:
        assert kinds | rare == set(EVENT_TYPES) - {LEFT}
    else:
        assert LEFT in kinds


@pytest.mark.skipif(not HOUR.exists(), reason="no recorded flow")
def test_the_recorded_flow() -> None:
    flow = lobster_flow(HOUR, makers=4, takers=1)
    engine = BROAD.engine()
    shelf = Shelf(engine)
    for steps in blocks_of([*flow.prelude, *islice(flow.steps, 30_000)], 100):
        engine.begin_block(steps[0].time_us // 1_000)
        for step in steps:
            engine.run(AUTHORS[step.author], [step.command])
        events = list(engine.end_block())
        engine.commit()
        shelf.take(steps[0].time_us // 1_000, events)
    assert len(shelf.l3) > 100


def test_every_kind_of_event_has_its_line() -> None:
    assert set(HANDLERS) == set(EVENT_TYPES)


# -- what a block says it changed --------------------------------------------------------------------------


def test_an_update_names_each_order_once_however_much_happened_to_it() -> None:
    stage = Stage()
    stage.play(1, [Run(ALICE, [place(1, SELL, 101, 5), place(2, SELL, 101, 5)])])
    changes = stage.play(2, [Run(BOB, [place(1, BUY, 101, 2), place(2, BUY, 101, 1), place(3, BUY, 100, 4)])])
    assert changes.orders == (
        OrderChange(Action.CHANGE, SELL, 101, ALICE, 1, 2),
        OrderChange(Action.ADD, BUY, 100, BOB, 3, 4),
    )
    assert changes.levels == (LevelChange(BUY, 100, 4, 1), LevelChange(SELL, 101, 7, 2))


def test_an_amend_that_loses_its_place_is_a_removal_and_an_addition() -> None:
    stage = Stage()
    stage.play(1, [Run(ALICE, [place(1, BUY, 100, 5), place(2, BUY, 100, 5)])])
    changes = stage.play(2, [Run(ALICE, [Amend(1, 0, 9)])])
    assert changes.orders == (
        OrderChange(Action.REMOVE, BUY, 100, ALICE, 1, 0),
        OrderChange(Action.ADD, BUY, 100, ALICE, 1, 9),
    )
    assert stage.play(3, [Run(ALICE, [Amend(2, 0, 3)])]).orders == (OrderChange(Action.CHANGE, BUY, 100, ALICE, 2, 3),)


def test_a_level_that_empties_and_fills_again_is_compared_with_what_it_was() -> None:
    stage = Stage()
    stage.play(1, [Run(ALICE, [place(1, BUY, 100, 5)])])
    changes = stage.play(2, [Run(ALICE, [Cancel(1), place(2, BUY, 100, 5)])])
    assert changes.levels == ()
    assert [change.action for change in changes.orders] == [Action.REMOVE, Action.ADD]


def test_what_comes_and_goes_within_a_block_is_not_told() -> None:
    stage = Stage()
    changes = stage.play(1, [Run(ALICE, [place(1, BUY, 100, 5), Amend(1, 99, 7), Cancel(1), CancelAll()])])
    assert changes == ((), ())
    assert stage.play(2, [Run(ALICE, [place(2, BUY, 90, 5, tif=3), place(3, SELL, 99, 2, tif=4)])]) == ((), ())


def test_a_frozen_author_leaves_the_book() -> None:
    stage = Stage()
    stage.play(1, [Run(ALICE, [place(1, BUY, 100, 5)]), Run(BOB, [place(1, BUY, 100, 2)])])
    assert stage.play(2, [Freeze(ALICE)]).levels == (LevelChange(BUY, 100, 2, 1),)


def test_a_decrement_takes_from_both() -> None:
    stage = Stage()
    stage.play(1, [Run(ALICE, [place(1, BUY, 100, 5)])])
    stage.play(2, [Run(ALICE, [place(2, SELL, 100, 2, self_trade=SelfTrade.DECREMENT)])])
    assert list(stage.shelf.l3.orders(BUY)) == [(ALICE, 1, 100, 3)]


def test_the_top_of_the_book() -> None:
    stage = Stage()
    assert stage.shelf.l3.l1() == L1(None, None, 0, 0, 0)
    assert stage.shelf.l3.l1().spread_ticks is None
    stage.play(1, [Run(ALICE, [place(1, SELL, 104, 5), place(2, SELL, 103, 2)]), Run(BOB, [place(1, BUY, 100, 5)])])
    stage.play(2, [Run(CAROL, [place(1, BUY, 103, 1)])])
    top = stage.shelf.l3.l1()
    assert top == L1(Level(100, 5, 1), Level(103, 1, 1), 103, 1, BUY)
    assert top.spread_ticks == 3


# -- what is not shown -------------------------------------------------------------------------------------


def iceberg(client_id: int, side: int, price: int, qty: int, display: int, **changes: int) -> PlaceSpecial:
    return special(client_id, side, price, qty, display_lots=display, **changes)


def test_a_new_slice_goes_to_the_back_of_its_level() -> None:
    stage = Stage()
    changes = stage.play(1, [Run(ALICE, [iceberg(1, SELL, 101, 7, 3)]), Run(BOB, [place(1, SELL, 101, 5)])])
    assert changes.levels == (LevelChange(SELL, 101, 8, 2),)
    assert list(stage.shelf.l3.whole_orders(SELL)) == [(ALICE, 1, 101, 3, 4), (BOB, 1, 101, 5, 0)]
    changes = stage.play(2, [Run(CAROL, [place(1, BUY, 101, 3)])])
    assert changes.orders == (
        OrderChange(Action.REMOVE, SELL, 101, ALICE, 1, 0),
        OrderChange(Action.ADD, SELL, 101, ALICE, 1, 3),
    )
    assert changes.levels == ()
    assert list(stage.shelf.l3.whole_orders(SELL)) == [(BOB, 1, 101, 5, 0), (ALICE, 1, 101, 3, 1)]


def test_an_order_that_arrives_and_trades_before_it_hides_is_told_once() -> None:
    stage = Stage()
    stage.play(1, [Run(ALICE, [place(1, SELL, 101, 2)])])
    changes = stage.play(2, [Run(BOB, [iceberg(1, BUY, 101, 9, 3)])])
    assert changes.orders[1:] == (OrderChange(Action.ADD, BUY, 101, BOB, 1, 3),)
    assert list(stage.shelf.l3.whole_orders(BUY)) == [(BOB, 1, 101, 3, 4)]


def test_a_reduction_of_what_is_hidden_does_not_show() -> None:
    stage = Stage()
    stage.play(1, [Run(ALICE, [iceberg(1, BUY, 100, 9, 3)])])
    assert stage.play(2, [Run(ALICE, [Amend(1, 0, 4)])]) == ((), ())
    assert list(stage.shelf.l3.whole_orders(BUY)) == [(ALICE, 1, 100, 3, 1)]
    assert stage.play(3, [Run(ALICE, [Amend(1, 0, 2)])]).levels == (LevelChange(BUY, 100, 2, 1),)
    assert stage.play(4, [Run(ALICE, [Amend(1, 0, 8)])]).levels == (LevelChange(BUY, 100, 3, 1),)
    assert list(stage.shelf.l3.whole_orders(BUY)) == [(ALICE, 1, 100, 3, 5)]


def test_a_decrement_of_all_that_an_iceberg_shows() -> None:
    stage = Stage()
    stage.play(1, [Run(ALICE, [iceberg(1, BUY, 100, 9, 3)])])
    stage.play(2, [Run(ALICE, [place(2, SELL, 100, 3, self_trade=SelfTrade.DECREMENT)])])
    assert list(stage.shelf.l3.whole_orders(BUY)) == [(ALICE, 1, 100, 3, 3)]


def test_both_icebergs_of_an_uncrossing_show_their_next_slices() -> None:
    stage = Stage(Rules(wardens=(CAROL,)))
    stage.play(1, [Run(CAROL, [SetState(int(PairState.AUCTION))])])
    stage.play(2, [Run(ALICE, [iceberg(1, BUY, 103, 9, 3)]), Run(BOB, [iceberg(1, SELL, 99, 7, 3)])])
    book = stage.shelf.l3
    assert book.state == PairState.AUCTION
    assert book.l1().spread_ticks == -4, "crossed"
    stage.play(3, [Run(CAROL, [SetState(int(PairState.OPEN))])])
    assert book.state == PairState.OPEN
    assert list(book.whole_orders(BUY)) == [(ALICE, 1, 103, 2, 0)]
    assert list(book.whole_orders(SELL)) == []


def test_a_stop_waits_and_is_triggered_and_runs() -> None:
    stage = Stage(Rules(triggers=1))
    stop = {"type": OrderType.STOP_LIMIT, "stop_ticks": 101}
    stage.play(1, [Run(ALICE, [special(number, BUY, 102, 5, **stop) for number in (1, 2, 3)])])
    book = stage.shelf.l3
    assert (len(book), book.open_count, book.l2()) == (0, 3, ((), ()))
    assert stage.play(2, [Run(ALICE, [Amend(1, 103, 0), Amend(2, 0, 4)])]) == ((), ())
    assert book.waiting_orders() == [
        (ALICE, 2, BUY, 101, 102, 4), (ALICE, 3, BUY, 101, 102, 5), (ALICE, 1, BUY, 101, 103, 5)
    ]  # fmt: skip
    stage.play(3, [Run(BOB, [place(1, SELL, 101, 1)]), Run(CAROL, [place(1, BUY, 101, 1)])])
    assert book.waiting_orders() == []
    assert book.line() == [(ALICE, 3, BUY, 101, 102, 5), (ALICE, 1, BUY, 101, 103, 5)]
    assert list(book.orders(BUY)) == [(ALICE, 2, 102, 4)]
    assert [row[0] for row in book.rows()] == [RESTING, LINED_UP, LINED_UP]
    stage.play(4, [Run(ALICE, [Amend(3, 0, 9), Cancel(1)])])
    assert list(book.orders(BUY)) == [(ALICE, 2, 102, 4), (ALICE, 3, 102, 9)]
    assert book.line() == []


def test_a_post_only_order_that_slides_is_where_it_slid_to() -> None:
    stage = Stage()
    stage.play(1, [Run(ALICE, [place(1, SELL, 101, 5)])])
    stage.play(2, [Run(BOB, [special(1, BUY, 105, 5, flags=PlaceFlags.POST_ONLY | PlaceFlags.SLIDE)])])
    assert list(stage.shelf.l3.orders(BUY)) == [(BOB, 1, 100, 5)]


def test_an_amend_that_slides_back_to_where_the_order_is_keeps_its_place() -> None:
    """Its event is that of a reduction, so that it must be one."""
    stage = Stage()
    stage.play(1, [Run(ALICE, [place(1, SELL, 101, 5)])])
    stage.play(2, [Run(BOB, [special(1, BUY, 105, 5, flags=PlaceFlags.POST_ONLY | PlaceFlags.SLIDE)])])
    stage.play(3, [Run(CAROL, [place(1, BUY, 100, 5)]), Run(BOB, [Amend(1, 103, 4)])])
    assert list(stage.shelf.l3.orders(BUY)) == [(BOB, 1, 100, 4), (CAROL, 1, 100, 5)]
    stage.play(4, [Run(BOB, [Amend(1, 103, 6)])])
    assert list(stage.shelf.l3.orders(BUY)) == [(CAROL, 1, 100, 5), (BOB, 1, 100, 6)]


# -- what cannot be ----------------------------------------------------------------------------------------


def test_a_block_without_events_moves_the_height_alone() -> None:
    book = L3Book(SPEC)
    assert book.apply(1, block_id(1), 5, []) == ((), ())
    assert (book.height, book.sequence, book.time_ms) == (1, 0, 5)


@pytest.mark.parametrize(
    ("height", "numbers"), [(1, [1]), (3, [1]), (4, [3]), (2, [4]), (2, [2]), (2, [3, 5]), (2, [3, 3])]
)
def test_a_gap_changes_nothing(height: int, numbers: list[int]) -> None:
    book = L3Book(SPEC)
    book.apply(1, block_id(1), 1, [(1, 1, ALICE, 1, BUY, 100, 5), (1, 2, BOB, 1, BUY, 100, 5)])
    before = book.snapshot()
    with pytest.raises(SequenceGap):
        book.apply(height, block_id(height), 2, [(4, number, ALICE, 1, 5, 0, 1) for number in numbers])
    assert book.snapshot() == before


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(UnknownEvent, match="event 1 is of kind 99, which this version does not know"):
        L3Book(SPEC).apply(1, block_id(1), 1, [(99, 1, ALICE)])


@pytest.mark.parametrize(
    "event",
    [
        (1, 2, ALICE, 1, BUY, 100, 5),  # enters twice
        (1, 2, ALICE, 2, 3, 100, 5),  # no side
        (1, 2, ALICE, 2, BUY, 0, 5),
        (1, 2, ALICE, 2, BUY, 100, 0),
        (1, 2, b"short", 2, BUY, 100, 5),
        (1, 2, 7, 2, BUY, 100, 5),
        (1, 2, ALICE, ALICE, BUY, 100, 5),
        (1, 2, ALICE, 2, BUY, 100),
        (1, 2),
        (3, 2, 100, 1, ALICE, 1, BOB, 1, SELL),  # a taker that never entered
        (3, 2, 100, 1, BOB, 1, ALICE, 1, SELL),
        (3, 2, 101, 1, ALICE, 1, ALICE, 1, BUY),  # beyond its limit
        (3, 2, 100, 1, ALICE, 1, ALICE, 1, SELL),  # not of the taker's side
        (3, 2, 100, 9, ALICE, 1, ALICE, 1, BUY),
        (4, 2, ALICE, 1, 9, 0, 1),
        (4, 2, ALICE, 1, 5, 1, 1),
        (4, 2, ALICE, 7, 5, 0, 1),
        (4, 2, ALICE, 1, ALICE, 0, 1),
        (5, 2, ALICE, 1, 4),
        (6, 2, ALICE, 1, 100, 5, 0),
        (6, 2, BOB, 1, 100, 5, 1),
        (6, 2, ALICE, 1, 0, 5, 5),
        (8, 2, ALICE, 1, 100, 5),  # never waited
        (9, 2, ALICE, 1, 2, 4),  # more than there is
        (9, 2, ALICE, 1, 0, 5),
        (9, 2, ALICE, 1, 6, -1),
        (9, 2, ALICE, 7, 2, 3),
        (10, 2, ALICE, 6),  # no state
        (10, 2, ALICE),
        (15, 2, ALICE, 1, BUY, 100, 100, 5),  # enters twice
        (15, 2, ALICE, 2, 3, 100, 100, 5),
        (15, 2, ALICE, 2, BUY, 0, 100, 5),
        (15, 2, ALICE, 2, BUY, 100, 0, 5),
        (15, 2, ALICE, 2, BUY, 100, 100, 0),
        (15, 2, ALICE, 2, BUY, b"", 100, 5),
        (15, 2, ALICE, 2, BUY, 100, 100),
    ],
)
def test_an_event_that_cannot_be_is_an_error(event: tuple[object, ...]) -> None:
    book = L3Book(SPEC)
    book.apply(1, block_id(1), 1, [(1, 1, ALICE, 1, BUY, 100, 5)])
    with pytest.raises(BookError):
        book.apply(2, block_id(2), 2, [event])


BACKSTAGE = BookSnapshot(
    *(SPEC.symbol, 3, block_id(3), 1, 9, 100, PairState.OPEN),
    rows=(
        (ICEBERG, ALICE, 1, BUY, 99, 2, 4),
        (RESTING, BOB, 1, SELL, 103, 5),
        (WAITING, ALICE, 2, SELL, 95, 90, 5),
        (LINED_UP, BOB, 2, BUY, 100, 102, 3),
        (LINED_UP, BOB, 3, BUY, 100, 102, 3),
    ),
)


@pytest.mark.parametrize(
    "event",
    [
        (1, 10, ALICE, 2, BUY, 90, 5),  # it waits
        (3, 10, 99, 3, ALICE, 1, BOB, 1, SELL),  # more than it shows
        (4, 10, ALICE, 1, 2, 0, 1),  # and what is hidden?
        (4, 10, ALICE, 1, 3, 3, 4),  # a decrement by more than it shows
        (4, 10, ALICE, 1, 2, 4, 4),  # right, but for the slice that must follow
        (4, 10, ALICE, 2, 3, 2, 4),
        (5, 10, ALICE, 1, 2),
        (5, 10, BOB, 3, 2),
        (6, 10, BOB, 3, 102, 5, 0),
        (8, 10, ALICE, 2, 90, 5),  # not in line
        (8, 10, BOB, 3, 102, 3),  # not the next in line
        (8, 10, BOB, 2, 101, 3),
        (8, 10, BOB, 2, 102, 2),
        (9, 10, ALICE, 1, 2, 4),  # has shown its slice
        (9, 10, BOB, 2, 1, 2),
        (15, 10, BOB, 2, BUY, 100, 102, 3),
    ],
)
def test_an_event_that_cannot_be_in_a_book_with_a_backstage_is_an_error(event: tuple[object, ...]) -> None:
    book = L3Book.of_snapshot(SPEC, BACKSTAGE)
    assert book.snapshot() == BACKSTAGE
    with pytest.raises(BookError):
        book.apply(4, block_id(4), 2, [event])


@pytest.mark.parametrize(
    "changes",
    [
        {"state": 0},
        {"state": 6},
        {"rows": ((),)},
        {"rows": ((5, ALICE, 1, BUY, 99, 2),)},
        {"rows": ((RESTING, ALICE, 1, BUY, 99, 2, 4),)},
        {"rows": ((ICEBERG, ALICE, 1, BUY, 99, 2, -1),)},
        {"rows": ((ICEBERG, ALICE, 1, BUY, 99, 2, b"4"),)},
        {"rows": ((WAITING, ALICE, 1, BUY, 99, 2),)},
        {"rows": ((LINED_UP, ALICE, 1, 3, 99, 99, 2),)},
        {"rows": ((LINED_UP, ALICE, 1, BUY, 99, 99, 2),) * 2},
    ],
)
def test_a_snapshot_that_cannot_be_is_an_error(changes: dict[str, Any]) -> None:
    with pytest.raises(BookError):
        L3Book.of_snapshot(SPEC, replace(BACKSTAGE, **changes))
