"""Rules 1 and 2: putting a block forward as leader, and preparing the leader's block as member."""

from typing import TYPE_CHECKING

from gossipbook.consensus.block import Block, make_block
from gossipbook.consensus.canonical import canonical_order
from gossipbook.consensus.certificate import TermChange
from gossipbook.consensus.events import WakeTimer
from gossipbook.consensus.records import BlockRecord
from gossipbook.consensus.selection import select, unjustly_omitted
from gossipbook.consensus.validity import misfit, unbound, unordered, untimely
from gossipbook.crdt.interpretation import Item
from gossipbook.effects import Now, SetTimer
from gossipbook.ids import BlockId

if TYPE_CHECKING:
    from gossipbook.consensus.replica import Replica


class Proposing:
    """The proposals of a replica's present term, its own ones included."""

    def __init__(self, replica: "Replica") -> None:
        self._replica = replica
        self.refused = ""  # why the present proposal may not be prepared, once that is certain
        self.proposals: dict[int, Block] = {}  # the first of this term's leader by height: the next one, or one more
        self._waking: BlockId = b""  # the block whose time a timer waits for
        self._of_next_term: tuple[int, Block] | None = None  # one that came with the TC of its term

    def offer(self, block: Block, term: int, tc: TermChange | None) -> None:
        """A leader's genuine proposal with the valid TC that it shows; of this term, or of the one about to be entered.

        It is judged by that TC, not by the one that this member entered the term by: members may know different
        ones, and whichever of them a leader obeys, it proposes nothing that contradicts a final block.
        """
        fault = unbound(block, term, tc)
        if fault is not None:
            self._replica.rejected[f"proposal: {fault}"] += 1
        elif term == self._replica.ballot.term:
            if block.height not in self.proposals:
                self._replica.hold(block)
                self.proposals[block.height] = block
        elif self._of_next_term is None or self._of_next_term[0] < term:
            self._replica.hold(block)
            self._of_next_term = (term, block)

    def entered_term(self) -> None:
        """What an earlier leader proposed binds nobody."""
        following, self._of_next_term = self._of_next_term, None
        self.proposals = {}
        self.refused = ""
        if following is not None and following[0] == self._replica.ballot.term:
            self.proposals[following[1].height] = following[1]

    def advanced(self) -> None:
        """A height was finalized."""
        fin = self._replica.fin
        self.proposals = {height: block for height, block in self.proposals.items() if height > fin}
        self.refused = ""

    def propose(self, now: Now) -> bool:
        """Rule 1."""
        replica = self._replica
        if not replica.voting or not replica.ballot.may_propose(replica.fin + 1):
            return False
        block: Block | None
        if replica.ballot.term > 0:
            tc = replica.ballot.state.high_tc
            if tc is None or replica.fin < tc.high_fin:
                return False
            lock = tc.high_lock
            if replica.fin == tc.high_fin and lock is not None:
                block = replica.chain.block(lock.lock_id)
                if block is None:
                    replica.outbox.extend(replica.catch_up.want_block(lock.lock_id, now))
                return block is not None and self._put_forward(block)
        block = self._fresh_block(now)
        return block is not None and self._put_forward(block)

    def _fresh_block(self, now: Now) -> Block | None:
        replica = self._replica
        chosen = select(replica.ops, replica.certified, replica.manifest.limits)
        time_ms = max(now.wall_ms, replica.certified.time_ms + 1)
        if not chosen and not replica.certified.due(time_ms):
            return None
        items = canonical_order(replica.tip, chosen)
        block = make_block(
            chain_id=replica.committee.chain_id,
            epoch=replica.committee.epoch,
            pair=replica.committee.symbol,
            height=replica.fin + 1,
            parent=replica.tip,
            proposer=replica.public_key,
            created_term=replica.ballot.term,
            time_ms=time_ms,
            op_ids=tuple(item.id for item in items),
            events_digest=replica.speculation.try_out(time_ms, items).events_digest,
        )
        replica.speculation.name(block.id)
        return block

    def _put_forward(self, block: Block) -> bool:
        replica = self._replica
        replica.ballot.propose(block.height, block.id)
        replica.hold(block)
        self.proposals[block.height] = block
        replica.outbox.record(BlockRecord(replica.committee.symbol, block))
        replica.outbox.send(replica.peers, replica.ballot.proposal(block.raw, replica.chain.fc))
        return True

    def prepare(self, now: Now) -> bool:
        """Rule 2."""
        replica = self._replica
        block = self.proposals.get(replica.fin + 1)
        if block is None or self.refused or not replica.voting or not replica.ballot.may_prepare(replica.fin + 1):
            return False
        if misfit(block, replica.committee, replica.fin, replica.tip):
            return False
        items, missing = replica.ops.resolve(block.op_ids)
        if missing:
            leader = replica.committee.seats[replica.committee.leader(replica.ballot.term)].peer_id
            replica.outbox.extend(replica.catch_up.want(missing, leader, now, named_by_block=True))
            return False
        fresh = block.created_term == replica.ballot.term
        fault = unordered(block, items, replica.certified, replica.manifest)
        if not fault and fresh and self._doubts_time(block, now):
            return False
        if not fault and not replica.speculation.execute(block, items):
            fault = "executes to something else"
        if not fault and fresh and self._omits_due(items, now):
            fault = "leaves out an op that is due"
        if fault:
            self.refused = fault
            replica.rejected[f"proposal: {fault}"] += 1
            replica.time_out()
            return True
        replica.store(block, items)
        replica.cast(replica.ballot.prepare(block.height, block.id))
        return True

    def _doubts_time(self, block: Block, now: Now) -> bool:
        """Whether a fresh block's time keeps me from preparing it now; looks again when it came too early."""
        replica = self._replica
        timing = replica.manifest.timing
        doubt = untimely(block, replica.committee, replica.certified.time_ms, now.wall_ms, timing.clock_tolerance_ms)
        wait_ms = block.time_ms - now.wall_ms - timing.clock_tolerance_ms
        if doubt == "too new" and wait_ms < timing.timeout_base_ms:
            if self._waking == block.id:
                return True
            self._waking = block.id
            replica.outbox.put(SetTimer(max(1, wait_ms), WakeTimer(replica.committee.symbol)))
        elif doubt is not None:
            self.refused = doubt
            replica.rejected[f"proposal: {doubt}"] += 1
        return doubt is not None

    def _omits_due(self, items: list[Item], now: Now) -> bool:
        replica = self._replica
        age_ms = replica.manifest.timing.inclusion_age_ms
        limits, started = replica.manifest.limits, replica.term_started_ms
        omitted = unjustly_omitted(items, replica.ops, replica.certified, limits, started, now.timer_ms, age_ms)
        return omitted is not None
