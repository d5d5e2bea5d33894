"""A fault in a run: when it was on and what it hit."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gossipbook.scenario.parts import FaultPart
from gossipbook.scenario.schedule import ScheduledFault
from gossipbook.sim.host import Host
from gossipbook.sim.network import Wire

Undo = Callable[[], None]


@dataclass
class Injected:
    """One scheduled fault, the times at which it began and ended in microseconds (-1: not yet), and its targets."""

    scheduled: ScheduledFault
    began_us: int = -1
    ended_us: int = -1
    hosts: list[Host] = field(default_factory=list)
    cuts: list[Wire] = field(default_factory=list)
    undo: Undo | None = None

    @property
    def fault(self) -> FaultPart:
        return self.scheduled.fault

    @property
    def active(self) -> bool:
        return self.began_us >= 0 and self.ended_us < 0
