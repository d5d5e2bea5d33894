"""The generated flow: like the recorded one, the same for the same seed, and never refused."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from itertools import islice

import pytest

from gossipbook.flow import Flow, FlowStatistics, generated_flow, measure
from gossipbook.limits import Limits
from gossipbook.manifest import Pair
from gossipbook.matching.commands import Amend, AmendFlags, Cancel, Place, TimeInForce
from gossipbook.matching.engine import Engine
from gossipbook.matching.events import ACCEPTED, AMENDED, CANCELLED, FILL, CancelCause

STEPS = 100_000
MAKERS, TAKERS = 5, 3


@pytest.fixture(scope="module", params=[1, 2])
def figures(request: pytest.FixtureRequest) -> FlowStatistics:
    flow = generated_flow(request.param)
    return measure(islice(flow.steps, STEPS), flow.prelude)


def test_the_mix_is_that_of_the_recorded_hour(figures: FlowStatistics) -> None:
    """The rates share a factor that depends on the seed's luck with busy spells; the mix does not."""
    assert figures.submits_s == pytest.approx(12.3, rel=0.15)
    assert figures.deletes_s / figures.submits_s == pytest.approx(11.4 / 12.3, rel=0.02)
    assert figures.executions_s / figures.submits_s == pytest.approx(1.13 / 12.3, rel=0.1)
    assert figures.reductions_s / figures.submits_s == pytest.approx(0.13 / 12.3, rel=0.15)
    assert figures.deleted_share == pytest.approx(0.93, abs=0.015)
    assert figures.filled_share == pytest.approx(0.067, abs=0.006)


def test_it_is_as_bursty(figures: FlowStatistics) -> None:
    assert figures.interarrival_cv == pytest.approx(3.4, rel=0.15)
    assert figures.per_second[50] == pytest.approx(14, abs=4)
    assert figures.per_second[95] == pytest.approx(89, rel=0.2)
    assert figures.per_second[99] == pytest.approx(159, rel=0.2)
    assert 250 <= figures.per_second[100] <= 1_200


def test_orders_live_as_long_and_start_as_far_away(figures: FlowStatistics) -> None:
    for percent, seconds in {25: 0.04, 50: 0.37, 75: 2.4, 95: 19}.items():
        assert figures.life_s[percent] == pytest.approx(seconds, rel=0.25)
    recorded = {"inside": 0.20, "at best": 0.08, "1-5": 0.17, "6-20": 0.28, "21-50": 0.13, "beyond": 0.14}
    for name, share in recorded.items():
        assert figures.distance_share[name] == pytest.approx(share, abs=0.02)


def test_sizes_takes_and_spread_are_alike(figures: FlowStatistics) -> None:
    assert figures.size_lots == {50: 100, 95: 200, 99: 1000}
    assert figures.fills_per_take[1] == pytest.approx(0.83, abs=0.03)
    assert figures.fills_per_take[2] == pytest.approx(0.14, abs=0.03)
    assert figures.sign_repeats == pytest.approx(0.81, abs=0.03)
    assert 10 <= figures.spread_ticks <= 30  # The recorded median is 19; it wanders with the seed.


def test_steps_keep_what_the_package_promises() -> None:
    flow = generated_flow(3, makers=MAKERS, takers=TAKERS, start_ms=1_000_000)
    last_ids: Counter[int] = Counter()
    before = 0
    seen: Counter[str] = Counter()
    for step in [*flow.prelude, *islice(flow.steps, 30_000)]:
        assert step.time_us >= before
        before = step.time_us
        command = step.command
        assert all(type(value) is int for value in (step.time_us, step.author, *map(int, command)))
        if isinstance(command, Place):
            assert command.client_id == last_ids[step.author] + 1
            last_ids[step.author] = command.client_id
            takes = command.tif == TimeInForce.IOC
            assert takes == (step.author >= MAKERS)
            assert command.tif != TimeInForce.GTD or command.expires_ms > 1_000_000 + step.time_us // 1000
            seen["post-only" if command.flags else "gtd" if command.expires_ms else "take" if takes else "limit"] += 1
        else:
            assert isinstance(command, Cancel | Amend)
            assert not isinstance(command, Amend) or command.flags == AmendFlags.REDUCE_ONLY
            assert step.author < MAKERS
            seen[type(command).__name__] += 1
    assert set(last_ids) == set(range(MAKERS + TAKERS))
    assert min(seen[kind] for kind in ("post-only", "gtd", "take", "limit", "Cancel", "Amend")) > 50


@pytest.mark.parametrize("seed", [4, 5])
def test_an_engine_refuses_nothing_and_every_take_is_met_in_full(seed: int) -> None:
    flow = generated_flow(seed, makers=MAKERS, takers=TAKERS, start_ms=0, price_ticks=2_000)
    engine = Engine(Pair("A/B"), Limits())
    steps = [*flow.prelude, *islice(flow.steps, 40_000)]
    kinds: Counter[tuple[int, int]] = Counter()
    for first in range(0, len(steps), 100):
        block = steps[first : first + 100]
        engine.begin_block(block[0].time_us // 1000)
        for step in block:
            engine.run(bytes([step.author]) * 32, [step.command])
        kinds.update((event[0], event[6] if event[0] == CANCELLED else 0) for event in engine.end_block())
        engine.commit()
    assert set(kinds) == {(ACCEPTED, 0), (FILL, 0), (AMENDED, 0), (CANCELLED, int(CancelCause.REQUESTED))}


def _fingerprint(flow: Flow) -> str:
    return hashlib.sha256(repr([*flow.prelude, *islice(flow.steps, 5_000)]).encode()).hexdigest()


def test_the_same_seed_gives_the_same_flow_in_another_process() -> None:
    program = (
        "import hashlib; from itertools import islice; from gossipbook.flow import generated_flow\n"
        "f = generated_flow(9)\n"
        "print(hashlib.sha256(repr([*f.prelude, *islice(f.steps, 5000)]).encode()).hexdigest())"
    )
    mine = _fingerprint(generated_flow(9))
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        theirs = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()
        assert theirs == mine
    assert _fingerprint(generated_flow(10)) != mine
