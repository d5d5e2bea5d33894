"""The replica core of one pair: proposes, votes, finalizes, gives up terms. The package docstring has the rules.

After every event the replica applies its rules until none of them acts any more (``_progress``). Of all that a
turn produced, what is to be durable is put ahead of what may leave.
"""

from collections import Counter
from contextlib import AbstractContextManager

from gossipbook.consensus.ballot import Ballot
from gossipbook.consensus.block import Block
from gossipbook.consensus.catchup import CatchUp
from gossipbook.consensus.certificate import Certificate, Vote
from gossipbook.consensus.certificates import Known
from gossipbook.consensus.chain import Chain
from gossipbook.consensus.committee import Committee
from gossipbook.consensus.config import ConsensusConfig
from gossipbook.consensus.events import (
    Event,
    GraceTimer,
    MemberUp,
    Message,
    PoolGrew,
    RetryTimer,
    RoundTimer,
    SettleTimer,
    Started,
    WakeTimer,
)
from gossipbook.consensus.inbox import Inbox
from gossipbook.consensus.messages import DUE_IDS_CAP, CastVote, FinalizedBlock, Proof, Status
from gossipbook.consensus.outbox import Outbox
from gossipbook.consensus.pacing import Pacing
from gossipbook.consensus.proposing import Proposing
from gossipbook.consensus.records import (
    BlockRecord,
    Dropped,
    Finalized,
    FinalRecord,
    PairHalted,
    TermChanged,
    VoteRecord,
    VoteState,
)
from gossipbook.consensus.selection import due_ids
from gossipbook.consensus.speculation import Speculation
from gossipbook.consensus.validity import misfit, unordered
from gossipbook.crdt.interpretation import Execution, Interpretation, Item
from gossipbook.crdt.op_set import OpSet
from gossipbook.effects import CoreEffect, Emit, Now, Publish, SetTimer
from gossipbook.identity import Identity, Verifier
from gossipbook.ids import BlockId, digest
from gossipbook.manifest import Manifest
from gossipbook.ordered import BoundedCounter, BoundedDict

RELAYED_CAP = 64


class Replica:
    """One pair's consensus at one peer: a member's if ``seat`` is not None, else a follower's."""

    def __init__(
        self,
        *,
        manifest: Manifest,
        committee: Committee,
        seat: int | None,
        identity: Identity,
        verifier: Verifier,
        certified: Interpretation,
        ops: OpSet,
        votes: VoteState | None = None,
        config: ConsensusConfig | None = None,
    ) -> None:
        self.manifest = manifest
        self.committee = committee
        self.verifier = verifier
        self.ops = ops
        self.config = config or ConsensusConfig()
        self.ballot = Ballot(committee, seat, identity, votes)
        self.public_key = identity.public_key
        self.peers = committee.peers(besides=seat)
        self.catch_up = CatchUp(committee.symbol, committee.epoch, self.config, self.peers)
        self.chain = Chain(committee.genesis)
        self.known = Known(committee, verifier, self.chain, self.catch_up)
        self.speculation = Speculation(certified)
        self.outbox = Outbox(committee)
        self.inbox = Inbox(self)
        self.proposing = Proposing(self)
        self.pacing = Pacing(self)

        self.settled = seat is None or committee.quorum.n == 1
        self.answered: dict[int, None] = {}  # seats that told us our own newest votes
        self.rejected: Counter[str] = BoundedCounter()  # what leaders got wrong
        self.faults: Counter[str] = BoundedCounter()  # what senders of frames got wrong
        self.takeovers = 0
        self.votes_cast = 0  # since the start of this process
        self.failed_terms = 0
        self.term_started_ms = 0
        self.last_progress_ms = 0
        self.wall_ms = 0  # when the last event happened
        self._relayed: BoundedDict[tuple[int, int, int], None] = BoundedDict(RELAYED_CAP)

    # -- restoring ----------------------------------------------------------------------------------

    def replay(self, block: Block, fc: Certificate, items: list[Item]) -> Execution | None:
        """Follow a finalized block out of the journal; None if it does not execute to what was certified."""
        if misfit(block, self.committee, self.fin, self.tip) or self.certified.refusal(items):
            return None
        if not self.speculation.execute(block, items):
            return None
        execution = self.speculation.commit()
        self.chain.append(block, fc)
        return execution

    def restore(self, blocks: list[Block], now: Now) -> None:
        """The rest of what the journal held, after the chain: blocks that votes refer to, and own votes."""
        for block in blocks:
            self.hold(block)
        state = self.ballot.state
        if state.lock is not None and state.lock.height <= self.fin:
            state.lock = None
        for vote in self.ballot.cast(self.fin):
            self.known.count(vote)
        if state.timeout is not None and state.timed_out:
            self.known.timeouts.add(self.ballot.give_up(()))
            self.known.tc = self.known.timeouts.certificate(self.ballot.term)
        if state.lock is not None:
            self.known.nc = state.lock
        self.term_started_ms = self.last_progress_ms = now.timer_ms
        if state.observer:
            self.demote(state.observer)

    def stored(self, item: Item) -> None:
        """Note that an item is in the journal."""
        self.outbox.stored(item)

    # -- driving ------------------------------------------------------------------------------------

    def handle(self, event: Event, now: Now) -> list[CoreEffect]:
        """Take one event; the effects, records first."""
        moved = True
        self.wall_ms = now.wall_ms
        match event:
            case Message(sender, message):
                moved = self.inbox.take(sender, message, now)
            case MemberUp(peer):
                self.pacing.member_up(peer)
            case RoundTimer():
                self.pacing.round_over(event)
            case RetryTimer():
                self.pacing.retry_over()
                self.outbox.extend(self.catch_up.retry(self.fin, now))
            case GraceTimer():
                self.outbox.extend(self.catch_up.grace_over(now))
            case Started():
                if not self.settled:
                    self.outbox.put(SetTimer(self.config.settle_ms, SettleTimer(self.committee.symbol)))
            case SettleTimer():
                self.settled = True
            case WakeTimer():
                self.pacing.woken()
            case PoolGrew():
                pass  # _progress looks for work by itself.
        if moved and not self.halted:
            self._progress(now)
        elif not self.halted:
            self.pacing.mind()
        c, state = self.committee, self.ballot.state
        votes = VoteRecord(c.symbol, c.epoch, state.encode()) if self.ballot.dirty else None
        self.ballot.dirty = False
        return self.outbox.take(votes)

    def certified_view(self) -> AbstractContextManager[Interpretation]:
        """The certified state, to be read for the length of a ``with`` block, whatever was executed ahead of it."""
        return self.certified.without_speculation()

    @property
    def certified(self) -> Interpretation:
        return self.speculation.certified

    @property
    def fin(self) -> int:
        """The finalized height."""
        return self.chain.fin

    @property
    def tip(self) -> BlockId:
        return self.chain.tip

    @property
    def halted(self) -> str:
        return self.ballot.state.halted

    @property
    def observer_reason(self) -> str:
        """Why a seated member does not vote; empty if it does, or has no seat."""
        return self.ballot.state.observer

    @property
    def voting(self) -> bool:
        return self.ballot.seat is not None and self.settled and not self.halted

    def has_work(self) -> bool:
        """Something that a block is needed for."""
        state = self.ballot.state
        at = self.fin + 1
        return (
            self.ops.has_eligible()
            or self.certified.due(max(self.wall_ms, self.certified.time_ms + 1))
            or state.lock is not None
            or (state.prepared is not None and state.prepared.height == at)
            or (state.proposed is not None and state.proposed[1] == at)
        )

    def status(self, pending_digest: bytes) -> Status:
        c = self.committee
        return Status(c.symbol, c.epoch, self.fin, self.tip, self.ballot.term, pending_digest, self.voting)

    def hold(self, block: Block) -> None:
        """Keep a block that a proposal or a certificate names, and the bodies that it names."""
        state, known = self.ballot.state, self.known
        keep = [part.block_id for part in (state.lock, state.prepared, known.nc, known.fc) if part is not None]
        keep += [state.proposed[2]] if state.proposed is not None else []
        self.chain.hold(block, keep)
        self.ops.pin([op_id for held in self.chain.held() for op_id in held.op_ids])
        self.catch_up.got_block(block.id)

    def demote(self, reason: str) -> None:
        """Become an observer, for good: this peer cannot tell what it has voted."""
        self.ballot.seat = None
        self.settled = True
        self.ballot.state.observer = reason
        self.ballot.dirty = True

    def halt(self, reason: str, certificates: tuple[Certificate, ...]) -> None:
        """Stop this pair for good: no more votes, no more events."""
        if self.halted:
            return
        self.speculation.rollback()
        self.ballot.state.halted = reason
        self.ballot.dirty = True
        symbol, epoch = self.committee.symbol, self.committee.epoch
        for certificate in certificates:
            self.outbox.send(self.peers, Proof(symbol, epoch, certificate))
        self.outbox.put(Emit(PairHalted(symbol, reason, certificates)))

    # -- rules --------------------------------------------------------------------------------------

    def _progress(self, now: Now) -> None:
        """Apply the rules until none acts."""
        while not self.halted and (
            self._freeze()
            or self._finalize(now)
            or self._enter_term(now)
            or self._take_lock()
            or self._commit(now)
            or self.proposing.prepare(now)
            or self.proposing.propose(now)
            or self._join()
        ):
            pass
        self.pacing.mind()

    def _freeze(self) -> bool:
        """Two final certificates at one height: never tie-break."""
        if self.known.conflict:
            self.halt("frozen", self.known.conflict)
        return bool(self.known.conflict)

    def _take_lock(self) -> bool:
        """Rule 3, and the relay of rule 10."""
        nc = self.known.nc
        if nc is None or self.ballot.seat is None or not self.ballot.take_lock(nc):
            return False
        self._relay(nc)
        held = self.chain.block(nc.block_id)
        if held is not None:
            self.outbox.record(BlockRecord(self.committee.symbol, held))
        return True

    def _commit(self, now: Now) -> bool:
        """Rule 4."""
        lock = self.ballot.lock
        if not self.voting or not self.ballot.may_commit() or lock is None or lock.height != self.fin + 1:
            return False
        block = self._certified_block(lock, now)
        if block is None:
            return False
        items, _ = self.ops.resolve(block.op_ids)
        if not self.speculation.holds(block.id) and (
            unordered(block, items, self.certified, self.manifest) or not self.speculation.execute(block, items)
        ):
            self.rejected["lock: executes to something else"] += 1
            self.time_out()
            return True
        self.store(block, items)
        self.cast(self.ballot.commit())
        return True

    def _finalize(self, now: Now) -> bool:
        """Rule 5."""
        fc = self.known.fc
        block = None if fc is None else self._certified_block(fc, now)
        if fc is None or block is None:
            return False
        items, _ = self.ops.resolve(block.op_ids)
        fits = not misfit(block, self.committee, self.fin, self.tip) and not self.certified.refusal(items)
        if not fits or not self.speculation.execute(block, items):
            self.halt("faulty", (fc,))
            return True
        self.outbox.store(items)
        execution = self.speculation.commit()
        self.outbox.record(FinalRecord(self.committee.symbol, block, fc))
        self._relay(fc)
        self._publish(block, fc)
        self.outbox.put(Emit(Finalized(self.committee.symbol, block, fc, tuple(items), execution.events)))
        self._advance(block, fc, execution, now)
        return True

    def _advance(self, block: Block, fc: Certificate, execution: Execution, now: Now) -> None:
        """Go on to the next height."""
        self.chain.append(block, fc)
        self.known.advanced()
        self.ballot.finalized()
        self.ops.pin([op_id for held in self.chain.held() for op_id in held.op_ids])
        for author in execution.authors:
            self.outbox.store(list(self.ops.advance(author, now.timer_ms)))
        dropped = self.ops.drop_barred()
        if dropped:
            self.outbox.put(Emit(Dropped(self.committee.symbol, tuple(dropped))))
        self.proposing.advanced()
        self.failed_terms = 0
        self.last_progress_ms = now.timer_ms
        self.pacing.restart()
        self.catch_up.advanced(now)
        self.outbox.extend(self.catch_up.sync(self.fin, now))

    def _publish(self, block: Block, fc: Certificate) -> None:
        """Let every follower of the pair know; members learn of it by the votes."""
        c = self.committee
        message = FinalizedBlock(c.symbol, c.epoch, block.raw, fc, ())
        self.outbox.put(Publish(c.symbol, final_id(c.symbol, block.height, block.id), message, self.peers))

    def time_out(self) -> None:
        """Rule 7."""
        self.ballot.time_out(self.fin, self.tip, self.chain.fc)
        message = self.ballot.give_up(due_ids(self.ops, DUE_IDS_CAP))
        self.outbox.send(self.peers, message)
        self.known.timeouts.add(message)

    def _join(self) -> bool:
        """Rule 8, and the TC that q TIMEOUTs make."""
        term, known = self.ballot.term, self.known
        if known.tc is None or known.tc.term < term:
            certificate = known.timeouts.certificate(term)
            if certificate is not None:
                known.tc = certificate
                return True
        if self.voting and not self.ballot.timed_out and known.timeouts.count(term) >= self.committee.quorum.blocking:
            self.time_out()
            return True
        return False

    def _enter_term(self, now: Now) -> bool:
        """Rule 9."""
        tc = self.known.tc
        if tc is None or tc.term < self.ballot.term:
            return False
        self.ballot.enter(tc)
        self.takeovers += 1
        self.proposing.entered_term()
        self.failed_terms += 1
        self.term_started_ms = now.timer_ms
        self.pacing.restart()
        self.outbox.send(self.peers, Proof(self.committee.symbol, self.committee.epoch, tc))
        self.outbox.put(Emit(TermChanged(self.committee.symbol, self.ballot.term)))
        return True

    # -- parts --------------------------------------------------------------------------------------

    def store(self, block: Block, items: list[Item]) -> None:
        """What a vote stands for is durable with it."""
        self.outbox.store(items)
        self.outbox.record(BlockRecord(self.committee.symbol, block))

    def cast(self, vote: Vote) -> None:
        self.votes_cast += 1
        self.outbox.send(self.peers, CastVote(self.committee.symbol, self.committee.epoch, vote))
        self.known.count(vote)

    def _relay(self, certificate: Certificate) -> None:
        """Who first obtains an NC or FC sends it once to all members."""
        slot = (certificate.kind, certificate.term, certificate.height)
        if self.ballot.seat is None or slot in self._relayed:
            return
        self._relayed[slot] = None
        self.outbox.send(self.peers, Proof(self.committee.symbol, self.committee.epoch, certificate))

    def _certified_block(self, certificate: Certificate, now: Now) -> Block | None:
        """A certified block with all its bodies here, or None after asking for what is missing."""
        block = self.chain.block(certificate.block_id)
        if block is None:
            self.outbox.extend(self.catch_up.want_block(certificate.block_id, now))
            return None
        _, missing = self.ops.resolve(block.op_ids)
        if missing:
            seats = [seat for seat, _ in certificate.signers if seat != self.ballot.seat]
            voter = self.committee.seats[seats[0]].peer_id
            self.outbox.extend(self.catch_up.want(missing, voter, now, named_by_block=True))
            return None
        return block


def final_id(symbol: str, height: int, block_id: BlockId) -> bytes:
    """The gossip id of a finalized block, whoever's signatures its certificate holds."""
    return digest(b"final", symbol.encode(), height.to_bytes(8, "big"), block_id)
