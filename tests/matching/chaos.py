"""Random blocks of commands over few authors and few prices, so that everything the rules speak of happens."""

import random
from typing import NamedTuple

from gossipbook.audit.oracle import OracleBook
from gossipbook.matching.commands import (
    LEASE_CAP_MS,
    AdmitToGroup,
    Amend,
    AmendFlags,
    AnyPlace,
    Cancel,
    CancelAll,
    Command,
    JoinGroup,
    Lease,
    OrderType,
    PairState,
    Place,
    PlaceFlags,
    PlaceNamed,
    PlaceSpecial,
    SelfTrade,
    SetState,
    TimeInForce,
)
from gossipbook.matching.engine import Engine

from .duel import Duel, Freeze, Leave, Op, Rules, Run, Solo

CENTRE = 100
AUTHORS = tuple(bytes([65 + i]) * 32 for i in range(5))
STRANGERS = tuple(bytes([128 + i]) * 32 for i in range(70))
"""Keys that never send anything; enough of them to fill a group."""

TAKER = b"t" * 32
"""Has nothing in the book, ever."""

WARDENS = AUTHORS[:1]
OPEN, AUCTION = PairState.OPEN, PairState.AUCTION


class Arena(NamedTuple):
    """One kind of market to fight in. ``crossing`` is the share of prices drawn without regard to the side,
    ``special`` that of orders which use what a plain place has no field for, ``stops`` that of stops among these."""

    rules: Rules
    spread: int = 6
    crossing: float = 1.0
    ops: int = 12
    special: float = 0.4
    stops: float = 0.4
    unrest: float = 0.03  # chance per block that an open pair's state changes
    waits_ms: tuple[int, ...] = (0, 1, 1, 3, 10)
    takes: float = 0.0  # share of ops of one author who only takes; then there are no groups


ARENAS = {
    "wild": Arena(Rules(wardens=WARDENS)),
    "banded": Arena(Rules(min_qty=2, band_bps=300, wardens=WARDENS), spread=8),
    "capped": Arena(Rules(max_own=4, max_all=14, wardens=WARDENS), crossing=0.1),
    "crowded": Arena(Rules(max_own=80, max_all=300, wardens=WARDENS), spread=1, crossing=0.02, ops=60, special=0.2),
    "hurried": Arena(Rules(rate=4, wardens=WARDENS), waits_ms=(0, 1, 100, 400, 900)),
    "cascading": Arena(
        Rules(triggers=2, max_own=30, max_all=120, band_bps=500, wardens=WARDENS),
        crossing=0.5,
        ops=25,
        special=0.7,
        stops=0.85,
    ),
    "auctioned": Arena(
        Rules(max_own=30, max_all=120, wardens=WARDENS), spread=9, crossing=0.7, ops=25, special=0.3, unrest=0.3
    ),
    "taken": Arena(Rules(max_own=30, max_all=120, wardens=WARDENS[:0]), crossing=0.1, ops=20, stops=0.1, takes=0.3),
    "vast": Arena(Rules(max_qty=250, max_own=30, max_all=120, wardens=WARDENS[:0]), spread=2, stops=0.1, special=0.7),
}

BUDGETS = ((30, 60), (5, 25), (8_192, 16_384, 1), (10, 10), (3, 200), (6, 20), (20, 30), (30, 200), (12, 40))
"""Work of an op and of a block, for each arena; small, so that they are met. And how much more room there is."""


def bounded(arena: Arena, op_work: int, block_work: int, room: int = 2) -> Arena:
    """The same market by the rules that bound work, with room for as many orders of an author."""
    rules = arena.rules._replace(rules=4, op_work=op_work, block_work=block_work, max_all=room * arena.rules.max_all)
    return arena._replace(rules=rules)


ALL_ARENAS = ARENAS | {
    f"bounded {name}": bounded(arena, *budget) for (name, arena), budget in zip(ARENAS.items(), BUDGETS, strict=True)
}


class Chaos:
    """Draws ops. It looks at the oracle's book so that most cancels and amends name an open order."""

    def __init__(self, seed: int, arena: Arena) -> None:
        self.rng = random.Random(seed)
        self.arena, self.rules = arena, arena.rules
        self.time_ms = 1_000
        self.last_ids = dict.fromkeys((*AUTHORS, TAKER), 0)
        self.last_trade = 0

    def block(self, oracle: OracleBook) -> list[Op]:
        rng = self.rng
        self.time_ms += rng.choice(self.arena.waits_ms)
        self.last_trade = oracle.last_trade
        open_ids: dict[bytes, list[int]] = {author: [] for author in AUTHORS}
        for author, client_id, *_ in (*oracle.resting(1), *oracle.resting(2), *oracle.waiting(), *oracle.line()):
            open_ids[author].append(client_id)
        block: list[Op] = []
        for _ in range(rng.randint(1, self.arena.ops)):
            author = rng.choice(AUTHORS)
            if self.arena.takes and rng.random() < self.arena.takes:
                block.append(Run(TAKER, [self._take()]))
            elif rng.random() < 0.004:
                block.append(Freeze(author))
            elif rng.random() < 0.0005:
                block.append(Run(author, [AdmitToGroup(stranger) for stranger in STRANGERS]))
            else:
                commands = [self._command(author, open_ids[author]) for _ in range(rng.choice((1, 1, 1, 2, 4)))]
                block.append(Run(author, commands, rng.random() < 0.04))
        if self.rules.rules >= 3 and rng.random() < 0.1:
            block.insert(0, Leave(rng.choice(AUTHORS)))
        for decree in self._decree(PairState(oracle.pair_state)):
            block.insert(rng.randint(0, len(block)), decree)
        return block

    # -- a warden's word --------------------------------------------------------------------------------

    def _decree(self, state: PairState) -> list[Op]:
        """Leave the open state now and then, and come back to it, mostly through an auction."""
        rng = self.rng
        if not self.rules.wardens or rng.random() >= (self.arena.unrest if state == OPEN else 0.3):
            return []
        if state == OPEN:
            states = rng.choices((AUCTION, *PairState), (3, 1, 1, 1, 1, 1))
        elif state == AUCTION:
            states = rng.choices(tuple(PairState), (8, 1, 1, 1, 1))
        else:
            states = rng.choices((AUCTION, *PairState), (6, 2, 1, 1, 1, 1))
        warden = self.rules.wardens[0]
        commands: list[Command] = [SetState(int(states[0]))]
        if self.rules.rules >= 3:
            commands.append(Cancel(self.last_ids[warden]))
        return [Run(warden, commands, rng.random() < 0.1)]

    # -- commands ---------------------------------------------------------------------------------------

    def _command(self, author: bytes, open_ids: list[int]) -> Command:
        rng, draw = self.rng, self.rng.random()
        if draw < 0.006:
            return CancelAll(rng.choice((0, 0, 1, 2)))
        if draw < 0.025:
            return self._rare(author)
        if draw < 0.56 or not open_ids:
            place = self._place(author)
            open_ids.append(place.client_id)
            return place
        client_id = rng.choice(open_ids) if rng.random() < 0.95 else rng.randint(1, self.last_ids[author] + 9)
        if draw < 0.71:
            if client_id in open_ids and rng.random() < 0.9:
                open_ids.remove(client_id)
            return Cancel(client_id)
        price = rng.choice((0, 0, self._price(rng.choice((1, 2)))))
        qty = rng.choice((0, self._qty(), rng.randint(1, 4)))
        return Amend(client_id, price, qty, AmendFlags.REDUCE_ONLY if rng.random() < 0.3 else AmendFlags.NONE)

    def _rare(self, author: bytes) -> Command:
        rng, draw = self.rng, self.rng.random()
        if draw < 0.35 or self.arena.takes:
            return Lease(rng.choice((0, 1, 5, 20, 100, 1_000, LEASE_CAP_MS, LEASE_CAP_MS + 1, LEASE_CAP_MS + 1)))
        if draw < 0.6:
            return JoinGroup(rng.choice((b"", *AUTHORS, *AUTHORS)))
        if draw < 0.95:
            return AdmitToGroup(rng.choice((*AUTHORS, *AUTHORS, STRANGERS[0])), rng.choice((1, 1, 1, 0)))
        return SetState(rng.randint(1, 5)) if author not in self.rules.wardens else Lease(0)

    def _place(self, author: bytes) -> AnyPlace:
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
        place = Place(client_id, side, order_type, self._price(side), self._qty(), tif, flags, mode, expires)
        made = self._special(place) if rng.random() < self.arena.special else place
        return self._named(made) if self.rules.rules >= 4 and rng.random() < 0.2 else made

    def _named(self, place: Place | PlaceSpecial) -> PlaceNamed:
        """The same order under a text id, or one that may trade with its author's others, or both."""
        named = PlaceNamed(*place)
        which = self.rng.randrange(3)
        return named._replace(
            text_id=f"order {self.rng.randrange(1_000)}" if which != 1 else "",
            self_trade=SelfTrade.ALLOW if which else place.self_trade,
        )

    def _take(self) -> Place | PlaceSpecial:
        """Fill-or-kill, or with a minimum; as far as where icebergs hide, and for about what they do."""
        rng = self.rng
        self.last_ids[TAKER] += 1
        side = rng.choice((1, 2))
        reach = rng.randint(0, self.arena.spread)
        price = CENTRE + (reach if side == 1 else -reach)
        take = Place(self.last_ids[TAKER], side, 1, price, rng.randint(1, self.rules.max_qty), TimeInForce.FOK)
        if rng.random() < 0.5:
            return take
        return PlaceSpecial(*take)._replace(tif=TimeInForce.IOC, min_lots=rng.randint(1, take.qty_lots))

    def _special(self, place: Place) -> PlaceSpecial:
        """The same order with one or two of the things that only special places have."""
        rng = self.rng
        special = PlaceSpecial(*place)
        if rng.random() < 0.05:  # combinations that make no sense, mostly
            return special._replace(
                type=rng.randint(1, 4),
                flags=rng.randint(0, 3),
                display_lots=rng.choice((0, 0, 2)),
                min_lots=rng.choice((0, 0, 2, place.qty_lots + 1)),
                stop_ticks=rng.choice((0, 0, CENTRE)),
            )
        rests = place.tif in (TimeInForce.GTC, TimeInForce.GTD)
        if rng.random() < self.arena.stops and (rests or rng.random() < 0.02):
            return self._stop(special)
        if rests and rng.random() < 0.2:
            return special._replace(flags=PlaceFlags.POST_ONLY | PlaceFlags.SLIDE)
        if rng.random() < 0.25 and place.tif != TimeInForce.FOK:
            special = self._minimum(special)
            if rng.random() < 0.6:
                return special
        return self._iceberg(special) if rests else special

    def _stop(self, special: PlaceSpecial) -> PlaceSpecial:
        """Mostly on the side of the last trade that waits, and near it, so that one trade triggers several."""
        rng = self.rng
        away = rng.randint(1, 4) if rng.random() < 0.9 else rng.randint(-2, 0)
        up = special.side == 1
        stop = (self.last_trade or CENTRE) + (away if up else -away)
        protection = stop + (rng.randint(-1, 6) if up else -rng.randint(-1, 6))
        kind = rng.choice((OrderType.STOP, OrderType.STOP_LIMIT))
        if rng.random() < 0.02:
            stop = rng.choice((-1, self.rules.max_price + 1))
        special = special._replace(type=int(kind), flags=0, stop_ticks=stop, price_ticks=protection)
        return self._iceberg(special) if kind == OrderType.STOP_LIMIT and rng.random() < 0.3 else special

    def _minimum(self, special: PlaceSpecial) -> PlaceSpecial:
        """Half of them want little of what they reach far for, so that there is a rest to rest."""
        rng = self.rng
        special = special._replace(flags=special.flags if rng.random() < 0.1 else 0)
        if rng.random() < 0.5:
            return special._replace(min_lots=rng.randint(1, max(1, special.qty_lots)))
        reach = self.arena.spread if special.side == 1 else -self.arena.spread
        return special._replace(
            min_lots=1, qty_lots=min(self.rules.max_qty, 2 * special.qty_lots), price_ticks=CENTRE + reach
        )

    def _iceberg(self, special: PlaceSpecial) -> PlaceSpecial:
        rng = self.rng
        qty = special.qty_lots
        if rng.random() < 0.1:
            qty = rng.choice((self.rules.max_qty, 101, 201, 2 * qty))
        return special._replace(qty_lots=qty, display_lots=rng.randint(1, 3))

    def _price(self, side: int) -> int:
        if self.rng.random() < 0.02:
            return self.rng.choice((0, -1, 1, self.rules.max_price, self.rules.max_price + 1))
        if self.rng.random() < self.arena.crossing:
            return CENTRE + self.rng.randint(-self.arena.spread, self.arena.spread)
        return CENTRE + self.rng.randint(1, self.arena.spread) * (-1 if side == 1 else 1)

    def _qty(self) -> int:
        if self.rng.random() < 0.03:
            return self.rng.choice((self.rules.min_qty - 1, self.rules.max_qty + 1, self.rules.max_qty))
        return self.rng.randint(self.rules.min_qty, 9)


def fight(seed: int, arena: Arena, blocks: int, engine_type: type[Engine] = Engine) -> Duel:
    """A whole duel of random blocks, some of which are undone first. Raises AssertionError where the two differ."""
    duel = Duel(arena.rules, engine_type)
    rage(seed, arena, blocks, duel)
    return duel


def rage(seed: int, arena: Arena, blocks: int, ring: Solo) -> None:
    """Random blocks, some of which are undone first, for whoever stands in the ring."""
    chaos = Chaos(seed, arena)
    for _ in range(blocks):
        if chaos.rng.random() < 0.3:
            last_ids = dict(chaos.last_ids)
            undone = chaos.block(ring.oracle)
            ring.play_and_undo(chaos.time_ms, undone)
            chaos.last_ids = last_ids
        kept = chaos.block(ring.oracle)
        ring.play(chaos.time_ms, kept)
