"""The product's own entry point, nothing switched off: identity, validation, events and the undo log.

Commands go in as ops of one author each, up to eight commands that follow one another in the flow, in blocks of 512
ops, which is a manifest's `max_block_ops`. A block is begun, run, ended and committed. Each author numbers its own
orders from 1, as wallets do.
"""

import hashlib
from array import array
from collections import Counter
from typing import Any

from gossipbook.limits import Limits
from gossipbook.manifest import Pair
from gossipbook.matching import engine as engine_module
from gossipbook.matching.commands import Amend, AmendFlags, Cancel, Command, OrderType, Place, TimeInForce
from gossipbook.matching.events import FILL, REJECTED, RawEvent

COMMANDS_PER_OP = 8
OPS_PER_BLOCK = 512
UNBOUNDED = 1 << 40
LIMIT, GTC, IOC = int(OrderType.LIMIT), int(TimeInForce.GTC), int(TimeInForce.IOC)
REDUCE_ONLY = int(AmendFlags.REDUCE_ONLY)
PLACE, CANCEL = 1, 2

Op = tuple[bytes, list[Command]]


def author_key(author: int) -> bytes:
    return hashlib.sha256(b"author %d" % author).digest()


class Product:
    """One engine and what it has done. Caps are raised, since a book of a million orders is one of the tests."""

    def __init__(self) -> None:
        limits = Limits(max_open_orders_per_author=UNBOUNDED, max_open_orders_per_pair=UNBOUNDED)
        self.engine = engine_module.Engine(Pair("BENCH"), limits)
        self._keys: dict[int, bytes] = {}
        self._placed: Counter[int] = Counter()  # orders by author
        self.client_ids = array("q")  # by the order's number in the steps
        self._time_ms = 0
        self._fills: list[RawEvent] = []
        self._refused = 0

    def prepare(self, steps: list[Any]) -> list[list[Op]]:
        """Steps as blocks of ops."""
        ops: list[Op] = []
        last = 0
        for kind, number, author, side, price, lots, extra in steps:
            key = self._keys.get(author) or self._keys.setdefault(author, author_key(author))
            command: Command
            if kind == PLACE:
                self._placed[author] += 1
                self.client_ids.extend([0] * (number + 1 - len(self.client_ids)))
                self.client_ids[number] = self._placed[author]
                command = Place(self.client_ids[number], side, LIMIT, price, lots, IOC if extra else GTC)
            elif kind == CANCEL:
                command = Cancel(self.client_ids[number])
            else:
                command = Amend(self.client_ids[number], 0, extra, REDUCE_ONLY)
            if ops and author == last and len(ops[-1][1]) < COMMANDS_PER_OP:
                ops[-1][1].append(command)
            else:
                ops.append((key, [command]))
            last = author
        return [ops[start : start + OPS_PER_BLOCK] for start in range(0, len(ops), OPS_PER_BLOCK)]

    def run(self, blocks: list[list[Op]]) -> None:
        engine = self.engine
        run = engine.run
        for ops in blocks:
            self._time_ms += 1
            engine.begin_block(self._time_ms)
            for author, commands in ops:
                run(author, commands)
            events = engine.end_block()
            self._fills += [event for event in events if event[0] == FILL]
            self._refused += sum([event[0] == REJECTED for event in events])
            engine.commit()

    def traded(self) -> tuple[int, int]:
        """Lots and ticks times lots, of all that ran."""
        return sum(fill[3] for fill in self._fills), sum(fill[2] * fill[3] for fill in self._fills)

    def refused(self) -> int:
        """Commands without effect; none, if the steps are what they say."""
        return self._refused

    def forget(self) -> None:
        """Drop the trades of the past, as a caller who has stored them."""
        self._fills.clear()
