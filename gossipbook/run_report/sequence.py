"""Draw a sequence diagram of the messages between members around one event.

Time runs down. It is stretched where much happens at once: each burst of messages from one member has a row of its
own, and arrivals lie between the rows by their time.
"""

from bisect import bisect_right
from dataclasses import dataclass

from gossipbook.run_report.recording import Arrow, Recording, Slice
from gossipbook.run_report.svg import CHAR_PX, Canvas, colour
from gossipbook.run_report.timeline import NARROW_PX, WIDE_PX

COLUMNS_CAP = 9
LEFT_PX, NARROW_LEFT_PX, TOP_PX, ROW_PX, TAIL_PX = 74, 52, 44, 20, 80
LOST_PX, TIME_GAP_PX = 46, 36
KINDS = {"PROPOSE": 0, "PREPARE": 5, "COMMIT": 2, "TIMEOUT": 1, "TC": 4, "NC": 5, "FC": 2, "BLOCK": 3}


@dataclass(slots=True)
class Burst:
    """Messages of one label that one member sent at one time."""

    sent_us: int
    sender: str
    label: str
    arrows: list[Arrow]


def bursts_of(arrows: tuple[Arrow, ...]) -> list[Burst]:
    """Group messages into bursts, in the order of sending."""
    found: dict[tuple[int, str, str], Burst] = {}
    for arrow in arrows:
        key = (arrow.sent_us, arrow.sender, arrow.label)
        found.setdefault(key, Burst(*key, [])).arrows.append(arrow)
    return list(found.values())


def sequence_chart(recording: Recording, found: Slice) -> str:
    """Draw the diagram for a wide and a narrow page; members without messages have no line."""
    return "".join(
        _diagram(recording, found, width).svg(kind) for width, kind in ((WIDE_PX, "wide"), (NARROW_PX, "narrow"))
    )


def _diagram(recording: Recording, found: Slice, width: int) -> Canvas:
    names = _members(recording, found.arrows)
    bursts = [burst for burst in bursts_of(found.arrows) if burst.sender in names]
    rows = Rows([burst.sent_us for burst in bursts], found.at_us, max(arrow.arrived_us for arrow in found.arrows))
    canvas = Canvas(width, rows.bottom + TAIL_PX + 8, f"messages around: {found.why}")
    left = LEFT_PX if width == WIDE_PX else NARROW_LEFT_PX
    step = (width - left) / max(1, len(names))
    columns = {name: left + step * (i + (0.3 if width == WIDE_PX else 0.45)) for i, name in enumerate(names)}
    for name, x in columns.items():
        canvas.line((x, TOP_PX - 10), (x, canvas.height - 6), "life")
        canvas.text((x, TOP_PX - 18), name, "panel", "middle")
    canvas.text((left - 8, TOP_PX - 18), "ms", anchor="end")
    canvas.line((left - 4, rows.event), (width, rows.event), "event")
    canvas.text((left - 8, rows.event + 4), "0", "name", "end", "var(--bad)")
    for burst, y in zip(bursts, rows.places, strict=True):
        _draw(canvas, burst, y, columns, rows)
    _write(canvas, bursts, columns, rows, found.at_us, left)
    return canvas


class Rows:
    """Maps times to the page: a row for each burst and one for the event, other times between their rows."""

    def __init__(self, sent: list[int], event_us: int, last_us: int) -> None:
        before = bisect_right(sent, event_us)
        self.places = [TOP_PX + ROW_PX * (i + (i >= before)) for i in range(len(sent))]
        self.event = TOP_PX + ROW_PX * before
        self.bottom = TOP_PX + ROW_PX * len(sent)
        knots = [*zip(sent, self.places, strict=True), (event_us, self.event), (last_us, self.bottom + TAIL_PX)]
        placed = dict(sorted(knots))  # of bursts at one time the last
        self._times, self._knots = list(placed), list(placed.values())

    def place(self, at_us: int) -> float:
        """Return the pixels from the top of a time."""
        after = bisect_right(self._times, at_us)
        if after == 0 or after == len(self._times):
            return float(self._knots[min(after, len(self._knots) - 1)])
        low_us, low = self._times[after - 1], self._knots[after - 1]
        share = (at_us - low_us) / (self._times[after] - low_us)
        return low + share * (self._knots[after] - low)


def _members(recording: Recording, arrows: tuple[Arrow, ...]) -> list[str]:
    """Return who takes part, in order of seats, twins last."""
    seen = {name for arrow in arrows for name in (arrow.sender, arrow.receiver)}
    every = [twin for name in recording.members for twin in (name, name + "'")]
    return [name for name in every if name in seen][:COLUMNS_CAP]


def _paint(label: str) -> str:
    return colour(KINDS.get(label.split(" ")[0], 7))


def _draw(canvas: Canvas, burst: Burst, y: float, columns: dict[str, float], rows: Rows) -> None:
    paint = _paint(burst.label)
    x = columns[burst.sender]
    for arrow in burst.arrows:
        if arrow.receiver not in columns:
            continue
        end = columns[arrow.receiver]
        side = 1 if end > x else -1
        if arrow.arrived_us < 0:
            _draw_lost(canvas, (x, y), side, paint, f"{burst.label} from {burst.sender} to {arrow.receiver}: lost")
            continue
        at = max(y + 3, rows.place(arrow.arrived_us))
        tip = (
            f"{burst.label} from {burst.sender} to {arrow.receiver}\n{(arrow.arrived_us - arrow.sent_us) / 1e3:.1f} ms"
        )
        canvas.path([(x, y), (end - side * 2, at)], paint, "line thin", tip)
        canvas.path([(end - side * 9, at - 4), (end - side * 2, at), (end - side * 8, at + 3.5)], paint, "line thin")
    canvas.dot((x, y), 3, paint)


def _draw_lost(canvas: Canvas, start: tuple[float, float], side: int, paint: str, tip: str) -> None:
    x, y = start[0] + side * LOST_PX, start[1] + 4
    canvas.path([start, (x, y)], paint, "line thin dashed", tip)
    canvas.path([(x - 4, y - 4), (x + 4, y + 4)], paint)
    canvas.path([(x - 4, y + 4), (x + 4, y - 4)], paint)


def _write(
    canvas: Canvas, bursts: list[Burst], columns: dict[str, float], rows: Rows, event_us: int, left: int
) -> None:
    """Write labels of bursts beside their senders, over the arrows, and times at the left."""
    last = float(rows.event) - TIME_GAP_PX * 99
    for burst, y in zip(bursts, rows.places, strict=True):
        words = burst.label + (f" to {burst.arrows[0].receiver}" if len(burst.arrows) == 1 else "")
        x = columns[burst.sender]
        fits = x + 8 + len(words) * CHAR_PX < canvas.width
        canvas.text((x + (8 if fits else -8), y - 5), words, "halo", "start" if fits else "end", _paint(burst.label))
        if y - last >= TIME_GAP_PX and abs(y - rows.event) > ROW_PX * 1.5:
            canvas.text((left - 8, y + 4), f"{(burst.sent_us - event_us) / 1e3:.1f}".replace("-", "−"), anchor="end")
            last = y
