"""How far this machine's time of day is from the committee's, and what follows from it.

A ping's number is its sender's time of day in milliseconds. What a link has delivered last is compared with the clock
here: good to the time that a ping takes. Members' median is what counts; strangers may say what they like.
"""

import statistics
from collections.abc import Iterable

from gossipbook.limits import Timing
from gossipbook.net.clock import system_now
from gossipbook.peer.pair_replica import PairReplica

WALL_LEAST_MS = 10**12
"""Numbers below are no time: earlier programs counted their pings."""


def ahead_ms(number: int, wall_ms: int) -> int | None:
    """How far a ping's sender is ahead of this clock; None if the number is no time."""
    return number - wall_ms if number >= WALL_LEAST_MS else None


def own_offset_ms(members_ahead_ms: Iterable[int | None]) -> int | None:
    """How far this clock is ahead of the others' median; None while nobody has said."""
    known = [each for each in members_ahead_ms if each is not None]
    return -round(statistics.median(known)) if known else None


def clock_trouble(offset_ms: int | None, timing: Timing) -> str:
    """What an operator is told about this clock; empty if it is good enough."""
    tolerance_ms = timing.clock_tolerance_ms
    if offset_ms is None or abs(offset_ms) <= tolerance_ms // 2:
        return ""
    text = f"this clock is {abs(offset_ms) / 1_000:.1f} s {'ahead of' if offset_ms > 0 else 'behind'} the committee's"
    if abs(offset_ms) <= tolerance_ms:
        return f"{text}; from {tolerance_ms / 1_000:g} s on nobody takes its blocks, nor it theirs"
    return f"{text}, more than {tolerance_ms / 1_000:g} s: nobody takes its blocks, and it votes for none of theirs"


def block_time_trouble(ahead_of_clock_ms: int, timing: Timing) -> str:
    """What is told of a pair whose certified time is ahead of this clock; empty if that is nothing."""
    if ahead_of_clock_ms <= timing.clock_tolerance_ms:
        return ""
    minutes, seconds = divmod(round(ahead_of_clock_ms / 1_000), 60)
    for_so_long = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    return (
        f"block time stands still for {for_so_long} more: it is ahead of this clock, as after all clocks were put back"
    )


def time_trouble(pair: PairReplica, timing: Timing) -> str:
    """What is to be told of a pair's block time; empty if it goes on."""
    return block_time_trouble(pair.certified.time_ms - system_now().wall_ms, timing)
