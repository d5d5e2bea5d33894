"""When each fault of a scenario is on, and from which generator it draws.

Upon ``at_s`` after the first order: a fault begins, unless the heal came first. Upon ``for_s`` after its beginning: it
ends; with ``for_s`` 0 it lasts until the heal. Upon the heal: all faults end but the liars, who lie to the end of the
run, and every peer that is down is started.

Each fault draws from a source of its own, made of the seed and its place in the scenario, so that it does the same
whether or not the others are there.
"""

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

from gossipbook.scenario.chance import seeded
from gossipbook.scenario.parts import ADVERSARIES, FaultPart


@dataclass(frozen=True, slots=True)
class CutPhase:
    """A stretch of a partition in which its wires are cut, or whole; ``lasts_s`` is infinite without flapping."""

    cut: bool
    lasts_s: float


@dataclass(frozen=True, slots=True)
class Restart:
    """One peer's turn in a rolling restart: how long it is down, and how long it is back before the next turn."""

    peer: int
    down_s: float
    back_s: float


@dataclass(frozen=True, slots=True)
class ScheduledFault:
    """One fault and its place in the scenario, with its times in seconds."""

    fault: FaultPart
    number: int

    @property
    def begins_s(self) -> float:
        """The time after the first order at which it begins, or starts to wait for its moment."""
        return self.fault.at_s

    @property
    def waits_for_lock(self) -> bool:
        """Whether it begins later than its time: when the leader holds a prepare certificate that nobody else has."""
        return self.fault.kind == "partition" and self.fault.when == "prepared"

    @property
    def lasts_s(self) -> float:
        """How long it lasts once begun, if the heal does not come first; infinite if only the heal ends it."""
        return self.fault.for_s or math.inf

    @property
    def ends_at_heal(self) -> bool:
        return self.fault.kind not in ADVERSARIES

    def rng(self, seed: int) -> random.Random:
        """Return its source of chance in the run of a seed."""
        return seeded(seed, "fault", self.number, self.fault.kind)

    def cut_phases(self) -> Iterator[CutPhase]:
        """Yield a partition's phases: one without an end, or cut and whole in turn if it flaps."""
        if not self.fault.flap_s:
            yield CutPhase(True, math.inf)
            return
        for cut in cycle((True, False)):
            yield CutPhase(cut, self.fault.flap_s)

    def restarts(self, peers: Sequence[int]) -> list[Restart]:
        """Return the turns of a rolling restart of some peers, one after another."""
        return [Restart(peer, down_s=self.fault.gap_s, back_s=self.fault.gap_s) for peer in peers]


def schedule(faults: Iterable[FaultPart]) -> list[ScheduledFault]:
    """Number the faults of a scenario, from 0."""
    return [ScheduledFault(fault, number) for number, fault in enumerate(faults)]
