"""Charts of the market over time, beside the same orders in fair weather."""

from collections.abc import Callable

from gossipbook.run_report.recording import FillNote, Recording, Top
from gossipbook.run_report.svg import Scale, colour, ticks
from gossipbook.run_report.timeline import Frame, Line, in_both_widths

DOTS_CAP = 1_500

Series = list[tuple[int, float | None]]


def market_chart(recording: Recording, fair: Recording) -> str:
    """Draw price with trades, spread, depth and volume of the first pair, and the volume of all pairs."""

    def fill(frame: Frame) -> None:
        looks = [look for look in recording.looks if look.at_us >= recording.opened_us]
        tells = {look.at_us: _tell(look.books[0]) for look in looks}
        frame.hovers(tells.__getitem__, list(tells))
        _prices(frame, recording)
        pairs: list[tuple[str, str, Callable[[Top], float | None]]] = [
            ("Spread", "ticks", lambda top: None if top.spread_ticks < 0 else float(top.spread_ticks)),
            ("Depth at five levels", "lots", lambda top: float(top.depth_lots)),
        ]
        for title, unit, value in pairs:
            lines = [
                Line("fair weather", _of_book(fair, value), "var(--mute)", dashed=True),
                Line("this run", _of_book(recording, value), colour(0)),
            ]
            frame.values(title, unit, lines, whole=True)
        lines = [
            Line("fair weather", _volume(fair), "var(--mute)", dashed=True),
            Line("this run", _volume(recording), colour(0)),
        ]
        frame.values("Traded so far", "lots", lines, whole=True)

    return in_both_widths(recording, (150, 90, 90, 100), "the market over time", fill)


def _prices(frame: Frame, recording: Recording) -> None:
    """Draw best bid and ask, and a dot for each trade, larger for more lots."""
    top, bottom = frame.panel("Bid, ask and trades", "ticks")
    bids = _of_book(recording, lambda top: float(top.bid_ticks) if top.bid_ticks else None)
    asks = _of_book(recording, lambda top: float(top.ask_ticks) if top.ask_ticks else None)
    fills = [fill for fill in recording.fills if fill.pair == recording.symbols[0]]
    values = [v for _, v in (*bids, *asks) if v is not None] + [float(fill.price_ticks) for fill in fills]
    if not values:
        frame.canvas.text((frame.left + 8, (top + bottom) / 2), "no order ever rested, and nothing was traded", "empty")
        return
    low, high = min(values), max(values)
    scale = Scale(low - 1, high + 1, bottom, top + 4)
    frame.scale_axis(scale, [v for v in ticks(low, high, 4) if v == int(v)], bottom)
    frame.canvas.line((frame.left, bottom), (frame.width - frame.right, bottom), "axis")
    lines = [Line("ask", asks, colour(1)), Line("bid", bids, colour(2))]
    for line in lines:
        frame.series(line, scale)
    for fill in fills[:: max(1, -(-len(fills) // DOTS_CAP))]:
        at = (frame.x(fill.at_us), scale(fill.price_ticks))
        frame.canvas.dot(at, 1.6 + min(fill.lots, 16) ** 0.5 * 0.7, "var(--ink)", _tell_fill(frame, fill), "trade")
    frame.names(lines, scale, top, bottom)


def _tell(top: Top) -> str:
    return f"bid {top.bid_ticks or '–'}, ask {top.ask_ticks or '–'} ticks\ndepth {top.bid_lots} + {top.ask_lots} lots"


def _tell_fill(frame: Frame, fill: FillNote) -> str:
    return f"{frame.era.seconds(fill.at_us):.3f} s\n{fill.lots} lots at {fill.price_ticks} ticks, block {fill.height}"


def _of_book(recording: Recording, value: Callable[[Top], float | None]) -> Series:
    return [(look.at_us, value(look.books[0])) for look in recording.looks if look.at_us >= recording.opened_us]


def _volume(recording: Recording) -> Series:
    found: Series = [(recording.opened_us, 0.0)]
    total = 0
    for fill in sorted(recording.fills, key=lambda fill: fill.at_us):
        total += fill.lots
        found.append((fill.at_us, float(total)))
    found.append((recording.ended_us, float(total)))
    return found


def delays_chart(recording: Recording, extra: dict[tuple[str, str, int], int]) -> str:
    """Draw by how much each op's certification was later than in fair weather, by the time of its signing."""

    def fill(frame: Frame) -> None:
        top, bottom = frame.panel("Extra time to certification", "s")
        found = [
            (op, max(0, extra[op.author, op.pair, op.seq]) / 1e6)
            for op in recording.ops
            if (op.author, op.pair, op.seq) in extra
        ]
        high = max((value for _, value in found), default=0.0)
        marks = ticks(0, max(high, 0.1), 4)
        scale = Scale(0, max(high, marks[-1]), bottom, top + 4)
        frame.scale_axis(scale, marks, bottom)
        for op, value in found[:: max(1, -(-len(found) // DOTS_CAP))]:
            tip = f"{op.author}, op {op.seq}, through {op.home}\n{value:.2f} s later than in fair weather"
            frame.canvas.dot((frame.x(op.signed_us), scale(value)), 2.6, colour(0), tip, "trade")
        if not found:
            frame.canvas.text((frame.left + 8, (top + bottom) / 2), "no op was certified in both runs", "empty")

    return in_both_widths(recording, (130,), "extra time to certification", fill)
