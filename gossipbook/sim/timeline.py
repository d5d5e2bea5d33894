"""The queue of events that are due in a simulated world, in order of time and then of scheduling.

Time is in integer microseconds. Each event belongs to one *life* of one host: what was on its way to a process that
crashed is lost with it.
"""

import heapq
from collections.abc import Callable

from gossipbook.ids import PeerId
from gossipbook.peer.events import PeerEvent
from gossipbook.sim.host import Host

Happening = PeerEvent | bytes | Callable[[], object]
"""An event for a host's core, an encoded message for a host, or a call that belongs to no host."""

Due = tuple[int, int, Host | None, int, Happening, PeerId]
"""When, number, host, its life, what happens, and the sender of a message."""


class Timeline:
    """The event queue, and the time of the event that was taken out last."""

    def __init__(self) -> None:
        self.now_us = 0
        self._due: list[Due] = []
        self._number = 0

    def push(self, after_us: int, host: Host, event: PeerEvent | bytes, sender: PeerId = b"") -> None:
        """Let an event happen to a host after a while; bytes are a message from ``sender``."""
        self.push_at(self.now_us + after_us, host, event, sender)

    def push_at(self, at_us: int, host: Host, event: PeerEvent | bytes, sender: PeerId = b"") -> None:
        """As :meth:`push`, at a time."""
        self._number += 1
        heapq.heappush(self._due, (at_us, self._number, host, host.life, event, sender))

    def call(self, after_us: int, what: Callable[[], object]) -> None:
        """Do something to the world after a while."""
        self._number += 1
        heapq.heappush(self._due, (self.now_us + after_us, self._number, None, 0, what, b""))

    def push_back(self, host: Host, backlog: list[tuple[int, PeerEvent | bytes, PeerId]]) -> None:
        """Let what waited for a host happen to it now, in order, before whatever else is about to."""
        for number, event, sender in backlog:
            heapq.heappush(self._due, (self.now_us, number, host, host.life, event, sender))

    def has_until(self, end_us: int) -> bool:
        """Return whether anything is due up to a time."""
        return bool(self._due) and self._due[0][0] <= end_us

    def pop(self) -> Due:
        """Take out what is due next; the time is then when that happens."""
        due = heapq.heappop(self._due)
        self.now_us = due[0]
        return due

    def in_flight(self) -> dict[PeerId, int]:
        """Count the messages on their way to each host in its present life, by address."""
        found: dict[PeerId, int] = {}
        for _, _, host, life, event, _ in self._due:
            if host is not None and host.life == life and isinstance(event, bytes):
                found[host.address] = found.get(host.address, 0) + 1
        return found
