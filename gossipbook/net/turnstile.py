"""How strangers' links share this peer's time: one of them at a time, whoever used the least first, and with pauses.

A peer's loop runs everything that is ready, once a round: with twenty links that all have something, each round is as
long as all of it together, and what members say goes through many rounds. So of all links that are not members' one
alone is read at a time. What that costs is measured, and after it nobody passes for nine times as long: to take in what
strangers send has a tenth of the loop's time, whatever they send; what follows from it, in gossip and blocks, comes to
more than that. A trader who sends little passes before a flood that waits.
"""

import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import trio

from gossipbook.effects import LinkId
from gossipbook.ordered import BoundedDict

SHARE = 0.1
"""Of the loop's time, to take in what all strangers send; with half of it saturated trade is a third slower."""
HALF_LIFE_S = 2.0
"""How fast it is forgotten what a link used."""
LINKS_CAP = 4_096
DEBT_CAP_S = 1.0
"""How long the turnstile stays closed at most."""


class Turnstile:
    """Lets links pass one at a time. ``spent`` is a clock of this thread's work, in seconds."""

    def __init__(self, spent: Callable[[], float] = time.thread_time) -> None:
        self._spent = spent
        self._used: BoundedDict[LinkId, tuple[float, float]] = BoundedDict(LINKS_CAP)  # seconds, and when
        self._waiting: dict[LinkId, trio.Event] = {}
        self._inside = False
        self._closed_until_s = 0.0
        self._changed = trio.Event()

    async def run(self) -> None:
        """Let waiting links pass, until cancelled."""
        while True:
            self._changed = trio.Event()
            if self._waiting and not self._inside:
                pause_s = self._closed_until_s - trio.current_time()
                if pause_s <= 0:
                    link = min(self._waiting, key=self.used)
                    self._inside = True
                    self._waiting.pop(link).set()
                    continue
                with trio.move_on_after(pause_s):
                    await self._changed.wait()
            else:
                await self._changed.wait()

    @asynccontextmanager
    async def turn(self, link: LinkId) -> AsyncIterator[None]:
        """Wait for a link's turn; it is over at the end of the block."""
        event = self._waiting.setdefault(link, trio.Event())
        self._changed.set()
        try:
            await event.wait()
        except BaseException:  # A cancellation, or a fault: nobody is inside, and nobody waits.
            if self._waiting.get(link) is event:
                del self._waiting[link]
            elif event.is_set():
                self._leave()
            raise
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        self._inside = False
        self._changed.set()

    @contextmanager
    def charging(self, link: LinkId) -> Iterator[None]:
        """Measure what is done in the block, without waiting, for a link."""
        began_s = self._spent()
        try:
            yield
        finally:
            self.charge(link, self._spent() - began_s)

    def charge(self, link: LinkId, cost_s: float) -> None:
        """Note work for a link, and keep the turnstile closed for as long as that earns."""
        now_s = trio.current_time()
        self._used[link] = (self.used(link) + cost_s, now_s)
        closed_s = max(self._closed_until_s, now_s) + cost_s * (1 / SHARE - 1)
        self._closed_until_s = min(closed_s, now_s + DEBT_CAP_S)

    def used(self, link: LinkId) -> float:
        """Seconds of work that a link lately had."""
        found = self._used.get(link)
        if found is None:
            return 0.0
        used_s, at_s = found
        return used_s * math.exp2((at_s - trio.current_time()) / HALF_LIFE_S)
