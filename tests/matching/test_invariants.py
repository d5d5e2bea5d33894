"""The engine alone, without an oracle: laws that hold after every command of any sequence, and bugs that break each.

``GOSSIPBOOK_EXAMPLES`` sets how many sequences are drawn: 2,000 without it, the same ones each time. A long run draws
others each time, and hypothesis keeps what falls in ``.hypothesis``:

    GOSSIPBOOK_EXAMPLES=100000 pytest tests/matching/test_invariants.py -k any_sequence

The laws are in ``laws.py``, what is drawn in ``sequences.py``. Each law is asked alone of engines with a bug that it
speaks of; what it does not notice there, it would not notice anywhere.
"""

import os
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gossipbook.matching.commands import OrderType, Place, Side, TimeInForce
from gossipbook.matching.engine import Engine
from gossipbook.matching.events import FILL

from .defects import DEFECTS, SWEEP_DEFECTS, UNDO_DEFECTS
from .duel import BROAD, Run, execute_engine
from .laws import LAWS, Law
from .planted import Bug, engine_with
from .sequences import AUTHORS, Drawn, blocks_from, sequences
from .trial import Broken, Trial

CI_EXAMPLES = 2_000
EXAMPLES = int(os.environ.get("GOSSIPBOOK_EXAMPLES", CI_EXAMPLES))
PLANTED_EXAMPLES = 3_000
"""At most so many are drawn until a planted bug must have been noticed."""


def put_on_trial(sequence: Drawn, trial: Trial, undo: bool) -> None:
    for block in blocks_from(sequence):
        if undo and block.undo:
            trial.play_and_undo(block)
        trial.play(block)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES == CI_EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(sequences)
def test_the_laws_hold_in_any_sequence(sequence: Drawn) -> None:
    put_on_trial(sequence, Trial(), undo=True)


def trial_of(engine_type: type[Engine], asked: Sequence[Law], undo: bool) -> Callable[[], None]:
    """The test above, of an engine and of some laws, until the first sequence that breaks one."""

    @settings(max_examples=PLANTED_EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(sequences)
    def run(sequence: Drawn) -> None:
        put_on_trial(sequence, Trial(engine_type, asked), undo)

    return run


@pytest.mark.parametrize(
    ("law", "bug"),
    [(law, bug) for law, bugs in DEFECTS.items() for bug in bugs.values()],
    ids=[f"{law.__name__}: {name}" for law, bugs in DEFECTS.items() for name in bugs],
)
def test_a_law_alone_notices_a_bug_that_it_speaks_of(law: Law, bug: Bug) -> None:
    with pytest.raises(Broken, match=f"^{law.__name__}"):
        trial_of(engine_with(bug), [law], undo=False)()


@pytest.mark.parametrize("bug", UNDO_DEFECTS.values(), ids=UNDO_DEFECTS.keys())
def test_a_broken_undo_is_noticed(bug: Bug) -> None:
    # It may also end in an error of the engine's own structures, which a peer would notice too.
    with pytest.raises((Broken, LookupError, ValueError, AttributeError)) as caught:
        trial_of(engine_with(bug), [], undo=True)()
    assert not isinstance(caught.value, Broken) or str(caught.value).startswith("rollback_restores")


def test_every_law_has_a_bug() -> None:
    assert set(DEFECTS) == set(LAWS)


# -- a deep book -----------------------------------------------------------------------------------


SWEPT_LEVELS = 5_000


def sweep(seed: int, engine_type: type[Engine] = Engine) -> bool:
    """One order against 5,000 levels that were filled in any order: the makers by price, then by time, to the last lot.

    It takes all there is, all but one lot, or reaches the middle; and the block is undone and executed once more.
    """
    rng = random.Random(seed)
    side = rng.choice((Side.BUY, Side.SELL))
    sign = 1 if side == Side.SELL else -1  # makers of this side are best at the low or at the high end
    prices = [price for price in range(1, SWEPT_LEVELS + 1) for _ in range(rng.choice((1, 1, 2)))]
    rng.shuffle(prices)
    makers = [(price, number, rng.randint(1, 9)) for number, price in enumerate(prices, 1)]
    queue = sorted(makers, key=lambda maker: (maker[0] * sign, maker[1]))
    limit, spared = rng.choice(((SWEPT_LEVELS, 0), (SWEPT_LEVELS, 1), (SWEPT_LEVELS // 2, 0)))
    limit = limit if side == Side.SELL else SWEPT_LEVELS + 1 - limit
    reach = [maker for maker in queue if maker[0] * sign <= limit * sign]
    wanted = sum(lots for *_, lots in reach) - spared
    expected = [(price, lots, number) for price, number, lots in reach]
    if spared:
        price, lots, number = expected.pop()
        expected += [(price, lots - spared, number)] if lots > spared else []

    engine = BROAD.engine(engine_type)
    placed = [Place(number, side, OrderType.LIMIT, price, lots, TimeInForce.GTC) for price, number, lots in makers]
    execute_engine(engine, 1, [Run(AUTHORS[0], placed)])
    engine.commit()
    digest = engine.digest()
    taker_side = Side.BUY if side == Side.SELL else Side.SELL
    taker = Place(1, taker_side, OrderType.LIMIT, limit, wanted, TimeInForce.FOK)
    events = execute_engine(engine, 2, [Run(AUTHORS[1], [taker])])
    assert [(event[2], event[3], event[5]) for event in events if event[0] == FILL] == expected
    filled = {number: lots for _, lots, number in expected}
    left = [(number, lots - filled.get(number, 0)) for _, number, lots in queue]
    assert [(row[1], row[3]) for row in engine.open_orders(side)] == [(number, lots) for number, lots in left if lots]
    engine.rollback()
    assert engine.digest() == digest
    assert execute_engine(engine, 2, [Run(AUTHORS[1], [taker])]) == events
    return True


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.integers(0, 2**20))
def test_a_sweep_of_five_thousand_levels(seed: int) -> None:
    sweep(seed)


@pytest.mark.parametrize("bug", SWEEP_DEFECTS.values(), ids=SWEEP_DEFECTS.keys())
def test_a_sweep_that_goes_wrong_is_noticed(bug: Bug) -> None:
    engine_type = engine_with(bug)
    with pytest.raises(AssertionError):
        all(sweep(seed, engine_type) for seed in range(10))
