"""When neighbours are told where a replica is: with a heartbeat, but the same thing only once in a while."""

from gossipbook.consensus.messages import Status

SAY_AGAIN_HEARTBEATS = 3
"""How often neighbours are told what they were told before; who lost it is found out by that."""


class Saying:
    """What was said last, and how long ago there was news in it."""

    def __init__(self) -> None:
        self._said: Status | None = None
        self._silence = 0  # heartbeats without news

    def is_to_be_told(self, status: Status, *, waits: bool) -> bool:
        """Whether a heartbeat tells it. ``waits``: something waits for a block, and so perhaps for others' help."""
        self._silence = 0 if waits or status != self._said else self._silence + 1
        self._said = status
        return self._silence % SAY_AGAIN_HEARTBEATS == 0
