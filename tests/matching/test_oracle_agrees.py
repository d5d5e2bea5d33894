"""The engine against the oracle: the same events, the same book, and blocks that can be taken back."""

import random
import time
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossipbook.audit.oracle import OracleBook
from gossipbook.flow import generated_flow
from gossipbook.matching.commands import (
    AdmitToGroup,
    Amend,
    Cancel,
    CancelAll,
    Command,
    JoinGroup,
    Lease,
    Place,
    PlaceSpecial,
    SetState,
)
from gossipbook.matching.events import CANCELLED, EVENT_TYPES, REJECTED, CancelCause, RejectReason

from .chaos import ALL_ARENAS, AUTHORS, WARDENS, fight
from .duel import BROAD, Duel, Freeze, Op, Rules, Run, blocks_of

SEEDS = (1, 2, 3)
BLOCKS = dict.fromkeys(ALL_ARENAS, 400) | {"crowded": 150, "bounded crowded": 150}
AT_LEAST = 25

EVERYTHING = (
    [(kind, 0) for kind in EVENT_TYPES if kind not in (REJECTED, CANCELLED)]
    + [(REJECTED, int(reason)) for reason in RejectReason]
    + [(CANCELLED, int(cause)) for cause in CancelCause]
)


@pytest.fixture(scope="module")
def long_runs() -> dict[tuple[str, int], Duel]:
    return {(name, seed): fight(seed, ALL_ARENAS[name], BLOCKS[name]) for name in ALL_ARENAS for seed in SEEDS}


def test_long_random_runs_agree_and_leave_no_rule_untried(long_runs: dict[tuple[str, int], Duel]) -> None:
    seen = sum((duel.seen for duel in long_runs.values()), Counter())
    assert sum(seen.values()) > 50_000
    rare = {what: seen[what] for what in EVERYTHING if seen[what] < AT_LEAST}
    assert not rare, "a run that never gets there proves nothing about it"


def test_equal_seeds_give_equal_books(long_runs: dict[tuple[str, int], Duel]) -> None:
    again = fight(SEEDS[0], ALL_ARENAS["wild"], BLOCKS["wild"])
    assert again.engine.digest() == long_runs["wild", SEEDS[0]].engine.digest()
    assert again.engine.digest() != long_runs["wild", SEEDS[1]].engine.digest()


@pytest.mark.parametrize("burying", [False, True])
def test_a_long_queue_survives_cancels_within_it_and_their_undoing(burying: bool) -> None:
    """Enough cancels behind the front of one queue to make the engine tidy up, in a block that is undone first."""
    duel = Duel(Rules(max_own=500, max_all=500))
    duel.play(1, [Run(AUTHORS[0], [Place(i, 1, 1, 100, 3, 1) for i in range(1, 201)])])
    cancels: list[Command] = [Cancel(i) for i in range(2, 200)]
    random.Random(5).shuffle(cancels)
    taker = Run(AUTHORS[1], [Place(1, 2, 1, 90, 5, 3)])
    late = Run(AUTHORS[2], [Place(1, 1, 1, 100, 3, 1)])
    ops: list[Op] = [Run(AUTHORS[0], cancels), late, taker] if burying else [taker, Run(AUTHORS[0], cancels), late]
    duel.play_and_undo(2, ops)
    duel.play(2, ops)
    duel.play(3, [Run(AUTHORS[1], [Place(2, 2, 1, 90, 7, 4)])])


def test_generated_flow_agrees() -> None:
    """Commands as a market sends them: a deeper book, hardly a refusal, long queues of cancels."""
    flow = generated_flow(11, makers=4, takers=1, start_ms=0)
    duel = Duel(BROAD)
    for number, steps in enumerate(blocks_of([*flow.prelude, *islice(flow.steps, 20_000)], 100)):
        block: list[Op] = [Run(AUTHORS[step.author], [step.command]) for step in steps]
        time_ms = steps[0].time_us // 1000
        if number % 8 == 0:
            duel.play_and_undo(time_ms, block)
        duel.play(time_ms, block)


def test_an_empty_block_changes_nothing() -> None:
    duel = Duel(Rules())
    duel.play(1, [Run(AUTHORS[0], [Place(1, 1, 1, 100, 3, 1)])])
    before = duel.engine.digest()
    assert duel.play(2, []) == []
    assert duel.engine.digest() == before


def test_the_oracle_keeps_up_with_real_flow() -> None:
    """40,000 commands on a book of about a thousand orders, in well under ten seconds."""
    rng = random.Random(1)
    book = OracleBook(1, 10_000, 100_000, 0, 20_000, 1_000_000)
    open_ids: list[int] = []
    started = time.perf_counter()
    book.begin_block(0)
    for client_id in range(1, 20_501):
        side = rng.choice((1, 2))
        price = 50_000 + rng.randint(1, 300) * (-1 if side == 1 else 1)
        book.run(AUTHORS[0], [(1, client_id, side, 1, price, 100, 1, 0, 1, 0)])
        open_ids.append(client_id)
        if len(open_ids) > 1000:
            book.run(AUTHORS[0], [(2, open_ids.pop(rng.randrange(1000)))])
    assert len(book.end_block()) > 40_000 - 1000
    assert time.perf_counter() - started < 10


# Small numbers shrink well: a failing example ends as a few commands that a person can follow.
ids = st.integers(1, 8)
prices = st.integers(95, 105) | st.sampled_from([0, 200, 201])
quantities = st.integers(1, 6) | st.sampled_from([0, 20, 21])
places = st.builds(
    Place,
    client_id=ids,
    side=st.integers(1, 2),
    type=st.sampled_from([1, 1, 1, 2]),
    price_ticks=prices,
    qty_lots=quantities,
    tif=st.sampled_from([1, 1, 1, 2, 3, 4]),
    flags=st.sampled_from([0, 0, 0, 1]),
    self_trade=st.integers(1, 4),
    expires_ms=st.just(0),
) | st.builds(
    Place,
    client_id=ids,
    side=st.integers(1, 2),
    type=st.just(1),
    price_ticks=prices,
    qty_lots=quantities,
    tif=st.just(2),
    flags=st.sampled_from([0, 1]),
    self_trade=st.integers(1, 4),
    expires_ms=st.integers(1, 12),
)
specials = st.builds(
    PlaceSpecial,
    client_id=ids,
    side=st.integers(1, 2),
    type=st.sampled_from([1, 1, 1, 2, 3, 4]),
    price_ticks=prices,
    qty_lots=quantities,
    tif=st.sampled_from([1, 1, 1, 3, 4]),
    flags=st.sampled_from([0, 0, 0, 1, 2, 3]),
    self_trade=st.integers(1, 4),
    expires_ms=st.just(0),
    display_lots=st.sampled_from([0, 0, 1, 2]),
    min_lots=st.sampled_from([0, 0, 0, 2]),
    stop_ticks=st.just(0),
)
stops = st.builds(
    PlaceSpecial,
    client_id=ids,
    side=st.integers(1, 2),
    type=st.sampled_from([3, 4]),
    price_ticks=prices,
    qty_lots=quantities,
    tif=st.just(1),
    flags=st.just(0),
    self_trade=st.integers(1, 4),
    expires_ms=st.just(0),
    display_lots=st.sampled_from([0, 0, 0, 1]),
    min_lots=st.just(0),
    stop_ticks=prices,
)
amends = st.builds(Amend, ids, prices, quantities, st.sampled_from([0, 0, 1]))
others = st.one_of(
    st.builds(CancelAll, st.integers(0, 2)),
    st.builds(Lease, st.integers(0, 4)),
    st.builds(SetState, st.sampled_from([1, 1, 1, 2, 3, 4, 5, 5, 5])),
    st.builds(JoinGroup, st.sampled_from([b"", *AUTHORS[:3]])),
    st.builds(AdmitToGroup, st.sampled_from(AUTHORS[:3]), st.integers(0, 1)),
)
commands = st.one_of(places, places, places, specials, specials, stops, st.builds(Cancel, ids), amends, others)
runs = st.builds(
    Run, st.sampled_from(AUTHORS[:3]), st.lists(commands, min_size=1, max_size=4), st.sampled_from([False] * 9 + [True])
)
ops = st.one_of(*[runs] * 12, st.builds(Freeze, st.sampled_from(AUTHORS[:3])))
blocks = st.tuples(st.booleans(), st.integers(0, 3), st.lists(ops, max_size=6))
rules = st.sampled_from(
    [
        Rules(),
        Rules(wardens=WARDENS),
        Rules(band_bps=200, triggers=1, wardens=WARDENS),
        Rules(min_qty=2, max_own=2, max_all=4, rate=3),
    ]
)


@settings(max_examples=500, deadline=None)
@given(rules, st.lists(blocks, max_size=6))
def test_any_sequence_of_blocks_agrees(limits: Rules, sequence: list[tuple[bool, int, list[Op]]]) -> None:
    duel = Duel(limits)
    time_ms = 1
    for undo_first, wait_ms, block in sequence:
        time_ms += wait_ms
        if undo_first:
            duel.play_and_undo(time_ms, block)
        duel.play(time_ms, block)
