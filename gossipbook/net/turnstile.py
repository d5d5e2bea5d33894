"""How strangers' links share this peer's time: one of them at a time, whoever used the least first, and with rests.

A peer's loop runs everything that is ready, once a round: with twenty links that all have something, each round is as
long as all of it together, and what members say goes through many rounds. So of all links that are not members' one
alone is read at a time. What that costs is measured, and once a few milliseconds were used nobody passes for nine times
as long: to take in what strangers send has a tenth of the loop's time, whatever they send; what follows from it, in
gossip and blocks, comes to more than that. A trader who sends little passes before a flood that waits.
And a link that sends what has to be refused is not read for a while, so that its sender has to wait.
"""

import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from gossipbook.effects import LinkId
from gossipbook.ordered import BoundedDict
from gossipbook.refusals import Refusals

SHARE = 0.1
"""Of the loop's time, to take in what all strangers send; with half of it saturated trade is a third slower."""
HALF_LIFE_S = 2.0
"""How fast it is forgotten what a link used."""
HOLD_S = 0.25
"""How long a link is not read that sent what was refused; an honest one seldom does."""
LINKS_CAP = 4_096
REST_S = 0.02
"""The shortest rest. To rest after each message would cost more than most messages do."""
REST_CAP_S = 0.1
"""The longest rest: as long as an order may wait for a question that was dear."""


class Turnstile:
    """Lets links pass one at a time. ``refusals`` are the peer's own; ``clock`` is in seconds.

    By default it is the time of day and not that of this thread alone, which costs more to ask for than many a message:
    so on a machine that is too busy for this peer strangers have less of it, too.
    """

    def __init__(self, refusals: Refusals, clock: Callable[[], float] = time.perf_counter) -> None:
        self._refusals, self._clock = refusals, clock
        self._used: BoundedDict[LinkId, tuple[float, float]] = BoundedDict(LINKS_CAP)  # seconds, and when
        self._held_until_s: BoundedDict[LinkId, float] = BoundedDict(LINKS_CAP)
        self._waiting: dict[trio.Event, LinkId] = {}
        self._inside = False
        self._owes_until_s = 0.0  # when what was used will be made up for
        self._resting = False
        self._rests = trio.Event()

    async def run(self) -> None:
        """End rests, until cancelled."""
        while True:
            if not self._resting:
                await self._rests.wait()
            self._rests = trio.Event()
            await trio.sleep_until(self._owes_until_s)
            if trio.current_time() >= self._owes_until_s:  # else more was used meanwhile
                self._resting = False
                self._admit()

    def _admit(self) -> None:
        """Let the link pass that used the least, if one may."""
        if self._waiting and not self._inside and not self._resting:
            self._inside = True
            event = min(self._waiting, key=lambda event: self.used(self._waiting[event]))
            del self._waiting[event]
            event.set()

    @asynccontextmanager
    async def turn(self, link: LinkId) -> AsyncIterator[None]:
        """Wait for a link's turn; it is over at the end of the block."""
        held_until_s = self._held_until_s.get(link)
        if held_until_s is not None and held_until_s > trio.current_time():
            await trio.sleep_until(held_until_s)
        event = trio.Event()
        self._waiting[event] = link
        self._admit()
        try:
            await event.wait()
        except BaseException:  # A cancellation, or a fault: nobody is inside, and nobody waits.
            if event.is_set():
                self._leave()
            else:
                del self._waiting[event]
            raise
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        self._inside = False
        self._admit()

    def charging(self, link: LinkId) -> "_Charging":
        """Measure what is done in the block, without waiting, for a link; it is held if that led to refusals."""
        return _Charging(self, link, self._clock, self._refusals)

    def charge(self, link: LinkId, cost_s: float) -> None:
        """Note work for a link, and have all rest once there was enough of it."""
        now_s = trio.current_time()
        self._used[link] = (self.used(link) + cost_s, now_s)
        owes_until_s = max(self._owes_until_s, now_s) + cost_s * (1 / SHARE - 1)
        self._owes_until_s = min(owes_until_s, now_s + REST_CAP_S)
        if not self._resting and self._owes_until_s >= now_s + REST_S:
            self._resting = True
            self._rests.set()

    def hold(self, link: LinkId) -> None:
        """Do not let a link pass for a while."""
        self._held_until_s[link] = trio.current_time() + HOLD_S

    def used(self, link: LinkId) -> float:
        """Seconds of work that a link lately had."""
        found = self._used.get(link)
        if found is None:
            return 0.0
        used_s, at_s = found
        return used_s * math.exp2((at_s - trio.current_time()) / HALF_LIFE_S)


class _Charging:
    """Charges a link with the length of a ``with`` block."""

    __slots__ = ("_began_s", "_clock", "_faults", "_link", "_refusals", "_turnstile")

    def __init__(self, turnstile: Turnstile, link: LinkId, clock: Callable[[], float], refusals: Refusals) -> None:
        self._turnstile, self._link, self._clock, self._refusals = turnstile, link, clock, refusals

    def __enter__(self) -> None:
        self._faults = self._refusals.faults
        self._began_s = self._clock()

    def __exit__(self, *_raised: object) -> None:
        self._turnstile.charge(self._link, self._clock() - self._began_s)
        if self._refusals.faults > self._faults:
            self._turnstile.hold(self._link)
