"""Decimal text for what the network counts in ticks and lots."""

from decimal import Context, Decimal

from gossipbook.manifest import Pair
from gossipbook.trade.units import format_price, format_qty

_EXACT = Context(prec=200)


def price_text(spec: Pair, ticks: int) -> str:
    """A price, with the tick size's digits."""
    return format_price(spec, ticks)


def qty_text(spec: Pair, lots: int) -> str:
    """A quantity, with the lot size's digits; negative for a position that is short."""
    return f"-{format_qty(spec, -lots)}" if lots < 0 else format_qty(spec, lots)


def quote_text(spec: Pair, quote: int) -> str:
    """A sum of price times lots, in the quote asset."""
    unit = _EXACT.multiply(Decimal(spec.tick_size), Decimal(spec.lot_size))
    return f"{_EXACT.multiply(Decimal(quote), unit):f}"


def units(spec: Pair, lots: int, quote: int) -> tuple[Decimal, Decimal]:
    """A quantity in the base asset, and a sum of price times lots in the quote asset."""
    unit = _EXACT.multiply(Decimal(spec.tick_size), Decimal(spec.lot_size))
    return _EXACT.multiply(Decimal(lots), Decimal(spec.lot_size)), _EXACT.multiply(Decimal(quote), unit)


def average_text(spec: Pair, quote: int, lots: int, digits: int = 8) -> str:
    """The price that a sum of price times lots comes to, rounded to so many digits behind the point; empty for none."""
    if not lots:
        return ""
    exact = _EXACT.divide(_EXACT.multiply(Decimal(quote), Decimal(spec.tick_size)), Decimal(lots))
    return f"{exact.quantize(Decimal(1).scaleb(-digits), context=_EXACT):f}"


def assets(symbol: str) -> tuple[str, str]:
    """What a pair's name says is traded for what: ``BTC-USD`` is BTC for USD; a name without a sign is for ``UNIT``."""
    for sign in "-/_:":
        base, found, quote = symbol.rpartition(sign)
        if found and base and quote:
            return base, quote
    return symbol, "UNIT"
