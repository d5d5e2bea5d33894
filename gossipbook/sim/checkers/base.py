"""The base class of all checkers, and what they report."""

from collections import Counter
from dataclasses import dataclass

from gossipbook.sim.host import Observer
from gossipbook.sim.run_view import RunView

INVARIANTS = ("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10")
VIOLATIONS_CAP = 32


@dataclass(frozen=True, slots=True)
class Violation:
    """A report that an invariant does not hold. ``height`` is that of the block to blame, 0 if there is none."""

    invariant: str
    at_us: int
    text: str
    pair: str = ""
    height: int = 0


class Checker(Observer):
    """Watches one run, and counts what it compared."""

    view: RunView

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.violations: list[Violation] = []

    def attend(self, view: RunView) -> None:
        """Watch a run from before its peers start."""
        self.view = view

    def sample(self, now_us: int) -> None:
        """Look at the run as it is now; called at regular intervals."""

    def finish(self) -> None:
        """Look at the run's end state."""

    def blame(self, invariant: str, text: str, pair: str = "", height: int = 0) -> None:
        """Record a violation, unless there are :data:`VIOLATIONS_CAP` already."""
        if len(self.violations) < VIOLATIONS_CAP:
            self.violations.append(Violation(invariant, self.view.now_us, text, pair, height))
