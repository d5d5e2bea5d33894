"""Random blocks of commands over few authors and few prices, so that everything the rules speak of happens."""

import random
from typing import NamedTuple

from gossipbook.matching.commands import (
    Amend,
    AmendFlags,
    Cancel,
    CancelAll,
    Command,
    OrderType,
    Place,
    PlaceFlags,
    TimeInForce,
)
from gossipbook.matching.engine import Engine

from .duel import Duel, Freeze, Op, Rules, Run

CENTRE = 100
AUTHORS = tuple(bytes([65 + i]) * 32 for i in range(5))


class Chaos:
    """Draws ops for a duel. It looks at the oracle's book so that most cancels and amends name an open order."""

    def __init__(self, seed: int, rules: Rules, *, spread: int = 6, crossing: float = 1.0) -> None:
        self.rng = random.Random(seed)
        self.rules, self.spread, self.crossing = rules, spread, crossing
        self.time_ms = 1_000
        self.last_ids = dict.fromkeys(AUTHORS, 0)

    def block(self, duel: Duel, ops: int) -> list[Op]:
        rng = self.rng
        self.time_ms += rng.choice((0, 1, 1, 3, 10))
        open_ids: dict[bytes, list[int]] = {author: [] for author in AUTHORS}
        for author, client_id, *_ in duel.oracle.resting(1) + duel.oracle.resting(2):
            open_ids[author].append(client_id)
        block: list[Op] = []
        for _ in range(rng.randint(1, ops)):
            author = rng.choice(AUTHORS)
            if rng.random() < 0.004:
                block.append(Freeze(author))
                continue
            commands = [self._command(author, open_ids[author]) for _ in range(rng.choice((1, 1, 1, 2, 4)))]
            block.append(Run(author, commands, rng.random() < 0.04))
        return block

    def _command(self, author: bytes, open_ids: list[int]) -> Command:
        rng, draw = self.rng, self.rng.random()
        if draw < 0.006:
            return CancelAll(rng.choice((0, 0, 1, 2)))
        if draw < 0.55 or not open_ids:
            place = self._place(author)
            open_ids.append(place.client_id)
            return place
        client_id = rng.choice(open_ids) if rng.random() < 0.95 else rng.randint(1, self.last_ids[author] + 9)
        if draw < 0.70:
            return Cancel(client_id)
        price = rng.choice((0, 0, self._price(rng.choice((1, 2)))))
        qty = rng.choice((0, self._qty(), rng.randint(1, 4)))
        return Amend(client_id, price, qty, AmendFlags.REDUCE_ONLY if rng.random() < 0.3 else AmendFlags.NONE)

    def _place(self, author: bytes) -> Place:
        rng = self.rng
        client_id = max(1, self.last_ids[author] + rng.choice((0, 1, 1, 1, 1, 1, 1, 1, 1, 3)))
        self.last_ids[author] = max(client_id, self.last_ids[author])
        tif = rng.choice((1, 1, 1, 2, 2, 3, 4))
        immediate = tif in (TimeInForce.IOC, TimeInForce.FOK)
        order_type = int(OrderType.MARKET if immediate and rng.random() < 0.4 else OrderType.LIMIT)
        flags = int(PlaceFlags.POST_ONLY if not immediate and rng.random() < 0.25 else PlaceFlags.NONE)
        expires = self.time_ms + rng.choice((-1, 0, 1, 5, 20, 200)) if tif == TimeInForce.GTD else 0
        if rng.random() < 0.04:  # combinations that make no sense
            order_type, flags = rng.choice((1, 2)), rng.choice((0, 1))
            expires = rng.choice((0, self.time_ms + 5))
        side = rng.choice((1, 2))
        mode = rng.randint(1, 4)
        return Place(client_id, side, order_type, self._price(side), self._qty(), tif, flags, mode, expires)

    def _price(self, side: int) -> int:
        if self.rng.random() < 0.02:
            return self.rng.choice((0, -1, self.rules.max_price, self.rules.max_price + 1))
        if self.rng.random() < self.crossing:
            return CENTRE + self.rng.randint(-self.spread, self.spread)
        return CENTRE + self.rng.randint(1, self.spread) * (-1 if side == 1 else 1)

    def _qty(self) -> int:
        if self.rng.random() < 0.03:
            return self.rng.choice((self.rules.min_qty - 1, self.rules.max_qty + 1, self.rules.max_qty))
        return self.rng.randint(self.rules.min_qty, 9)


class Arena(NamedTuple):
    """One kind of market to fight in. ``crossing`` is the share of prices drawn without regard to the side."""

    rules: Rules
    spread: int = 6
    crossing: float = 1.0
    ops: int = 12


ARENAS = {
    "wild": Arena(Rules()),
    "banded": Arena(Rules(min_qty=2, band_bps=300), spread=8),
    "capped": Arena(Rules(max_own=4, max_all=14), crossing=0.1),
    "crowded": Arena(Rules(max_own=80, max_all=300), spread=1, crossing=0.02, ops=60),
}


def fight(seed: int, arena: Arena, blocks: int, engine_type: type[Engine] = Engine) -> Duel:
    """A whole duel of random blocks, some of which are undone first. Raises AssertionError where the two differ."""
    chaos = Chaos(seed, arena.rules, spread=arena.spread, crossing=arena.crossing)
    duel = Duel(arena.rules, engine_type)
    ops = arena.ops
    for _ in range(blocks):
        if chaos.rng.random() < 0.3:
            last_ids = dict(chaos.last_ids)
            undone = chaos.block(duel, ops)
            duel.play_and_undo(chaos.time_ms, undone)
            chaos.last_ids = last_ids
        kept = chaos.block(duel, ops)
        duel.play(chaos.time_ms, kept)
    return duel
