"""What a verification found."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from gossipbook.exits import VERDICTS

MAX_REASONS = 50
REASON_CAP = 400  # characters


class Verdict(StrEnum):
    VALID = "valid"
    UNKNOWN = "unknown"
    """Nothing is wrong, but nothing happened either: no block, or no fill."""
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Tip:
    """The end of a pair's chain."""

    height: int
    id: str


@dataclass(slots=True)
class Report:
    """A verdict, why, and what was counted in the blocks that were followed, each height once."""

    verdict: Verdict = Verdict.UNKNOWN
    reasons: list[str] = field(default_factory=list)
    reasons_left_out: int = 0
    network: str = ""
    chain_id: str = ""
    pairs: list[str] = field(default_factory=list)
    exports: int = 0
    blocks: int = 0
    certified_ops: int = 0
    certified_commands: int = 0
    """Commands in finalized blocks, those refused by the rules of matching too."""
    fills: int = 0
    fills_per_pair: dict[str, int] = field(default_factory=dict)
    tips: dict[str, Tip] = field(default_factory=dict)
    digests_equal: bool = True
    """All exports of each pair end in the same block."""
    double_fills: int = 0
    """Orders that were filled beyond their quantity."""
    acked_ops: int = 0
    acked_ops_lost: int = 0

    @property
    def exit_code(self) -> int:
        """What a command that reports this exits with."""
        return VERDICTS[self.verdict]

    def add(self, reason: str) -> None:
        """One more thing that is wrong. Files may hold anything, terminal codes too: reasons are made fit to print."""
        reason = "".join(c if c.isprintable() else "?" for c in reason[:REASON_CAP])
        if reason in self.reasons:
            return
        if len(self.reasons) < MAX_REASONS:
            self.reasons.append(reason)
        else:
            self.reasons_left_out += 1

    def judge(self) -> None:
        """Arrive at the verdict."""
        if self.reasons:
            self.verdict = Verdict.INVALID
        else:
            self.verdict = Verdict.VALID if self.blocks and self.fills else Verdict.UNKNOWN

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "verdict": str(self.verdict), "exit_code": self.exit_code}
