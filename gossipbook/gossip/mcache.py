"""The message cache: what was accepted lately, for those who ask for it by id."""

from dataclasses import dataclass, field

from gossipbook.gossip.config import GossipConfig
from gossipbook.gossip.messages import MessageId, Topic
from gossipbook.ids import PeerId


@dataclass(slots=True)
class _Cached:
    topic: Topic
    payload: bytes
    window: int
    asked: dict[PeerId, int] = field(default_factory=dict)


class MessageCache:
    """Messages of the last few heartbeats, oldest first; the oldest goes early when the bytes are above their cap."""

    def __init__(self, config: GossipConfig) -> None:
        self._config = config
        self._messages: dict[MessageId, _Cached] = {}
        self._window = 0
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, topic: Topic, message_id: MessageId, payload: bytes) -> None:
        if message_id in self._messages:
            return
        self._messages[message_id] = _Cached(topic, payload, self._window)
        self.bytes += len(payload)
        while self.bytes > self._config.history_bytes_cap:
            self._drop_oldest()

    def get(self, message_id: MessageId, asker: PeerId) -> tuple[Topic, bytes] | None:
        """A cached message, unless this peer has asked for it too often."""
        found = self._messages.get(message_id)
        if found is None:
            return None
        found.asked[asker] = found.asked.get(asker, 0) + 1
        if found.asked[asker] > self._config.iwant_retransmit_cap:
            return None
        return found.topic, found.payload

    def recent_ids(self, topic: Topic) -> list[MessageId]:
        """Ids of a topic in the windows that are announced, newest first."""
        since = self._window - self._config.history_gossip
        ids = [key for key, cached in self._messages.items() if cached.topic == topic and cached.window > since]
        return ids[::-1]

    def shift(self) -> None:
        """A heartbeat passed."""
        self._window += 1
        oldest = self._window - self._config.history_windows
        while self._messages and next(iter(self._messages.values())).window <= oldest:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        message_id = next(iter(self._messages))
        self.bytes -= len(self._messages.pop(message_id).payload)
