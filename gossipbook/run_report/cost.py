"""The cost of faults to the market: a run compared with the same orders in fair weather.

The orders of a seed are decided before it starts and are signed at the same moments in both runs, so an op is the same
op in both, and whatever became of it otherwise is the faults' doing. What differs without anybody's fault is the order
in which messages of the same instant arrive: that can swap two trades, and it moves certification by less than
:data:`LATE_US`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gossipbook.run_report.closing import last_end_us
from gossipbook.run_report.recording import FillNote, Look, OpNote, OrderKey, Recording, Top
from gossipbook.run_report.sampling import percentile

LATE_US = 100_000
"""An op is late if its trader hears so much later of its certification than in fair weather."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Means over all pairs and samples of a stretch of trading; -1 where no book had both sides."""

    name: str
    spread_ticks: float
    fair_spread_ticks: float
    depth_lots: float
    fair_depth_lots: float


@dataclass(frozen=True, slots=True)
class MarketCost:
    """The cost of a run's faults. Delays are in seconds; -1 means never.

    Lost fills are pairs of orders that trade in fair weather alone, new ones under faults alone, changed ones in both
    but at another price or quantity. A cancel came too late for an order that its author took back in fair weather, and
    of which more lots are filled under faults.
    """

    ops: int
    late_ops: int
    extra_p50_s: float
    extra_p95_s: float
    extra_max_s: float
    lost_ops: int
    voided: int
    fills: int
    fair_fills: int
    lost_fills: int
    new_fills: int
    changed_fills: int
    volume_lots: int
    fair_volume_lots: int
    late_cancels: int
    late_cancel_lots: int
    phases: tuple[Phase, ...]
    backlog_s: float
    equal_s: float
    idle_s: float
    fair_idle_s: float
    idle_from_us: int

    @property
    def lost_volume_lots(self) -> int:
        return self.fair_volume_lots - self.volume_lots


def market_cost(with_faults: Recording, without_faults: Recording) -> MarketCost:
    """Compare two recordings of one seed's orders."""
    faulty, fair = with_faults, without_faults
    extra, lost = _extra_us(faulty, fair)
    late = sorted(value for value in extra if value > LATE_US)
    lost_fills, new_fills, changed = _compare_fills(faulty.fills, fair.fills)
    cancels, cancel_lots = _late_cancels(faulty, fair)
    ended_us = last_end_us(faulty.faults, faulty.healed_us)
    idle_us, idle_from_us = longest_idle(faulty)
    return MarketCost(
        ops=len(extra) + lost,
        late_ops=len(late),
        extra_p50_s=percentile(late, 0.5) / 1e6,
        extra_p95_s=percentile(late, 0.95) / 1e6,
        extra_max_s=percentile(late, 1) / 1e6,
        lost_ops=lost,
        voided=faulty.voided - fair.voided,
        fills=len(faulty.fills),
        fair_fills=len(fair.fills),
        lost_fills=lost_fills,
        new_fills=new_fills,
        changed_fills=changed,
        volume_lots=sum(fill.lots for fill in faulty.fills),
        fair_volume_lots=sum(fill.lots for fill in fair.fills),
        late_cancels=cancels,
        late_cancel_lots=cancel_lots,
        phases=_phases(faulty, fair),
        backlog_s=_since(faulty.backlog_us, ended_us),
        equal_s=_since(_equal_us(faulty, ended_us), ended_us),
        idle_s=idle_us / 1e6,
        fair_idle_s=longest_idle(fair)[0] / 1e6,
        idle_from_us=idle_from_us,
    )


def _since(at_us: int, from_us: int) -> float:
    if from_us < 0:
        return 0.0
    return (at_us - from_us) / 1e6 if at_us >= 0 else -1.0


# -- ops --------------------------------------------------------------------------------------------


def extra_by_op(faulty: Recording, fair: Recording) -> dict[tuple[str, str, int], int]:
    """Return by how much each op's certification was later than in fair weather, if certified in both runs."""
    heard = {_name(op): op.certified_us - op.signed_us for op in fair.ops if op.certified_us >= 0}
    return {
        _name(op): op.certified_us - op.signed_us - heard[_name(op)]
        for op in faulty.ops
        if op.certified_us >= 0 and _name(op) in heard
    }


def _extra_us(faulty: Recording, fair: Recording) -> tuple[list[int], int]:
    """Return the extra delays, and how many ops are certified in fair weather alone."""
    extra = extra_by_op(faulty, fair)
    certified = sum(op.certified_us >= 0 for op in fair.ops)
    return list(extra.values()), certified - len(extra)


def _name(op: OpNote) -> tuple[str, str, int]:
    return op.author, op.pair, op.seq


# -- fills ------------------------------------------------------------------------------------------

Trade = tuple[OrderKey, OrderKey]


def _by_trade(fills: tuple[FillNote, ...]) -> dict[Trade, tuple[int, int]]:
    """Return lots and turnover by maker's and taker's order; two orders may trade more than once."""
    found: dict[Trade, tuple[int, int]] = {}
    for fill in fills:
        lots, turnover = found.get((fill.maker, fill.taker), (0, 0))
        found[fill.maker, fill.taker] = lots + fill.lots, turnover + fill.lots * fill.price_ticks
    return found


def _compare_fills(faulty: tuple[FillNote, ...], fair: tuple[FillNote, ...]) -> tuple[int, int, int]:
    """Count the trades that are lost, new, and in both runs but different."""
    with_faults, without = _by_trade(faulty), _by_trade(fair)
    lost = sum(trade not in with_faults for trade in without)
    new = sum(trade not in without for trade in with_faults)
    changed = sum(without.get(trade, what) != what for trade, what in with_faults.items())
    return lost, new, changed


def _late_cancels(faulty: Recording, fair: Recording) -> tuple[int, int]:
    """Count the orders that trade more than they would have with their cancel in time, and the extra lots."""
    more = []
    for key, fate in fair.fates.items():
        filled = faulty.fates[key].filled_lots if key in faulty.fates else 0
        if fate.cancelled_lots and filled > fate.filled_lots:
            more.append(filled - fate.filled_lots)
    return len(more), sum(more)


# -- the book ---------------------------------------------------------------------------------------


def _phases(faulty: Recording, fair: Recording) -> tuple[Phase, ...]:
    """Return the phases of trading: before the first fault, until the end of the last, and after it."""
    begins = [span.began_us for span in faulty.faults if span.began_us >= 0]
    until = faulty.traded_until_us
    first = min([*begins, until])
    last = min(max(first, last_end_us(faulty.faults, faulty.healed_us)), until)
    spans = [("before", faulty.opened_us, first), ("during", first, last), ("after", last, until)]
    return tuple(
        Phase(
            name,
            _mean(faulty, low, high, _spread),
            _mean(fair, low, high, _spread),
            _mean(faulty, low, high, _depth),
            _mean(fair, low, high, _depth),
        )
        for name, low, high in spans
        if high > low
    )


def _spread(top: Top) -> int:
    return top.spread_ticks


def _depth(top: Top) -> int:
    return top.depth_lots


def _mean(recording: Recording, low_us: int, high_us: int, value: Callable[[Top], int]) -> float:
    looks = [look for look in recording.looks if low_us <= look.at_us < high_us]
    found = [value(top) for look in looks for top in look.books if value(top) >= 0]
    return sum(found) / len(found) if found else -1.0


# -- time -------------------------------------------------------------------------------------------


def _equal_us(recording: Recording, from_us: int) -> int:
    """Return the first sample after a moment with all honest peers up, equal and without pending ops; -1 if none."""

    def alike(look: Look) -> bool:
        return look.all_up and not look.states and not look.pending

    return next((look.at_us for look in recording.looks if look.at_us >= from_us and alike(look)), -1)


def longest_idle(recording: Recording) -> tuple[int, int]:
    """Return the longest time for which a pair had an op to certify and certified none, and its begin; microseconds."""
    worst = (0, -1)
    for symbol in recording.symbols:
        blocks = sorted({block.first_us for block in recording.blocks if block.pair == symbol})
        ops = sorted(
            (op.signed_us, op.final_us if op.final_us >= 0 else recording.ended_us)
            for op in recording.ops
            if op.pair == symbol and not op.refused
        )
        for idle_us, from_us in _idles(blocks, ops, recording.ended_us):
            if idle_us > worst[0]:
                worst = (idle_us, from_us)
    return worst


def _idles(blocks: list[int], ops: list[tuple[int, int]], ended_us: int) -> list[tuple[int, int]]:
    """Return for each two consecutive blocks how long an op had waited, and since when."""
    found, at = [], 0
    open_until: list[tuple[int, int]] = []  # (signed, final) of ops that the blocks so far left out
    since = 0
    for block_us in [*blocks, ended_us]:
        while at < len(ops) and ops[at][0] < block_us:
            open_until.append(ops[at])
            at += 1
        if open_until:
            from_us = max(since, min(signed for signed, _ in open_until))
            found.append((block_us - from_us, from_us))
        open_until = [op for op in open_until if op[1] > block_us]
        since = block_us
    return found
