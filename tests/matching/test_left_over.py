"""Work that a block was too full for: it comes first in the next ones, and where blocks end does not matter."""

import random
from typing import Any

import pytest

from gossipbook.matching.commands import PairState, Place, PlaceSpecial, SetState
from gossipbook.matching.engine import Engine
from gossipbook.matching.events import CANCELLED, EXPIRED, FILL, LEASE_ENDED, TRIGGERED, UNCROSSED

from .duel import Duel, Op, Rules, Run, execute_engine

WARDEN, *AUTHORS = (bytes([65 + i]) * 32 for i in range(8))
WIDE = Rules(max_price=1_000, max_qty=1_000, max_own=400, max_all=10_000, wardens=(WARDEN,), rules=3)
BLOCKS_CAP = 20_000
PLAIN = (FILL, CANCELLED, TRIGGERED, UNCROSSED, EXPIRED, LEASE_ENDED)


def _stops(rng: random.Random) -> list[Op]:
    """Orders on both sides of 500, and stops that fall over one another once a trade comes."""
    ops: list[Op] = []
    for author in AUTHORS:
        places: list[Any] = []
        for client_id in range(1, 60):
            side = rng.choice((1, 2))
            away = rng.randint(1, 60)
            price = 500 - away if side == 1 else 500 + away
            display = rng.choice((0, 0, 2))
            lots = rng.randint(3, 9)
            place = PlaceSpecial(client_id, side, 1, price, lots, 1, 0, rng.randint(1, 4), 0, display)
            if rng.random() < 0.4:
                stop = 500 + rng.randint(0, 30) if side == 1 else 500 - rng.randint(0, 30)
                limit = stop + 20 if side == 1 else stop - 20
                place = place._replace(type=rng.choice((3, 4)), stop_ticks=stop, price_ticks=limit, display_lots=0)
            places.append(place)
        ops.append(Run(author, places))
    return ops


def _auction(rng: random.Random) -> list[Op]:
    """A crossed book, icebergs in it."""
    ops: list[Op] = [Run(WARDEN, [SetState(int(PairState.AUCTION))])]
    for author in AUTHORS:
        places = []
        for client_id in range(1, 60):
            place = PlaceSpecial(client_id, rng.choice((1, 2)), 1, rng.randint(470, 530), rng.randint(2, 9), 1)
            places.append(place._replace(self_trade=rng.randint(1, 4), display_lots=rng.choice((0, 0, 1))))
        ops.append(Run(author, places))
    return ops


def _finish(engine: Engine, first: list[Op], splits: random.Random | None) -> tuple[list[Any], int]:
    """Execute ops, then blocks without any until nothing is left over; what happened, and in how many blocks."""
    told, blocks, time_ms, todo = list[Any](), 0, 2, first
    while todo or engine.has_left_over():
        if splits is not None:
            engine._block_work = splits.choice((1, 2, 7, 30))
        executed = execute_engine(engine, time_ms, todo)
        engine.commit()
        todo = todo[executed.ran :] if not engine.has_left_over() else []
        assert todo == [], "there is one op"
        told += [event for event in executed if event[0] in PLAIN]
        blocks += 1
        assert blocks < BLOCKS_CAP, "no block gets on with what is left over"
    return told, blocks


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("kind", ["stops", "auction"])
def test_any_split_comes_to_the_same(kind: str, seed: int) -> None:
    rng = random.Random(seed)
    prelude = _stops(rng) if kind == "stops" else _auction(rng)
    last: Op
    if kind == "stops":
        last = Run(WARDEN, [Place(1, 2, 1, 470, 200, 3), Place(2, 1, 1, 530, 200, 3)])
    else:
        last = Run(WARDEN, [SetState(int(PairState.OPEN))])
    outcomes, most_blocks = [], 0
    for split in (None, *range(4)):
        engine = WIDE._replace(block_work=10**9).engine()
        execute_engine(engine, 1, prelude)
        engine.commit()
        splits = None if split is None else random.Random(1_000 * seed + split)
        told, blocks = _finish(engine, [last], splits)
        most_blocks = max(most_blocks, blocks)
        assert split is not None or blocks == 1
        outcomes.append((told, engine.state()[:4], engine.reference_ticks, engine.last_trade_ticks))
    assert any(event[0] == FILL for event in outcomes[0][0])
    assert most_blocks > 1
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_a_block_that_is_full_from_its_beginning_runs_no_op() -> None:
    duel = Duel(WIDE._replace(block_work=50))
    places = [Place(i, 1, 1, 100, 1, 2, 0, 1, 10) for i in range(1, 200)]
    for first in range(0, 200, 20):
        duel.play(1, [Run(AUTHORS[0], places[first : first + 20])])
    taker = Run(AUTHORS[1], [Place(1, 2, 1, 90, 500, 3)])
    for _ in range(3):
        events = duel.play(11, [taker])
        assert events.ran == 0, "nothing of what lapses can be met any more"
        assert [event[0] for event in events] == [EXPIRED] * 50
    events = duel.play(11, [taker])
    assert events.ran == 1
    assert not [event for event in events if event[0] == FILL]


def test_what_an_author_says_of_their_own_orders_waits_for_an_auction_too() -> None:
    """Else a cancel in the op that ends an auction would change its volume while it trades."""
    duel = Duel(WIDE._replace(block_work=30))
    duel.play(1, [Run(WARDEN, [SetState(int(PairState.AUCTION)), Place(1, 1, 1, 100, 5, 1)])])
    for author in AUTHORS[:4]:
        duel.play(1, [Run(author, [Place(i, 2, 1, 90 + i, 1, 1) for i in range(1, 11)])])
        duel.play(1, [Run(author, [Place(i, 1, 1, 80, 1, 1) for i in range(11, 20)])])
    buyer = AUTHORS[5]
    duel.play(1, [Run(buyer, [Place(i, 1, 1, 101, 1, 1) for i in range(1, 21)])])
    events = duel.play(2, [Run(WARDEN, [SetState(int(PairState.OPEN))]), Run(buyer, [Place(99, 2, 1, 1, 50, 3)])])
    assert events.ran == 1
    assert duel.engine.has_left_over()
    while duel.engine.has_left_over():
        events = duel.play(3, [Run(buyer, [Place(99, 2, 1, 1, 50, 3)])])
    assert events.ran == 1


def test_one_op_meets_no_more_than_it_may() -> None:
    duel = Duel(WIDE._replace(op_work=20))
    for author in AUTHORS[:4]:
        duel.play(1, [Run(author, [Place(i, 2, 1, 100, 1, 1) for i in range(1, 11)])])
    sweep = Run(AUTHORS[5], [Place(1, 1, 1, 100, 100, 1), Place(2, 1, 1, 50, 1, 1)])
    events = duel.play(2, [sweep])
    assert sum(event[0] == FILL for event in events) == 19
    assert events[-2][0] == CANCELLED, "what is left must not rest, since it crosses"
    assert events[-1][5] == 23
    whole = Run(AUTHORS[5], [Place(3, 1, 1, 100, 21, 4)])
    events = duel.play(3, [whole])
    assert [event[0] for event in events] == [1, CANCELLED], "all or nothing is still all or nothing"
    assert events[-1][6] == 10
