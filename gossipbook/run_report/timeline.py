"""Charts over time with a shared axis, and the faults shaded and numbered above the plot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gossipbook.run_report.recording import FaultSpan, Recording
from gossipbook.run_report.svg import CHAR_PX, Canvas, Point, Scale, apart, fitting, ticks, whole_ticks

WIDE_PX, NARROW_PX = 1040, 350
LEFT_PX, RIGHT_PX = 52, 92
NARROW_LEFT_PX, NARROW_RIGHT_PX = 48, 10
BOLD_PX = 7.2  # of a letter in a title
RULER_ROW_PX, RULER_ROWS_CAP = 15, 5
AXIS_PX, TITLE_PX, TAG_PX = 22, 20, 16
HOVERS = 160
"""Columns of a chart that tell their values to a pointer."""

Draw = Callable[["Frame"], None]


@dataclass(frozen=True, slots=True)
class Era:
    """The stretch of a run that charts show, in microseconds."""

    opened_us: int
    end_us: int

    @classmethod
    def of(cls, recording: Recording) -> "Era":
        quiet_us = max(recording.rested_us, recording.traded_until_us) + 1_000_000
        return cls(recording.opened_us, min(recording.ended_us, quiet_us))

    def seconds(self, at_us: int) -> float:
        return (at_us - self.opened_us) / 1e6


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a chart: (time, value), None where there is none. ``dashed`` is how fair weather looks."""

    name: str
    points: Sequence[tuple[int, float | None]]
    stroke: str
    dashed: bool = False
    stepped: bool = True


class Frame:
    """The frame of a time chart: ``x`` maps microseconds; panels are stacked with :meth:`panel`."""

    def __init__(self, recording: Recording, width: int, heights: Sequence[int], label: str) -> None:
        self.recording = recording
        self.era = Era.of(recording)
        self.narrow = width < WIDE_PX
        self.left, self.right = (NARROW_LEFT_PX, NARROW_RIGHT_PX) if self.narrow else (LEFT_PX, RIGHT_PX)
        self.width = width
        self.x = Scale(self.era.opened_us, self.era.end_us, self.left, width - self.right)
        self.faults = [span for span in recording.faults if span.began_us >= 0]
        self.faults.sort(key=lambda span: span.began_us)
        self._spans = [self._across(span) for span in self.faults]
        self._rows = pack(self._spans)
        self.ruler_px = RULER_ROW_PX * (max(self._rows) + 1) + 6 if self.faults else 4
        total = self.ruler_px + sum(height + TITLE_PX for height in heights) + AXIS_PX
        self.canvas = Canvas(width, total, label)
        self._heights = list(heights)
        self._titled: float = 0  # where the last title ends
        self._top: float = self.ruler_px

    def _across(self, span: FaultSpan) -> tuple[float, float]:
        """Return a fault's ends in pixels, wide enough for its number."""
        left = self.x(span.began_us)
        right = self.x(span.ended_us if span.ended_us >= 0 else self.era.end_us)
        return left, max(right, left + TAG_PX)

    # -- what all charts have -------------------------------------------------------------------------

    def ruler(self) -> None:
        """Draw the faults by number, on rows above the plot, and shade their times."""
        bottom = self.canvas.height - AXIS_PX
        for span, (left, right), row in zip(self.faults, self._spans, self._rows, strict=True):
            end = self.x(span.ended_us) if span.ended_us >= 0 else right
            self.canvas.rect(left, self.ruler_px, max(end - left, 1), bottom - self.ruler_px, "var(--band)")
            y = row * RULER_ROW_PX
            self.canvas.rect(left, y, right - left, RULER_ROW_PX - 3, "var(--fault)", describe(span))
            name = f"{self._number(span)} {span.fault.kind}"
            words = name if right - left - 8 > len(name) * CHAR_PX else str(self._number(span))
            self.canvas.text((left + 4, y + 9.5), words, "tag")

    def _number(self, span: FaultSpan) -> int:
        return self.recording.faults.index(span) + 1

    def axis(self) -> None:
        """Draw seconds since trading began, below everything, and a line at the heal."""
        bottom = self.canvas.height - AXIS_PX
        seconds = self.era.seconds(self.era.end_us)
        for value in ticks(0, seconds, 4 if self.narrow else 9):
            x = self.x(self.era.opened_us + round(value * 1e6))
            self.canvas.line((x, bottom), (x, bottom + 4), "axis")
            self.canvas.text((x, bottom + 16), f"{value:g} s", anchor="middle")
        healed = self.recording.healed_us
        if self.faults and self.era.opened_us < healed <= self.era.end_us:
            x = self.x(healed)
            self.canvas.line((x, 0), (x, bottom), "heal")
            room = self.width - x > 30
            self.canvas.text((x + (3 if room else -3), 9.5), "heal", "heal-label", "start" if room else "end")

    def panel(self, title: str, unit: str = "") -> tuple[float, float]:
        """Start the next panel; return its top and bottom."""
        height = self._heights.pop(0)
        top = self._top + TITLE_PX
        words = f"{title}, {unit}" if unit else title
        self.canvas.text((self.left, top - 5), words, "panel")
        self._titled = self.left + len(words) * BOLD_PX
        self._top = top + height
        return top, top + height

    # -- series ---------------------------------------------------------------------------------------

    def values(self, title: str, unit: str, lines: Sequence[Line], *, whole: bool = False, zero: bool = True) -> None:
        """Draw a panel with lines, their scale, and their names at the right end or, if narrow, above."""
        top, bottom = self.panel(title, unit)
        found = [value for line in lines for _, value in line.points if value is not None]
        if not found:
            self.canvas.text((self.left + 8, (top + bottom) / 2), "nothing to show: no values", "empty")
            self.canvas.line((self.left, bottom), (self.width - self.right, bottom), "axis")
            return
        low, high = (0.0 if zero else min(found)), max(found)
        marks = whole_ticks(high, 3) if whole and zero else ticks(low, high if high > low else low + 1, 3)
        scale = Scale(low, max(high, marks[-1], low + (1 if whole else 1e-9)), bottom, top + 4)
        self.scale_axis(scale, marks, bottom)
        for line in lines:
            self.series(line, scale)
        self.names(lines, scale, top, bottom)

    def scale_axis(self, scale: Scale, marks: Sequence[float], bottom: float) -> None:
        for value in marks:
            y = scale(value)
            self.canvas.line((self.left, y), (self.width - self.right, y), "axis" if y == bottom else "grid")
            self.canvas.text(
                (self.left - 6, y + 4), f"{value:,g}" if abs(value) < 1e6 else f"{value / 1e6:g}M", anchor="end"
            )

    def series(self, line: Line, scale: Scale, kind: str = "line") -> None:
        for run in runs(line.points):
            points = [(self.x(at_us), scale(value)) for at_us, value in run]
            points = thin(points, self.width)
            shape = _steps(points) if line.stepped else points
            self.canvas.path(shape, line.stroke, f"{kind} dashed" if line.dashed else kind)

    def names(self, lines: Sequence[Line], scale: Scale, top: float, bottom: float) -> None:
        named = [line for line in lines if line.name]
        if self.narrow:
            self.legend([(line.name, line.stroke, line.dashed) for line in named], top)
            return
        lasts = [next((v for _, v in reversed(line.points) if v is not None), 0.0) for line in named]
        for line, y in zip(named, apart([scale(v) + 4 for v in lasts], top + 8, bottom + 2), strict=True):
            self.canvas.text((self.width - self.right + 6, y), line.name, "name", fill=line.stroke)

    def legend(self, entries: Sequence[tuple[str, str, bool]], top: float) -> None:
        """Write names on one line, right-aligned above a panel, if its title leaves room."""
        x = float(self.width - self.right)
        if x - sum(len(name) * BOLD_PX + 8 for name, _, _ in entries) < self._titled:
            return
        for name, stroke, _ in reversed(entries):
            self.canvas.text((x, top - 5), name, "name", "end", stroke)
            x -= len(name) * BOLD_PX + 8

    def hovers(self, tell: Callable[[int], str], times: Sequence[int]) -> None:
        """Add invisible columns that show their values to a pointer."""
        if self.narrow or len(times) < 2:
            return
        step = -(-len(times) // HOVERS)
        chosen = [at_us for at_us in times[::step] if at_us >= self.era.opened_us]
        bottom = self.canvas.height - AXIS_PX
        for i, at_us in enumerate(chosen):
            left = self.x(at_us)
            right = self.x(chosen[i + 1]) if i + 1 < len(chosen) else self.width - self.right
            words = f"{self.era.seconds(at_us):.2f} s\n{tell(at_us)}"
            self.canvas.rect(
                left, self.ruler_px, right - left, bottom - self.ruler_px, "transparent", words, 'class="hit"'
            )

    # -- strips ---------------------------------------------------------------------------------------

    def strip(
        self, top: float, height: float, name: str, spans: Sequence[tuple[int, int, str, str, str]], ink: str = "tag"
    ) -> None:
        """Draw one row of coloured spans: (from, to, fill, words inside, tip)."""
        if name:
            self.canvas.text((self.left - 6, top + height / 2 + 4), name, anchor="end")
        for begin, end, fill, words, tip in spans:
            left, right = self.x(max(begin, self.era.opened_us)), self.x(end)
            if end <= self.era.opened_us or begin >= self.era.end_us:
                continue
            self.canvas.rect(left, top, max(right - left, 1), height, fill, tip)
            inside = fitting(words, right - left - 6)
            if inside:
                self.canvas.text((left + 4, top + height / 2 + 4), inside, ink)

    def svg(self) -> str:
        return self.canvas.svg("narrow" if self.narrow else "wide")


def in_both_widths(recording: Recording, heights: Sequence[int], label: str, fill: Draw) -> str:
    """Draw a chart for a wide and for a narrow page; the style shows one of them."""
    made = []
    for width in (WIDE_PX, NARROW_PX):
        frame = Frame(recording, width, heights, label)
        frame.ruler()
        fill(frame)
        frame.axis()
        made.append(frame.svg())
    return "".join(made)


def describe(span: FaultSpan) -> str:
    """Describe a fault and whom it hit."""
    hit = ", ".join(span.hosts[:8]) + (f" and {len(span.hosts) - 8} more" if len(span.hosts) > 8 else "")
    return span.fault.described() + (f"\n{span.sides or hit}" if span.sides or hit else "")


def pack(spans: Sequence[tuple[float, float]]) -> list[int]:
    """Return a row for each span, so that none covers another; the last row takes what finds no room."""
    free: list[float] = []
    placed = []
    for left, right in spans:
        row = next((i for i, until in enumerate(free) if until <= left), min(len(free), RULER_ROWS_CAP - 1))
        if row == len(free):
            free.append(right)
        free[row] = max(free[row], right)
        placed.append(row)
    return placed


def runs(points: Sequence[tuple[int, float | None]]) -> list[list[tuple[int, float]]]:
    """Split a series where it has no value."""
    found: list[list[tuple[int, float]]] = [[]]
    for at_us, value in points:
        if value is None:
            if found[-1]:
                found.append([])
        else:
            found[-1].append((at_us, value))
    return [run for run in found if run]


def thin(points: list[Point], width: int) -> list[Point]:
    """Reduce points to about two a pixel: the lowest and the highest of each."""
    if len(points) <= 2 * width:
        return points
    kept: dict[int, list[Point]] = {}
    for point in points:
        kept.setdefault(int(point[0]), []).append(point)
    return [p for column in kept.values() for p in sorted({min(column, key=_y), max(column, key=_y)})]


def _y(point: Point) -> float:
    return point[1]


def _steps(points: list[Point]) -> list[Point]:
    made: list[Point] = []
    for x, y in points:
        if made and made[-1][1] != y:
            made.append((x, made[-1][1]))
        if len(made) > 1 and made[-1][1] == y == made[-2][1]:
            made.pop()
        made.append((x, y))
    return made
