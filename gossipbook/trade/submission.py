"""An op on its way to a finalized block, as whoever submitted it follows it."""

import trio

from gossipbook.client_messages import Ack, AckLevel
from gossipbook.crdt.op import Op
from gossipbook.errors import SubmitRefused


class Submission:
    """One op on its way. Await the level that matters; times are ``trio.current_time()`` in seconds."""

    def __init__(self, op: Op) -> None:
        self.op = op
        self.submitted_s = trio.current_time()
        self.times_s: dict[AckLevel, float] = {}
        self.height = 0
        self.refused = ""
        self.level = AckLevel.REFUSED
        self._changed = trio.Event()

    async def durable(self) -> None:
        """Until the peer has synced it. Raises :class:`SubmitRefused`, or :class:`LinkClosed` if the link ended."""
        await self._reach(AckLevel.DURABLE)

    async def relayed(self) -> None:
        """Until enough committee members hold it, synced, that it cannot be lost."""
        await self._reach(AckLevel.RELAYED)

    async def certified(self) -> int:
        """Until it is in a finalized block; returns the block's height."""
        await self._reach(AckLevel.CERTIFIED)
        return self.height

    def take(self, ack: Ack) -> None:
        """Note what the peer says."""
        if ack.level == AckLevel.REFUSED:
            self.refused = ack.reason
        elif ack.level > self.level:
            self.level = AckLevel(ack.level)
            now_s = trio.current_time()
            for level in range(AckLevel.DURABLE, ack.level + 1):
                self.times_s.setdefault(AckLevel(level), now_s)
            self.height = ack.height
        self._wake()

    def lose(self, reason: str) -> None:
        """The link ended; whether the op arrived is not known. Submitting it again elsewhere is harmless."""
        if self.level < AckLevel.CERTIFIED and not self.refused:
            self.refused = f"link closed: {reason}"
        self._wake()

    async def _reach(self, level: AckLevel) -> None:
        while self.level < level:
            if self.refused:
                raise SubmitRefused(self.refused)
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
