"""The report's tables and their cells. Every text from outside is passed through :func:`html.escape`."""

from collections.abc import Sequence
from html import escape

from gossipbook.run_report.causal import CausalStep, way_to
from gossipbook.run_report.cost import MarketCost
from gossipbook.run_report.recording import Recording
from gossipbook.run_report.timeline import Era
from gossipbook.sim.checkers import Violation
from gossipbook.sim.checkers.bounds import CAPS
from gossipbook.sim.run import SimulationResult

PEER_ROWS, TABLE_ROWS, VIOLATION_ROWS = 48, 12, 20

PROMISES = {
    "I1": "no double fill, one block a height",
    "I2": "nothing made or lost",
    "I3": "no acked op lost",
    "I4": "convergence",
    "I5": "finality",
    "I6": "vote once",
    "I7": "one committee",
    "I8": "bounded",
    "I9": "authentic and blameless",
    "I10": "live, and silent with nothing to do",
}

Cell = str | int | float


def table(heads: Sequence[str], rows: Sequence[Sequence[Cell]], kind: str = "plain") -> str:
    """Return a table; numbers are right-aligned, texts escaped. The first cell decides a column's kind."""
    numeric = [not isinstance(cell, str) for cell in rows[0]] if rows else [False] * len(heads)
    head = "".join(f"<th{_kind(right)}>{escape(words)}</th>" for words, right in zip(heads, numeric, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f"<td{_kind(right)}>{_cell(cell)}</td>" for cell, right in zip(row, numeric, strict=True))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _kind(right: bool) -> str:
    return ' class="n"' if right else ""


def _cell(cell: Cell) -> str:
    if isinstance(cell, float):
        return "–" if cell < 0 else f"{cell:,.2f}"
    return escape(cell) if isinstance(cell, str) else f"{cell:,}"


def seconds(value: float) -> str:
    """Format a duration; below 0 is never."""
    if value < 0:
        return "never"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


# -- cost -------------------------------------------------------------------------------------------


def cost_tables(cost: MarketCost) -> str:
    """Return the cost of the faults, and the book by phase."""
    body = "".join(
        f"<tr><td>{what}<small>{note}</small></td><td>{mine}</td><td>{fair}</td></tr>"
        for what, mine, fair, note in (*_op_rows(cost), *_trade_rows(cost), *_time_rows(cost))
    )
    head = '<tr><th style="width:56%">What it cost</th><th>this run</th><th>fair weather</th></tr>'
    bill = f'<div class="scroll"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'
    phases = [(p.name, p.spread_ticks, p.fair_spread_ticks, p.depth_lots, p.fair_depth_lots) for p in cost.phases]
    heads = ("Mean", "spread, ticks", "fair", "depth, lots", "fair")
    return f"<h3>The bill</h3>{bill}<h3>The book before, during and after the faults</h3>{table(heads, phases)}"


Row = tuple[str, str, str, str]  # what, under faults, in fair weather, what it means


def _op_rows(cost: MarketCost) -> list[Row]:
    extra = " / ".join(map(seconds, (cost.extra_p50_s, cost.extra_p95_s, cost.extra_max_s)))
    return [
        ("Ops certified late", f"{cost.late_ops:,} of {cost.ops:,}", "0", "over 100 ms later than in fair weather"),
        ("Extra delay of late ops", extra if cost.late_ops else "none", "–", "p50 / p95 / longest"),
        ("Ops never certified", f"{cost.lost_ops:,}", "0", "though they are in fair weather"),
        (
            "Orders that lapsed",
            f"{cost.voided:+,}" if cost.voided else "0",
            "0",
            "had expired before they were certified",
        ),
    ]


def _trade_rows(cost: MarketCost) -> list[Row]:
    cancels = f"{cost.late_cancels:,} ({cost.late_cancel_lots:,} lots)" if cost.late_cancels else "0"
    return [
        ("Trades", f"{cost.fills:,}", f"{cost.fair_fills:,}", "fills in final blocks"),
        ("Trades lost", f"{cost.lost_fills:,}", "–", "pairs of orders that meet in fair weather alone"),
        ("Trades that are new", f"{cost.new_fills:,}", "–", "pairs of orders that meet in this run alone"),
        ("Trades that differ", f"{cost.changed_fills:,}", "–", "they meet in both, at another price or quantity"),
        ("Volume", f"{cost.volume_lots:,} lots", f"{cost.fair_volume_lots:,} lots", _volume_words(cost)),
        ("Cancels too late", cancels, "–", "orders that traded more than they had until their author took them back"),
    ]


def _time_rows(cost: MarketCost) -> list[Row]:
    since = "from the end of the last fault"
    return [
        ("Backlog certified everywhere", seconds(cost.backlog_s), "–", f"{since}: every op signed before it"),
        (
            "All replicas alike and idle",
            seconds(cost.equal_s),
            "–",
            f"{since}, at a look; while orders come they seldom are",
        ),
        (
            "Longest wait for a block",
            seconds(cost.idle_s),
            seconds(cost.fair_idle_s),
            "while there was an op to certify",
        ),
    ]


def _volume_words(cost: MarketCost) -> str:
    lost = cost.lost_volume_lots
    if not lost:
        return "the same"
    return f"{abs(lost):,} {'lost' if lost > 0 else 'more'}"


# -- the run ----------------------------------------------------------------------------------------


def faults_table(recording: Recording) -> str:
    """Return each fault with its number on the charts, its times, and whom it hit."""
    if not recording.faults:
        return '<p class="note">This plan has no fault.</p>'
    era = Era.of(recording)
    rows = []
    for number, span in enumerate(recording.faults, 1):
        if span.began_us < 0:
            when = "never began"
        else:
            end = f"{era.seconds(span.ended_us):.2f} s" if span.ended_us >= 0 else "the end"
            when = f"{era.seconds(span.began_us):.2f} s to {end}"
        hit = ", ".join(span.hosts[:12]) + (" …" if len(span.hosts) > 12 else "")
        rows.append((str(number), span.fault.described(), when, span.sides or hit or "–"))
    return table(("", "fault", "was on", "hit, or sides"), rows)


def traffic_table(recording: Recording, fair: Recording) -> str:
    """Return messages and bytes by kind, the heaviest first, with a bar for the share of bytes."""
    total = sum(kind.sent_bytes for kind in recording.traffic.values())
    if not total:
        return '<p class="note">No message was sent.</p>'
    numbers = "".join(f'<th class="n">{words}</th>' for words in ("sent", "delivered", "kB sent"))
    fair_head = '<th class="n wide-only">kB in fair weather</th>'
    heads = f'<th>kind</th>{numbers}{fair_head}<th class="wide-only" style="width:26%">share of bytes</th>'
    rows = []
    for name, kind in recording.traffic.items():
        other = fair.traffic.get(name)
        share = 100 * kind.sent_bytes / total
        sent = f"{kind.sent:,}" if kind.sent else "–"
        counted = (sent, f"{kind.delivered:,}", f"{kind.sent_bytes / 1e3:,.1f}")
        numbers = "".join(f'<td class="n">{words}</td>' for words in counted)
        numbers += f'<td class="n wide-only">{other.sent_bytes / 1e3 if other else 0:,.1f}</td>'
        bar = f'<td class="wide-only"><span class="bar" style="width:{share:.1f}%"></span></td>'
        rows.append(f"<tr><td>{escape(name)}</td>{numbers}{bar}</tr>")
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def memory_tables(recording: Recording) -> str:
    """Return the most that each peer held, and the largest tables of all."""
    names = {note.index: note for note in recording.peers}
    rows: list[tuple[Cell, ...]] = []
    for place, peer in enumerate(recording.shown[:PEER_ROWS]):
        waiting = max((look.waiting[place] for look in recording.looks), default=0)
        pending = max((look.pendings[place] for look in recording.looks), default=0)
        pool = max((look.pool_bytes[place] for look in recording.looks), default=0)
        rows.append((names[peer].name, max(0, waiting), max(0, pending), max(0, pool) / 1e3))
    peers = table(("peer", "messages waiting", "ops pending", "kB of pending ops"), rows)
    sizes = [(name, size, f"{CAPS[name]:,}" if name in CAPS else "–") for name, size in recording.tables.items()]
    tables = (
        table(("table", "largest", "named cap"), sizes[:TABLE_ROWS])
        if sizes
        else '<p class="note">None was measured.</p>'
    )
    return (
        f'<div class="halves"><div><h3>The most that each peer held at a look</h3>{peers}</div>'
        f"<div><h3>Largest tables of any honest peer</h3>{tables}</div></div>"
    )


# -- verdict ----------------------------------------------------------------------------------------


def checks_table(outcome: SimulationResult) -> str:
    """Return every invariant with its number of comparisons and violations."""
    broken: dict[str, int] = {}
    for violation in outcome.violations:
        broken[violation.invariant] = broken.get(violation.invariant, 0) + 1
    rows = []
    for name, count in outcome.checks.items():
        state = '<span class="good">held</span>'
        if name in broken:
            times = "once" if broken[name] == 1 else f"{broken[name]:,} times"
            state = f'<span class="bad">violated {times}</span>'
        elif not count:
            state = "never compared"
        rows.append(
            f"<tr><td>{escape(name)}</td><td>{escape(PROMISES.get(name, ''))}</td>"
            f'<td class="n">{count:,}</td><td>{state}</td></tr>'
        )
    head = '<tr><th></th><th>promise</th><th class="n">comparisons</th><th></th></tr>'
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'


def violations_table(outcome: SimulationResult, recording: Recording) -> str:
    """Return the violations and their times."""
    if not outcome.violations:
        return ""
    era = Era.of(recording)
    rows = [
        (v.invariant, f"{era.seconds(v.at_us):.3f} s", v.text, v.pair, str(v.height) if v.height else "–")
        for v in outcome.violations[:VIOLATION_ROWS]
    ]
    more = len(outcome.violations) - len(rows)
    note = f'<p class="note">And {more:,} more.</p>' if more > 0 else ""
    return "<h3>Violations</h3>" + table(("", "at", "what", "pair", "height"), rows) + note


def causal_table(recording: Recording, violations: Sequence[Violation]) -> str:
    """Return the causes of the first violation that names a height."""
    named = next((v for v in violations if v.height), None)
    if named is None:
        return ""
    steps: list[CausalStep] = way_to(recording, named)
    title = f"<h3>What led to height {named.height} of {escape(named.pair)}</h3>"
    if not steps:
        return title + '<p class="note">No block of that height was recorded.</p>'
    era = Era.of(recording)
    return title + table(("at", "", "what"), [(f"{era.seconds(s.at_us):.3f} s", s.kind, s.text) for s in steps], "way")
