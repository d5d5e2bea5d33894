"""Pulling what others have and this replica lacks: finalized blocks by height, bodies by id.

Upon any sign that a peer is ahead: ask it for the next batch of blocks, one batch at a time; when a batch is
done and somebody is still ahead, ask again. Upon a batch that does not come in time: ask another (:mod:`heights`). Upon
a block that names unknown ops: give them a moment to come by gossip, then ask its sender, then other members in turn.
Upon a certificate for an unknown block: ask members in turn. What nobody had after a few rounds is no longer asked for;
if it is still needed, the rule that needs it asks anew.
"""

from collections.abc import Container
from dataclasses import dataclass

from gossipbook.consensus.config import ConsensusConfig
from gossipbook.consensus.due_room import DueRoom
from gossipbook.consensus.events import GraceTimer
from gossipbook.consensus.heights import PEERS_CAP, Heights
from gossipbook.consensus.messages import DUE_IDS_CAP, FETCH_IDS_CAP, Fetch, FetchBlock, Sync
from gossipbook.crdt.author_log import NEVER_MS
from gossipbook.crdt.interpretation import Item
from gossipbook.crdt.op import Op
from gossipbook.effects import Effect, Lane, Now, Send, SendStored, SetTimer
from gossipbook.ids import BlockId, OpId, PeerId
from gossipbook.manifest import COMMITTEE_CAP
from gossipbook.ordered import BoundedDict

WANTED_CAP = 2 * FETCH_IDS_CAP + COMMITTEE_CAP * DUE_IDS_CAP
ROUNDS_CAP = 8


@dataclass(slots=True)
class _Wish:
    """An op body that was asked for. ``seat``: whose TIMEOUT names it; None if a block does."""

    seat: int | None
    peer: PeerId  # whom to ask first
    rounds: int = 0


class CatchUp:
    """Outstanding requests of one replica, all bounded, all retried from :meth:`retry`."""

    def __init__(
        self, symbol: str, epoch: int, config: ConsensusConfig, members: tuple[PeerId, ...], *, follows: bool = False
    ) -> None:
        """``follows``: blocks come to it by gossip."""
        self._symbol = symbol
        self._epoch = epoch
        self._config = config
        self._members = members
        self.heights = Heights(members)
        self._follows = follows
        self._advanced_ms = NEVER_MS
        self._helped: BoundedDict[PeerId, int] = BoundedDict(PEERS_CAP)
        self._sync_until = 0  # the last height of the batch under way
        self._sync_peer: PeerId = b""
        self._sync_deadline_ms = 0
        self._wishes: BoundedDict[OpId, _Wish] = BoundedDict(WANTED_CAP)
        self._due_room = DueRoom()
        self._wanted_block: BlockId | None = None
        self._block_rounds = 0
        self._fetch_deadline_ms = 0
        self._turn = 0

    def busy(self, fin: int) -> bool:
        """Whether something that was asked for is still missing."""
        blocks = self.heights.proven > fin or self._sync_until > fin
        return blocks or len(self._wishes) > 0 or self._wanted_block is not None

    # -- blocks -------------------------------------------------------------------------------------

    def sync(self, fin: int, now: Now, prefer: PeerId | None = None) -> list[Effect]:
        """Ask for the next batch, unless one is under way."""
        if self._sync_until > fin:
            if now.timer_ms < self._sync_deadline_ms:
                return []
            self.heights.mute(self._sync_peer, now.timer_ms)
        self._sync_until = 0
        is_on_its_way = self._follows and self.heights.furthest <= fin + self._config.sync_batch_blocks
        if is_on_its_way and now.timer_ms < self._advanced_ms + self._config.sync_pause_ms:
            return []
        whom = self.heights.whom_to_ask(fin, now.timer_ms, prefer)
        if whom is None:
            return []
        self._sync_peer = whom
        self._sync_until = fin + self._config.sync_batch_blocks
        self._sync_deadline_ms = now.timer_ms + self._config.sync_retry_ms
        return [Send((whom,), Sync(self._symbol, self._epoch, fin + 1), Lane.SYNC)]

    def advanced(self, now: Now) -> None:
        """A height was finalized: a batch under way has as long again, and what the height needed is not needed now."""
        if self._follows:
            self._advanced_ms = now.timer_ms
        self._sync_deadline_ms = now.timer_ms + self._config.sync_retry_ms
        self._wishes = BoundedDict(WANTED_CAP)
        self._wanted_block = None

    def serve(self, peer: PeerId, first: int, fin: int) -> list[Effect]:
        """A batch for somebody who asked."""
        if not 1 <= first <= fin:
            return []
        return [SendStored(peer, self._symbol, first, min(fin, first + self._config.sync_batch_blocks - 1))]

    def help(self, peer: PeerId, now: Now) -> bool:
        """Whether to help a laggard who did not ask; at most once a pause."""
        last = self._helped.get(peer)
        if last is not None and now.timer_ms - last < self._config.help_pause_ms:
            return False
        self._helped[peer] = now.timer_ms
        return True

    # -- bodies -------------------------------------------------------------------------------------

    def want(self, ids: list[OpId], peer: PeerId) -> list[Effect]:
        """Note op bodies that a block needs; after a grace a peer is asked for those that have not come."""
        return self._want(ids[:FETCH_IDS_CAP], peer, None)

    def want_due(self, ids: list[OpId], peer: PeerId, seat: int) -> list[Effect]:
        """Note op bodies that a seat's TIMEOUT names, instead of those that its last one named."""
        for op_id in [op_id for op_id, wish in self._wishes.items() if wish.seat == seat]:
            self._wishes.pop(op_id)
        return self._want(ids[:DUE_IDS_CAP], peer, seat)

    def _want(self, ids: list[OpId], peer: PeerId, seat: int | None) -> list[Effect]:
        fresh = False
        for op_id in ids:
            wish = self._wishes.get(op_id)
            if wish is None:
                self._wishes[op_id] = _Wish(seat, peer)
                fresh = True
            elif seat is None:
                wish.seat = None
        return [SetTimer(self._config.fetch_grace_ms, GraceTimer(self._symbol))] if fresh else []

    def grace_over(self, now: Now) -> list[Effect]:
        """Ask for what was noted a moment ago and is still missing."""
        asks: dict[PeerId, list[OpId]] = {}
        for op_id, wish in self._wishes.items():
            if not wish.rounds:
                wish.rounds = 1
                asks.setdefault(wish.peer, []).append(op_id)
        if asks:
            self._fetch_deadline_ms = now.timer_ms + self._config.fetch_retry_ms
        return [self._fetch(peer, ids) for peer, ids in asks.items()]

    def got(self, item: Item, held: Container[OpId]) -> bool:
        """A body came; whether it enters the pool whatever its caps: a block needs it, or a TIMEOUT that has room."""
        wish = self._wishes.pop(item.id)
        if wish is None or wish.seat is None:
            return wish is not None
        return isinstance(item, Op) and self._due_room.take(wish.seat, item, held)

    def want_block(self, block_id: BlockId, now: Now) -> list[Effect]:
        """Ask a member for a block whose certificate is here."""
        if self._wanted_block == block_id or not self._members:
            return []
        self._wanted_block = block_id
        self._block_rounds = 0
        self._fetch_deadline_ms = now.timer_ms + self._config.fetch_retry_ms
        return [self._fetch_block(block_id)]

    def wants_block(self, block_id: BlockId) -> bool:
        return self._wanted_block == block_id

    def got_block(self, block_id: BlockId) -> None:
        if self._wanted_block == block_id:
            self._wanted_block = None

    def retry(self, fin: int, now: Now) -> list[Effect]:
        """Ask others for what did not come in time."""
        effects = self.sync(fin, now)
        if now.timer_ms < self._fetch_deadline_ms or not self._members:
            return effects
        self._fetch_deadline_ms = now.timer_ms + self._config.fetch_retry_ms
        if self._wanted_block is not None:
            self._block_rounds += 1
            if self._block_rounds > ROUNDS_CAP:
                self._wanted_block = None
            else:
                effects.append(self._fetch_block(self._wanted_block))
        for op_id in list(self._wishes):
            wish = self._wishes.get(op_id)
            assert wish is not None
            wish.rounds += 1
            if wish.rounds > ROUNDS_CAP:
                self._wishes.pop(op_id)
        asks: dict[PeerId, list[OpId]] = {}
        member = self._next_member()
        for op_id, wish in self._wishes.items():
            asks.setdefault(member if wish.seat is None else wish.peer, []).append(op_id)
        return effects + [self._fetch(peer, ids) for peer, ids in asks.items()]

    def _fetch(self, peer: PeerId, ids: list[OpId]) -> Effect:
        return Send((peer,), Fetch(self._symbol, tuple(ids[:FETCH_IDS_CAP])), Lane.SYNC)

    def _fetch_block(self, block_id: BlockId) -> Effect:
        return Send((self._next_member(),), FetchBlock(self._symbol, self._epoch, block_id), Lane.SYNC)

    def _next_member(self) -> PeerId:
        self._turn += 1
        return self._members[self._turn % len(self._members)]
