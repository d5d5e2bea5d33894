"""Conditions of the wires between peers: delay, loss, copies, reordering and a bounded rate."""

import random
from dataclasses import dataclass

from gossipbook.scenario.parts import FaultPart, NetworkPart


@dataclass(frozen=True, slots=True)
class Delay:
    """How long a message travels: the shape and the bounds of the draw, in microseconds."""

    shape: str = "uniform"
    low_us: int = 1_000
    high_us: int = 3_000

    @classmethod
    def of(cls, shape: str, span_ms: tuple[float, float]) -> "Delay":
        """Make the delay of a scenario's shape and its least and most milliseconds."""
        low_us, high_us = (round(ms * 1_000) for ms in span_ms)
        return cls(shape, low_us, high_us)

    def draw(self, rng: random.Random) -> int:
        """Return one message's delay; only a heavy tail exceeds ``high_us``."""
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


@dataclass(frozen=True, slots=True)
class WireConditions:
    """Conditions of a wire for a while. A delay replaces the usual one; a rate of 0 is no limit."""

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: Delay | None = None
    kbit_s: int = 0

    @classmethod
    def usual(cls, network: NetworkPart) -> "WireConditions":
        """Return the conditions that a network has from its first to its last moment."""
        delay = Delay.of(network.delay, network.delay_ms)
        return cls(network.loss, network.duplicate, network.reorder, delay, network.kbit_s)

    @classmethod
    def of(cls, fault: FaultPart) -> "WireConditions":
        """Return what a fault of kind loss, duplicate, reorder, delay or bandwidth adds to the wires that it hits."""
        match fault.kind:
            case "loss":
                return cls(loss=fault.share)
            case "duplicate":
                return cls(duplicate=fault.share)
            case "reorder":
                return cls(reorder=fault.share)
            case "delay":
                return cls(delay=Delay.of("uniform", fault.delay_ms))
        assert fault.kind == "bandwidth", fault.kind
        return cls(kbit_s=fault.kbit_s)
