"""Lazy pull: ask for what was announced and did not come by itself.

Upon IHAVE with unknown ids: ask the announcer, at once or, if the message is on its way from another, in a moment; and
remember the promise and who else announced.
Upon a promise that was not kept in time: ask the next announcer, of them who broke the fewest. A peer's broken promises
are counted.
"""

from collections import Counter, deque
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
        # Who is asked, None if nobody yet; until when; who could be asked next.
        self._open: BoundedDict[MessageId, tuple[PeerId | None, int, list[PeerId]]] = BoundedDict(config.promises_cap)
        # Ids in the order in which they fall due: those that nobody is asked for, and those that somebody is.
        self._queues: tuple[deque[tuple[int, MessageId]], ...] = (
            deque(maxlen=config.promises_cap),
            deque(maxlen=config.promises_cap),
        )
        self.broken: Counter[PeerId] = Counter()

    def announce(self, peer: PeerId, message_id: MessageId, timer_ms: int, *, is_coming: bool = False) -> bool:
        """A peer announced an id that is not here; True if it is to be asked now.

        ``is_coming``: it should come by itself, so that nobody is asked for a moment.
        """
        held = self._open.get(message_id)
        if held is None:
            if is_coming:
                self._wait(message_id, None, timer_ms, [peer])
            else:
                self._wait(message_id, peer, timer_ms, [])
            return not is_coming
        asked, _, others = held
        if peer != asked and peer not in others and len(others) < ANNOUNCERS_CAP:
            others.append(peer)
        return False

    def keep(self, message_id: MessageId) -> None:
        """Note that a message arrived, from whichever peer."""
        self._open.pop(message_id)

    def wait_ms(self, timer_ms: int) -> int | None:
        """How long until somebody may have to be asked; None if nothing is awaited."""
        dues = []
        for queue in self._queues:
            while queue and not self._is_due_at(*queue[0]):
                queue.popleft()
            if queue:
                dues.append(queue[0][0])
        return max(min(dues) - timer_ms, 1) if dues else None

    def overdue(self, timer_ms: int, live: Container[PeerId]) -> dict[PeerId, list[MessageId]]:
        """Count the broken promises of those who are still there; whom to ask now for which ids."""
        asks: dict[PeerId, list[MessageId]] = {}
        for queue in self._queues:
            while queue and queue[0][0] <= timer_ms:
                due_ms, message_id = queue.popleft()
                held = self._open.get(message_id)
                if held is None or held[1] != due_ms:
                    continue
                peer, _, others = held
                if peer is not None and peer in live:
                    self.broken[peer] += 1
                others = [other for other in others if other in live]
                if not others:
                    self._open.pop(message_id)
                    continue
                following = min(others, key=lambda other: self.broken[other])
                others.remove(following)
                self._wait(message_id, following, timer_ms, others)
                asks.setdefault(following, []).append(message_id)
        return asks

    def _wait(self, message_id: MessageId, asked: PeerId | None, timer_ms: int, others: list[PeerId]) -> None:
        config = self._config
        due_ms = timer_ms + (config.announced_wait_ms if asked is None else config.promise_ms)
        self._open[message_id] = (asked, due_ms, others)
        self._queues[asked is not None].append((due_ms, message_id))

    def _is_due_at(self, due_ms: int, message_id: MessageId) -> bool:
        held = self._open.get(message_id)
        return held is not None and held[1] == due_ms

    def forget_peer(self, peer: PeerId) -> None:
        self.broken.pop(peer, None)
