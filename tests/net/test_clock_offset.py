"""Clocks that differ: what is measured, and what is told of it."""

import pytest

from gossipbook.limits import Timing
from gossipbook.net.clock_offset import WALL_LEAST_MS, ahead_ms, block_time_trouble, clock_trouble, own_offset_ms

NOW_MS = 1_700_000_000_000
TIMING = Timing(clock_tolerance_ms=2_000)


def test_a_counted_ping_tells_no_time():
    assert [ahead_ms(number, NOW_MS) for number in (0, 1, WALL_LEAST_MS - 1)] == [None] * 3
    assert ahead_ms(NOW_MS + 45_000, NOW_MS) == 45_000


@pytest.mark.parametrize(
    ("ahead", "offset"),
    [
        ([], None),
        ([None, None], None),
        ([45_000], -45_000),
        ([-3, None, 5], -1),
        ([10**15, 2, -2], -2),  # One liar of three moves it no further than the next honest word.
    ],
)
def test_the_median_of_those_who_said(ahead, offset):
    assert own_offset_ms(ahead) == offset


def test_what_is_told_of_a_clock():
    assert [clock_trouble(offset, TIMING) for offset in (None, 0, 1_000, -1_000)] == [""] * 4
    assert clock_trouble(1_500, TIMING).startswith("this clock is 1.5 s ahead of the committee's; from 2 s on")
    assert "45.0 s behind the committee's, more than 2 s: nobody takes its blocks" in clock_trouble(-45_000, TIMING)


def test_what_is_told_of_block_time_that_stands_still():
    assert [block_time_trouble(ahead, TIMING) for ahead in (-5, 0, 2_000)] == [""] * 3
    assert "stands still for 3 s more" in block_time_trouble(3_000, TIMING)
    assert "stands still for 60 min 0 s more" in block_time_trouble(3_600_000, TIMING)
