"""Lazy pull: ask for what was announced and did not come by itself.

Upon IHAVE with unknown ids: ask the announcer at once, and remember the promise and who else announced.
Upon a promise that was not kept in time: ask the next announcer. A peer's broken promises are counted.
"""

from collections import Counter
from collections.abc import Container

from gossipbook.gossip.config import GossipConfig
from gossipbook.gossip.messages import MessageId
from gossipbook.ids import PeerId
from gossipbook.ordered import BoundedDict

ANNOUNCERS_CAP = 4


class Promises:
    """Ids that are asked for: of whom, until when, and who could be asked next."""

    def __init__(self, config: GossipConfig) -> None:
        self._config = config
        self._open: BoundedDict[MessageId, tuple[PeerId, int, list[PeerId]]] = BoundedDict(config.promises_cap)
        self.broken: Counter[PeerId] = Counter()

    def announce(self, peer: PeerId, message_id: MessageId, timer_ms: int) -> bool:
        """A peer announced an id that is not here; True if it is to be asked now."""
        held = self._open.get(message_id)
        if held is None:
            self._open[message_id] = (peer, timer_ms + self._config.promise_ms, [])
            return True
        asked, _, others = held
        if peer != asked and peer not in others and len(others) < ANNOUNCERS_CAP:
            others.append(peer)
        return False

    def keep(self, message_id: MessageId) -> None:
        """Note that a message arrived, from whichever peer."""
        self._open.pop(message_id)

    def overdue(self, timer_ms: int, live: Container[PeerId]) -> dict[PeerId, list[MessageId]]:
        """Count the broken promises of those who are still there; whom of them to ask now for which ids."""
        late = [(i, held) for i, held in self._open.items() if held[1] <= timer_ms]
        asks: dict[PeerId, list[MessageId]] = {}
        for message_id, (peer, _, others) in late:
            if peer in live:
                self.broken[peer] += 1
            others = [other for other in others if other in live]
            if not others:
                self._open.pop(message_id)
                continue
            following = others.pop(0)
            self._open[message_id] = (following, timer_ms + self._config.promise_ms, others)
            asks.setdefault(following, []).append(message_id)
        return asks

    def forget_peer(self, peer: PeerId) -> None:
        self.broken.pop(peer, None)
