"""What links did that they were to know better than: forged and malformed messages, counted until one is too many."""

from collections import Counter

from gossipbook.effects import Disconnect, Effect, LinkId

TOO_MANY = "too many forged or malformed messages"


class Faults:
    """Faults by link; one is forgotten with each heartbeat."""

    def __init__(self, per_link_cap: int) -> None:
        self._cap = per_link_cap
        self.counts: Counter[LinkId] = Counter()

    def note(self, link: LinkId) -> list[Effect]:
        """Count a fault of a link that is there; closes it when it has too many."""
        self.counts[link] += 1
        return [Disconnect(link, TOO_MANY)] if self.counts[link] >= self._cap else []

    def forget(self, link: LinkId) -> None:
        """Forget a link."""
        self.counts.pop(link, None)

    def heartbeat(self) -> None:
        """Let some time have passed."""
        self.counts = Counter({link: count - 1 for link, count in self.counts.items() if count > 1})
