"""Rules 3, 4 and 5: locking on a prepared block, committing to it, and taking a final one into the chain."""

from gossipbook.consensus.block import Block
from gossipbook.consensus.certificate import Certificate
from gossipbook.consensus.member import Member
from gossipbook.consensus.messages import FinalizedBlock
from gossipbook.consensus.pacing import Pacing
from gossipbook.consensus.proposing import Proposing
from gossipbook.consensus.records import Dropped, Finalized, FinalRecord, Prepared
from gossipbook.consensus.validity import misplaced
from gossipbook.consensus.words import BlockFault, Halt
from gossipbook.crdt.inserted import Inserted
from gossipbook.crdt.interpretation import Execution
from gossipbook.crdt.stays import STAYS_SINCE
from gossipbook.effects import Emit, Now, Publish
from gossipbook.ids import BlockId, digest
from gossipbook.refusals import Scope


class Finality:
    """Takes a member from a prepare certificate to the next height. Each rule returns whether it acted."""

    def __init__(self, member: Member, proposing: Proposing, pacing: Pacing) -> None:
        self._member = member
        self._proposing = proposing
        self._pacing = pacing
        self._unsound: BlockId = b""  # the locked block that this member does not execute to the same events

    def take_lock(self) -> bool:
        """Rule 3, and the relay of rule 10."""
        member = self._member
        nc = member.certificates.lock(member.ballot.term)
        if nc is None or member.ballot.seat is None or not member.ballot.take_lock(nc):
            return False
        member.relay(nc)
        for held in member.chain.line(nc.block_id).blocks:
            member.outbox.store_block(held)
        return True

    def commit(self, now: Now) -> bool:
        """Rule 4, for the lowest height that it has not been applied to."""
        member, lock = self._member, self._member.ballot.lock
        if not member.voting or lock is None or lock.height > member.fin + member.committee.depth:
            return False
        height = next((h for h in range(member.fin + 1, lock.height + 1) if member.ballot.may_commit(h)), None)
        if height is None:
            return False
        line = member.certified_line(lock, now)
        if line is None:
            return False
        blocks = line[: height - member.fin]
        block = blocks[-1]
        if self._unsound == block.id:
            return False
        followed = member.follow(blocks, member.voter(lock))
        if followed is None:
            return False
        if not followed:
            self._unsound = block.id
            member.refusals.count(Scope.LOCK, BlockFault.OTHER_EVENTS)
            return member.may_give_up_early(now) and member.time_out(
                f"the locked block was not committed to: it {BlockFault.OTHER_EVENTS}"
            )
        for each in blocks:
            member.store(each)
        member.cast(member.ballot.commit(height, block.id))
        self._tell_prepared(block)
        return True

    def _tell_prepared(self, block: Block) -> None:
        """Let subscribers know of a block that has an NC, and is executed, before it is final."""
        member = self._member
        nc = member.certificates.ncs.get(block.height)
        if nc is not None and nc.block_id == block.id:  # Else the NC of one on top of it stands for both.
            events = member.speculation.layer(block.id).execution.events
            previous = member.speculation.after(block.parent).events_digest
            prepared = Prepared(member.committee.symbol, block, nc, previous, events)
            member.outbox.put(Emit(prepared, at_once=True))

    def finalize(self, now: Now) -> bool:
        """Rule 5."""
        member = self._member
        fc = member.certificates.fc
        line = None if fc is None else member.certified_line(fc, now)
        if fc is None or (line is None and member.chain.block(fc.block_id) is None):
            return False
        block = member.chain.block(fc.block_id)
        assert block is not None
        items = member.bodies(block, member.voter(fc))
        if items is None:
            return False
        if not member.speculation.holds(block.id):
            unfit = misplaced(block, member.committee, member.fin, member.tip) or member.certified.refusal(
                items, block.time_ms
            )
            if unfit or not member.speculation.execute(block, items):
                member.halt(Halt.FAULTY, (fc,))
                return True
        member.outbox.store(items)
        execution = member.speculation.commit(block.id)
        member.outbox.record(FinalRecord(member.committee.symbol, block, fc))
        member.relay(fc)
        self._publish(block, fc)
        member.outbox.put(Emit(Finalized(member.committee.symbol, block, fc, tuple(items), execution.events)))
        self._advance(block, fc, execution, now)
        member.outbox.final(items)
        return True

    def _advance(self, block: Block, fc: Certificate, execution: Execution, now: Now) -> None:
        """Go on to the next height."""
        member = self._member
        member.chain.append(block, fc)
        member.certificates.advanced()
        member.ballot.finalized(fc)
        member.proposed = {height: each for height, each in member.proposed.items() if height > block.height}
        for author in execution.authors:
            member.outbox.store(list(member.ops.advance(author, now.timer_ms)))
        member.ops.pin([op_id for held in member.chain.held() for op_id in held.op_ids], now.timer_ms)
        dropped = member.ops.drop_hopeless(execution.left, now.timer_ms)
        if dropped:
            reason = Inserted.LIFE_OVER if member.certified.rules >= STAYS_SINCE else Inserted.TABLE_FULL
            member.outbox.put(Emit(Dropped(member.committee.symbol, tuple(dropped), reason.value)))
        self._proposing.advanced()
        member.failed_terms = 0
        member.last_progress_ms = now.timer_ms
        self._pacing.restart()
        member.catch_up.advanced(now)
        member.outbox.extend(member.catch_up.sync(member.fin, now))

    def _publish(self, block: Block, fc: Certificate) -> None:
        """Let every follower of the pair know; members learn of it by the votes."""
        member = self._member
        c = member.committee
        message = FinalizedBlock(c.symbol, c.epoch, block.raw, fc, ())
        member.outbox.put(Publish(c.symbol, final_id(c.symbol, block.height, block.id), message, member.peers))


def final_id(symbol: str, height: int, block_id: BlockId) -> bytes:
    """The gossip id of a finalized block, whoever's signatures its certificate holds."""
    return digest(b"final", symbol.encode(), height.to_bytes(8, "big"), block_id)
