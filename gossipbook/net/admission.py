"""Which incoming connections are taken: caps on those that did not shake hands yet, and on those of one address."""

from collections import Counter

from gossipbook.net.address import is_loopback
from gossipbook.net.settings import NetSettings


class Admission:
    """Counts connections by the address that they come from."""

    def __init__(self, settings: NetSettings) -> None:
        self._settings = settings
        self._half_open = 0
        self._half_open_from: Counter[str] = Counter()
        self._open_from: Counter[str] = Counter()  # bounded by the links and half-open caps

    def refusal(self, remote: str) -> str:
        """Return why one more connection from an address is refused; empty if it is taken."""
        settings = self._settings
        alone = self._half_open_from[remote] >= settings.half_open_per_address_cap and not is_loopback(remote)
        if self._half_open >= settings.half_open_cap or alone:
            return "too many half-open connections"
        if self._open_from[remote] >= settings.links_per_address_cap:
            return "too many connections from one address"
        return ""

    def began(self, remote: str) -> None:
        """A connection was taken; it is half-open."""
        self._open_from[remote] += 1
        self._half_open += 1
        self._half_open_from[remote] += 1

    def opened(self, remote: str) -> None:
        """A connection is half-open no more: it shook hands, or ended before it did."""
        self._half_open -= 1
        _lower(self._half_open_from, remote)

    def ended(self, remote: str) -> None:
        """A connection ended that is not half-open."""
        _lower(self._open_from, remote)


def _lower(counts: Counter[str], remote: str) -> None:
    counts[remote] -= 1
    if not counts[remote]:
        del counts[remote]
