"""The budget of ops that no block can take yet: those beyond a gap in their author's chain, and forks.

Keys are free, so anybody can sign as many as they like. They live within caps of their own and never cost room that ops
which blocks can take have: each link and each author has a share, the oldest go first, and what stays for too long goes
as well. Nothing is lost by that: whoever has the ops before them sends them again (anti-entropy). So forks of a life
that may begin yet stay with it: all would send them to all for ever.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from gossipbook.crdt.op import Op
from gossipbook.effects import LinkId
from gossipbook.ids import OpId, PublicKey

PARKED_CAP = 16_384
PARKED_BYTES_CAP = 16 * 2**20
PARKED_AUTHORS_CAP = 4_096
PARKED_PER_AUTHOR_CAP = 256
PARKED_LINK_SHARE = 4
"""A link may fill one in so many parts of the budget."""
PARKED_MS = 60_000
"""How long an op may wait for those before it; a guess: several rounds of anti-entropy."""


@dataclass(slots=True)
class _Share:
    """What one link or author has parked, oldest first."""

    ids: dict[OpId, None] = field(default_factory=dict)
    bytes: int = 0


class ParkedOps:
    """Which ops are parked, by age, link and author. It holds no more than the caps say after each :meth:`add`."""

    def __init__(self) -> None:
        self._ops: dict[OpId, tuple[Op, LinkId, int]] = {}
        self._by_link: dict[LinkId, _Share] = {}
        self._by_author: dict[PublicKey, _Share] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._ops)

    def __contains__(self, op_id: OpId) -> bool:
        return op_id in self._ops

    @property
    def authors(self) -> int:
        """How many authors have something parked."""
        return len(self._by_author)

    def add(self, op: Op, link: LinkId, timer_ms: int) -> list[Op]:
        """Park an op that came over a link; returns those that have to go for it."""
        self._ops[op.id] = (op, link, timer_ms)
        self.bytes += op.size
        for shares, owner in ((self._by_link, link), (self._by_author, op.author)):
            share = shares.setdefault(owner, _Share())
            share.ids[op.id] = None
            share.bytes += op.size
        gone: list[Op] = []
        own, links = self._by_author[op.author], self._by_link[link]
        while len(own.ids) > PARKED_PER_AUTHOR_CAP:
            gone.append(self._drop(next(iter(own.ids))))
        while (
            len(links.ids) > PARKED_CAP // PARKED_LINK_SHARE
            or links.bytes > PARKED_BYTES_CAP // PARKED_LINK_SHARE
            or self._authors_over(links)
        ):
            gone.append(self._drop(next(iter(links.ids))))
        while len(self._ops) > PARKED_CAP or self.bytes > PARKED_BYTES_CAP or self.authors > PARKED_AUTHORS_CAP:
            gone.append(self._drop(next(iter(self._ops))))
        return gone

    def remove(self, op_id: OpId) -> None:
        """Note that an op is parked no more."""
        if op_id in self._ops:
            self._drop(op_id)

    def expire(self, timer_ms: int, keeps: Callable[[Op], bool]) -> list[Op]:
        """Drop and return what was parked for too long, but for what somebody keeps: it has as long again."""
        gone: list[Op] = []
        while self._ops:
            op, link, came_ms = next(iter(self._ops.values()))
            if timer_ms - came_ms < PARKED_MS:
                break
            if keeps(op):
                del self._ops[op.id]
                self._ops[op.id] = op, link, timer_ms
            else:
                gone.append(self._drop(op.id))
        return gone

    def _authors_over(self, share: _Share) -> bool:
        """Whether one link alone brings more authors than its share; each op counts, as most have one."""
        return self.authors > PARKED_AUTHORS_CAP // 2 and len(share.ids) > PARKED_AUTHORS_CAP // PARKED_LINK_SHARE

    def _drop(self, op_id: OpId) -> Op:
        op, link, _ = self._ops.pop(op_id)
        self.bytes -= op.size
        for shares, owner in ((self._by_link, link), (self._by_author, op.author)):
            share = shares[owner]
            del share.ids[op_id]
            share.bytes -= op.size
            if not share.ids:
                del shares[owner]
        return op
