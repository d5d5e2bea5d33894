"""Charts of how ops and blocks spread: time to reach a number of peers, and copies that each peer got."""

from collections import Counter
from collections.abc import Sequence

from gossipbook.run_report.recording import Recording, Spread
from gossipbook.run_report.sampling import percentile
from gossipbook.run_report.svg import Canvas, Point, Scale, apart, colour, log_ticks, ticks, whole_ticks

WIDTH_PX, HEIGHT_PX = 330, 220
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 54, 66, 22, 34
SHARES = (("p50", 0.5, 0), ("p99", 0.99, 4), ("max", 1.0, 1))
FEWEST_US = 100
COPIES_SHOWN = 10

Curve = list[tuple[int, int]]  # (peers reached, microseconds)


def curve(spreads: Sequence[Spread], share: float) -> Curve:
    """Return for each number of peers the percentile of the times to reach so many, over items that did."""
    times = [sorted(spread.arrivals.values()) for spread in spreads]
    most = max((len(each) for each in times), default=0)
    return [(k + 1, percentile(sorted(each[k] for each in times if len(each) > k), share)) for k in range(most)]


def propagation_chart(title: str, recording: Recording, spreads: Sequence[Spread], fair: Sequence[Spread]) -> str:
    """Draw three percentiles over peers reached, and fair weather's 99th dashed; the time axis is logarithmic."""
    canvas = Canvas(WIDTH_PX, HEIGHT_PX, title)
    canvas.text((LEFT_PX, 13), title, "panel")
    curves = [(name, curve(spreads, share), colour(paint), False) for name, share, paint in SHARES]
    if not curves[0][1]:
        canvas.text((LEFT_PX, HEIGHT_PX / 2), "nothing was sent", "empty")
        return canvas.svg()
    curves.insert(0, ("p99 fair", curve(fair, 0.99), "var(--mute)", True))
    times = [max(us, FEWEST_US) for _, points, _, _ in curves for _, us in points]
    others = max(
        1, sum(note.honest for note in recording.peers) - 1, *(points[-1][0] for _, points, _, _ in curves if points)
    )
    x = Scale(1, max(2, others), LEFT_PX + 6, WIDTH_PX - RIGHT_PX)
    y = _log_scale(min(times), max(times))
    _axes(canvas, x, y, others)
    named = []
    for name, points, stroke, dashed in curves:
        drawn: list[Point] = [(x(k), y(us)) for k, us in points]
        if not drawn:
            continue
        canvas.path(drawn, stroke, "line dashed" if dashed else "line")
        for (k, us), at in zip(points, drawn, strict=True):
            if not dashed:
                canvas.dot(at, 2.5 if others <= 20 else 1.2, stroke, f"{name} to {k} peers: {in_time(us)}")
        named.append((name, drawn[-1][1], stroke))
    places = apart([at + 4 for _, at, _ in named], TOP_PX + 8, HEIGHT_PX - BOTTOM_PX)
    for (name, _, stroke), place in zip(named, places, strict=True):
        canvas.text((WIDTH_PX - RIGHT_PX + 7, place), name, "name", fill=stroke)
    return canvas.svg()


def _log_scale(low_us: int, high_us: int) -> Scale:
    low, high = 10.0 ** (len(str(low_us)) - 1), float(high_us)
    while low * 10 > high:
        high *= 1.5
    return Scale(low, high * 1.05, HEIGHT_PX - BOTTOM_PX, TOP_PX + 6, log=True)


def _axes(canvas: Canvas, x: Scale, y: Scale, others: int) -> None:
    for value in log_ticks(y.low, y.high):
        at = y(value)
        canvas.line((LEFT_PX, at), (WIDTH_PX - RIGHT_PX, at))
        canvas.text((LEFT_PX - 5, at + 4), in_time(round(value)), anchor="end")
    bottom = HEIGHT_PX - BOTTOM_PX
    canvas.line((LEFT_PX, bottom), (WIDTH_PX - RIGHT_PX, bottom), "axis")
    marks = sorted({1.0, float(others), *(v for v in ticks(1, others, 4) if v == int(v) and v < others * 0.85)})
    for value in marks:
        canvas.text((x(value), bottom + 15), f"{value:.0f}", anchor="middle")
    canvas.text(((LEFT_PX + WIDTH_PX - RIGHT_PX) / 2, HEIGHT_PX - 4), "other peers reached", anchor="middle")


def copies_chart(recording: Recording, fair: Recording) -> str:
    """Draw how many copies of an op peers got: the share of (op, peer) by number."""
    canvas = Canvas(WIDTH_PX, HEIGHT_PX, "copies of an op at a peer")
    canvas.text((LEFT_PX, 13), "Copies of an op at a peer", "panel")
    mine, other = copies_shares(recording.op_spreads), copies_shares(fair.op_spreads)
    if not mine:
        canvas.text((LEFT_PX, HEIGHT_PX / 2), "no op was sent", "empty")
        return canvas.svg()
    bottom = HEIGHT_PX - BOTTOM_PX
    top = max([*mine.values(), *other.values()])
    marks = whole_ticks(100 * top, 4)
    y = Scale(0, max(100 * top, marks[-1]), bottom, TOP_PX + 6)
    for value in marks:
        canvas.line((LEFT_PX, y(value)), (WIDTH_PX - 10, y(value)), "axis" if not value else "grid")
        canvas.text((LEFT_PX - 5, y(value) + 4), f"{value:.0f} %", anchor="end")
    most = max([*mine, *other])
    step = (WIDTH_PX - 10 - LEFT_PX) / most
    for copies in range(1, most + 1):
        left = LEFT_PX + (copies - 1) * step
        for shares, fill, shift in ((mine, colour(0), 0.14), (other, "var(--off)", 0.5)):
            at = y(100 * shares.get(copies, 0))
            tip = f"{_copies(copies)}: {100 * shares.get(copies, 0):.1f} %"
            canvas.rect(left + step * shift, at, step * 0.34, bottom - at, fill, tip)
        canvas.text((left + step / 2, bottom + 15), _copies(copies).split()[0], anchor="middle")
    canvas.text(((LEFT_PX + WIDTH_PX - 10) / 2, HEIGHT_PX - 4), "copies", anchor="middle")
    canvas.text((WIDTH_PX - 10, 13), "fair", "name", "end", "var(--mute)")
    canvas.text((WIDTH_PX - 40, 13), "this run", "name", "end", colour(0))
    return canvas.svg()


def _copies(count: int) -> str:
    more = "+" if count == COPIES_SHOWN else ""
    return f"{count}{more} {'copy' if count == 1 else 'copies'}"


def copies_shares(spreads: Sequence[Spread]) -> dict[int, float]:
    """Return the share of (item, peer) by number of copies; six and more count as one."""
    found = Counter(min(count, COPIES_SHOWN) for spread in spreads for count in spread.copies.values())
    total = sum(found.values())
    return {count: found[count] / total for count in sorted(found)}


def mean_copies(spreads: Sequence[Spread]) -> float:
    """Return the mean number of copies that a peer got, over those that got any."""
    counts = [count for spread in spreads for count in spread.copies.values()]
    return sum(counts) / len(counts) if counts else 0.0


def in_time(us: int, digits: int = 3) -> str:
    """Format a duration with a fitting unit and so many significant digits."""
    value, unit = (us / 1_000, "ms") if us < 995_000 else (us / 1e6, "s")
    return f"{float(f'{value:.{digits}g}'):g} {unit}"
