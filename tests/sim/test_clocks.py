"""Two clocks to a host, each wrong in its own way."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipbook.sim.clocks import START_WALL_MS, HostClock

RATES = st.integers(-900_000, 9_000_000)
TIMES = st.integers(0, 3_600_000_000)


def test_a_good_clock() -> None:
    clock = HostClock()
    clock.restart(5_000_000, 77)
    assert clock.now(5_000_000) == (START_WALL_MS + 5_000, 77)
    assert clock.now(6_500_999) == (START_WALL_MS + 6_500, 77 + 1_500)


def test_skew_moves_the_wall_clock_alone() -> None:
    clock = HostClock(skew_ms=-900)
    assert clock.now(2_000_000) == (START_WALL_MS + 2_000 - 900, 2_000)


def test_a_jump_moves_the_wall_clock_alone() -> None:
    clock = HostClock()
    before = clock.now(1_000_000)
    clock.change(1_000_000, skew_ms=60_000)
    after = clock.now(1_000_000)
    assert (after.wall_ms - before.wall_ms, after.timer_ms - before.timer_ms) == (60_000, 0)
    clock.change(1_000_000, skew_ms=0)
    assert clock.now(1_000_000) == before


@pytest.mark.parametrize(("rate_ppm", "counted_ms"), [(100_000, 11_000), (-200_000, 8_000), (0, 10_000)])
def test_drift_moves_both(rate_ppm: int, counted_ms: int) -> None:
    clock = HostClock(rate_ppm=rate_ppm)
    assert clock.now(10_000_000) == (START_WALL_MS + counted_ms, counted_ms)


def test_the_timer_clock_starts_anew_with_each_process() -> None:
    clock = HostClock(skew_ms=5)
    clock.restart(1_000_000, 400)
    clock.restart(9_000_000, 3)
    assert clock.now(9_000_000) == (START_WALL_MS + 9_000 + 5, 3)


@given(st.lists(st.tuples(st.integers(0, 5_000_000), RATES, st.integers(-86_400_000, 86_400_000)), max_size=8))
def test_the_timer_clock_never_steps_nor_runs_backwards(changes: list[tuple[int, int, int]]) -> None:
    """Whatever is done to the rate or the wall clock."""
    clock, now_us = HostClock(), 0
    clock.restart(0, 1_000)
    for after_us, rate_ppm, skew_ms in changes:
        last = clock.now(now_us).timer_ms
        now_us += after_us
        before = clock.now(now_us).timer_ms
        assert before >= last
        clock.change(now_us, rate_ppm=rate_ppm, skew_ms=skew_ms)
        assert clock.now(now_us).timer_ms == before


@given(RATES, st.integers(0, 3_600_000))
def test_a_timer_lasts_as_long_as_the_clock_counts(rate_ppm: int, ms: int) -> None:
    """``lasts_us`` is the inverse of counting, to the millisecond."""
    clock = HostClock(rate_ppm=rate_ppm)
    clock.restart(0, 0)
    assert abs(clock.now(clock.lasts_us(ms)).timer_ms - ms) <= 1 + (1_000_000 + rate_ppm) // 1_000_000_000


@pytest.mark.parametrize("rate_ppm", [-1_000_000, -1_800_000])
def test_two_that_slow_a_clock_do_not_stop_it(rate_ppm: int) -> None:
    """The rates of faults that overlap are added up."""
    clock = HostClock(rate_ppm=rate_ppm)
    assert clock.now(10_000_000).timer_ms > 0
    assert clock.lasts_us(1_000) > 1_000_000


@given(RATES, st.lists(TIMES, min_size=2, max_size=10))
def test_no_clock_runs_backwards(rate_ppm: int, times: list[int]) -> None:
    clock = HostClock(random.Random(rate_ppm).randint(-900, 900), rate_ppm)
    shown = [clock.now(at_us) for at_us in sorted(times)]
    assert [now.timer_ms for now in shown] == sorted(now.timer_ms for now in shown)
    assert all(b.wall_ms - a.wall_ms >= -1 for a, b in pairwise(shown)), "but for rounding"
