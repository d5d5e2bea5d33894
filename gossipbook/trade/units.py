"""Converts between decimals for people and whole ticks and lots for the network, without floats."""

import re
from decimal import Context, Decimal, DecimalException

from gossipbook.errors import GossipbookError
from gossipbook.manifest import Pair

_PLAIN = re.compile(r"(\d{1,40}(\.\d{0,40})?|\.\d{1,40})", re.ASCII)
_DURATION = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s?(ms|s|m|min|h|d|)", re.ASCII)
_UNIT_MS = {"": 1_000, "ms": 1, "s": 1_000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_EXACT = Context(prec=200)


class BadAmount(GossipbookError):
    """A price or a quantity that is not a whole number of ticks or lots, or beyond the pair's limits."""


def price_to_ticks(pair: Pair, text: str, what: str = "price") -> int:
    """A price in ticks.

    Raises:
        BadAmount: naming the tick size or the limit.
    """
    ticks = _count(pair, text, pair.tick_size, what, "tick")
    if not 1 <= ticks <= pair.max_price_ticks:
        least, most = (format_price(pair, limit) for limit in (1, pair.max_price_ticks))
        raise BadAmount(f"{what} {text}: {pair.symbol} takes prices from {least} to {most}")
    return ticks


def qty_to_lots(pair: Pair, text: str, what: str = "quantity", least_lots: int | None = None) -> int:
    """A quantity in lots. ``least_lots`` instead of the pair's own least, for what is no order's quantity.

    Raises:
        BadAmount: naming the lot size or the limit.
    """
    lots = _count(pair, text, pair.lot_size, what, "lot")
    floor = pair.min_qty_lots if least_lots is None else least_lots
    if not floor <= lots <= pair.max_qty_lots:
        least, most = (format_qty(pair, limit) for limit in (floor, pair.max_qty_lots))
        raise BadAmount(f"{what} {text}: {pair.symbol} takes quantities from {least} to {most}")
    return lots


def format_price(pair: Pair, ticks: int, *, grouped: bool = False) -> str:
    """Ticks as a decimal, with the tick size's digits."""
    return _format(ticks, pair.tick_size, grouped)


def format_qty(pair: Pair, lots: int, *, grouped: bool = False) -> str:
    """Lots as a decimal, with the lot size's digits."""
    return _format(lots, pair.lot_size, grouped)


def duration_to_ms(text: str) -> int:
    """A duration such as ``500ms``, ``30s``, ``1.5m``, ``2h`` or ``1d`` in milliseconds; a bare number is in seconds.

    Raises:
        BadAmount: it is none, or not a whole number of milliseconds above 0.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise BadAmount(f"duration {text!r}: expected a number with ms, s, m, h or d, such as 30s")
    whole, rest = _EXACT.divmod(_EXACT.multiply(Decimal(match[1]), Decimal(_UNIT_MS[match[2]])), Decimal(1))
    if rest or not whole:
        raise BadAmount(f"duration {text}: expected a whole number of milliseconds, at least 1")
    return int(whole)


def format_duration(duration_ms: int) -> str:
    """Milliseconds in the largest unit that gives a whole number."""
    for unit in ("d", "h", "m", "s"):
        size = _UNIT_MS[unit]
        if duration_ms and duration_ms % size == 0:
            return f"{duration_ms // size} {'min' if unit == 'm' else unit}"
    return f"{duration_ms} ms"


def _count(pair: Pair, text: str, unit: str, what: str, unit_name: str) -> int:
    if not _PLAIN.fullmatch(text):
        raise BadAmount(f"{what} {text!r}: expected a plain decimal number such as 12.5")
    try:
        whole, rest = _EXACT.divmod(Decimal(text), Decimal(unit))
    except DecimalException:
        raise BadAmount(f"{what} {text}: out of range") from None
    if rest:
        near = " and ".join(_format(int(whole) + step, unit, False) for step in (0, 1) if whole + step)
        raise BadAmount(
            f"{what} {text} is not a multiple of the {unit_name} size {unit} of {pair.symbol}; nearest: {near}"
        )
    return int(whole)


def _format(count: int, unit: str, grouped: bool) -> str:
    exact = _EXACT.multiply(Decimal(count), Decimal(unit))
    return f"{exact:,f}" if grouped else f"{exact:f}"
