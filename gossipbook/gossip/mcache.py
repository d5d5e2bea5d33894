"""The message cache: what was accepted lately, for those who ask for it by id."""

from gossipbook.gossip.config import GossipConfig
from gossipbook.gossip.messages import MessageId, Topic


class MessageCache:
    """A few windows of one heartbeat each; the oldest is dropped at each shift, or when the bytes are over the cap."""

    def __init__(self, config: GossipConfig) -> None:
        self._config = config
        self._windows: list[dict[MessageId, Topic]] = [{}]
        self._payloads: dict[MessageId, tuple[Topic, bytes]] = {}
        self._asked: dict[MessageId, dict[bytes, int]] = {}
        self.bytes = 0

    def put(self, topic: Topic, message_id: MessageId, payload: bytes) -> None:
        if message_id in self._payloads:
            return
        self._payloads[message_id] = (topic, payload)
        self._windows[0][message_id] = topic
        self.bytes += len(payload)
        while self.bytes > self._config.history_bytes_cap and len(self._windows) > 1:
            self._drop_oldest()

    def get(self, message_id: MessageId, asker: bytes) -> tuple[Topic, bytes] | None:
        """A cached message, unless this peer has asked for it too often."""
        found = self._payloads.get(message_id)
        if found is None:
            return None
        asked = self._asked.setdefault(message_id, {})
        asked[asker] = asked.get(asker, 0) + 1
        return found if asked[asker] <= self._config.iwant_retransmit_cap else None

    def recent_ids(self, topic: Topic) -> list[MessageId]:
        """Ids of a topic in the windows that are announced, newest window first."""
        windows = self._windows[: self._config.history_gossip]
        return [message_id for window in windows for message_id, of in window.items() if of == topic]

    def shift(self) -> None:
        """A heartbeat passed."""
        self._windows.insert(0, {})
        while len(self._windows) > self._config.history_windows:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        for message_id in self._windows.pop():
            _, payload = self._payloads.pop(message_id)
            self._asked.pop(message_id, None)
            self.bytes -= len(payload)
