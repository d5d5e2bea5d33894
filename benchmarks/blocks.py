"""How long the heaviest blocks take to execute that the default manifest allows, events digest included.

    python benchmarks/blocks.py

Each kind of block does as much of one thing as a block's work has room for: the worst that an attacker can make of it
with as many keys, and blocks before it, as they like. CPU milliseconds compiled and from the source, and as a share of
the yardstick, twenty million additions in a loop, which is what the bounds are of; the larger of ``ROUNDS``. Signatures
are not part of it.
"""

import gc
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from simulation import yardstick  # noqa: E402

from gossipbook.crdt.merkle import chain_events_digest  # noqa: E402
from gossipbook.ids import ZERO_DIGEST  # noqa: E402
from gossipbook.limits import Limits  # noqa: E402
from gossipbook.manifest import Pair  # noqa: E402
from gossipbook.matching.commands import (  # noqa: E402
    Amend,
    Cancel,
    CancelAll,
    Command,
    Lease,
    PairState,
    Place,
    PlaceSpecial,
    SetState,
)
from gossipbook.matching.engine import Engine  # noqa: E402

ROUNDS = 3
PURE, COMPILED = "pure", "compiled"
BOUNDS = {COMPILED: 0.10, PURE: 0.25}
"""Of the yardstick: 100 and 250 ms where it takes a second."""
WARDEN = b"w" * 32
TOO_FULL: tuple[bytes, list["Command"]] = (b"", [])
"""Before it the blocks of a setup are whatever they are; after it there is one, within the limits."""
MANY = 40_000
"""Orders in a book before the block: more than a block can meet."""

SETUP_OPS = 16
"""Ops in a block of those before."""
LEVELS = 500_000
"""Price levels in a book that somebody filled."""
BOOK = 400_000
"""Orders in a book that somebody filled, each with a time or a stop price of its own."""

Ops = list[tuple[bytes, list[Command]]]
Kind = Callable[[], tuple[Ops, Ops]]


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def spread(orders: Iterator[Command], per_author: int = 4_000) -> Ops:
    """Orders of as many authors as it takes, in ops of 256."""
    ops: Ops = []
    author, commands = 0, list[Command]()
    for number, order in enumerate(orders):
        if number and number % per_author == 0:
            ops.append((key(author), commands))
            author, commands = author + 1, []
        commands.append(order)
        if len(commands) == 256:
            ops.append((key(author), commands))
            commands = []
    return [*ops, (key(author), commands)]


def offers(count: int, *, levels: int = 1, **more: int) -> Iterator[Command]:
    for n in range(count):
        yield PlaceSpecial(n % 4_000 + 1, 2, 1, 1_000 + n % levels, 100 if "display_lots" in more else 1, 1)._replace(
            **more
        )


def taking(count: int, **more: int) -> Ops:
    """Ops of takers of all that there is, one each."""
    return [(key(900_000 + n), [PlaceSpecial(1, 1, 1, 10**6, 10**9, 3)._replace(**more)]) for n in range(count)]


def sweep() -> tuple[Ops, Ops]:
    return spread(offers(MANY)), taking(6)


def icebergs() -> tuple[Ops, Ops]:
    return spread(offers(MANY // 20, display_lots=1)), taking(6)


def fill_or_kill() -> tuple[Ops, Ops]:
    """Tried and undone: an own order stands behind more than an op may meet."""
    own = [(key(900_000 + n), [Place(1, 2, 1, 2_000, 10**9, 1)]) for n in range(6)]
    trying = [(author, [Place(2 + n, 1, 1, 2_000, 10**9, 4) for n in range(256)]) for author, _ in own]
    return [*spread(offers(6_000)), *own], trying


def lapses() -> tuple[Ops, Ops]:
    return spread(offers(MANY, tif=2, expires_ms=1_000)), []


def cancel_alls() -> tuple[Ops, Ops]:
    setup = spread(offers(MANY, tif=2, expires_ms=10**12))
    return setup, [(key(n), [CancelAll()]) for n in range(10)]


def lease_ends() -> tuple[Ops, Ops]:
    return [*spread(offers(MANY)), *((key(n), [Lease(10)]) for n in range(10))], []


def stops() -> tuple[Ops, Ops]:
    """Each triggers and fills with the next resting lot."""
    waiting = (PlaceSpecial(n % 4_000 + 1, 1, 4, 10**6, 1, 1, stop_ticks=1_000) for n in range(MANY))
    return [*spread(waiting), *((key(500_000 + a), c) for a, (_, c) in enumerate(spread(offers(MANY), 256)))], taking(
        1, qty_lots=1
    )


def auction() -> tuple[Ops, Ops]:
    bids = (Place(n % 4_000 + 1, 1, 1, 3_000 - n % 1_000, 1, 1) for n in range(MANY))
    setup: Ops = [(WARDEN, [SetState(int(PairState.AUCTION))]), *spread(offers(MANY, levels=1_000))]
    setup += [(key(700_000 + a), c) for a, (_, c) in enumerate(spread(bids, 256))]
    return setup, [(WARDEN, [SetState(int(PairState.OPEN))])]


def far_levels() -> tuple[Ops, Ops]:
    """Levels come and go at the far end of a side that has a great many."""
    bids = (Place(n % 2_000 + 1, 1, 1, 10 + n, 1, 1) for n in range(LEVELS))
    both = [c for n in range(128) for c in (Place(n + 1, 1, 1, 1 + n % 9, 1, 1), Cancel(n + 1))]
    return spread(bids, 2_000), [(key(900_000 + n), list(both)) for n in range(24)]


def lapsing(n: int, *, side: int, price: int) -> Place:
    """An order with a time of its own."""
    return Place(n % 1_000 + 1, side, 1, price, 1, 2, 0, 1, 10**12 + n * 7_919 % 10**6)


def lapsing_stop(n: int, *, stop: int, price: int) -> PlaceSpecial:
    order = lapsing(n, side=1, price=price)
    return PlaceSpecial(order.client_id, 1, 4, price, 1, 2, 0, 1, order.expires_ms, 0, 0, stop)


def shuffled(count: int) -> list[int]:
    return random.Random(5).sample(range(count), count)


def others(ops: Ops, first: int) -> Ops:
    """The same ops, by authors with numbers from one on."""
    return [(key(first + int.from_bytes(author, "big")), commands) for author, commands in ops]


def lapsing_sweep() -> tuple[Ops, Ops]:
    """Each order has a level and a time of its own."""
    rest = (lapsing(n, side=2, price=10 + at) for n, at in enumerate(shuffled(BOOK)))
    return spread(rest, 1_000), [(key(900_000 + n), [Place(1, 1, 1, 10**8, 10**9, 3)]) for n in range(4)]


def lapsing_stops() -> tuple[Ops, Ops]:
    """Each is triggered, and rests at a level of its own far from the best."""
    places = shuffled(BOOK // 2)
    bids = (lapsing(n, side=1, price=10 + 2 * at) for n, at in enumerate(places))
    stops = (lapsing_stop(n, stop=10**7, price=11 + 2 * at) for n, at in enumerate(places))
    best: Ops = [(key(950_000), [Place(1, 2, 1, 10**7, 1, 1)])]
    setup = [*spread(bids, 1_000), *others(spread(stops, 1_000), 500_000), *best]
    return setup, [(key(950_001), [Place(1, 1, 1, 10**7, 1, 3)])]


def amended_stops() -> tuple[Ops, Ops]:
    """Each loses its place among those at its stop price, and among those that lapse."""
    stops = (lapsing_stop(n, stop=1_000 + at, price=10**8) for n, at in enumerate(shuffled(BOOK)))
    ids = shuffled(1_000)
    amends = [(key(a * 7), [Amend(ids[n] + 1, 10**7 + n, 0) for n in range(256)]) for a in range(16)]
    return spread(stops, 1_000), list(amends)


def left_over_and_more() -> tuple[Ops, Ops]:
    """Stops that the block before was too full for, all but one unit of a block; then an op that does all that it may.

    They lapse, rest on levels of their own, and the op takes such, and cancels all of its author's.
    """
    limits = Limits()
    most = limits.max_open_orders_per_author
    bids = (lapsing(n, side=1, price=10 + 2 * at) for n, at in enumerate(shuffled(BOOK // 2)))
    # One event each, and one for what took the last; the block before did as many.
    count = 2 * limits.max_block_work - 3
    rest = random.Random(6).sample(range(BOOK // 8), count)
    stops = (lapsing_stop(n, stop=10**7, price=11 + 2 * at) for n, at in enumerate(rest))
    best: Ops = [(key(950_000), [Place(1, 2, 1, 10**7, 1, 1)])]
    offers_ = (lapsing(n, side=2, price=2 * 10**7 + at) for n, at in enumerate(shuffled(BOOK // 2)))
    own = [lapsing(n, side=1, price=5 + 2 * (BOOK // 2 + n)) for n in range(most)]
    own = [place._replace(client_id=n + 1) for n, place in enumerate(own)]
    mine: Ops = [(key(960_000), list(own[at : at + 256])) for at in range(0, most, 256)]
    setup = [*spread(bids, 1_000), *others(spread(stops, 1_000), 500_000), *others(spread(offers_, 1_000), 700_000)]
    trigger = (key(950_001), [Place(1, 1, 1, 10**7, 1, 3)])
    last: list[Command] = [Place(most + 1, 1, 1, 10**9, limits.max_op_work - 3, 3), CancelAll()]
    return [*setup, *mine, *best, TOO_FULL, trigger], [(key(960_000), last)]


KINDS: dict[str, Kind] = {
    "a sweep": sweep,
    "a sweep of icebergs": icebergs,
    "fill-or-kill, undone": fill_or_kill,
    "orders that lapse": lapses,
    "cancel-alls": cancel_alls,
    "leases that end": lease_ends,
    "stops": stops,
    "an auction": auction,
    "levels far from the best": far_levels,
    "a sweep of lapsing levels": lapsing_sweep,
    "lapsing stops that rest": lapsing_stops,
    "amends of lapsing stops": amended_stops,
    "left over, and one more": left_over_and_more,
}


def measure(kind: Kind) -> tuple[float, int]:
    """CPU milliseconds of the block, the larger of some, and its events."""
    worst, events = 0.0, 0
    setup, ops = kind()
    limits = Limits(max_block_work=1 << 60, max_op_work=1 << 59)
    engine = Engine(Pair("BENCH", max_price_ticks=10**9), limits, (WARDEN,), 3)
    last = [] if TOO_FULL not in setup else setup[setup.index(TOO_FULL) + 1 :]
    before = setup[: len(setup) - len(last)]
    for at in range(0, len(before), SETUP_OPS):
        engine.begin_block(1)
        for author, commands in before[at : at + SETUP_OPS]:
            engine.run(author, commands)
        engine.end_block()
        engine.commit()
    bounded = Limits()
    engine._block_work, engine._op_work = bounded.max_block_work, bounded.max_op_work
    if last:
        engine.begin_block(2)
        for author, commands in last:
            engine.run(author, commands)
        engine.end_block()
        engine.commit()
    gc.collect()  # of what was made before
    gc.freeze()
    for _ in range(ROUNDS):
        began = time.process_time()
        engine.begin_block(10_000)
        for author, commands in ops:
            if engine.is_full:
                break
            engine.run(author, commands)
        made = engine.end_block()
        chain_events_digest(ZERO_DIGEST, made)
        worst, events = max(worst, 1_000 * (time.process_time() - began)), len(made)
        engine.rollback()
    gc.unfreeze()
    return worst, events


def measure_all() -> dict[str, object]:
    yard = min(yardstick() for _ in range(3))
    return {"yard_s": yard, "blocks": {name: measure(kind) for name, kind in KINDS.items()}}


def main() -> None:
    if sys.argv[1:] == ["--measure"]:
        json.dump(measure_all(), sys.stdout)
        return
    found = {}
    for how in (COMPILED, PURE):
        environment = {**os.environ, "GOSSIPBOOK_PURE": "1" if how == PURE else ""}
        done = subprocess.run(
            [sys.executable, __file__, "--measure"], env=environment, capture_output=True, text=True, check=True
        )
        found[how] = json.loads(done.stdout)
        print(f"yardstick, {how}: {found[how]['yard_s']:.2f} s")
    print(f"{'block':24} {'events':>8} {'compiled':>10} {'yard.':>7} {'source':>10} {'yard.':>7}")
    for name in KINDS:
        row = f"{name:24} {found[PURE]['blocks'][name][1]:8,}"
        for how in (COMPILED, PURE):
            ms = found[how]["blocks"][name][0]
            row += f" {ms:7.1f} ms {ms / 1_000 / found[how]['yard_s']:6.1%}"
        print(row)
    for how, bound in BOUNDS.items():
        worst = max(ms for ms, _ in found[how]["blocks"].values()) / 1_000 / found[how]["yard_s"]
        print(
            f"worst, {how}: {worst:.1%} of the yardstick; bound {bound:.0%}: {'met' if worst <= bound else 'NOT MET'}"
        )


if __name__ == "__main__":
    main()
