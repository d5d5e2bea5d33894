"""Events that wait for the core: those of strangers' links behind all others, and a few of them a turn.

A turn's length is how long everybody else waits. So what members, timers and this program want is taken as it comes,
and beside it so many messages of strangers, traders' clients included, as cost a few milliseconds.
"""

from collections import deque

import trio

from gossipbook.peer.events import PeerEvent

INBOX_CAP = 256  # batches of events, of strangers and of others
EVENTS_PER_TURN_CAP = 512
STRANGERS_PER_TURN_CAP = 32


class Inbox:
    """Two queues of batches. Who puts something in waits while its queue is full, those who came first go first."""

    def __init__(self) -> None:
        self._urgent = _Queue()
        self._strange = _Queue()
        self._came = trio.Event()

    async def put(self, events: list[PeerEvent], *, of_stranger: bool = False) -> None:
        """Queue a batch."""
        await (self._strange if of_stranger else self._urgent).put(events)
        self._came.set()

    def put_nowait(self, events: list[PeerEvent]) -> None:
        """Queue a batch of no stranger's.

        Raises:
            trio.WouldBlock: the queue is full.
        """
        self._urgent.put_nowait(events)
        self._came.set()

    async def take(self) -> list[PeerEvent]:
        """The events of one turn; waits for some."""
        while True:
            events = self._urgent.take(EVENTS_PER_TURN_CAP)
            events += self._strange.take(STRANGERS_PER_TURN_CAP)
            if events:
                return events
            self._came = trio.Event()
            await self._came.wait()


class _Queue:
    """Batches in order, so many at most."""

    def __init__(self) -> None:
        self.batches: deque[list[PeerEvent]] = deque()
        self._room = trio.Semaphore(INBOX_CAP)

    async def put(self, events: list[PeerEvent]) -> None:
        await self._room.acquire()
        self.batches.append(events)

    def put_nowait(self, events: list[PeerEvent]) -> None:
        self._room.acquire_nowait()
        self.batches.append(events)

    def take(self, cap: int) -> list[PeerEvent]:
        """Whole batches, until there are so many events or no more."""
        events: list[PeerEvent] = []
        while self.batches and len(events) < cap:
            events += self.batches.popleft()
            self._room.release()
        return events
