"""The two clocks of this machine."""

import time

from gossipbook.effects import Now


def system_now() -> Now:
    """Read the time of day and the clock that never goes back."""
    return Now(time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000)
