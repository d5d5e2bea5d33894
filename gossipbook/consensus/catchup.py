"""Pulling what others have and this replica lacks: finalized blocks by height, bodies by id.

Upon any sign that a peer is ahead: ask it for the next batch of blocks, one batch at a time; when a batch is
done and somebody is still ahead, ask again; when nothing comes, ask another. Upon a block that names
unknown ops, or a certificate for an unknown block: ask its sender, then other members in turn.
"""

from gossipbook.consensus.config import ConsensusConfig
from gossipbook.consensus.messages import FETCH_IDS_CAP, Fetch, FetchBlock, Sync
from gossipbook.effects import Effect, Lane, Now, Send, SendStored
from gossipbook.ids import BlockId, OpId, PeerId
from gossipbook.ordered import BoundedDict

PEERS_CAP = 256
WANTED_CAP = 4_096


class CatchUp:
    """Outstanding requests of one replica, all bounded, all retried from :meth:`retry`."""

    def __init__(self, symbol: str, epoch: int, config: ConsensusConfig, members: tuple[PeerId, ...]) -> None:
        self._symbol = symbol
        self._epoch = epoch
        self._config = config
        self._members = members
        self._heights: BoundedDict[PeerId, int] = BoundedDict(PEERS_CAP)
        self._helped: BoundedDict[PeerId, int] = BoundedDict(PEERS_CAP)
        self._sync_until = 0  # the last height of the batch under way
        self._sync_deadline_ms = 0
        self._wanted: BoundedDict[OpId, None] = BoundedDict(WANTED_CAP)
        self._wanted_block: BlockId | None = None
        self._fetch_deadline_ms = 0
        self._turn = 0

    def target(self) -> int:
        """The highest finalized height that anybody showed."""
        return max((height for _, height in self._heights.items()), default=0)

    def busy(self, fin: int) -> bool:
        """Whether something that was asked for is still missing."""
        return self.target() > fin or len(self._wanted) > 0 or self._wanted_block is not None

    def saw_height(self, peer: PeerId, height: int) -> None:
        known = self._heights.get(peer)
        if known is None or height > known:
            self._heights[peer] = height

    # -- blocks -------------------------------------------------------------------------------------

    def sync(self, fin: int, now: Now, prefer: PeerId | None = None) -> list[Effect]:
        """Ask for the next batch, unless one is under way."""
        if self.target() <= fin:
            return []
        under_way = self._sync_until > fin and now.timer_ms < self._sync_deadline_ms
        if under_way:
            return []
        ahead = [peer for peer, height in self._heights.items() if height > fin]
        if prefer not in ahead:
            self._turn += 1
            prefer = ahead[self._turn % len(ahead)]
        self._sync_until = fin + self._config.sync_batch_blocks
        self._sync_deadline_ms = now.timer_ms + self._config.sync_retry_ms
        return [Send((prefer,), Sync(self._symbol, self._epoch, fin + 1), Lane.SYNC)]

    def progressed(self, now: Now) -> None:
        """A block of the batch under way came: give the rest as long again."""
        self._sync_deadline_ms = now.timer_ms + self._config.sync_retry_ms

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

    def want(self, ids: list[OpId], peer: PeerId, now: Now) -> list[Effect]:
        """Ask a peer for op bodies that were not asked for yet."""
        fresh = [op_id for op_id in ids if op_id not in self._wanted][:FETCH_IDS_CAP]
        for op_id in fresh:
            self._wanted[op_id] = None
        if not fresh:
            return []
        self._fetch_deadline_ms = now.timer_ms + self._config.fetch_retry_ms
        return [Send((peer,), Fetch(self._symbol, tuple(fresh)), Lane.SYNC)]

    def wants(self, op_id: OpId) -> bool:
        return op_id in self._wanted

    def got(self, op_id: OpId) -> None:
        self._wanted.pop(op_id)

    def want_block(self, block_id: BlockId, now: Now) -> list[Effect]:
        """Ask a member for a block whose certificate is here."""
        if self._wanted_block == block_id or not self._members:
            return []
        self._wanted_block = block_id
        self._fetch_deadline_ms = now.timer_ms + self._config.fetch_retry_ms
        return [Send((self._next_member(),), FetchBlock(self._symbol, self._epoch, block_id), Lane.SYNC)]

    def wants_block(self, block_id: BlockId) -> bool:
        return self._wanted_block == block_id

    def got_block(self, block_id: BlockId) -> None:
        if self._wanted_block == block_id:
            self._wanted_block = None

    def forget_wants(self) -> None:
        """A height was finalized: what the previous one needed is not needed any more."""
        self._wanted = BoundedDict(WANTED_CAP)
        self._wanted_block = None

    def retry(self, fin: int, now: Now) -> list[Effect]:
        """Ask others for what did not come in time."""
        effects = self.sync(fin, now)
        if now.timer_ms < self._fetch_deadline_ms or not self._members:
            return effects
        self._fetch_deadline_ms = now.timer_ms + self._config.fetch_retry_ms
        if self._wanted_block is not None:
            message = FetchBlock(self._symbol, self._epoch, self._wanted_block)
            effects.append(Send((self._next_member(),), message, Lane.SYNC))
        if len(self._wanted):
            ids = tuple(self._wanted)[:FETCH_IDS_CAP]
            effects.append(Send((self._next_member(),), Fetch(self._symbol, ids), Lane.SYNC))
        return effects

    def _next_member(self) -> PeerId:
        self._turn += 1
        return self._members[self._turn % len(self._members)]
