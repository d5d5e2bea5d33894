"""Token buckets: so much a second on average, and so much at once after a pause. They read no clock."""


class TokenBucket:
    """A bucket that is full at first. Times are in seconds of one clock, whichever."""

    __slots__ = ("_at_s", "_tokens", "burst", "per_s")

    def __init__(self, per_s: float, burst: float | None = None) -> None:
        self.per_s = per_s
        self.burst = per_s if burst is None else burst
        self._tokens = self.burst
        self._at_s: float | None = None

    def spend(self, now_s: float, tokens: float = 1) -> bool:
        """Take tokens; False, and none taken, if there are not as many."""
        if self._at_s is not None and now_s > self._at_s:
            self._tokens = min(self.burst, self._tokens + (now_s - self._at_s) * self.per_s)
        self._at_s = now_s
        if self._tokens < tokens:
            return False
        self._tokens -= tokens
        return True

    def give_back(self, tokens: float = 1) -> None:
        """Put back what was taken and not used."""
        self._tokens = min(self.burst, self._tokens + tokens)
