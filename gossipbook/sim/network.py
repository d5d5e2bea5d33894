"""The wires: how long a message takes, whether it arrives at all, how often, and in what order.

Without faults a link is what TCP makes of it: in order, once, none lost. Cuts and weather are put on top and taken off
again; a cut direction loses what is sent into it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from gossipbook.ids import PeerId

Wire = tuple[PeerId, PeerId]
"""One direction between two peers: from, to."""

WIRE_QUEUE_US = 2_000_000
"""How long a message may wait for a slow wire; beyond it, it is dropped, as a full lane drops it."""


@dataclass(frozen=True, slots=True)
class Delay:
    """How long a message is on its way, in microseconds, drawn without floating point but for products."""

    shape: str = "uniform"
    low_us: int = 1_000
    high_us: int = 3_000

    def draw(self, rng: random.Random) -> int:
        low, span = self.low_us, self.high_us - self.low_us
        if self.shape == "fixed":
            return low + span // 2
        if self.shape == "uniform":
            return low + int(rng.random() * span)
        if self.shape == "normal":
            return low + (int(rng.random() * span) + int(rng.random() * span) + int(rng.random() * span)) // 3
        tail = span // 4 + 1  # Heavy: each doubling half as likely, cut off at 32 times the mean.
        doublings = 0
        while doublings < 6 and rng.random() < 0.5:
            doublings += 1
        return low + (int(rng.random() * tail) << doublings)


@dataclass(frozen=True)
class Weather:
    """What is wrong with some directions for a while. ``hits`` says with which."""

    hits: Callable[[PeerId, PeerId], bool]
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: Delay | None = None
    bytes_per_s: int = 0


def everywhere(_a: PeerId, _b: PeerId) -> bool:
    return True


class Network:
    """Says when a message arrives."""

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
        """Whether nothing gets from a to b."""
        return (a, b) in self._cuts

    def severed(self, a: PeerId, b: PeerId) -> bool:
        """Whether a link between the two cannot live: it needs both directions."""
        return (a, b) in self._cuts or (b, a) in self._cuts

    # -- messages -----------------------------------------------------------------------------------

    def arrivals(self, a: PeerId, b: PeerId, size: int, now_us: int) -> tuple[int, ...]:
        """The times at which a message from a gets to b: none if it is lost, several if it is repeated."""
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
            if weather.loss and rng.random() < weather.loss:
                self.dropped += 1
                return ()
            copies += bool(weather.duplicate and rng.random() < weather.duplicate)
            late = late or bool(weather.reorder and rng.random() < weather.reorder)
            delay = weather.delay or delay
            if weather.bytes_per_s:
                leaves_us = max(leaves_us, self._free.get((a, b), 0))
                if leaves_us - now_us > WIRE_QUEUE_US:
                    self.dropped += 1
                    return ()
                leaves_us += size * 1_000_000 // weather.bytes_per_s
                self._free[a, b] = leaves_us
        if late or copies > 1:
            return tuple(leaves_us + delay.draw(rng) * (1 + 3 * late) for _ in range(copies))
        return (self._in_order(a, b, leaves_us + delay.draw(rng)),)
