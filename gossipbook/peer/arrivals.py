"""How the latest ops came to this peer, and when: for those who ask what became of one of them.

A record for people, kept in memory alone. Times are this peer's wall clock; nothing is decided by them.
"""

from enum import Enum
from typing import NamedTuple

from gossipbook.crdt.inserted import Inserted
from gossipbook.crdt.op import Op
from gossipbook.effects import LinkId
from gossipbook.ids import OpId, PublicKey
from gossipbook.ordered import BoundedDict

ARRIVALS_CAP = 4_096
REFUSALS_CAP = 4_096
HEIGHTS_CAP = 4_096

_TAKEN = (Inserted.ACCEPTED, Inserted.PARKED, Inserted.FORKED)


class Came(Enum):
    """Which way an op came."""

    HERE = "from this program itself"
    CLIENT = "from a client"
    GOSSIP = "by gossip"
    ASKED = "because it was asked for"
    REPAIR = "by anti-entropy"
    BLOCK = "with a finalized block"


class Arrival(NamedTuple):
    """The first time that an op came. ``stored_ms``: it was held with all its ancestors; 0 for not yet.

    ``held_by``: which committee members said that they hold it too, and when; only who took it from a client asks.
    """

    time_ms: int
    came: Came
    link: LinkId
    outcome: str
    stored_ms: int
    held_by: tuple[tuple[int, int], ...] = ()


class OpRefusal(NamedTuple):
    """An op that was not taken, and would have entered an order."""

    time_ms: int
    op_id: OpId
    reason: str


class Arrivals:
    """The latest arrivals in one pair."""

    def __init__(self) -> None:
        self._ops: BoundedDict[OpId, Arrival] = BoundedDict(ARRIVALS_CAP)
        self._refused: BoundedDict[tuple[PublicKey, int], OpRefusal] = BoundedDict(REFUSALS_CAP)
        self._final_ms: BoundedDict[int, int] = BoundedDict(HEIGHTS_CAP)

    def came(self, op: Op, outcome: Inserted, came: Came, link: LinkId, wall_ms: int) -> None:
        """An op was offered to the set."""
        if outcome in _TAKEN:
            if op.id not in self._ops:
                self._ops[op.id] = Arrival(wall_ms, came, link, outcome.value, 0)
        elif outcome not in (Inserted.DUPLICATE, Inserted.STALE):
            self.refused(op, outcome.value, wall_ms)

    def stored(self, op: Op, wall_ms: int) -> None:
        """An op is held with all its ancestors."""
        arrival = self._ops.get(op.id)
        if arrival is not None and not arrival.stored_ms:
            self._ops[op.id] = arrival._replace(stored_ms=wall_ms)

    def held(self, op_id: OpId, seat: int, wall_ms: int) -> None:
        """A committee member says that it holds an op."""
        arrival = self._ops.get(op_id)
        if arrival is not None and all(seat != other for other, _ in arrival.held_by):
            self._ops[op_id] = arrival._replace(held_by=(*arrival.held_by, (seat, wall_ms)))

    def refused(self, op: Op, reason: str, wall_ms: int) -> None:
        for command in op.commands:
            client_id = getattr(command, "client_id", 0)
            if client_id:
                self._refused[op.author, client_id] = OpRefusal(wall_ms, op.id, reason)

    def final(self, height: int, wall_ms: int) -> None:
        """A block became final here."""
        self._final_ms[height] = wall_ms

    def of(self, op_id: OpId) -> Arrival | None:
        return self._ops.get(op_id)

    def refusal(self, author: PublicKey, client_id: int) -> OpRefusal | None:
        return self._refused.get((author, client_id))

    def final_ms(self, height: int) -> int | None:
        """When a block became final here; None if it was long ago, or before the last start."""
        return self._final_ms.get(height)
