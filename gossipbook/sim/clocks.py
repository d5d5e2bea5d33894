"""A host's two clocks, wall and timer, derived from the world's time with errors of their own."""

from gossipbook.effects import Now

START_WALL_MS = 1_700_000_000_000
US_PER_MS = 1_000
MILLION = 1_000_000
SLOWEST_PPM = -900_000
"""Slower than a tenth no clock runs, however many faults slow it at once."""


class HostClock:
    """A wall clock that may be off, drift and jump, and a timer clock that drifts and restarts with each process."""

    __slots__ = ("_began_us", "_timer_base_ms", "rate_ppm", "skew_ms")

    def __init__(self, skew_ms: int = 0, rate_ppm: int = 0) -> None:
        self.skew_ms = skew_ms
        self.rate_ppm = rate_ppm
        self._began_us = 0
        self._timer_base_ms = 0

    def restart(self, now_us: int, base_ms: int) -> None:
        """Let the timer clock of a new process count from ``base_ms``."""
        self._began_us = now_us
        self._timer_base_ms = base_ms

    def change(self, now_us: int, *, skew_ms: int | None = None, rate_ppm: int | None = None) -> None:
        """Set the wall clock, or make both clocks run at another rate, without a step in the timer clock."""
        if skew_ms is not None:
            self.skew_ms = skew_ms
        if rate_ppm is not None:
            self._timer_base_ms = self.now(now_us).timer_ms
            self._began_us = now_us
            self.rate_ppm = rate_ppm

    def now(self, now_us: int) -> Now:
        """Return what both clocks show at a time of the world."""
        if not self.rate_ppm:
            wall_ms = START_WALL_MS + now_us // US_PER_MS + self.skew_ms
            return Now(wall_ms, self._timer_base_ms + (now_us - self._began_us) // US_PER_MS)
        run_us = (now_us - self._began_us) * self._rate() // MILLION
        drift_ms = (run_us - (now_us - self._began_us)) // US_PER_MS
        wall_ms = START_WALL_MS + now_us // US_PER_MS + self.skew_ms + drift_ms
        return Now(wall_ms, self._timer_base_ms + run_us // US_PER_MS)

    def lasts_us(self, ms: int) -> int:
        """Return how long, in the world's time, this host takes to count so many milliseconds."""
        if not self.rate_ppm:
            return ms * US_PER_MS
        return ms * US_PER_MS * MILLION // self._rate()

    def _rate(self) -> int:
        return MILLION + max(self.rate_ppm, SLOWEST_PPM)
