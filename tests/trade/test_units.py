"""Decimals become ticks and lots exactly, or not at all."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipbook.manifest import Pair
from gossipbook.trade.units import BadAmount, format_price, format_qty, price_to_ticks, qty_to_lots

SIZES = st.sampled_from(["0.01", "0.5", "1", "5", "0.00000001", "0.25", "2.50", "1000"])


@given(SIZES, SIZES, st.integers(1, 10**9))
def test_formatting_and_parsing_are_inverse(tick_size, lot_size, count):
    pair = Pair("A-B", tick_size, lot_size)
    assert price_to_ticks(pair, format_price(pair, count)) == count
    assert qty_to_lots(pair, format_qty(pair, count)) == count
    assert Decimal(format_price(pair, count)) == count * Decimal(tick_size)


def test_what_lies_between_two_ticks_names_both():
    with pytest.raises(BadAmount, match=r"tick size 0\.25 of A-B; nearest: 10\.25 and 10\.50"):
        price_to_ticks(Pair("A-B", "0.25"), "10.30")


def test_less_than_a_lot_names_the_lot():
    with pytest.raises(BadAmount, match=r"lot size 0\.001 of A-B; nearest: 0\.001$"):
        qty_to_lots(Pair("A-B", lot_size="0.001"), "0.0001")


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1e3", "nan", "inf", "1_000", "0x10", " 1", "1,5", "٣", "1" * 50, "."]
)
def test_only_plain_decimals_are_taken(text):
    with pytest.raises(BadAmount):
        price_to_ticks(Pair("A-B"), text)


@pytest.mark.parametrize("text", ["0", "0.00", "10000000.01", "9" * 40])
def test_prices_beyond_the_limits_are_refused(text):
    with pytest.raises(BadAmount, match="takes prices from"):
        price_to_ticks(Pair("A-B"), text)


def test_quantities_beyond_the_limits_are_refused():
    pair = Pair("A-B", min_qty_lots=5, max_qty_lots=10)
    for text in ("4", "11"):
        with pytest.raises(BadAmount, match="from 5 to 10"):
            qty_to_lots(pair, text)
