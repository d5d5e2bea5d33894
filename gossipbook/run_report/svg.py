"""Draw in SVG: canvas, scales and ticks. Lengths are in pixels; colours are variables of the page's style."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from math import ceil, floor, log10

Point = tuple[float, float]

CHAR_PX = 6.4  # of a letter at 12 px, on the safe side
LABEL_GAP_PX = 13.0
COLOURS = 8
"""The palette of Okabe and Ito, which colour-blind readers can tell apart: ``--c0`` to ``--c7`` in the style."""


def colour(number: int) -> str:
    return f"var(--c{number % COLOURS})"


def number(value: float) -> str:
    """Format a coordinate with at most one decimal."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to pixels, on a linear or logarithmic axis."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            value, low, high = log10(max(value, low)), log10(low), log10(high)
        if high <= low:
            return self.start
        share = (min(max(value, low), high) - low) / (high - low)
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return about so many round values from low to high."""
    if high <= low:
        return [low]
    raw = (high - low) / max(1, most)
    size = 10.0 ** floor(log10(raw))
    step = next(factor * size for factor in (1, 2, 5, 10) if factor * size >= raw * 0.999)
    first = ceil(low / step - 1e-6)
    return [i * step for i in range(first, floor(high / step + 1e-6) + 1)]


def whole_ticks(high: float, most: int) -> list[float]:
    """Return ticks from 0 for counts."""
    return sorted({float(round(value)) for value in ticks(0, max(1.0, high), most) if abs(value - round(value)) < 1e-9})


def log_ticks(low: float, high: float) -> list[float]:
    """Return powers of ten in a range, with halves and fifths where there are only one or two of them."""
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    for factors in ((1,), (1, 2, 5)):
        found = [f * 10.0**power for power in powers for f in factors if low * 0.999 <= f * 10.0**power <= high * 1.001]
        if len(found) > 2:
            break
    return found


def apart(wanted: Sequence[float], low: float, high: float, gap: float = LABEL_GAP_PX) -> list[float]:
    """Return positions near the wanted ones with no two closer than a gap, in the order given."""
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    placed = list(wanted)
    below = low - gap
    for i in order:
        below = placed[i] = max(wanted[i], below + gap)
    above = high + gap
    for i in reversed(order):
        above = placed[i] = min(placed[i], above - gap)
    return placed


@dataclass
class Canvas:
    """Collects elements in drawing order."""

    width: float
    height: float
    label: str
    parts: list[str] = field(default_factory=list)

    def add(self, name: str, attributes: str, inner: str = "", tip: str = "") -> None:
        hint = f' data-t="{escape(tip)}"' if tip else ""
        self.parts.append(f"<{name} {attributes}{hint}>{inner}</{name}>" if inner else f"<{name} {attributes}{hint}/>")

    def rect(self, x: float, y: float, width: float, height: float, fill: str, tip: str = "", extra: str = "") -> None:
        box = f'x="{number(x)}" y="{number(y)}" width="{number(max(0.0, width))}" height="{number(max(0.0, height))}"'
        self.add("rect", f'{box} fill="{fill}"{" " + extra if extra else ""}', tip=tip)

    def line(self, a: Point, b: Point, kind: str = "grid") -> None:
        ends = f'x1="{number(a[0])}" y1="{number(a[1])}" x2="{number(b[0])}" y2="{number(b[1])}"'
        self.add("line", f'{ends} class="{kind}"')

    def path(self, points: Sequence[Point], stroke: str, kind: str = "line", tip: str = "") -> None:
        if points:
            self.add("path", f'd="{draw(points)}" stroke="{stroke}" class="{kind}"', tip=tip)

    def area(self, points: Sequence[Point], base: float, fill: str) -> None:
        if points:
            closed = [(points[0][0], base), *points, (points[-1][0], base)]
            self.add("path", f'd="{draw(closed)}Z" fill="{fill}" class="area"')

    def dot(self, at: Point, radius: float, fill: str, tip: str = "", kind: str = "") -> None:
        where = f'cx="{number(at[0])}" cy="{number(at[1])}" r="{number(radius)}"'
        self.add("circle", f'{where} fill="{fill}"' + (f' class="{kind}"' if kind else ""), tip=tip)

    def text(self, at: Point, words: str, kind: str = "tick", anchor: str = "start", fill: str = "") -> None:
        paint = f' style="fill:{fill}"' if fill else ""
        where = f'x="{number(at[0])}" y="{number(at[1])}"'
        self.add("text", f'{where} class="{kind}" text-anchor="{anchor}"{paint}', escape(words))

    def svg(self, kind: str = "") -> str:
        size = f'viewBox="0 0 {number(self.width)} {number(self.height)}" width="{number(self.width)}"'
        head = f'<svg {size} height="{number(self.height)}" role="img" aria-label="{escape(self.label)}"'
        return f'{head} class="{kind}">{"".join(self.parts)}</svg>'


def draw(points: Sequence[Point]) -> str:
    """Return the path data of a polyline."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def stairs(points: Sequence[Point], end: float) -> list[Point]:
    """Return the points of a line in which each value stays until the next one."""
    made: list[Point] = []
    for x, y in points:
        if made:
            made.append((x, made[-1][1]))
        made.append((x, y))
    if made and made[-1][0] < end:
        made.append((end, made[-1][1]))
    return made


def fitting(choices: str, width: float) -> str:
    """Return the first line of a text that fits a width; nothing if none does."""
    return next((words for words in choices.split("\n") if len(words) * CHAR_PX <= width), "")
