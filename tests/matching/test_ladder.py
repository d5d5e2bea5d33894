"""A side's levels against a plain sorted list, with more of them than are kept near."""

import random

import pytest

from gossipbook.limits import Limits
from gossipbook.manifest import Pair
from gossipbook.matching.auction import uncrossing_price
from gossipbook.matching.commands import Cancel, Command, PairState, Place, SetState
from gossipbook.matching.engine import Engine
from gossipbook.matching.events import FILL, UNCROSSED
from gossipbook.matching.ladder import NEAR_CAP, NOBODY, Ladder, Level

WARDEN = b"w" * 32
MANY = 3 * NEAR_CAP
OWN = {"max_open_orders_per_author": 2_000}


def check(ladder: Ladder, keys: set[int]) -> None:
    best_first = sorted(keys, reverse=True)
    assert list(ladder.keys_best_first()) == best_first
    assert [level.key for level in ladder.best_first()] == best_first
    assert len(ladder.keys) <= NEAR_CAP
    if keys:
        assert ladder.keys[-1] == best_first[0]
        for key in random.Random(len(keys)).sample(best_first, min(len(keys), 50)):
            place = ladder.place_of(key)
            assert best_first[len(keys) - 1 - place] == key
            assert ladder.key_at(place) == key


@pytest.mark.parametrize("seed", range(4))
def test_it_is_a_sorted_list(seed: int) -> None:
    rng = random.Random(seed)
    ladder, keys = Ladder(1), set[int]()
    for growing in (True, False, True, False):
        for _ in range(MANY):
            key = rng.randrange(4 * MANY)
            if growing and key not in keys:
                keys.add(key)
                ladder.insert(Level(key, ladder, NOBODY))
            elif keys and (not growing or key in keys):  # Now and then the best one, as trades take them.
                key = max(keys) if rng.random() < 0.01 else key if key in keys else min(keys)
                keys.remove(key)
                ladder.remove(key)
        check(ladder, keys)
    while keys:
        keys.remove(best := max(keys))
        assert ladder.keys[-1] == best
        ladder.remove(best)
    check(ladder, keys)
    assert not ladder.far


def test_a_side_is_eaten_through_what_was_far_and_put_back() -> None:
    engine = Engine(
        Pair("WIDE"), Limits(max_block_work=10**9, max_op_work=10**9, max_open_orders_per_author=2_000), (WARDEN,), 3
    )
    engine.begin_block(1)
    for author in range(MANY // 2_000 + 1):
        prices = range(2_000 * author, min(2_000 * author + 2_000, MANY))
        engine.run(author.to_bytes(32, "big"), [Place(n + 1, 2, 1, 1 + price, 1, 1) for n, price in enumerate(prices)])
    engine.end_block()
    engine.commit()
    before = list(engine.open_orders(2))
    engine.begin_block(2)
    engine.run(b"t" * 32, [Place(1, 1, 1, MANY, MANY, 3)])
    fills = [event[2] for event in engine.end_block() if event[0] == FILL]
    assert fills == list(range(1, MANY + 1))
    assert not list(engine.open_orders(2))
    engine.rollback()
    assert list(engine.open_orders(2)) == before
    assert [row[0] for row in engine.depth(2, 3)] == [1, 2, 3]


@pytest.mark.parametrize("work", [10**6, 1_000])
def test_an_auction_walks_through_what_is_far(work: int) -> None:
    engine = Engine(
        Pair("WIDE"), Limits(max_block_work=work, max_op_work=10**6, max_open_orders_per_author=2_000), (WARDEN,), 3
    )
    engine.begin_block(time_ms := 1)
    engine.run(WARDEN, [SetState(int(PairState.AUCTION))])
    engine.end_block()
    engine.commit()
    rng = random.Random(5)
    levels: dict[int, dict[int, int]] = {1: {}, 2: {}}
    for author in range(2 * MANY // 2_000):
        side, commands = 1 + author % 2, list[Command]()
        for n in range(2_000):
            price, lots = rng.randrange(1, 8 * MANY), rng.randrange(1, 9)
            levels[side][price] = levels[side].get(price, 0) + lots
            commands.append(Place(n + 1, side, 1, price, lots, 1))
        for at in range(0, 2_000, 250):
            engine.begin_block(time_ms := time_ms + 1)
            engine.run(author.to_bytes(32, "big"), commands[at : at + 250])
            engine.end_block()
            engine.commit()
    assert len(engine.book.bids.far) > 0 < len(engine.book.asks.far)
    sides = [sorted(levels[1].items(), reverse=True), sorted(levels[2].items())]
    engine.begin_block(time_ms := time_ms + 1)
    engine.run(WARDEN, [SetState(int(PairState.OPEN)), Cancel(1)])
    events = engine.end_block()
    engine.commit()
    while engine.has_left_over():
        engine.begin_block(time_ms := time_ms + 1)
        events += engine.end_block()
        engine.commit()
    (found,) = [event[2:4] for event in events if event[0] == UNCROSSED]
    assert found == uncrossing_price(sides[0], sides[1], 0)
    assert sum(event[3] for event in events if event[0] == FILL) == found[1]
