"""One pair's exchange of op bodies with single peers: by id when asked, by frontier when pending sets differ."""

from gossipbook.consensus.chain import Chain
from gossipbook.consensus.messages import FETCH_IDS_CAP, Bodies, Status
from gossipbook.crdt.anti_entropy import frontier_page, repair
from gossipbook.crdt.interpretation import Item
from gossipbook.crdt.messages import Frontier
from gossipbook.crdt.op_set import OpSet
from gossipbook.effects import CoreEffect, Lane, LinkId, Send
from gossipbook.ids import ZERO_DIGEST, OpId, PeerId
from gossipbook.ordered import BoundedDict

RECENT_ITEMS_CAP = 2_048
BODIES_CHUNK_BYTES = 64 * 1024


class BodyExchange:
    """Serves bodies, and starts at most one frontier exchange a heartbeat."""

    def __init__(self, symbol: str, ops: OpSet, chain: Chain) -> None:
        self._symbol = symbol
        self._ops = ops
        self._chain = chain
        self._recent: BoundedDict[OpId, Item] = BoundedDict(RECENT_ITEMS_CAP)  # finalized lately; others may lag
        self._exchanged = False
        self._cursor = b""  # the author after whom the next page of our frontier begins
        self._beat_ms = 0  # when the last heartbeat was, by the timer clock

    def remember(self, item: Item) -> None:
        """An item became final: it leaves the op set, and somebody may ask for it yet."""
        self._recent[item.id] = item

    def heartbeat(self, timer_ms: int) -> None:
        self._exchanged = False
        self._beat_ms = timer_ms

    def serve(self, sender: LinkId, ids: tuple[OpId, ...]) -> list[CoreEffect]:
        """The bodies that a peer asked for, as far as they are here."""
        found, missing = self._ops.resolve(dict.fromkeys(ids[:FETCH_IDS_CAP]))  # one id many times is one body
        found += [item for op_id in missing if (item := self._recent.get(op_id)) is not None]
        return self._bodies(sender, found)

    def compare(self, sender: LinkId, status: Status) -> list[CoreEffect]:
        """Equal heights, different pending digest: at most once a heartbeat, with one peer."""
        same_chain = (status.height, status.tip) == (self._chain.fin, self._chain.tip)
        if self._exchanged or not same_chain or status.pending_digest in (ZERO_DIGEST, self._ops.digest()):
            return []
        self._exchanged = True
        page = self._frontier_to(sender, self._cursor, reply=False)
        return [page]

    def on_frontier(self, sender: LinkId, message: Frontier) -> list[CoreEffect]:
        """Send what a peer's frontier shows it to miss, and our own frontier if it shows us to miss something."""
        found = repair(self._ops, list(message.entries), message.after, message.until, self._beat_ms)
        effects = self._bodies(sender, [*found.evidence, *found.ops])
        if found.behind and not message.reply:
            effects.append(self._frontier_to(sender, message.after, reply=True))
        return effects

    def _frontier_to(self, peer: PeerId, after: bytes, *, reply: bool) -> CoreEffect:
        entries, until = frontier_page(self._ops, after)
        if not reply:
            self._cursor = until
        return Send((peer,), Frontier(self._symbol, after, until, tuple(entries), reply), Lane.SYNC)

    def _bodies(self, to: LinkId, items: list[Item]) -> list[CoreEffect]:
        """Bodies in messages of a fair size."""
        effects: list[CoreEffect] = []
        chunk: list[Item] = []
        size = 0
        for item in items:
            if chunk and size + item.size > BODIES_CHUNK_BYTES:
                effects.append(Send((to,), Bodies(self._symbol, tuple(chunk)), Lane.SYNC))
                chunk, size = [], 0
            chunk.append(item)
            size += item.size
        if chunk:
            effects.append(Send((to,), Bodies(self._symbol, tuple(chunk)), Lane.SYNC))
        return effects
