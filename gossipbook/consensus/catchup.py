"""Pulling what others have and this replica lacks: finalized blocks by height, bodies by id.

Upon any sign that a peer is ahead: ask it for the next batch of blocks, one batch at a time; when a batch is
done and somebody is still ahead, ask again. Upon a batch that does not come in time: ask another (:mod:`heights`). Upon
a block that names unknown ops: give them a moment to come by gossip, then ask its sender, then other members in turn.
Upon a certificate for an unknown block: ask members in turn. What nobody had after a few rounds is no longer asked for;
if it is still needed, the rule that needs it asks anew.
"""

from dataclasses import dataclass

from gossipbook.consensus.config import ConsensusConfig
from gossipbook.consensus.events import GraceTimer
from gossipbook.consensus.heights import PEERS_CAP, Heights
from gossipbook.consensus.messages import FETCH_IDS_CAP, Fetch, FetchBlock, Sync
from gossipbook.effects import Effect, Lane, Now, Send, SendStored, SetTimer
from gossipbook.ids import BlockId, OpId, PeerId
from gossipbook.ordered import BoundedDict

WANTED_CAP = 4_096
ROUNDS_CAP = 8


@dataclass(slots=True)
class _Wish:
    """An op body that was asked for. ``named_by_block``: a block needs it, so the pool's caps do not apply to it."""

    named_by_block: bool
    peer: PeerId  # whom to ask first
    rounds: int = 0


class CatchUp:
    """Outstanding requests of one replica, all bounded, all retried from :meth:`retry`."""

    def __init__(self, symbol: str, epoch: int, config: ConsensusConfig, members: tuple[PeerId, ...]) -> None:
        self._symbol = symbol
        self._epoch = epoch
        self._config = config
        self._members = members
        self.heights = Heights(members)
        self._helped: BoundedDict[PeerId, int] = BoundedDict(PEERS_CAP)
        self._sync_until = 0  # the last height of the batch under way
        self._sync_peer: PeerId = b""
        self._sync_deadline_ms = 0
        self._wishes: BoundedDict[OpId, _Wish] = BoundedDict(WANTED_CAP)
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
        whom = self.heights.whom_to_ask(fin, now.timer_ms, prefer)
        if whom is None:
            return []
        self._sync_peer = whom
        self._sync_until = fin + self._config.sync_batch_blocks
        self._sync_deadline_ms = now.timer_ms + self._config.sync_retry_ms
        return [Send((whom,), Sync(self._symbol, self._epoch, fin + 1), Lane.SYNC)]

    def advanced(self, now: Now) -> None:
        """A height was finalized: a batch under way has as long again, and what the height needed is not needed now."""
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

    def want(self, ids: list[OpId], peer: PeerId, now: Now, *, named_by_block: bool) -> list[Effect]:
        """Note op bodies that are needed; after a grace a peer is asked for those that have not come."""
        fresh = False
        for op_id in ids[:FETCH_IDS_CAP]:
            wish = self._wishes.get(op_id)
            if wish is None:
                self._wishes[op_id] = _Wish(named_by_block, peer)
                fresh = True
            elif named_by_block:
                wish.named_by_block = True
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
        return [Send((peer,), Fetch(self._symbol, tuple(ids[:FETCH_IDS_CAP])), Lane.SYNC) for peer, ids in asks.items()]

    def got(self, op_id: OpId) -> bool:
        """A body came; whether a block needs it."""
        wish = self._wishes.pop(op_id)
        return wish is not None and wish.named_by_block

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
        ids = tuple(self._wishes)[:FETCH_IDS_CAP]
        if ids:
            effects.append(Send((self._next_member(),), Fetch(self._symbol, ids), Lane.SYNC))
        return effects

    def _fetch_block(self, block_id: BlockId) -> Effect:
        return Send((self._next_member(),), FetchBlock(self._symbol, self._epoch, block_id), Lane.SYNC)

    def _next_member(self) -> PeerId:
        self._turn += 1
        return self._members[self._turn % len(self._members)]
