"""Following submitted ops from durable to certified, and answering other peers who follow theirs.

Upon an op that a client submitted: tell it ``durable`` once the op is stored with all its ancestors, ``relayed``
once n-q+1 distinct committee members said that they hold it, ``certified`` once it is in a finalized block.
Upon ASK-HELD: answer HELD for what is stored, and remember the rest for when it is.
"""

from collections import deque
from dataclasses import dataclass, field

from gossipbook.client_messages import Ack, AckLevel
from gossipbook.consensus.committee import Committee
from gossipbook.crdt.op import Op
from gossipbook.effects import LinkId
from gossipbook.ids import OpId
from gossipbook.ordered import BoundedDict

TRACKED_CAP = 65_536
CERTIFIED_CAP = 65_536
ASKERS_CAP = 256
ASKS_PER_LINK_CAP = 1_024
FOLLOWERS_CAP = 16


@dataclass(slots=True)
class _Tracked:
    links: list[LinkId] = field(default_factory=list)
    seats: dict[int, None] = field(default_factory=dict)
    level: AckLevel = AckLevel.REFUSED


class Acks:
    """The acks of one pair. Methods return what to tell whom, as (link, ack)."""

    def __init__(self, committee: Committee, seat: int | None) -> None:
        self._committee = committee
        self.seat = seat
        self._tracked: BoundedDict[OpId, _Tracked] = BoundedDict(TRACKED_CAP)
        self._turn: deque[OpId] = deque()  # what is still to be asked about again in this turn
        self._asks: BoundedDict[LinkId, BoundedDict[OpId, None]] = BoundedDict(ASKERS_CAP)
        self._included: BoundedDict[OpId, int] = BoundedDict(CERTIFIED_CAP)

    def height_of(self, op_id: OpId) -> int | None:
        """The height at which an op was lately certified."""
        return self._included.get(op_id)

    def track(self, op: Op, link: LinkId) -> None:
        """Follow a submitted op on behalf of a link."""
        tracked = self._tracked.get(op.id)
        if tracked is None:
            tracked = self._tracked[op.id] = _Tracked()
        if link not in tracked.links and len(tracked.links) < FOLLOWERS_CAP:
            tracked.links.append(link)

    def repeat(self, op_id: OpId, link: LinkId) -> list[tuple[LinkId, Ack]]:
        """For a link that submitted an op again: the level that it has reached."""
        tracked = self._tracked.get(op_id)
        if tracked is None or tracked.level == AckLevel.REFUSED:
            return []
        return [(link, self._ack(op_id, tracked.level))]

    def held_here(self, op_id: OpId) -> tuple[list[tuple[LinkId, Ack]], list[LinkId], bool]:
        """An op is stored here with all its ancestors.

        Returns what to tell its submitters, who asked to be told HELD, and whether other members are to be asked.
        """
        askers = self._askers(op_id)
        tracked = self._tracked.get(op_id)
        if tracked is None:
            return [], askers, False
        told = self._raise(op_id, tracked, AckLevel.DURABLE)
        if self.seat is not None:
            told += self._hold(op_id, tracked, self.seat)
        return told, askers, True

    def held_there(self, op_id: OpId, seat: int) -> list[tuple[LinkId, Ack]]:
        """A member says that it holds an op."""
        tracked = self._tracked.get(op_id)
        return [] if tracked is None else self._hold(op_id, tracked, seat)

    def unrelayed(self, cap: int) -> list[OpId]:
        """Ops that are durable here and that too few members are known to hold, to ask about again; all in turn."""
        if not self._turn:
            self._turn.extend(op_id for op_id in self._tracked if self.is_unrelayed(op_id))
        taken = [self._turn.popleft() for _ in range(min(cap, len(self._turn)))]
        return [op_id for op_id in taken if self.is_unrelayed(op_id)]

    def is_unrelayed(self, op_id: OpId) -> bool:
        """Whether an op is tracked, durable here, and not known to be held by enough members."""
        tracked = self._tracked.get(op_id)
        return tracked is not None and tracked.level == AckLevel.DURABLE

    def asked(self, op_id: OpId, link: LinkId) -> None:
        """A peer wants to know when an op is held here that is not yet."""
        asked = self._asks.get(link)
        if asked is None:
            asked = self._asks[link] = BoundedDict(ASKS_PER_LINK_CAP)
        asked[op_id] = None

    def link_down(self, link: LinkId) -> None:
        """Forget what a link asked."""
        self._asks.pop(link)

    def _askers(self, op_id: OpId) -> list[LinkId]:
        """Take out who asked about an op."""
        found = [link for link, ids in self._asks.items() if op_id in ids]
        for link in found:
            ids = self._asks.get(link)
            assert ids is not None
            ids.pop(op_id)
        return found

    def certified(self, op_id: OpId, height: int) -> tuple[list[tuple[LinkId, Ack]], list[LinkId]]:
        """An op is in a finalized block: what to tell its submitters, and who still waits for HELD."""
        self._included[op_id] = height
        askers = self._askers(op_id)
        tracked = self._tracked.pop(op_id)
        if tracked is None:
            return [], askers
        ack = Ack(self._committee.symbol, op_id, AckLevel.CERTIFIED, height, "")
        return [(link, ack) for link in tracked.links], askers

    def barred(self, op_id: OpId, reason: str) -> list[tuple[LinkId, Ack]]:
        """An op will never be certified: its submitters are told why."""
        tracked = self._tracked.pop(op_id)
        ack = Ack(self._committee.symbol, op_id, AckLevel.REFUSED, 0, reason)
        return [] if tracked is None else [(link, ack) for link in tracked.links]

    def _hold(self, op_id: OpId, tracked: _Tracked, seat: int) -> list[tuple[LinkId, Ack]]:
        tracked.seats[seat] = None
        if len(tracked.seats) < self._committee.quorum.blocking or tracked.level < AckLevel.DURABLE:
            return []
        return self._raise(op_id, tracked, AckLevel.RELAYED)

    def _raise(self, op_id: OpId, tracked: _Tracked, level: AckLevel) -> list[tuple[LinkId, Ack]]:
        if tracked.level >= level:
            return []
        tracked.level = level
        return [(link, self._ack(op_id, level)) for link in tracked.links]

    def _ack(self, op_id: OpId, level: AckLevel) -> Ack:
        return Ack(self._committee.symbol, op_id, level, 0, "")
