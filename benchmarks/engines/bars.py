"""What the matching engine must reach, and whether it does."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from engines.race import COMPILED, LINKED, LOOP, PRODUCT

Rows = list[dict[str, Any]]


class Bar(NamedTuple):
    """``figure`` is None for what this run did not measure. Of several flows or sizes, the worst counts."""

    what: str
    figure: float | None
    bound: float
    at_least: bool

    @property
    def verdict(self) -> str:
        if self.figure is None:
            return "not measured"
        met = self.figure >= self.bound if self.at_least else self.figure <= self.bound
        return "met" if met else "NOT MET"


def speed_bars(rows: Rows) -> list[Bar]:
    return [
        Bar("compiled / compiled loop", _worst(rows, COMPILED, "x_compiled_loop"), 0.6, True),
        Bar("compiled / fastest pure-Python peer (aim 3)", _against_peers(rows, COMPILED), 2.0, True),
        Bar("pure / pure loop", _worst(rows, PRODUCT, "x_loop"), 0.55, True),
        Bar("pure / fastest pure-Python peer", _against_peers(rows, PRODUCT), 1.0, True),
    ]


def scale_bars(rows: Rows) -> list[Bar]:
    return [bar for label in (PRODUCT, COMPILED) for bar in _scale_bars(rows, label)]


def _scale_bars(rows: Rows, label: str) -> Iterator[Bar]:
    own = [row for row in rows if row["engine"] == label]
    whole = {row["orders"] for row in own} >= {1_000, 1_000_000}
    counted = [row[what] for row in own for what in ("instructions", "instructions_anywhere") if row[what]]
    name, cpu, memory = ("pure", 1.5, 400) if label == PRODUCT else ("compiled", 2.5, 260)
    spread = max(counted) / min(counted) if whole and len(counted) == 2 * len(own) else None
    yield Bar(f"{name}: instructions, most / least", spread, 1.15, False)
    slower = own[-1]["cpu_us"] / own[0]["cpu_us"] if whole else None
    yield Bar(f"{name}: CPU at 1,000,000 / at 1,000 orders", slower, cpu, False)
    cold = own[-1]["cpu_anywhere_us"] / own[0]["cpu_anywhere_us"] if whole else None
    yield Bar(f"{name}: the same, commands anywhere in the book", cold, cpu, False)
    yield Bar(f"{name}: bytes a resting order, of 1,000,000", own[-1]["fresh_bytes"] if whole else None, memory, False)


def _worst(rows: Rows, engine: str, what: str) -> float | None:
    figures = [row[what] for row in rows if row["engine"] == engine and row[what] is not None]
    return min(figures, default=None)


def _against_peers(rows: Rows, engine: str) -> float | None:
    """Over the fastest peer of the same flow, both measured by the loop of their own interpreter."""
    ours = {row["flow"]: row["x_loop"] for row in rows if row["engine"] == engine}
    peers = [
        (row["flow"], row["x_loop"])
        for row in rows
        if row["language"] == "python" and row["engine"] != PRODUCT and not row["engine"].startswith((LOOP, LINKED))
    ]
    return min((ours[flow] / x_loop for flow, x_loop in peers if flow in ours), default=None)
