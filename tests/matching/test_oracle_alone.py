"""The oracle by itself, in the same random markets that it judges the engine in.

Its events must obey the laws, every rule must be tried, and a slip in any sentence of it must show: a market in
which two readings of a rule behave alike would let the engine have either.
"""

import ast
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import gossipbook.audit
from gossipbook.audit.oracle import OracleBook

from .chaos import ALL_ARENAS, Arena, Chaos, rage
from .duel import Op, Solo, execute_oracle
from .test_oracle_agrees import AT_LEAST, BLOCKS, EVERYTHING

SOURCE = Path(gossipbook.audit.__file__).parent
MODULES = (
    "oracle_codes",
    "oracle_groups",
    "oracle_order",
    "oracle_auction",
    "oracle_market",
    "oracle_controls",
    "oracle",
)


def test_it_obeys_the_laws_and_leaves_no_rule_untried() -> None:
    seen: Counter[tuple[int, int]] = Counter()
    for arena, blocks in ((ALL_ARENAS[name], BLOCKS[name]) for name in ALL_ARENAS):
        for seed in (1, 2, 3):
            ring = Solo(arena.rules)
            rage(seed, arena, blocks, ring)
            seen += ring.seen
    rare = {what: seen[what] for what in EVERYTHING if seen[what] < AT_LEAST}
    assert not rare, "a run that never gets there proves nothing about it"


class Slip(NamedTuple):
    """Replace ``right`` by ``wrong`` in one module; ``right`` must be there, once. ``arena`` is where it shows."""

    module: str
    right: str
    wrong: str
    arena: str = "wild"


UNLAWFUL = {
    "an iceberg forgets what it hides": Slip("oracle_market", "self._rest(order, was_hiding=True)", "pass"),
    "an iceberg shows all": Slip("oracle_market", "order.shown = min(order.display or order.open, order.open)", "pass"),
    "groups trade with each other": Slip(
        "oracle_market",
        "ALLOW and self._group(maker) == self._group(taker):",
        "ALLOW and maker.author == taker.author:",
    ),
    "an auction trades as orders come": Slip(
        "oracle_market", "if self.pair_state != AUCTION:\n", "if True:\n", "auctioned"
    ),
    "a crossed book stays crossed": Slip(
        "oracle_controls", "            self._uncross()", "            pass", "auctioned"
    ),
    "an auction lets a group trade": Slip(
        "oracle_market", "            self._uncross_group(group)", "            pass", "auctioned"
    ),
    "an auction stops early": Slip("oracle_market", "while volume:", "if volume:", "auctioned"),
    "the line runs in any state": Slip(
        "oracle", "while self.pair_state == OPEN and self.triggered", "while self.triggered", "cascading"
    ),
    "a stop's remainder rests": Slip("oracle_market", "taker.rests and taker.type != STOP", "taker.rests", "cascading"),
    "a minimum is not looked at": Slip(
        "oracle",
        "wanted = order.total if order.tif == FOK else order.minimum",
        "wanted = order.total if order.tif == FOK else 0",
    ),
    "fill-or-kill counts hidden lots before own orders": Slip(
        "oracle_market", "found += maker.shown", "found += maker.open"
    ),
    "a post-only order takes": Slip("oracle", "price = self._price_that_takes_nothing(wish)", "pass"),
    "cancel-only takes amends": Slip("oracle", "self.pair_state == CANCEL_ONLY and not reduction", "False"),
    "a halted pair takes orders": Slip(
        "oracle",
        "if self.pair_state == HALTED:\n            return Refusal.PAIR_HALTED\n        if self.pair_state == CANCEL",
        "if self.pair_state == CANCEL",
    ),
    "a lease spares the stops": Slip(
        "oracle_controls", "self._cancel_own(author, 0, Cause.LEASE)", "self._cancel_own(author, 1, Cause.LEASE)"
    ),
}
"""The audit alone notices these."""

MISREAD = {
    "a slice keeps its number": Slip(
        "oracle_market",
        "        if order.open:\n            order.entered = self._next_entry()",
        "        if order.open:",
    ),
    "a reduction hides what is shown": Slip(
        "oracle",
        "order.shown = min(order.shown, new_open)",
        "order.shown = min(order.shown, max(1, new_open - 1)) if order.display else new_open",
    ),
    "a decrement reaches what is hidden": Slip(
        "oracle_market", "lots = min(maker.shown, taker.shown)", "lots = min(maker.open, taker.open)"
    ),
    "hidden lots do not count for fill-or-kill": Slip("oracle_market", "found += sum(maker.hidden", "found += sum(0"),
    "the last slice is not announced": Slip("oracle_market", "if order.hidden or was_hiding:", "if order.hidden:"),
    "a sell stop is triggered from below": Slip(
        "oracle_order",
        "price >= self.stop if self.side == BUY else price <= self.stop",
        "price >= self.stop",
        "cascading",
    ),
    "a stop is triggered beyond its price only": Slip(
        "oracle_order",
        "price >= self.stop if self.side == BUY else price <= self.stop",
        "price > self.stop if self.side == BUY else price < self.stop",
        "cascading",
    ),
    "one trade's stops line up by client id": Slip(
        "oracle_market",
        "for order in sorted(self.stops, key=_entered):\n            if",
        "for order in sorted(self.stops, key=lambda o: o.client_id):\n            if",
        "cascading",
    ),
    "the line is run last first": Slip(
        "oracle", "self._run_triggered(self.triggered[0])", "self._run_triggered(self.triggered[-1])", "cascading"
    ),
    "the line has no cap": Slip("oracle", "ran < self.max_triggers", "True", "cascading"),
    "banded triggers do not count for the cap": Slip(
        "oracle",
        "            ran += 1\n            self._run_triggered",
        "            ran += not self._is_beyond_band(self.triggered[0])\n            self._run_triggered",
        "cascading",
    ),
    "triggers pass the band": Slip(
        "oracle",
        "        if self._is_beyond_band(order):\n            self",
        "        if False:\n            self",
        "cascading",
    ),
    "a stop is banded on arrival": Slip(
        "oracle", "if not order.is_stop and self._is_beyond_band(order)", "if self._is_beyond_band(order)", "cascading"
    ),
    "the band follows trades within a block": Slip(
        "oracle_market",
        "        self.last_trade = price\n",
        "        self.last_trade = self.reference = price\n",
        "cascading",
    ),
    "stops that would trigger are taken": Slip("oracle", "if order.is_stop and any(", "if False and any("),
    "stops are not counted as open": Slip(
        "oracle",
        "order.rests and len(self.open_orders) >= self.max_all",
        "order.rests and len(self.buys + self.sells) >= self.max_all",
        "capped",
    ),
    "an amended stop keeps its number": Slip(
        "oracle",
        "        order.entered = self._next_entry()\n        self._tell(AMENDED",
        "        order.entered = order.entered if outside else self._next_entry()\n        self._tell(AMENDED",
        "cascading",
    ),
    "orders in line are banded like waiting ones": Slip(
        "oracle",
        "price != order.price and order.where is not self.stops and",
        "price != order.price and order.where is not self.triggered and",
        "cascading",
    ),
    "a slide goes onto the best": Slip(
        "oracle", "others[0].price - 1 if order.side == BUY else others[0].price + 1", "others[0].price"
    ),
    "a slide is refused": Slip("oracle", "return nearest if order.slide and", "return nearest if 0 and"),
    "post-only amends slide in an auction": Slip(
        "oracle", "if order.post_only and self.pair_state != AUCTION:", "if order.post_only:", "auctioned"
    ),
    "the auction trades at the bid": Slip(
        "oracle_market",
        "self._trade(maker, taker, price, lots)",
        "self._trade(maker, taker, self.buys[0].price, lots)",
        "auctioned",
    ),
    "the later order is the maker": Slip(
        "oracle_market",
        "maker, taker = sorted([self.buys[0], self.sells[0]], key=_entered)\n"
        "            lots = min(maker.shown, taker.shown, volume)",
        "taker, maker = sorted([self.buys[0], self.sells[0]], key=_entered)\n"
        "            lots = min(maker.shown, taker.shown, volume)",
        "auctioned",
    ),
    "the earlier order's mode decides": Slip(
        "oracle_market",
        "maker, taker = sorted([bids[0], offers[0]], key=_entered)",
        "taker, maker = sorted([bids[0], offers[0]], key=_entered)",
        "auctioned",
    ),
    "no surplus is looked at": Slip("oracle_auction", "if abs(surplus[price]) == smallest", "if True", "auctioned"),
    "excess demand does not raise the price": Slip(
        "oracle_auction", "best = max(prices)", "best = min(prices)", "auctioned"
    ),
    "excess supply does not lower the price": Slip(
        "oracle_auction",
        "        best = min(prices)\n    elif last",
        "        best = max(prices)\n    elif last",
        "auctioned",
    ),
    "the last trade does not draw the price": Slip("oracle_auction", "elif last_trade:", "elif False:", "auctioned"),
    "an auction's fills do not trigger": Slip(
        "oracle_market",
        "            self._trade(maker, taker, price, lots)",
        "            held, self.stops = self.stops, []\n            self._trade(maker, taker, price, lots)\n"
        "            self.stops = held",
        "auctioned",
    ),
    "one command above the rate": Slip(
        "oracle",
        "return 0 < self.max_rate < self.counted[author]",
        "return 0 < self.max_rate < self.counted[author] - 1",
        "hurried",
    ),
    "the rate counts by block": Slip("oracle", "if time_ms // 1000 != self.time_ms // 1000:", "if True:", "hurried"),
    "reduce-only amends count": Slip(
        "oracle", "if not reduce_only and self._is_above_rate(author)", "if self._is_above_rate(author)", "hurried"
    ),
    "leases end one millisecond early": Slip("oracle", "if time_ms > until", "if time_ms >= until"),
    "leases end before orders lapse": Slip("oracle", "(until, 1, author)", "(until, -1, author)"),
    "a freeze keeps the lease": Slip(
        "oracle", "        self.lease_ends.pop(author, None)\n        self._cancel_own", "        self._cancel_own"
    ),
    "joining is enough": Slip("oracle_groups", "== JOINED | ADMITTED else", "& JOINED else"),
    "being admitted is kept after leaving": Slip("oracle_groups", "self._joined.pop(author, None)", "pass"),
    "groups have no cap": Slip("oracle_groups", "len(admitted | {member}) > GROUP_CAP", "False"),
    "groups change in an auction": Slip(
        "oracle_controls",
        "return Refusal.PAIR_IN_AUCTION if self.pair_state == AUCTION else",
        "return Refusal.PAIR_IN_AUCTION if False else",
        "auctioned",
    ),
    "anybody is a warden": Slip("oracle_controls", "if author not in self.wardens:", "if False:"),
    "slices have no cap": Slip("oracle_order", "self.total > self.display * SLICES_CAP", "False", "vast"),
    "an amended iceberg announces its only slice": Slip(
        "oracle",
        "        if not outside:\n            self._enter(order)",
        "        if not outside:\n            self._enter(order)\n"
        "            if wish.hidden and order.where is not None and not order.hidden:\n"
        "                self._emit(SLICED, order.author, order.client_id, order.shown, 0)",
    ),
    "an amended order needs its minimum again": Slip(
        "oracle",
        "        if not outside:\n            self._enter(order)",
        "        if order.minimum and not self._can_fill(order, order.minimum):\n"
        "            self._emit(CANCELLED, order.author, order.client_id, order.open, 0, int(Cause.BELOW_MINIMUM))\n"
        "        elif not outside:\n            self._enter(order)",
        "vast",
    ),
    "amends of void ops do not count": Slip(
        "oracle",
        "if not reduce_only and self._is_above_rate(author)",
        "if not reduce_only and not void and self._is_above_rate(author)",
        "hurried",
    ),
    "cancel-only keeps orders from being amended away": Slip(
        "oracle",
        "if new_open <= 0:",
        "if new_open <= 0 and (reduction or self.pair_state != CANCEL_ONLY):",
        "wild",
    ),
    "a full group admits nobody again": Slip(
        "oracle_groups", "len(admitted | {member}) > GROUP_CAP", "len(admitted) >= GROUP_CAP"
    ),
    "oneself cannot be expelled": Slip(
        "oracle_controls", "if admit and (member == author or", "if member == author or (admit and"
    ),
    "a void lease is void before it is too long": Slip(
        "oracle_controls", "if for_ms > LEASE_CAP_MS:", "if for_ms > LEASE_CAP_MS and not void:"
    ),
    "a halted pair takes no lease": Slip(
        "oracle_controls", "if for_ms > LEASE_CAP_MS:", "if for_ms > LEASE_CAP_MS or self.pair_state == HALTED:"
    ),
    "all orders lapse before any lease ends": Slip(
        "oracle", "in sorted(ends):", "in sorted(ends, key=lambda end: (end[1], end[0], end[2])):"
    ),
    "stops look at the last block's trade": Slip(
        "oracle",
        "[self.last_trade] if self.last_trade else []\n        if order.is_stop",
        "[self.reference] if self.reference else []\n        if order.is_stop",
        "cascading",
    ),
    "what is cut rests": Slip(
        "oracle_market",
        "            if self._op_is_spent():\n                self._drop(taker, Cause.WORK_LIMIT)\n            elif",
        "            if self._op_is_spent():\n                return\n            elif",
        "bounded banded",
    ),
    "a fill-or-kill order is cut in the middle": Slip(
        "oracle_market", "if not wanted or not self.is_bounded or sure:", "if True:", "bounded vast"
    ),
    "what a cut order did costs nothing": Slip(
        "oracle_market", "self._look(trial.op_work - self.op_work)", "pass", "bounded vast"
    ),
    "looks of a check cost nothing": Slip(
        "oracle_market",
        "            self._look(1)\n            level =",
        "            level =",
        "bounded taken",
    ),
    "each order costs a look": Slip(
        "oracle_market",
        "            self._look(1)\n            level = [order for order in others if order.price == price]",
        "            level = [order for order in others if order.price == price]\n            self._look(len(level))",
        "bounded taken",
    ),
    "a cancel-all costs what it cancels": Slip(
        "oracle",
        "self._look(sum(side not in (0, order.side) for order in self._own(author)))",
        "pass",
        "bounded crowded",
    ),
    "looks into an auction cost nothing": Slip("oracle_market", "self._look(own)", "pass", "bounded auctioned"),
    "the price of an auction costs nothing": Slip(
        "oracle_market",
        "auction.meetings += 1\n                self._look(1)",
        "auction.meetings += 1",
        "bounded auctioned",
    ),
    "self-trades wait for the end of an auction": Slip(
        "oracle_market",
        "elif self.is_bounded:\n            self._match_own(taker)",
        "elif False:\n            pass",
        "bounded auctioned",
    ),
    "an auction that goes on lets cancels through": Slip(
        "oracle",
        "        if self.auction is not None:\n            return Refusal.WORK_LIMIT\n        order = self.open",
        "        order = self.open",
        "bounded auctioned",
    ),
    "stops run by order of entry": Slip(
        "oracle_market", "key=lambda o: (o.stop, o.entered)", "key=lambda o: o.entered", "bounded cascading"
    ),
    "marks are left for ever": Slip(
        "oracle", "self.trades = [self.last_trade] if self.last_trade else []", "pass", "bounded cascading"
    ),
    "the band looks at trades of work that is left over": Slip(
        "oracle",
        "        if not self.has_left_over():\n            self.reference",
        "        if True:\n            self.reference",
        "bounded cascading",
    ),
    "what lapses comes before what is left over": Slip(
        "oracle",
        "            self._close()\n        late =",
        "            pass\n        late =",
        "bounded cascading",
    ),
    "each triggered order does not begin anew": Slip(
        "oracle",
        "            self.op_work = 0\n            self._run_triggered",
        "            self._run_triggered",
        "bounded cascading",
    ),
    "one author may have the book": Slip(
        "oracle",
        "self.max_own = min(self.max_own, (self.max_all + BOOK_SHARE - 1) // BOOK_SHARE)",
        "pass",
        "bounded capped",
    ),
    "cancel-all spares the stops": Slip(
        "oracle_market",
        "if side in (0, order.side):",
        "if side in (0, order.side) and (cause != Cause.CANCEL_ALL or order.where is not self.stops):",
    ),
}
"""Lawful, but not the rules: only a comparison notices these."""


def _book_with(slip: Slip | None) -> type[OracleBook]:
    """The oracle's source compiled anew, with the slip in it; all its modules in one namespace."""
    namespace: dict[str, Any] = {"__name__": "slipped"}
    for name in MODULES:
        path = SOURCE / f"{name}.py"
        text = path.read_text()
        if slip is not None and slip.module == name:
            assert text.count(slip.right) == 1, f"{path.name} has changed: plant this slip anew"
            text = text.replace(slip.right, slip.wrong)
        tree = ast.parse(text)
        tree.body = [node for node in tree.body if not _imports_the_right_one(node)]
        exec(compile(tree, str(path), "exec"), namespace)
    book: type[OracleBook] = namespace["OracleBook"]
    return book


def _imports_the_right_one(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gossipbook.")


def _first_difference(book_type: type[OracleBook], arena: Arena, blocks: int) -> tuple[Any, Any] | None:
    """The first block's events on which the oracle and another reading of the rules differ."""
    for seed in (1, 2, 3):
        right, other = OracleBook(*arena.rules), book_type(*arena.rules)
        chaos = Chaos(seed, arena)
        for _ in range(blocks):
            ops: list[Op] = chaos.block(right)
            expected = execute_oracle(right, chaos.time_ms, ops)
            got = execute_oracle(other, chaos.time_ms, ops)
            if got != expected:
                return got, expected
    return None


def test_the_oracle_compiled_anew_is_the_same() -> None:
    for arena in ALL_ARENAS.values():
        assert _first_difference(_book_with(None), arena, 30) is None


@pytest.mark.parametrize("slip", UNLAWFUL.values(), ids=UNLAWFUL.keys())
def test_an_unlawful_slip_fails_the_audit(slip: Slip) -> None:
    arena = ALL_ARENAS[slip.arena]
    with pytest.raises(AssertionError):
        rage(1, arena, 2_000, Solo(arena.rules, _book_with(slip)))


@pytest.mark.parametrize("slip", (UNLAWFUL | MISREAD).values(), ids=(UNLAWFUL | MISREAD).keys())
def test_another_reading_shows_in_some_market(slip: Slip) -> None:
    assert _first_difference(_book_with(slip), ALL_ARENAS[slip.arena], 1_000) is not None
