"""Plants bugs in the engine and asks whether the duel notices. A comparison that misses them proves nothing."""

from typing import Any

import pytest

from .chaos import ALL_ARENAS, fight
from .planted import Bug, engine_with

BLOCKS = dict.fromkeys(ALL_ARENAS, 300) | {"banded": 1_000, "crowded": 80, "bounded crowded": 80}

BUGS = {
    "last in, first out": Bug("market", "maker = levels[key].first", "maker = levels[key].last"),
    "fill at the taker's price": Bug(
        "market", "self._fill(maker, taker, key * sign, lots)", "self._fill(maker, taker, taker.price_ticks, lots)"
    ),
    "fill-or-kill fills in part": Bug("placing", "        if whole:\n", "        if False:\n"),
    "fill-or-kill does not count what is hidden": Bug(
        "market", "wanted -= level.open_lots + level.hidden_lots", "wanted -= level.open_lots"
    ),
    "fill-or-kill counts own orders": Bug("market", "elif taker.terms.self_trade != CANCEL_MAKER:", "elif 0:"),
    "fill-or-kill counts what is hidden at once": Bug(
        "market", "wanted -= maker.open_lots\n", "wanted -= maker.open_lots + maker.hidden_lots\n"
    ),
    "post-only takes": Bug(
        "placing", "R.POST_ONLY_WOULD_CROSS if c.flags and self._crosses(c.side, c.price_ticks) else None", "None"
    ),
    "post-only takes when amended": Bug(
        "amendments", "return bool(post_only) and self._crosses(order.side, price)", "return False"
    ),
    "post-only is refused in an auction": Bug("amendments", " and self.pair_state != AUCTION\n", "\n"),
    "a slide stops one tick short": Bug("amendments", "keys[-1] - 1", "keys[-1] - 2"),
    "a reduction loses its place": Bug("amendments", "            if reduction:\n", "            if False:\n"),
    "a reduction may cut below the minimum": Bug(
        "amendments",
        "if not self._min_qty <= total <= self._max_qty:",
        "if not reduction and not self._min_qty <= total <= self._max_qty:",
    ),
    "a reduction takes what is shown first": Bug("amendments", "if order.hidden_lots:", "if False:"),
    "an immediate order rests": Bug("placing", "self._enter(order, rests=False)", "self._enter(order, rests=True)"),
    "cancel-both forgets the taker": Bug(
        "market", "if mode in (CANCEL_TAKER, CANCEL_BOTH):", "if mode == CANCEL_TAKER:"
    ),
    "a void op places": Bug(
        "controls", "        if void:\n            return R.OP_EXPIRED\n        if self.pair", "        if self.pair"
    ),
    "the band moves within a block": Bug(
        "market", "self.last_trade_ticks = price", "self.last_trade_ticks = self.reference_ticks = price"
    ),
    "the band is one tick too narrow": Bug(
        "counters", "price_ticks * BPS > reference", "price_ticks * BPS >= reference"
    ),
    "one order above the cap": Bug("placing", ") >= self._max_own_orders:", ") > self._max_own_orders:"),
    "orders lapse one millisecond early": Bug("engine", "0 < lapse_ms < time_ms", "0 < lapse_ms <= time_ms"),
    "leases end one millisecond early": Bug("engine", "elif 0 < lease_ms < time_ms", "elif 0 < lease_ms <= time_ms"),
    "equal expiries lapse youngest first": Bug(
        "sorted_orders", "+ order.number", "+ (order.number if self._by else (1 << 60) - order.number)"
    ),
    "cancel-all goes by client id": Bug("book", "return order.number", "return order.client_id"),
    "the rate lets one more through": Bug("controls", "count > self._max_rate", "count > self._max_rate + 1"),
    "rates are never forgotten": Bug("engine", "                self._rates = {}\n", ""),
    "everybody is a warden": Bug("controls", "if author not in self._wardens:", "if False:"),
    "a slice keeps its place": Bug("market", "self._slice(self._renewed", "self._rest(self._renewed"),
    "groups trade among themselves": Bug(
        "market", "(maker.account is account or (groups and", "(maker.account is account or (not groups and"
    ),
    "groups meet in an auction": Bug("controls", "        self._part_groups()\n", ""),
    "the auction trades at the taker's price": Bug(
        "controls", "self._fill(maker, taker, price, lots)", "self._fill(maker, taker, taker.price_ticks, lots)"
    ),
    "the auction leans to the cheap": Bug("auction", "        return highest, volume", "        return lowest, volume"),
    "the auction forgets the last price": Bug("auction", "reference_ticks or (lowest", "0 or (lowest"),
    "stops are triggered by the next trade only": Bug("stops", "up_to(price_ticks)", "up_to(price_ticks - 1)"),
    "the line goes by client id": Bug(
        "stops",
        "self.sells.up_to(-price_ticks)], key=_number)",
        "self.sells.up_to(-price_ticks)], key=lambda o: o.client_id)",
    ),
    "the line has no end": Bug("market", "for _ in range(self._max_triggers):", "for _ in range(10**6):"),
    "a triggered order passes the band": Bug(
        "market", "if self._outside_band(order.side, order.price_ticks):", "if False:"
    ),
    "undo forgets last ids": Bug("book", "account.last_id = account.before\n", "pass\n"),
    "undo forgets neighbours": Bug("book", "            behind.before = order\n", "            pass\n"),
    "undo forgets an emptied level": Bug("book", "level.ladder.insert(level)", "pass"),
    "undo forgets totals": Bug(
        "book",
        "order.price_ticks, order.total_lots, order.open_lots, order.number = entry[2:]",
        "order.price_ticks, _, order.open_lots, order.number = entry[2:]",
    ),
    "undo forgets the depth of a level": Bug("book", "order.level.open_lots += entry[2] - order.open_lots", "pass"),
    "undo forgets the line": Bug("book", "self.line.appendleft(order)", "pass"),
    "undo forgets where a stop was": Bug("book", "self._move(order, entry[2])", "pass"),
    "undo forgets tables": Bug("book", "entry[1][entry[2]] = entry[3]", "pass"),
    "undo forgets rates": Bug("engine", "self._rates_second, self._rates = self._rates_before", "pass"),
    "undo forgets the band": Bug(
        "engine",
        "self.reference_ticks, self.last_trade_ticks, self.low_ticks, self.high_ticks = prices",
        "_, self.last_trade_ticks, self.low_ticks, self.high_ticks = prices",
    ),
    "undo forgets the state": Bug(
        "engine",
        "numbers, prices, self.auction, self.pair_state = self._before",
        "numbers, prices, self.auction, _ = self._before",
    ),
}


def _all_fights(engine_type: Any, blocks: dict[str, int]) -> None:
    for name, arena in ALL_ARENAS.items():
        fight(1, arena, blocks[name], engine_type)


def test_the_engine_compiled_anew_is_right() -> None:
    _all_fights(engine_with(None), dict.fromkeys(BLOCKS, 30))


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS.keys())
def test_a_planted_bug_is_caught(bug: Bug) -> None:
    engine_type = engine_with(bug)
    # A broken undo may also end in an error of the engine's own structures, which a peer would notice too.
    with pytest.raises((AssertionError, LookupError, ValueError, AttributeError)):
        _all_fights(engine_type, BLOCKS)
