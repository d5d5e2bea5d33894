"""Checks numbers before anything is signed: whole ticks and lots, or decimals, and never floats."""

import math
import operator
from decimal import Decimal
from typing import Any

from gossipbook.cbor import INT_CAP
from gossipbook.errors import ConfigError, SubmitRefused
from gossipbook.manifest import Pair
from gossipbook.trade.units import BadAmount, price_to_ticks, qty_to_lots

SHOWN_CHARS = 64
SHOWN_BITS = 256
DIGITS_CAP = 64
"""Prices and quantities have far fewer digits on either side of the point."""
SECONDS_CAP = 1e9
"""Longer is for ever."""


class BadNumber(ConfigError, SubmitRefused):
    """A price, quantity, time or order id that is none, or out of range. Nothing was signed.

    ``parameter`` is its name.
    """

    def __init__(self, parameter: str, text: str) -> None:
        super().__init__(f"{parameter}: {text}")
        self.parameter = parameter
        self.reason = "bad-number"


def shown(value: Any) -> str:
    """A value as an error text may hold it, however large it is."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > SHOWN_BITS:
        return f"{'-' if value < 0 else ''}a number of {value.bit_length():,} bits"
    if isinstance(value, str | bytes) and len(value) > SHOWN_CHARS:
        return f"{value[:SHOWN_CHARS]!r}… of {len(value):,} characters"
    if isinstance(value, str | bytes | bool | int | float | Decimal | None):
        return repr(value)
    return f"a {type(value).__name__}"


def seconds(parameter: str, value: Any) -> float:
    """Return a time to wait, which may be infinite.

    Raises:
        ConfigError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ConfigError(f"{parameter}: expected seconds, 0 or more (math.inf for no limit), not {shown(value)}")
    return float(value) if value < SECONDS_CAP else math.inf


def flag(parameter: str, value: Any) -> bool:
    """Return a value that must be True or False.

    Raises:
        BadNumber: it is something else, whatever that would mean in a condition.
    """
    if not isinstance(value, bool):
        raise BadNumber(parameter, f"expected True or False, not {shown(value)}")
    return value


def whole(parameter: str, value: Any, least: int, most: int = INT_CAP) -> int:
    """Return an integer within bounds. Floats, booleans and text are refused even where they look like one.

    Raises:
        BadNumber: naming the parameter.
    """
    if isinstance(value, float | bool | str | Decimal) or type(value).__name__ in ("bool_", "bool"):
        kind = type(value).__name__
        hint = "; a decimal goes into the parameter without a unit" if isinstance(value, Decimal | str) else ""
        raise BadNumber(parameter, f"expected an int, not the {kind} {shown(value)}{hint}")
    try:
        number = operator.index(value)
    except Exception:  # noqa: BLE001 - whatever the caller's own type does
        raise BadNumber(parameter, f"expected an int, not {shown(value)}") from None
    if not least <= number <= most:
        raise BadNumber(parameter, f"expected {least:,} to {most:,}, not {shown(number)}")
    return number


def price_in_ticks(pair: Pair, name: str, ticks: Any, decimal: Any) -> int:
    """Return a price in ticks out of ``<name>_ticks`` or the decimal ``<name>``, of which one is given; 0 for neither.

    Raises:
        BadNumber: both, or not a price that the pair takes.
    """
    if _is_given(ticks) and decimal is not None:
        raise BadNumber(name, f"it is given twice, as {name} and as {name}_ticks")
    if decimal is not None:
        return _decimal(pair, name, decimal, price_to_ticks)
    return whole(f"{name}_ticks", ticks, 1, pair.max_price_ticks) if _is_given(ticks) else 0


def qty_in_lots(pair: Pair, name: str, lots: Any, decimal: Any, least: int | None = None) -> int:
    """Return a quantity in lots out of ``<name>_lots`` or the decimal ``<name>``, of which one is given; 0 for neither.

    ``least``: instead of the pair's own least, for what is no order's quantity.

    Raises:
        BadNumber: both, or not a quantity that the pair takes.
    """
    if _is_given(lots) and decimal is not None:
        raise BadNumber(name, f"it is given twice, as {name} and as {name}_lots")
    floor = pair.min_qty_lots if least is None else least
    if decimal is not None:
        return _decimal(pair, name, decimal, lambda pair, text, what: qty_to_lots(pair, text, what, floor))
    return whole(f"{name}_lots", lots, floor, pair.max_qty_lots) if _is_given(lots) else 0


def _is_given(value: Any) -> bool:
    return not (type(value) is int and value == 0)


def _decimal(pair: Pair, name: str, value: Any, convert: Any) -> int:
    if not isinstance(value, str | Decimal):
        raise BadNumber(name, f"expected a Decimal or its text, not {shown(value)}")
    if isinstance(value, Decimal) and not value.is_finite():
        raise BadNumber(name, f"expected a number, not {value}")
    if isinstance(value, Decimal) and value and not -DIGITS_CAP < value.adjusted() < DIGITS_CAP:
        raise BadNumber(name, f"{value!s:.{SHOWN_CHARS}} is out of range")
    if isinstance(value, Decimal) and int(value.as_tuple().exponent) < -DIGITS_CAP:
        raise BadNumber(name, f"it has more than {DIGITS_CAP} digits behind the point")
    if isinstance(value, str) and len(value) > SHOWN_CHARS:
        raise BadNumber(name, f"expected a decimal, not {shown(value)}")
    text = value if isinstance(value, str) else f"{value:f}"
    try:
        count: int = convert(pair, text, name)
    except BadAmount as error:
        raise BadNumber(name, str(error).removeprefix(f"{name} ")) from None
    return count
