"""The ledger of what a peer refused: one table, whoever did the refusing."""

from collections import Counter
from enum import Enum

from gossipbook.ordered import BoundedCounter


class Scope(Enum):
    """What was refused. The value is the word that comes before the reason where the two are told as one text."""

    CONNECTION = "connection"
    HANDSHAKE = "handshake"
    LINK = "link"
    DISCOVERY = "discovery"
    DHT = "dht"
    MESSAGE = "message"
    RATE = "rate"
    OP = "op"
    SUBMISSION = "submit refused"
    PROPOSAL = "proposal"
    LOCK = "lock"
    FEED = "feed"
    QUESTION = "question"
    HINT = "hint"
    FAULT = "fault"


_BARE = (Scope.LINK, Scope.MESSAGE)
"""Scopes whose reasons need no word before them."""


_OWN_DOING = (Scope.RATE, Scope.SUBMISSION)


class Refusals:
    """Counts by scope and reason since this program started.

    A reason may hold what a remote worded, so each scope has room for ``BoundedCounter.CAP`` of them.
    """

    def __init__(self) -> None:
        self._counts: dict[Scope, Counter[str]] = {scope: BoundedCounter() for scope in Scope}
        self.faults = 0
        """Refusals that are the sender's own doing, whoever that is: too much, forged, or no good as a submission."""

    def count(self, scope: Scope, reason: str) -> None:
        """Note one refusal."""
        self._counts[scope][reason] += 1
        self.faults += scope in _OWN_DOING

    def blame(self, reason: str) -> None:
        """Note a message that its sender was to know better than to send."""
        self.count(Scope.MESSAGE, reason)
        self.faults += 1

    def of(self, scope: Scope) -> Counter[str]:
        """A copy of one scope's counts, by reason."""
        return Counter(dict(self._counts[scope]))

    def told(self) -> Counter[str]:
        """All counts, by scope and reason in one text, sorted."""
        found = {
            reason if scope in _BARE else f"{scope.value}: {reason}": count
            for scope in Scope
            for reason, count in self.of(scope).items()
        }
        return Counter(dict(sorted(found.items())))
