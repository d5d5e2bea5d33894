"""Charts of the network over time: availability, terms, heights, and what waited."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import TypeVar

from gossipbook.run_report.recording import CUT_OFF, DOWN, PARTLY_CUT, PAUSED, UP, Look, PeerNote, Recording
from gossipbook.run_report.svg import COLOURS, Scale, colour, whole_ticks
from gossipbook.run_report.timeline import Frame, Line, in_both_widths

V = TypeVar("V")

ROW_PX, ROW_GAP_PX = 16, 3
LAGGARDS = 4
LAG_BLOCKS = 3
HEATS = 5
HEAT_COLUMNS = 130

STATE_FILLS = {UP: "var(--up)", PARTLY_CUT: "var(--c4)", CUT_OFF: "var(--c1)", PAUSED: "var(--c3)", DOWN: "var(--c7)"}


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """Return colours and their meaning as HTML."""
    keys = "".join(f'<span><i class="key" style="background:{fill}"></i>{words}</span> ' for words, fill in entries)
    return f'<p class="legend">{keys}</p>'


def digests_chart(recording: Recording) -> str:
    """Draw how many states of honest replicas differ, and the length of the longest pending set."""

    def fill(frame: Frame) -> None:
        looks = _shown_looks(recording)
        states: list[tuple[int, float | None]] = [(look.at_us, float(look.states)) for look in looks]
        pending: list[tuple[int, float | None]] = [(look.at_us, float(look.pending)) for look in looks]
        tells = {look.at_us: f"{look.states} states too many\n{look.pending} ops pending" for look in looks}
        frame.hovers(tells.__getitem__, list(tells))
        frame.values("States beyond one a pair", "0 = all alike", [Line("", states, colour(1))], whole=True)
        frame.values("Longest pending set", "ops", [Line("", pending, colour(0))], whole=True)

    return in_both_widths(recording, (110, 80), "differing states over time", fill)


def terms_chart(recording: Recording) -> str:
    """Draw each member's term, coloured by its leader; blocks are ticks above."""
    rows = len(recording.members)
    seats = sorted(recording.terms)
    symbol = recording.symbols[0]

    def fill(frame: Frame) -> None:
        top, bottom = frame.panel("Blocks of " + symbol)
        for block in recording.blocks:
            if block.pair == symbol and frame.era.opened_us <= block.first_us <= frame.era.end_us:
                x = frame.x(block.first_us)
                frame.canvas.line((x, top), (x, bottom), "axis")
        top, _ = frame.panel("Term of each member, coloured by leader")
        for seat in seats:
            spans = []
            for begin, end, term in spans_of(recording.terms[seat], frame.era.end_us):
                if term < 0:
                    continue
                leader = recording.members[term % rows]
                tip = f"{recording.members[seat]} in term {term}, led by {leader}"
                spans.append((begin, end, colour(term % rows), f"term {term} · {leader}\nterm {term}\n{term}", tip))
            frame.strip(top + seat * (ROW_PX + ROW_GAP_PX), ROW_PX, recording.members[seat], spans, "on")

    chart = in_both_widths(recording, (14, rows * (ROW_PX + ROW_GAP_PX)), "leader and term over time", fill)
    names = [(f"{name} leads", colour(seat)) for seat, name in enumerate(recording.members[:COLOURS])]
    return chart + legend(names)


def heights_chart(recording: Recording) -> str:
    """Draw every peer's height; the peers that fell furthest behind are named."""
    lags = furthest_behind(recording)
    at = {peer: place for place, peer in enumerate(recording.shown)}

    def fill(frame: Frame) -> None:
        looks = _shown_looks(recording)
        tells = {look.at_us: _heights_in_words(recording, look) for look in looks}
        frame.hovers(tells.__getitem__, list(tells))
        top, bottom = frame.panel("Finalized height" + (", all pairs together" if len(recording.symbols) > 1 else ""))
        high = max((max(look.heights, default=0) for look in looks), default=0)
        marks = whole_ticks(high, 4)
        scale = Scale(0, max(high, marks[-1]), bottom, top + 4)
        frame.scale_axis(scale, marks, bottom)
        lines = []
        for peer in recording.shown:
            points = [(look.at_us, _there(look.heights[at[peer]])) for look in looks]
            name = next((note.name for note in recording.peers if note.index == peer), "")
            lines.append(Line(name if peer in lags else "", points, colour(lags.index(peer)) if peer in lags else ""))
        for line in lines:
            if not line.name:
                frame.series(Line("", line.points, "var(--c7)"), scale, "faint")
        for line in lines:
            if line.name:
                frame.series(line, scale, "line")
        frame.names([line for line in lines if line.name], scale, top, bottom)

    return in_both_widths(recording, (190,), "heights over time", fill)


def _heights_in_words(recording: Recording, look: Look) -> str:
    """List the peers by height, highest first."""
    by_height: dict[int, list[str]] = {}
    names = {note.index: note.name for note in recording.peers}
    for peer, height in zip(recording.shown, look.heights, strict=True):
        by_height.setdefault(height, []).append(names[peer])
    lines = []
    for height in sorted(by_height, reverse=True)[:5]:
        who = by_height[height]
        said = ", ".join(who[:8]) + (f" and {len(who) - 8} more" if len(who) > 8 else "")
        lines.append(f"{'down' if height < 0 else f'height {height}'}: {said}")
    return "\n".join(lines)


def _there(value: int) -> float | None:
    return None if value < 0 else float(value)


def furthest_behind(recording: Recording) -> list[int]:
    """Return up to four peers that were some blocks behind the most advanced one, the furthest first."""
    behind: dict[int, int] = {}
    for look in recording.looks:
        top = max(look.heights, default=0)
        for peer, height in zip(recording.shown, look.heights, strict=True):
            behind[peer] = max(behind.get(peer, 0), top - height if height >= 0 else 0)
    high = max((max(look.heights, default=0) for look in recording.looks), default=0)
    far = max(LAG_BLOCKS, high // 20)
    found = sorted((peer for peer, lag in behind.items() if lag >= far), key=lambda peer: (-behind[peer], peer))
    return found[:LAGGARDS]


def availability_chart(recording: Recording) -> str:
    """Draw one strip for each peer: up, partly cut, cut off, paused or down."""
    notes = {note.index: note for note in recording.peers}
    rows = len(recording.shown)

    def fill(frame: Frame) -> None:
        top, _ = frame.panel("Peers, committee members first")
        for row, peer in enumerate(recording.shown):
            spans = [
                (begin, end, STATE_FILLS[state], "" if state == UP else state, f"{notes[peer].name}: {state}")
                for begin, end, state in spans_of(recording.states[peer], frame.era.end_us)
            ]
            frame.strip(top + row * (ROW_PX + ROW_GAP_PX), ROW_PX, _row_name(notes[peer], frame.narrow), spans, "on")

    chart = in_both_widths(recording, (rows * (ROW_PX + ROW_GAP_PX),), "availability of each peer", fill)
    words = {PARTLY_CUT: "some wires cut", CUT_OFF: "cut off from a quorum"}
    lies = "" if all(note.honest for note in recording.peers) else '<p class="note">⚑ lies, or is made to.</p>'
    return chart + legend([(words.get(state, state), fill_) for state, fill_ in STATE_FILLS.items()]) + lies


def _row_name(note: PeerNote, narrow: bool) -> str:
    marks = "" if note.honest else " ⚑"
    return note.name + marks if narrow or note.seat < 0 else f"s{note.seat} {note.name}{marks}"


def heat_chart(recording: Recording, title: str, values: Sequence[Sequence[int]]) -> str:
    """Draw one strip for each peer, darker for more; ``values`` are by sample, then by shown peer."""
    names = {note.index: note.name for note in recording.peers}
    most = max((max(row, default=0) for row in values), default=0)
    if most <= 0:
        return f'<p class="note">{title}: none at any look.</p>'
    times = [look.at_us for look in recording.looks]
    bounds = heat_bounds(most)

    def fill(frame: Frame) -> None:
        top, _ = frame.panel(title)
        columns = HEAT_COLUMNS // 2 if frame.narrow else HEAT_COLUMNS
        edges = _buckets(times, frame.era.opened_us, frame.era.end_us, columns)
        for row, peer in enumerate(recording.shown):
            spans: list[tuple[int, int, str, str, str]] = []
            for begin, end, places in edges:
                value = max((values[i][row] for i in places), default=-1)
                if value < 0:
                    continue
                heat = bisect_right(bounds, value)
                if spans and spans[-1][2] == f"var(--h{heat})" and spans[-1][1] == begin:
                    begin = spans.pop()[0]
                spans.append((begin, end, f"var(--h{heat})", "", ""))
            named = [(b, e, f, w, _heat_tip(names[peer], f, bounds, most)) for b, e, f, w, _ in spans]
            frame.strip(top + row * (ROW_PX - 2), ROW_PX - 4, names[peer], named)

    chart = in_both_widths(recording, (len(recording.shown) * (ROW_PX - 2),), title, fill)
    keys = [(_heat_words(heat, bounds, most), f"var(--h{heat})") for heat in range(HEATS) if heat <= len(bounds)]
    return chart + legend(keys)


def heat_bounds(most: int) -> list[int]:
    """Return the lowest value of each shade above the first: whole numbers that grow by a constant factor."""
    factor = max(most, 1) ** (1 / (HEATS - 1))
    return sorted({max(1, round(factor**i)) for i in range(HEATS - 1)})


def _heat_words(heat: int, bounds: list[int], most: int) -> str:
    low = bounds[heat - 1] if heat else 0
    high = bounds[heat] - 1 if heat < len(bounds) else most
    return f"{low}" if high <= low else f"{low} to {high}"


def _heat_tip(name: str, fill: str, bounds: list[int], most: int) -> str:
    return f"{name}: {_heat_words(int(fill[7]), bounds, most)}"


def _buckets(times: list[int], begin: int, end: int, columns: int) -> list[tuple[int, int, list[int]]]:
    """Return columns of equal length with their samples; a column without one is joined to the next."""
    found: list[tuple[int, int, list[int]]] = []
    inside = [i for i, at_us in enumerate(times) if begin <= at_us < end]
    step = max(1, -(-len(inside) // columns))
    for at in range(0, len(inside), step):
        places = inside[at : at + step]
        after = inside[at + step] if at + step < len(inside) else -1
        found.append((times[places[0]], times[after] if after >= 0 else end, places))
    return found


def spans_of(steps: Sequence[tuple[int, V]], end_us: int) -> list[tuple[int, int, V]]:
    """Return each value with its begin and end."""
    return [(at_us, steps[i + 1][0] if i + 1 < len(steps) else end_us, value) for i, (at_us, value) in enumerate(steps)]


def _shown_looks(recording: Recording) -> list[Look]:
    return [look for look in recording.looks if look.at_us >= recording.opened_us - recording.period_us]
