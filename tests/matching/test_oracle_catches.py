"""Plants bugs in the engine and asks whether the duel notices. A comparison that misses them proves nothing."""

from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import gossipbook.matching

from .chaos import ARENAS, fight

SOURCE = Path(gossipbook.matching.__file__).parent
BLOCKS = {"wild": 300, "banded": 300, "capped": 300, "crowded": 80}


class Bug(NamedTuple):
    """Replace ``right`` by ``wrong`` in one module; ``right`` must be there, once."""

    module: str
    right: str
    wrong: str


BUGS = {
    "last in, first out": Bug("book", "level.queue.append(order)", "level.queue.appendleft(order)"),
    "fill at the taker's price": Bug("engine", "level.price_ticks,", "taker.price_ticks,"),
    "fill-or-kill fills in part": Bug("engine", "if c.tif == FOK and not self._can_fill(order):", "if False:"),
    "fill-or-kill counts own orders": Bug(
        "engine", "elif maker.open_lots and taker.self_trade != CANCEL_MAKER:", "elif 0:"
    ),
    "post-only takes": Bug("engine", "if post_only and self._crosses(c.side, c.price_ticks):", "if False:"),
    "post-only takes when amended": Bug(
        "engine", "if order.flags & POST_ONLY and self._crosses", "if 0 and self._crosses"
    ),
    "a reduction loses its place": Bug("engine", "elif reduction:", "elif False:"),
    "a reduction may cut below the minimum": Bug(
        "engine",
        "if not self.pair.min_qty_lots <= total <=",
        "if not reduction and not self.pair.min_qty_lots <= total <=",
    ),
    "an immediate order rests": Bug("engine", "rests=c.tif != IOC and c.tif != FOK", "rests=c.tif != FOK"),
    "cancel-both forgets the taker": Bug(
        "engine", "if mode in (CANCEL_TAKER, CANCEL_BOTH):", "if mode == CANCEL_TAKER:"
    ),
    "a void op places": Bug("engine", "R.OP_EXPIRED if void else self._refuse_place", "self._refuse_place"),
    "a refusal gives the id back": Bug("book", "self.last_ids[author] = client_id", "pass"),
    "the band moves within a block": Bug(
        "engine",
        "self.last_trade_ticks = level.price_ticks",
        "self.last_trade_ticks = self.reference_ticks = level.price_ticks",
    ),
    "the band is one tick too narrow": Bug("engine", "price_ticks * BPS > reference", "price_ticks * BPS >= reference"),
    "one order above the cap": Bug("engine", "len(own) >= self._max_own_orders", "len(own) > self._max_own_orders"),
    "orders lapse one millisecond early": Bug("engine", "expires_ms < time_ms", "expires_ms <= time_ms"),
    "equal expiries lapse youngest first": Bug(
        "book", "return order.expires_ms, order.number", "return order.expires_ms, -order.number"
    ),
    "cancel-all goes by client id": Bug(
        "book", "key=lambda order: order.number)", "key=lambda order: order.client_id)"
    ),
    "undo forgets last ids": Bug("book", "self._undo_last_id(entry[1], entry[2])", "pass"),
    "undo forgets swept tombstones": Bug("book", "entry[2].queue.appendleft(entry[1])", "pass"),
    "undo forgets a tidied queue": Bug("book", "entry[1].queue = entry[2]", "pass"),
    "undo forgets totals": Bug("book", "entry[1].total_lots = entry[2]", "pass"),
    "undo forgets the depth of a level": Bug("book", "level.open_lots += lots - order.open_lots", "pass"),
    "undo forgets the band": Bug(
        "engine",
        "self.event_number, self.order_number, self.reference_ticks, self.last_trade_ticks = self._before",
        "self.event_number, self.order_number, _, self.last_trade_ticks = self._before",
    ),
}


def _engine_with(bug: Bug | None) -> Any:
    """The engine's source compiled anew, with the bug in it."""
    modules = {}
    for name in ("book", "engine"):
        path = SOURCE / f"{name}.py"
        text = path.read_text()
        if bug is not None and bug.module == name:
            assert text.count(bug.right) == 1, f"{path.name} has changed: plant this bug anew"
            text = text.replace(bug.right, bug.wrong)
        modules[name] = ModuleType(f"planted_{name}")
        exec(compile(text, str(path), "exec"), modules[name].__dict__)
    modules["engine"].__dict__["Book"] = modules["book"].__dict__["Book"]
    return modules["engine"].__dict__["Engine"]


def _all_fights(engine_type: Any, blocks: dict[str, int]) -> None:
    for name, arena in ARENAS.items():
        fight(1, arena, blocks[name], engine_type)


def test_the_engine_compiled_anew_is_right() -> None:
    _all_fights(_engine_with(None), dict.fromkeys(BLOCKS, 30))


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS.keys())
def test_a_planted_bug_is_caught(bug: Bug) -> None:
    engine_type = _engine_with(bug)
    # A broken undo may also end in an error of the engine's own structures, which a peer would notice too.
    with pytest.raises((AssertionError, LookupError, ValueError)):
        _all_fights(engine_type, BLOCKS)
