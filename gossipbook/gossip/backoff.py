"""Remembers until when a peer must not be grafted into a mesh, or graft us."""

from gossipbook.gossip.messages import Topic
from gossipbook.ids import PeerId
from gossipbook.ordered import BoundedDict

BACKOFF_CAP = 4_096


class Backoff:
    """Ends of pauses by (topic, peer), on the timer clock."""

    def __init__(self) -> None:
        self._until_ms: BoundedDict[tuple[Topic, PeerId], int] = BoundedDict(BACKOFF_CAP)

    def pause(self, topic: Topic, peer: PeerId, until_ms: int) -> None:
        """Extend the pause; it is never shortened."""
        known = self._until_ms.get((topic, peer))
        if known is None or known < until_ms:
            self._until_ms[topic, peer] = until_ms

    def active(self, topic: Topic, peer: PeerId, timer_ms: int) -> bool:
        until_ms = self._until_ms.get((topic, peer))
        return until_ms is not None and timer_ms < until_ms
