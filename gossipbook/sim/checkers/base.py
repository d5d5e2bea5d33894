"""What all checkers share."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gossipbook.sim.host import Host, Observer

if TYPE_CHECKING:
    from gossipbook.sim.exchange import Exchange

INVARIANTS = ("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10")
VIOLATIONS_CAP = 32


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold. ``height`` is the block's where one is to blame, else 0."""

    invariant: str
    at_us: int
    text: str
    pair: str = ""
    height: int = 0


class Checker(Observer):
    """Watches one exchange."""

    exchange: "Exchange"

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.violations: list[Violation] = []

    def attend(self, exchange: "Exchange") -> None:
        """Look at an exchange before it opens."""
        self.exchange = exchange

    def sample(self, now_us: int) -> None:
        """Look at it every now and then."""

    def finish(self) -> None:
        """Look at its end."""

    def blame(self, invariant: str, text: str, pair: str = "", height: int = 0) -> None:
        """Record a violation; beyond the cap only that there were more."""
        if len(self.violations) < VIOLATIONS_CAP:
            self.violations.append(Violation(invariant, self.exchange.world.now_us, text, pair, height))

    def honest(self, host: Host) -> bool:
        return not host.faulty
