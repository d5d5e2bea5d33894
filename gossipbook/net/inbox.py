"""Events that wait for the core: those of strangers' links behind all others, and a few of them a turn.

A turn's length is how long everybody else waits. So what members, timers and this program want is taken as it comes,
and beside it so many messages of strangers, traders' clients included, as cost a few milliseconds.
"""

import trio

from gossipbook.peer.events import PeerEvent

INBOX_CAP = 256  # batches of events, of strangers and of others
EVENTS_PER_TURN_CAP = 512
STRANGERS_PER_TURN_CAP = 32


class Inbox:
    """Two queues of batches. Who puts something in waits while its queue is full; who came first goes first."""

    def __init__(self) -> None:
        self._send, self._urgent = trio.open_memory_channel[list[PeerEvent]](INBOX_CAP)
        self._send_strange, self._strange = trio.open_memory_channel[list[PeerEvent]](INBOX_CAP)
        self._came = trio.Event()
        self._took_of_strangers = False

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

    def __len__(self) -> int:
        """Batches that wait."""
        return sum(queue.statistics().current_buffer_used for queue in (self._urgent, self._strange))

    async def take(self) -> list[PeerEvent]:
        """The events of one turn; waits for some. All others have their turn between two with messages of strangers."""
        if self._took_of_strangers:
            await trio.lowlevel.checkpoint()
        while True:
            events = _drain(self._urgent, EVENTS_PER_TURN_CAP)
            of_strangers = _drain(self._strange, STRANGERS_PER_TURN_CAP)
            self._took_of_strangers = bool(of_strangers)
            events += of_strangers
            if events:
                return events
            self._came = trio.Event()
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
