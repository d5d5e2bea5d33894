"""Events that wait for the core: those of strangers' links behind all others, and a few of them a turn.

A turn's length is how long everybody else waits. So what members, timers and this program want is taken as it comes,
and beside it so many messages of strangers, traders' clients included, as cost a few milliseconds.
"""

import math

import trio

from gossipbook.peer.events import PeerEvent

INBOX_CAP = 256  # batches of events, of strangers and of others
EVENTS_PER_TURN_CAP = 512
STRANGERS_PER_TURN_CAP = 32
STRANGERS_PAUSE_S = 0.01
"""Between two turns with messages of strangers: each makes a commit, which those who come after wait for."""


class Inbox:
    """Two queues of batches. Who puts something in waits while its queue is full."""

    def __init__(self) -> None:
        self._send, self._urgent = trio.open_memory_channel[list[PeerEvent]](INBOX_CAP)
        self._send_strange, self._strange = trio.open_memory_channel[list[PeerEvent]](INBOX_CAP)
        self._came = trio.Event()
        self._strangers_from_s = -math.inf

    async def put(self, events: list[PeerEvent], *, of_stranger: bool = False) -> None:
        """Queue a batch."""
        await (self._send_strange if of_stranger else self._send).send(events)
        self._came.set()

    def put_nowait(self, events: list[PeerEvent]) -> None:
        """Queue a batch of no stranger's.

        Raises:
            trio.WouldBlock: the queue is full.
        """
        self._send.send_nowait(events)
        self._came.set()

    async def take(self) -> list[PeerEvent]:
        """The events of one turn; waits for some."""
        while True:
            events = _drain(self._urgent, EVENTS_PER_TURN_CAP)
            if trio.current_time() >= self._strangers_from_s:
                of_strangers = _drain(self._strange, STRANGERS_PER_TURN_CAP)
                if of_strangers:
                    self._strangers_from_s = trio.current_time() + STRANGERS_PAUSE_S
                events += of_strangers
            if events:
                return events
            self._came = trio.Event()
            waiting = self._strange.statistics().current_buffer_used > 0
            with trio.move_on_at(self._strangers_from_s if waiting else math.inf):
                await self._came.wait()


def _drain(queue: "trio.MemoryReceiveChannel[list[PeerEvent]]", cap: int) -> list[PeerEvent]:
    """Whole batches, until there are so many events or no more."""
    events: list[PeerEvent] = []
    while len(events) < cap:
        try:
            events += queue.receive_nowait()
        except trio.WouldBlock:
            break
    return events
