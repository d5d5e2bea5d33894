"""What the tests of invariants draw: short sequences of commands, each drawn as a compact tuple of small numbers.

A sequence is a seed and a size, from which a prelude is made that hypothesis need not draw one number at a time, and a
list of lines, which hypothesis draws and shrinks. A line is (what, author, buys, price, lots, how): a falling example
ends with few lines, low numbers, and no prelude. :func:`blocks_from` turns it into commands, without looking at a book.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from gossipbook.matching.commands import (
    AdmitToGroup,
    Amend,
    AmendFlags,
    Cancel,
    CancelAll,
    Command,
    JoinGroup,
    Lease,
    OrderType,
    PairState,
    PlaceFlags,
    PlaceSpecial,
    SetState,
    TimeInForce,
)
from gossipbook.matching.commands import Place as PlainPlace

from .duel import Freeze, Op, Rules, Run

AUTHORS = tuple(bytes([65 + i]) * 32 for i in range(5))
RULES = Rules(max_qty=40, wardens=AUTHORS[:1])
CENTRE = 100
SPREAD = 6  # prices of a line, in ticks from the lowest
PRELUDE_LINES = 40
LINES = 16

Line = tuple[str, int, bool, int, int, int]
Drawn = tuple[int, int, list[Line]]

WEIGHTS = {
    "limit": 6,
    "expiring": 1,
    "ioc": 2,
    "fok": 4,
    "market": 1,
    "post-only": 3,
    "slide": 2,
    "iceberg": 4,
    "minimum": 4,
    "stop": 2,
    "stop-limit": 2,
    "reduce": 2,
    "increase": 2,
    "move": 3,
    "cancel": 2,
    "any id": 2,
    "cancel all": 1,
    "lease": 1,
    "group": 2,
    "auction": 2,
    "open": 3,
    "state": 1,
    "freeze": 1,
    "keep the block": 3,
    "undo the block once": 3,
}
WHATS = tuple(what for what, weight in WEIGHTS.items() for _ in range(weight))
CALM_WEIGHTS = {"limit": 6, "iceberg": 5, "post-only": 2, "stop": 1, "stop-limit": 1, "auction": 1, "open": 2}
CALM_WHATS = tuple(what for what, weight in CALM_WEIGHTS.items() for _ in range(weight))
"""Of the first half of a prelude, so that there is a book to meet."""

lines = st.tuples(
    st.sampled_from(WHATS),
    st.integers(0, len(AUTHORS) - 1),
    st.booleans(),
    st.integers(0, SPREAD - 1),
    st.integers(1, 9),
    st.integers(0, 31),
)
sequences = st.tuples(st.integers(0, 2**20), st.integers(0, PRELUDE_LINES), st.lists(lines, max_size=LINES))


class Block(NamedTuple):
    """``undo``: execute it and roll it back, then execute it for good."""

    time_ms: int
    ops: list[Op]
    undo: bool


def blocks_from(sequence: Drawn) -> list[Block]:
    """The blocks that a drawn sequence stands for."""
    seed, size, drawn = sequence
    return Script().read([*_prelude(random.Random(seed), size), *drawn])


def _prelude(rng: random.Random, size: int) -> list[Line]:
    return [
        (
            rng.choice(CALM_WHATS if number < size // 2 else WHATS),
            rng.randrange(len(AUTHORS)),
            rng.random() < 0.5,
            rng.randrange(SPREAD),
            rng.randint(1, 9),
            rng.randrange(32),
        )
        for number in range(size)
    ]


class Script:
    """Makes commands of lines. Authors count their own client ids, and mostly name one of their latest."""

    def __init__(self) -> None:
        self.time_ms = 1
        self.last_ids = [0] * len(AUTHORS)

    def read(self, drawn: Sequence[Line]) -> list[Block]:
        blocks, ops = [], list[Op]()
        for line in drawn:
            if line[0] in ("keep the block", "undo the block once"):
                blocks.append(Block(self.time_ms, ops, line[0] != "keep the block"))
                self.time_ms += line[5] % 4
                ops = []
            else:
                ops += self._ops(line)
        return [*blocks, Block(self.time_ms, ops, undo=True)]

    def _ops(self, line: Line) -> list[Op]:
        what, who, buys, price, _, how = line
        author, other = AUTHORS[who], AUTHORS[price % len(AUTHORS)]
        if what == "freeze":
            return [Freeze(author)] if how >= 16 else []
        if what == "group":
            consent = [Run(author, [JoinGroup(other)]), Run(other, [AdmitToGroup(author)])]
            return list(consent) if how % 4 else [consent[buys]]
        if what in ("auction", "open", "state"):
            state = {"auction": PairState.AUCTION, "open": PairState.OPEN}.get(what, PairState(1 + how % 5))
            return [Run(AUTHORS[0 if how < 30 else who], [SetState(int(state))])]
        return [Run(author, [self._command(line)], void=how == 31)]

    def _command(self, line: Line) -> Command:
        what, who, _, price, lots, how = line
        latest = max(1, self.last_ids[who] - how % 6)
        match what:
            case "cancel all":
                return CancelAll(how % 3)
            case "lease":
                return Lease(how % 4)
            case "cancel":
                return Cancel(latest)
            case "reduce":
                return Amend(latest, 0, lots, AmendFlags.REDUCE_ONLY if how >= 16 else AmendFlags.NONE)
            case "increase":
                return Amend(latest, 0, 9 + lots)
            case "move":
                return Amend(latest, CENTRE + price, 9 if how >= 16 else 0)
            case "any id":
                return self._any_id(line)
        return self._place(line)

    def _any_id(self, line: Line) -> Command:
        """Cancels and amends of what may be closed or was never there, and places with a used id."""
        _, who, buys, price, lots, how = line
        client_id = 1 + price
        if how % 3 == 0:
            return Cancel(client_id)
        if how % 3 == 1:
            return Amend(client_id, CENTRE + price, lots)
        place = PlaceSpecial(max(1, self.last_ids[who] - how % 2), 1 if buys else 2, 1, CENTRE + price, lots, 1)
        self.last_ids[who] = max(self.last_ids[who], place.client_id)
        return place if how >= 16 else PlainPlace(*place[:9])

    def _place(self, line: Line) -> Command:
        what, who, buys, price, lots, how = line
        self.last_ids[who] += 1
        place = PlaceSpecial(
            client_id=self.last_ids[who],
            side=1 if buys else 2,
            type=int(OrderType.LIMIT),
            price_ticks=CENTRE + price,
            qty_lots=lots,
            tif=int(TimeInForce.GTC),
            self_trade=1 + how % 4,
        )
        special = how >= 16
        match what:
            case "expiring":
                place = place._replace(tif=int(TimeInForce.GTD), expires_ms=self.time_ms + how // 4)
            case "ioc":
                place = place._replace(tif=int(TimeInForce.IOC))
            case "fok":
                price = (SPREAD - 1 if buys else 0) if special else price
                lots *= 1 + special
                place = place._replace(tif=int(TimeInForce.FOK), price_ticks=CENTRE + price, qty_lots=lots)
            case "market":
                place = place._replace(
                    type=int(OrderType.MARKET), tif=int(TimeInForce.FOK if how & 4 else TimeInForce.IOC)
                )
            case "post-only":
                place = place._replace(flags=int(PlaceFlags.POST_ONLY))
            case "slide":
                place = place._replace(flags=int(PlaceFlags.POST_ONLY | PlaceFlags.SLIDE))
            case "iceberg":
                place = place._replace(qty_lots=2 * lots, display_lots=1 + how // 4 % 3)
            case "minimum":
                tif = TimeInForce.IOC if special else TimeInForce.GTC
                place = place._replace(qty_lots=2 * lots, min_lots=1 + (lots + how // 4) % (2 * lots), tif=int(tif))
            case "stop":
                place = place._replace(type=int(OrderType.STOP), stop_ticks=self._stop(line))
            case "stop-limit":
                display = 1 if special and lots > 1 else 0
                place = place._replace(
                    type=int(OrderType.STOP_LIMIT), stop_ticks=self._stop(line), display_lots=display
                )
        return place if special or place.is_special() else PlainPlace(*place[:9])

    def _stop(self, line: Line) -> int:
        """Where trades that are near the middle are likely to come to."""
        _, _, buys, _, _, how = line
        return CENTRE + SPREAD // 2 + (how // 8 if buys else -(how // 8))
