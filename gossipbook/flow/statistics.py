"""Measures a flow: the figures by which a generated one is compared with a recorded one."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gossipbook.flow.picture import BUY, Quote, QuoteSide
from gossipbook.flow.step import FlowStep
from gossipbook.matching.commands import Amend, Cancel, Place, Side, TimeInForce

DISTANCES = ("inside", "at best", "1-5", "6-20", "21-50", "beyond")
_DISTANCE_EDGES = (0, 1, 6, 21, 51)  # the first distance, in ticks behind the own best, of each class after the first


@dataclass(frozen=True, slots=True)
class FlowStatistics:
    """Rates are per second, times in seconds, prices in ticks; quantiles are named after their per cent."""

    seconds: float
    submits_s: float
    deletes_s: float
    executions_s: float
    takes_s: float
    reductions_s: float
    interarrival_cv: float
    per_second: dict[int, int]
    deleted_share: float
    filled_share: float
    life_s: dict[int, float]
    distance_share: dict[str, float]
    size_lots: dict[int, int]
    fills_per_take: dict[int, float]
    sign_repeats: float
    spread_ticks: int


def measure(steps: Iterable[FlowStep], prelude: Iterable[FlowStep] = ()) -> FlowStatistics:
    """Follow a flow through a picture of its book. The prelude fills the book and is not counted.

    A row is what a recorded file would have: a submission, a deletion, a reduction, or each fill of a take.
    Spread and distance are as each submission meets them.
    """
    meter = _Meter()
    for step in prelude:
        meter.follow(step)
    meter = _Meter(meter)
    for step in steps:
        meter.follow(step)
    return meter.statistics()


class _Meter:
    def __init__(self, before: "_Meter | None" = None) -> None:
        self.sides: tuple[QuoteSide[Quote], QuoteSide[Quote]] = (
            before.sides if before else (QuoteSide(int(Side.BUY)), QuoteSide(int(Side.SELL)))
        )
        self.quotes: dict[tuple[int, int], Quote] = before.quotes if before else {}
        self.old = set(self.quotes)  # orders of the prelude have no known life
        self.rows_us: list[int] = []
        self.counts: Counter[str] = Counter()
        self.lives_us: list[int] = []
        self.sizes: list[int] = []
        self.spreads: list[int] = []
        self.distances: Counter[str] = Counter()
        self.fills: Counter[int] = Counter()
        self.takes: list[int] = []

    def follow(self, step: FlowStep) -> None:
        command, now = step.command, step.time_us
        if isinstance(command, Place):
            if command.tif in (TimeInForce.IOC, TimeInForce.FOK):
                self._take(step, command)
            else:
                self._submit(step, command)
            return
        assert isinstance(command, Cancel | Amend), "flows amend and cancel one order at a time"
        quote = self.quotes.get((step.author, command.client_id))
        if quote is None:
            self.counts["missed"] += 1
            return
        self.rows_us.append(now)
        if isinstance(command, Cancel):
            self.counts["deletes"] += 1
            self.sides[quote.side != BUY].remove(quote)
            self._end(quote, now)
        else:
            assert command.price_ticks in (0, quote.price_ticks), "flows only reduce"
            self.counts["reductions"] += 1
            quote.open_lots -= quote.total_lots - command.qty_lots
            quote.total_lots = command.qty_lots

    def _submit(self, step: FlowStep, place: Place) -> None:
        own, other = self.sides[place.side != BUY], self.sides[place.side == BUY]
        self.rows_us.append(step.time_us)
        self.counts["submits"] += 1
        self.sizes.append(place.qty_lots)
        if own.keys:
            behind = own.keys[-1] - place.price_ticks * own.sign
            self.distances[DISTANCES[bisect_right(_DISTANCE_EDGES, behind)]] += 1
        if own.keys and other.keys:
            self.spreads.append(-own.keys[-1] - other.keys[-1])
        left = place.qty_lots - self._fill(step, place)
        if left:
            quote = Quote(step.author, place.client_id, place.side, place.price_ticks, left, step.time_us)
            quote.total_lots = place.qty_lots
            own.rest(quote)
            self.quotes[step.author, place.client_id] = quote

    def _take(self, step: FlowStep, place: Place) -> None:
        rows = len(self.rows_us)
        self._fill(step, place)
        if len(self.rows_us) > rows:
            self.takes.append(place.side)
            self.fills[len(self.rows_us) - rows] += 1

    def _fill(self, step: FlowStep, place: Place) -> int:
        filled = 0
        for quote, lots in self.sides[place.side == BUY].take(place.price_ticks, place.qty_lots):
            self.rows_us.append(step.time_us)
            self.counts["executions"] += 1
            filled += lots
            if not quote.open_lots:
                self.counts["filled"] += 1
                self._end(quote, step.time_us)
        return filled

    def _end(self, quote: Quote, now: int) -> None:
        identity = (quote.author, quote.client_id)
        del self.quotes[identity]
        if identity not in self.old:
            self.lives_us.append(now - quote.placed_us)

    def statistics(self) -> FlowStatistics:
        rows, counts = self.rows_us, self.counts
        seconds = (rows[-1] - rows[0]) / 1e6 or 1.0
        gaps = [after - before for before, after in pairwise(rows)]
        mean = sum(gaps) / len(gaps)
        cv = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5 / mean
        busy = Counter(row // 1_000_000 for row in rows)
        per_second = [busy[second] for second in range(rows[0] // 1_000_000, rows[-1] // 1_000_000 + 1)]
        submits, fills = max(1, counts["submits"]), max(1, self.fills.total())
        repeats = sum(a == b for a, b in pairwise(self.takes))
        return FlowStatistics(
            seconds=seconds,
            submits_s=counts["submits"] / seconds,
            deletes_s=counts["deletes"] / seconds,
            executions_s=counts["executions"] / seconds,
            takes_s=len(self.takes) / seconds,
            reductions_s=counts["reductions"] / seconds,
            interarrival_cv=cv,
            per_second=_quantiles(per_second, (50, 95, 99, 100)),
            deleted_share=counts["deletes"] / submits,
            filled_share=counts["filled"] / submits,
            life_s={q: life / 1e6 for q, life in _quantiles(self.lives_us, (25, 50, 75, 95)).items()},
            distance_share={name: self.distances[name] / submits for name in DISTANCES},
            size_lots=_quantiles(self.sizes, (50, 95, 99)),
            fills_per_take={n: self.fills[n] / fills for n in sorted(self.fills)},
            sign_repeats=repeats / max(1, len(self.takes) - 1),
            spread_ticks=_quantiles(self.spreads, (50,))[50],
        )


def _quantiles(values: Sequence[int], percents: Sequence[int]) -> dict[int, int]:
    ranked = sorted(values)
    return {p: ranked[min(len(ranked) - 1, len(ranked) * p // 100)] if ranked else 0 for p in percents}
