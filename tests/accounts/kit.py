"""Blocks of random orders as they are archived, and a slow bookkeeper to hold the archive against."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from matching.chaos import ALL_ARENAS, Arena, Chaos
from matching.duel import Duel, Run

from gossipbook.accounts.rows import Sums
from gossipbook.crdt.op import Op
from gossipbook.matching.events import FILL, RawEvent
from gossipbook.peer.orders import OrderLog
from gossipbook.storage.archive import ArchivedBlock

PAIR, OTHER = "GOLD/USD", "SILVER/USD"
START_MS = 1_700_000_000_000


def an_op(author: bytes, seq: int, commands: Sequence[object]) -> Op:
    """An op that nobody signed; accounts look at its commands alone."""
    nothing = bytes(32)
    return Op(
        id=nothing,
        chain_id=nothing,
        pair=PAIR,
        author=author,
        seq=seq,
        prev=nothing,
        expiry_ms=0,
        commands=tuple(commands),  # type: ignore[arg-type]
        signed=b"",
        signature=b"",
        priority_class=0,
        version=1,
    )


def random_blocks(
    seed: int, arena: str | Arena, count: int, pair: str = PAIR, step_ms: int = 700
) -> Iterator[ArchivedBlock]:
    """Blocks of one pair, some seconds apart now and then, so that candles of several widths begin and end."""
    arena = ALL_ARENAS[arena] if isinstance(arena, str) else arena
    chaos, duel = Chaos(seed, arena), Duel(arena.rules)
    time_ms = START_MS
    for height in range(1, count + 1):
        time_ms += step_ms * (1 + height % 7)
        block = chaos.block(duel.oracle)
        events = duel.play(chaos.time_ms, block)
        items = tuple(
            an_op(op.author, seq, op.commands) for seq, op in enumerate(block[: events.ran], 1) if isinstance(op, Run)
        )
        yield ArchivedBlock(pair, height, time_ms, tuple(map(tuple, events)), items)


@dataclass
class SlowBooks:
    """All that happened in a pair, in lists."""

    events: list[tuple[int, int, RawEvent]] = field(default_factory=list)  # height, time, event
    log: OrderLog = field(default_factory=OrderLog)

    def take(self, block: ArchivedBlock) -> None:
        self.events += [(block.height, block.time_ms, event) for event in block.events]
        self.log.follow(block.events, block.items)

    def fills(self, author: bytes) -> list[tuple[int, bool, int, int, int, int]]:
        """Number, whether as maker, client id, side, price, lots."""
        rows = []
        for _, _, event in self.events:
            if event[0] != FILL:
                continue
            _, number, price, lots, maker, maker_id, taker, taker_id, taker_side = event[:9]
            if maker == author:
                rows.append((number, True, maker_id, 3 - taker_side, price, lots))
            if taker == author:
                rows.append((number, False, taker_id, taker_side, price, lots))
        return rows

    def sums(self, author: bytes, up_to: int | None = None) -> Sums:
        sums = [0, 0, 0, 0]
        for number, _, _, side, price, lots in self.fills(author):
            if up_to is None or number <= up_to:
                sums[side - 1] += lots
                sums[side + 1] += lots * price
        return Sums(*sums)

    def candles(self, width_ms: int) -> list[list[int]]:
        rows: dict[int, list[int]] = {}
        for _, time_ms, event in self.events:
            if event[0] == FILL:
                price, lots = event[2], event[3]
                start_ms = time_ms // width_ms * width_ms
                row = rows.setdefault(start_ms, [start_ms, price, price, price, price, 0, 0, 0])
                row[2], row[3], row[4] = max(row[2], price), min(row[3], price), price
                row[5], row[6], row[7] = row[5] + lots, row[6] + price * lots, row[7] + 1
        return [rows[start] for start in sorted(rows)]

    def last_number(self, *, height: int | None = None, time_ms: int | None = None) -> int:
        numbers = [
            event[1]
            for at, ms, event in self.events
            if (height is None or at <= height) and (time_ms is None or ms <= time_ms)
        ]
        return max(numbers, default=0)
