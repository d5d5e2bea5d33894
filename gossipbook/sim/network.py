"""Decide when a message arrives: after which delay, whether at all, how often, and in what order.

Without faults a link is what TCP makes of it: in order, once, none lost. Cuts and weather are put on top and taken off
again; a cut direction loses what is sent into it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from gossipbook.ids import PeerId
from gossipbook.scenario.conditions import Delay, WireConditions

Wire = tuple[PeerId, PeerId]
"""One direction between two peers: from, to."""

BYTES_PER_KBIT = 125

WIRE_QUEUE_US = 2_000_000
"""How long a message may wait for a slow wire; beyond it, it is dropped, as a full lane drops it."""


@dataclass(frozen=True, slots=True)
class Weather:
    """Conditions that some directions have for a while; ``hits`` says which."""

    hits: Callable[[PeerId, PeerId], bool]
    conditions: WireConditions


def everywhere(_a: PeerId, _b: PeerId) -> bool:
    return True


class Network:
    """Delays, cuts and weather of all wires between peers."""

    def __init__(self, rng: random.Random, delay: Delay | None = None) -> None:
        self.delay = delay or Delay()
        self.dropped = 0
        self.cut_losses = 0
        self.weather: list[Weather] = []
        self._rng = rng
        self._cuts: dict[Wire, int] = {}
        self._last: dict[Wire, int] = {}  # arrival of the latest in-order message
        self._free: dict[Wire, int] = {}  # when a slow wire is through with what it has

    # -- cuts ---------------------------------------------------------------------------------------

    def cut(self, a: PeerId, b: PeerId) -> None:
        """Lose what goes from a to b, until mended as often as cut."""
        self._cuts[a, b] = self._cuts.get((a, b), 0) + 1

    def mend(self, a: PeerId, b: PeerId) -> None:
        left = self._cuts[a, b] - 1
        if left:
            self._cuts[a, b] = left
        else:
            del self._cuts[a, b]

    def is_cut(self, a: PeerId, b: PeerId) -> bool:
        """Return whether nothing gets from a to b."""
        return (a, b) in self._cuts

    def severed(self, a: PeerId, b: PeerId) -> bool:
        """Return whether a link between two peers cannot live, because one of its directions is cut."""
        return (a, b) in self._cuts or (b, a) in self._cuts

    # -- messages -----------------------------------------------------------------------------------

    def arrivals(self, a: PeerId, b: PeerId, size: int, now_us: int) -> tuple[int, ...]:
        """Return the times at which a message from a arrives at b: none if it is lost, several if it is repeated."""
        if (a, b) in self._cuts:
            self.cut_losses += 1
            return ()
        if self.weather:
            return self._in_weather(a, b, size, now_us)
        return (self._in_order(a, b, now_us + self.delay.draw(self._rng)),)

    def _in_order(self, a: PeerId, b: PeerId, at_us: int) -> int:
        last = self._last.get((a, b), 0)
        at_us = max(at_us, last)
        self._last[a, b] = at_us
        return at_us

    def _in_weather(self, a: PeerId, b: PeerId, size: int, now_us: int) -> tuple[int, ...]:
        rng, delay = self._rng, self.delay
        copies, late, leaves_us = 1, False, now_us
        for weather in self.weather:
            if not weather.hits(a, b):
                continue
            here = weather.conditions
            if here.loss and rng.random() < here.loss:
                self.dropped += 1
                return ()
            copies += bool(here.duplicate and rng.random() < here.duplicate)
            late = late or bool(here.reorder and rng.random() < here.reorder)
            delay = here.delay or delay
            if here.kbit_s:
                leaves_us = max(leaves_us, self._free.get((a, b), 0))
                if leaves_us - now_us > WIRE_QUEUE_US:
                    self.dropped += 1
                    return ()
                leaves_us += size * 1_000_000 // (here.kbit_s * BYTES_PER_KBIT)
                self._free[a, b] = leaves_us
        if late or copies > 1:
            return tuple(leaves_us + delay.draw(rng) * (1 + 3 * late) for _ in range(copies))
        return (self._in_order(a, b, leaves_us + delay.draw(rng)),)
