"""An author's lives in a pair's table: when one begins and when it is over, and what becomes of what is on its way.

By rules of version 3 an author who long has nothing open leaves the pair's table, and comes back with a new life
(:mod:`gossipbook.crdt.stays`). That a life is over is certain if a certified block says so. Else it is believed of the
own peer, or of more committee members than there may be liars: they do not know the key in a state in which they
would, if its last certified op was of a life that goes on. A life of which nothing is certified is over as well once a
certified block is later than the time until which its first op can be taken, and they still do not know the key: it is
enough that they refuse the first op for that.

What is not certified of a life that is over never will be: its ops follow one that no block can take any more. But
blocks may have been missed that took some of it, so whoever waits for such an op is told that it is not known.
"""

from collections.abc import Sequence

from gossipbook.crdt.op import LIFE, Op, life_of
from gossipbook.crdt.stays import STAYS_SINCE, opening_expiry_ms
from gossipbook.effects import Effect, Emit, Now
from gossipbook.ids import PublicKey
from gossipbook.matching.events import Left
from gossipbook.trade.author_events import MayChange, MembersWanted, OpLost
from gossipbook.trade.author_state import KeyInPair, KeyState
from gossipbook.trade.blocks import CheckedBlock

MINUTE_MS = 60_000


class Lives:
    """Minds the lives of one author."""

    def __init__(self, state: KeyState) -> None:
        self._state = state

    @property
    def matter(self) -> bool:
        """Whether authors of this network have lives."""
        manifest = self._state.manifest
        return manifest is not None and manifest.rules_version >= STAYS_SINCE

    def expiry_ms(self, symbol: str, wanted_ms: int, now: Now) -> int:
        """When an op that is signed now expires: as wanted, but for a life's first, which must in time.

        A network that is not known yet is taken for one with lives: it costs an author nothing to say until when.
        """
        state = self._state
        if (state.manifest is not None and not self.matter) or state.chain(symbol).next_seq % LIFE:
            return wanted_ms
        block_ms = state.pairs[symbol].block_ms if symbol in state.pairs else 0
        latest_ms = opening_expiry_ms(max(now.wall_ms, block_ms), state.limits.author_retention_ms)
        return min(wanted_ms, latest_ms) if wanted_ms else latest_ms

    def saw(self, pair: KeyInPair, block: CheckedBlock, now: Now) -> tuple[list[Effect], bool]:
        """Take a proven block; what follows, and whether peers are to be asked if they know the key."""
        if not self.matter or block.block.height <= pair.block_height:
            return [], False
        pair.block_height, pair.block_ms = block.block.height, block.block.time_ms
        author, chain = self._state.author, pair.chain
        if block.block.height > chain.certified_height and any(
            isinstance(event, Left) and event.author == author for event in block.events
        ):
            return self.begin(pair, now), False
        return [], not pair.chain.certified_in_life and self._first_is_past(pair)

    def begin(self, pair: KeyInPair, now: Now) -> list[Effect]:
        """Begin a new life: the one that there was is over.

        Lives are numbered by the time, so that an old copy of a wallet, or none, begins none that there was.
        """
        over = pair.chain.begin_life(max(life_of(pair.chain.next_seq) + 1, now.wall_ms // MINUTE_MS))
        for op in over:
            pair.sent_ms.pop(op.id, None)
            pair.wanted.pop(op.id)
        return [*(Emit(OpLost(op.id)) for op in over), pair.record(), Emit(MayChange(pair.symbol))]

    def refused(self, pair: KeyInPair, op: Op, who: PublicKey, now: Now) -> list[Effect]:
        """Take a peer's word that the life which an op begins is over."""
        if pair.chain.certified_in_life or op.seq != life_of(pair.chain.next_seq) * LIFE:
            return []
        pair.over_says[who] = op.id
        said = [each for each, op_id in pair.over_says.items() if op_id == op.id]
        return self._begin_if_believed(pair, said, now)

    def settle(self, pair: KeyInPair, now: Now) -> list[Effect]:
        """Begin a new life if enough of those who were asked do not know the key, though it should be known."""
        if not self.matter:
            return []
        since = self._known_since(pair)
        if since is None:
            return []
        unaware = [
            who for who, word in pair.search.words.items() if word.synced and word.unaware and word.height >= since
        ]
        if not unaware:
            return []
        return self._begin_if_believed(pair, unaware, now)

    def _begin_if_believed(self, pair: KeyInPair, who_say_so: Sequence[PublicKey], now: Now) -> list[Effect]:
        own = any(link.own and link.public_key in who_say_so for link in self._state.links.values())
        seats = sum(1 for who in who_say_so if pair.committee.seat_of(who) is not None)
        if own or seats > pair.committee.quorum.f:
            return self.begin(pair, now)
        return [Emit(MembersWanted(pair.symbol, pair.committee.quorum.f + 1))]

    def _known_since(self, pair: KeyInPair) -> int | None:
        """From which height on whoever does not know the key says that this life is over; None if nobody can say so."""
        if pair.chain.certified_in_life:
            return pair.chain.certified_height
        return pair.block_height if self._first_is_past(pair) else None

    def _first_is_past(self, pair: KeyInPair) -> bool:
        first = pair.chain.ops.get(life_of(pair.chain.next_seq) * LIFE)
        return first is not None and 0 < first.expiry_ms < pair.block_ms
