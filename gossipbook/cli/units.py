"""Decimals for people, integers for the network: prices in ticks, quantities in lots. No float is involved."""

import re
from decimal import Context, Decimal, DecimalException

from gossipbook.errors import GossipbookError
from gossipbook.manifest import Pair

_PLAIN = re.compile(r"(\d{1,40}(\.\d{0,40})?|\.\d{1,40})", re.ASCII)
_EXACT = Context(prec=200)


class BadAmount(GossipbookError):
    """A price or a quantity that is not a whole number of ticks or lots, or beyond the pair's limits."""


def price_to_ticks(pair: Pair, text: str) -> int:
    """A price in ticks.

    Raises:
        BadAmount: naming the tick size or the limit.
    """
    ticks = _count(pair, text, pair.tick_size, "price", "tick")
    if not 1 <= ticks <= pair.max_price_ticks:
        least, most = (format_price(pair, limit) for limit in (1, pair.max_price_ticks))
        raise BadAmount(f"price {text}: {pair.symbol} takes prices from {least} to {most}")
    return ticks


def qty_to_lots(pair: Pair, text: str) -> int:
    """A quantity in lots.

    Raises:
        BadAmount: naming the lot size or the limit.
    """
    lots = _count(pair, text, pair.lot_size, "quantity", "lot")
    if not pair.min_qty_lots <= lots <= pair.max_qty_lots:
        least, most = (format_qty(pair, limit) for limit in (pair.min_qty_lots, pair.max_qty_lots))
        raise BadAmount(f"quantity {text}: {pair.symbol} takes quantities from {least} to {most}")
    return lots


def format_price(pair: Pair, ticks: int, *, grouped: bool = False) -> str:
    """Ticks as a decimal, with the tick size's digits."""
    return _format(ticks, pair.tick_size, grouped)


def format_qty(pair: Pair, lots: int, *, grouped: bool = False) -> str:
    """Lots as a decimal, with the lot size's digits."""
    return _format(lots, pair.lot_size, grouped)


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
