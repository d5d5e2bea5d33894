"""The replica core of one pair: proposes, votes, finalizes, gives up terms. The package docstring has the rules.

After every event the replica applies its rules until none of them acts any more (``_progress``). Of all that a
turn produced, what is to be durable is put ahead of what may leave.
"""

from collections import Counter

from gossipbook.consensus.ballot import Ballot
from gossipbook.consensus.block import Block, make_block
from gossipbook.consensus.canonical import canonical_order
from gossipbook.consensus.catchup import CatchUp
from gossipbook.consensus.certificate import Certificate, TermChange, Vote
from gossipbook.consensus.committee import PREPARE, Committee
from gossipbook.consensus.config import ConsensusConfig, round_ms
from gossipbook.consensus.events import (
    Event,
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
from gossipbook.consensus.messages import (
    DUE_IDS_CAP,
    AskVotes,
    CastVote,
    ConsensusMessage,
    FinalizedBlock,
    Proof,
    Status,
)
from gossipbook.consensus.records import (
    BlockRecord,
    Finalized,
    FinalRecord,
    ItemRecord,
    PairHalted,
    TermChanged,
    VoteRecord,
    VoteState,
)
from gossipbook.consensus.selection import due_ids, select, unjustly_omitted
from gossipbook.consensus.tally import TimeoutTally, VoteTally
from gossipbook.consensus.validity import misfit, unbound, unordered, untimely
from gossipbook.crdt.interpretation import Execution, Interpretation, Item
from gossipbook.crdt.op_set import OpSet
from gossipbook.effects import CoreEffect, Emit, Lane, Now, Persist, Publish, Send, SetTimer
from gossipbook.identity import Identity, Verifier
from gossipbook.ids import BlockId, PeerId, digest
from gossipbook.manifest import Manifest
from gossipbook.ordered import BoundedDict

BLOCKS_CAP = 32  # unfinalized blocks held: proposals, locks, and certified ones that wait for bodies
CHAIN_IDS_CAP = 4_096  # finalized ids remembered to tell a conflicting certificate by


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
        self.certified = certified
        self.ops = ops
        self.config = config or ConsensusConfig()
        self.ballot = Ballot(committee, seat, identity, votes)
        self.public_key = identity.public_key
        self.peers = committee.peers(besides=seat)
        self.catch_up = CatchUp(committee.symbol, committee.epoch, self.config, self.peers)
        self.votes = VoteTally(committee.quorum)
        self.timeouts = TimeoutTally(committee.quorum)
        self.inbox = Inbox(self)

        self.fin = 0
        self.tip: BlockId = committee.genesis
        self.fin_fc: Certificate | None = None
        self.chain_ids: BoundedDict[int, BlockId] = BoundedDict(CHAIN_IDS_CAP)
        self.blocks: BoundedDict[BlockId, Block] = BoundedDict(BLOCKS_CAP)
        self.future: BoundedDict[int, tuple[BlockId, Certificate]] = BoundedDict(BLOCKS_CAP)

        self.proposal: Block | None = None  # what the leader of this term proposed at fin + 1
        self.next_proposal: tuple[int, Block] | None = None  # one that came with the TC of its term
        self.observer_reason = ""  # why a seated member does not vote
        self.refused = ""  # why the present proposal may not be prepared, once that is certain
        self.nc: Certificate | None = None  # the highest-term NC at fin + 1
        self.fc: Certificate | None = None  # an FC at fin + 1
        self.tc: TermChange | None = None  # a TC of this term or a later one
        self.executed: tuple[BlockId, Execution, list[Item]] | None = None
        self.settled = seat is None or committee.quorum.n == 1
        self.answered: dict[int, None] = {}  # seats that told us our own newest votes
        self.rejected: Counter[str] = Counter()  # what leaders got wrong
        self.faults: Counter[str] = Counter()  # what senders of frames got wrong
        self.takeovers = 0
        self.votes_cast = 0  # since the start of this process
        self.failed_terms = 0
        self.term_started_ms = 0
        self.last_progress_ms = 0
        self._stored: BoundedDict[bytes, None] = BoundedDict(2 * 65_536)
        self._timer_on = False
        self._generation = 0
        self._retry_on = False
        self._relayed: BoundedDict[tuple[int, int, int], None] = BoundedDict(64)
        self._records: list[CoreEffect] = []
        self._out: list[CoreEffect] = []

    # -- restoring ----------------------------------------------------------------------------------

    def replay(self, block: Block, fc: Certificate, items: list[Item]) -> Execution | None:
        """Follow a finalized block out of the journal; None if it does not execute to what was certified."""
        if misfit(block, self.committee, self.fin, self.tip) or self.certified.refusal(items):
            return None
        execution = self.certified.execute(block.time_ms, items)
        if execution.events_digest != block.events_digest:
            self.certified.rollback()
            return None
        self.certified.commit()
        self._append(block, fc)
        return execution

    def restore(self, blocks: list[Block], now: Now) -> None:
        """The rest of what the journal held, after the chain: blocks that votes refer to, and own votes."""
        for block in blocks:
            self.blocks[block.id] = block
        state = self.ballot.state
        if state.lock is not None and state.lock.height <= self.fin:
            state.lock = None
        for vote in self.ballot.cast(self.fin):
            self._count(vote)
        if state.timeout is not None and state.timed_out:
            self.timeouts.add(self.ballot.give_up(()))
            self.tc = self.timeouts.certificate(self.ballot.term)
        if state.lock is not None:
            self.nc = state.lock
        self.term_started_ms = self.last_progress_ms = now.timer_ms

    def stored(self, item: Item) -> None:
        """Note that an item is in the journal."""
        self._stored[item.id] = None

    # -- driving ------------------------------------------------------------------------------------

    def handle(self, event: Event, now: Now) -> list[CoreEffect]:
        """Take one event; the effects, records first."""
        match event:
            case Message(sender, message):
                self.inbox.take(sender, message, now)
            case MemberUp(peer):
                self._on_member_up(peer)
            case RoundTimer():
                self._on_round_timer(event, now)
            case RetryTimer():
                self._retry_on = False
                self._out += self.catch_up.retry(self.fin, now)
            case Started():
                if not self.settled:
                    self._out.append(SetTimer(self.config.settle_ms, SettleTimer(self.committee.symbol)))
            case SettleTimer():
                self.settled = True
            case PoolGrew() | WakeTimer():
                pass  # _progress looks for work by itself.
        if not self.halted:
            self._progress(now)
        return self._take_effects()

    @property
    def halted(self) -> str:
        return self.ballot.state.halted

    @property
    def voting(self) -> bool:
        return self.ballot.seat is not None and self.settled and not self.halted

    def has_work(self) -> bool:
        """Something that a block is needed for."""
        state = self.ballot.state
        at = self.fin + 1
        return (
            self.ops.has_eligible()
            or state.lock is not None
            or (state.prepared is not None and state.prepared.height == at)
            or (state.proposed is not None and state.proposed[1] == at)
        )

    def status(self, pending_digest: bytes) -> Status:
        c = self.committee
        return Status(c.symbol, c.epoch, self.fin, self.tip, self.ballot.term, pending_digest)

    def send(self, to: tuple[PeerId, ...], message: ConsensusMessage, lane: Lane = Lane.CONSENSUS) -> None:
        if to:
            self._out.append(Send(to, message, lane))

    def emit(self, effects: list[CoreEffect]) -> None:
        self._out += effects

    def store(self, items: list[Item]) -> None:
        """Record items that are not in the journal yet."""
        for item in items:
            if item.id not in self._stored:
                self._stored[item.id] = None
                self._records.append(Persist(ItemRecord(self.committee.symbol, item)))

    # -- learning -----------------------------------------------------------------------------------

    def learn(self, certificate: Certificate | TermChange, sender: PeerId) -> bool:
        """Take a certificate from anywhere; False if it is not valid."""
        if not self.news(certificate):
            return True
        if not certificate.valid(self.committee, self.verifier):
            return False
        if isinstance(certificate, TermChange):
            self.tc = certificate
            for part in (certificate.fc, certificate.nc):
                if part is not None:
                    self.learn(part, sender)
            return True
        if certificate.kind == PREPARE:
            if certificate.height == self.fin + 1 and (self.nc is None or certificate.term > self.nc.term):
                self.nc = certificate
            return True
        self._learn_final(certificate, sender)
        return True

    def news(self, certificate: Certificate | TermChange) -> bool:
        """Whether :meth:`learn` would have to look at a certificate's signatures."""
        if isinstance(certificate, TermChange):
            return certificate.term >= self.ballot.term and (self.tc is None or certificate.term > self.tc.term)
        return not self._known(certificate)

    def count(self, vote: Vote) -> None:
        """Count a vote whose signature is good."""
        if vote.height <= self.fin or vote.height > self.fin + 2:
            return
        self._count(vote)

    def hold(self, block: Block) -> None:
        """Keep a block that a proposal or a certificate names."""
        if block.id not in self.blocks:
            self.blocks[block.id] = block
        self.catch_up.got_block(block.id)

    def offer(self, block: Block, term: int) -> None:
        """A leader's genuine proposal; kept if it is for the term at hand or the one about to be entered."""
        if term == self.ballot.term:
            self.proposal = block
            self.refused = ""
        else:
            self.next_proposal = (term, block)

    def demote(self, reason: str) -> None:
        """Become an observer: this peer cannot tell what it has voted."""
        self.ballot.seat = None
        self.settled = True
        self.observer_reason = reason

    def halt(self, reason: str, certificates: tuple[Certificate, ...]) -> None:
        """Stop this pair for good: no more votes, no more events."""
        if self.halted:
            return
        self.certified.rollback()
        self.executed = None
        self.ballot.state.halted = reason
        self.ballot.dirty = True
        symbol, epoch = self.committee.symbol, self.committee.epoch
        for certificate in certificates:
            self.send(self.peers, Proof(symbol, epoch, certificate))
        self._out.append(Emit(PairHalted(symbol, reason, certificates)))

    def _known(self, certificate: Certificate) -> bool:
        """Whether a certificate tells nothing new, so that its signatures need no look."""
        if certificate.kind == PREPARE:
            old = certificate.height != self.fin + 1
            return old or (self.nc is not None and certificate.term <= self.nc.term)
        if certificate.height <= self.fin:
            return self.chain_ids.get(certificate.height) in (None, certificate.block_id)
        at_next = certificate.height == self.fin + 1
        return at_next and self.fc is not None and self.fc.block_id == certificate.block_id

    def _learn_final(self, fc: Certificate, sender: PeerId) -> None:
        other = self.fc if fc.height == self.fin + 1 else None
        known = self.chain_ids.get(fc.height) if fc.height <= self.fin else other and other.block_id
        if known is not None and known != fc.block_id:
            self.halt("frozen", (fc,) if other is None else (fc, other))
        elif fc.height == self.fin + 1:
            self.fc = fc
        elif fc.height > self.fin + 1:
            self.catch_up.saw_height(sender, fc.height)

    def _count(self, vote: Vote) -> None:
        certificate = self.votes.add(vote)
        if certificate is None:
            return
        if certificate.kind == PREPARE:
            if certificate.height == self.fin + 1 and (self.nc is None or certificate.term > self.nc.term):
                self.nc = certificate
        elif certificate.height == self.fin + 1:
            self._learn_final(certificate, self.committee.seats[vote.seat].peer_id)

    # -- rules --------------------------------------------------------------------------------------

    def _progress(self, now: Now) -> None:
        """Apply the rules until none acts."""
        while not self.halted and (
            self._finalize(now)
            or self._enter_term(now)
            or self._take_lock()
            or self._commit(now)
            or self._prepare(now)
            or self._propose(now)
            or self._join(now)
        ):
            pass
        self._mind_timers(now)

    def _propose(self, now: Now) -> bool:
        """Rule 1."""
        height = self.fin + 1
        if not self.voting or not self.ballot.may_propose(height):
            return False
        term, tc = self.ballot.term, self.ballot.state.high_tc
        block: Block | None
        if term > 0:
            if tc is None or self.fin < tc.high_fin:
                return False
            lock = tc.high_lock
            if self.fin == tc.high_fin and lock is not None:
                block = self.blocks.get(lock.lock_id)
                if block is None:
                    self._out += self.catch_up.want_block(lock.lock_id, now)
                    return False
                return self._put_forward(block)
        block = self._fresh_block(now)
        return block is not None and self._put_forward(block)

    def _fresh_block(self, now: Now) -> Block | None:
        chosen = select(self.ops, self.certified, self.manifest.limits)
        if not chosen:
            return None
        items = canonical_order(self.tip, chosen)
        time_ms = max(now.wall_ms, self.certified.time_ms + 1)
        self._rollback()
        execution = self.certified.execute(time_ms, items)
        block = make_block(
            chain_id=self.committee.chain_id,
            epoch=self.committee.epoch,
            pair=self.committee.symbol,
            height=self.fin + 1,
            parent=self.tip,
            proposer=self.public_key,
            created_term=self.ballot.term,
            time_ms=time_ms,
            op_ids=tuple(item.id for item in items),
            events_digest=execution.events_digest,
        )
        self.executed = (block.id, execution, items)
        return block

    def _put_forward(self, block: Block) -> bool:
        self.hold(block)
        self.ballot.propose(block.height, block.id)
        self._records.append(Persist(BlockRecord(self.committee.symbol, block)))
        self.send(self.peers, self.ballot.proposal(block.raw, self.fin_fc))
        self.proposal = block
        return True

    def _prepare(self, now: Now) -> bool:
        """Rule 2."""
        block = self.proposal
        if block is None or self.refused or not self.voting or not self.ballot.may_prepare(self.fin + 1):
            return False
        leader = self.committee.seats[self.committee.leader(self.ballot.term)].peer_id
        if misfit(block, self.committee, self.fin, self.tip):
            return False
        self.refused = unbound(block, self.ballot.term, self.ballot.state.high_tc) or ""
        if self.refused:
            return False
        items, missing = self.ops.resolve(block.op_ids)
        if missing:
            self._out += self.catch_up.want(missing, leader, now)
            return False
        fresh = block.created_term == self.ballot.term
        self.refused = unordered(block, items, self.certified, self.manifest) or ""
        if not self.refused and fresh and self._doubts_time(block, now):
            return False
        if not self.refused and not self._execute(block, items):
            self.refused = "executes to something else"
        if not self.refused and fresh and self._omits_due(items, now):
            self.refused = "leaves out an op that is due"
        if self.refused:
            self.rejected[f"proposal: {self.refused}"] += 1
            self._time_out()
            return True
        self.store(items)
        self._records.append(Persist(BlockRecord(self.committee.symbol, block)))
        self._cast(self.ballot.prepare(block.height, block.id))
        return True

    def _doubts_time(self, block: Block, now: Now) -> bool:
        """Whether a fresh block's time keeps me from preparing it now; looks again when it came too early."""
        tolerance = self.manifest.timing.clock_tolerance_ms
        doubt = untimely(block, self.committee, self.certified.time_ms, now.wall_ms, tolerance)
        if doubt == "too new" and block.time_ms - now.wall_ms < self.manifest.timing.timeout_base_ms + tolerance:
            wait_ms = block.time_ms - now.wall_ms - tolerance
            self._out.append(SetTimer(max(1, wait_ms), WakeTimer(self.committee.symbol)))
        elif doubt is not None:
            self.refused = doubt
            self.rejected[f"proposal: {doubt}"] += 1
        return doubt is not None

    def _omits_due(self, items: list[Item], now: Now) -> bool:
        timing = self.manifest.timing
        started = self.term_started_ms
        limits = self.manifest.limits
        return unjustly_omitted(items, self.ops, limits, started, now.timer_ms, timing.inclusion_age_ms) is not None

    def _take_lock(self) -> bool:
        """Rule 3, and the relay of rule 10."""
        nc = self.nc
        if nc is None or self.ballot.seat is None or not self.ballot.take_lock(nc):
            return False
        self._relay(nc)
        held = self.blocks.get(nc.block_id)
        if held is not None:
            self._records.append(Persist(BlockRecord(self.committee.symbol, held)))
        return True

    def _commit(self, now: Now) -> bool:
        """Rule 4."""
        if not self.voting or not self.ballot.may_commit():
            return False
        lock = self.ballot.lock
        assert lock is not None
        if lock.height != self.fin + 1:
            return False
        block = self._certified_block(lock, now)
        if block is None:
            return False
        items, missing = self.ops.resolve(block.op_ids)
        assert not missing
        done = self.executed is not None and self.executed[0] == block.id
        if not done and (unordered(block, items, self.certified, self.manifest) or not self._execute(block, items)):
            self.rejected["lock: executes to something else"] += 1
            self._time_out()
            return True
        self.store(items)
        self._records.append(Persist(BlockRecord(self.committee.symbol, block)))
        self._cast(self.ballot.commit())
        return True

    def _finalize(self, now: Now) -> bool:
        """Rule 5."""
        fc = self.fc
        if fc is None:
            return False
        block = self._certified_block(fc, now)
        if block is None:
            return False
        items, _ = self.ops.resolve(block.op_ids)
        fits = not misfit(block, self.committee, self.fin, self.tip) and not self.certified.refusal(items)
        if not fits or not self._execute(block, items):
            self.halt("faulty", (fc,))
            return True
        assert self.executed is not None
        execution = self.executed[1]
        self.store(items)
        self.certified.commit()
        self._append(block, fc)
        self._records.append(Persist(FinalRecord(self.committee.symbol, block, fc)))
        self.ballot.finalized()
        self._relay(fc)
        self._publish(block, fc)
        self._out.append(Emit(Finalized(self.committee.symbol, block, fc, tuple(items), execution.events)))
        for author in execution.authors:
            self.store(list(self.ops.advance(author, now.timer_ms)))
        self.failed_terms = 0
        self.last_progress_ms = now.timer_ms
        self._stop_timer()
        self.catch_up.progressed(now)
        following = self.future.pop(self.fin + 1)
        if following is not None:
            self.fc = following[1]
        self._out += self.catch_up.sync(self.fin, now)
        return True

    def _append(self, block: Block, fc: Certificate) -> None:
        self.fin, self.tip, self.fin_fc = block.height, block.id, fc
        self.chain_ids[block.height] = block.id
        self.executed = None
        if self.proposal is not None and self.proposal.height <= self.fin:
            self.proposal = None
        self.refused = ""
        self.nc = self.fc = None
        self.catch_up.forget_wants()
        for block_id in [b for b in self.blocks if (held := self.blocks.get(b)) and held.height <= self.fin]:
            self.blocks.pop(block_id)

    def _publish(self, block: Block, fc: Certificate) -> None:
        """Let every follower of the pair know; members learn of it by the votes."""
        c = self.committee
        message = FinalizedBlock(c.symbol, c.epoch, block.raw, fc, ())
        self._out.append(Publish(c.symbol, final_id(c.symbol, block.height, block.id), message, self.peers))

    def _time_out(self) -> None:
        """Rule 7."""
        self.ballot.time_out(self.fin, self.tip, self.fin_fc)
        message = self.ballot.give_up(due_ids(self.ops, DUE_IDS_CAP))
        self.send(self.peers, message)
        self.timeouts.add(message)

    def _join(self, now: Now) -> bool:
        """Rule 8, and the TC that q TIMEOUTs make."""
        term = self.ballot.term
        if self.tc is None or self.tc.term < term:
            certificate = self.timeouts.certificate(term)
            if certificate is not None:
                self.tc = certificate
                return True
        if self.voting and not self.ballot.timed_out and self.timeouts.count(term) >= self.committee.quorum.blocking:
            self._time_out()
            return True
        return False

    def _enter_term(self, now: Now) -> bool:
        """Rule 9."""
        tc = self.tc
        if tc is None or tc.term < self.ballot.term:
            return False
        self.ballot.enter(tc)
        self.takeovers += 1
        following, self.next_proposal = self.next_proposal, None
        self.proposal = following[1] if following is not None and following[0] == self.ballot.term else None
        self.refused = ""
        self.failed_terms += 1
        self.term_started_ms = now.timer_ms
        self._stop_timer()
        self.send(self.peers, Proof(self.committee.symbol, self.committee.epoch, tc))
        self._out.append(Emit(TermChanged(self.committee.symbol, self.ballot.term)))
        return True

    # -- timers -------------------------------------------------------------------------------------

    def _on_round_timer(self, timer: RoundTimer, now: Now) -> None:
        """Rule 6 and the retransmission of rule 11."""
        if timer.generation != self._generation or not self._timer_on:
            return
        self._timer_on = False
        if not self.voting or not self.has_work():
            return
        if self.ballot.timed_out:
            self.retransmit(self.peers)
        else:
            self._time_out()

    def _mind_timers(self, now: Now) -> None:
        """The round timer runs exactly while there is work; the retry timer while something is asked for."""
        work = self.voting and self.has_work()
        if work and not self._timer_on:
            self._timer_on = True
            self._generation += 1
            delay = round_ms(self.manifest.timing, self.failed_terms)
            self._out.append(SetTimer(delay, RoundTimer(self.committee.symbol, self._generation)))
        elif not work:
            self._timer_on = False
        if not self._retry_on and self.catch_up.busy(self.fin):
            self._retry_on = True
            self._out.append(SetTimer(self.config.fetch_retry_ms, RetryTimer(self.committee.symbol)))

    def _stop_timer(self) -> None:
        self._timer_on = False

    def retransmit(self, to: tuple[PeerId, ...]) -> None:
        """The identical bytes of my latest votes."""
        c = self.committee
        proposed = self.ballot.state.proposed
        if proposed is not None and proposed[:2] == (self.ballot.term, self.fin + 1):
            block = self.blocks.get(proposed[2])
            if block is not None:
                self.send(to, self.ballot.proposal(block.raw, self.fin_fc))
        for vote in self.ballot.cast(self.fin):
            self.send(to, CastVote(c.symbol, c.epoch, vote))
        if self.ballot.state.lock is not None:
            self.send(to, Proof(c.symbol, c.epoch, self.ballot.state.lock))
        if self.ballot.timed_out:
            self.send(to, self.ballot.give_up(due_ids(self.ops, DUE_IDS_CAP)))

    def _on_member_up(self, peer: PeerId) -> None:
        if self.ballot.seat is None or self.halted:
            return
        c = self.committee
        if not self.settled:
            self.send((peer,), AskVotes(c.symbol, c.epoch))
        if self.ballot.state.high_tc is not None:
            self.send((peer,), Proof(c.symbol, c.epoch, self.ballot.state.high_tc))
        self.retransmit((peer,))

    # -- parts --------------------------------------------------------------------------------------

    def _cast(self, vote: Vote) -> None:
        self.votes_cast += 1
        self.send(self.peers, CastVote(self.committee.symbol, self.committee.epoch, vote))
        self._count(vote)

    def _relay(self, certificate: Certificate) -> None:
        """Who first obtains an NC or FC sends it once to all members."""
        slot = (certificate.kind, certificate.term, certificate.height)
        if self.ballot.seat is None or slot in self._relayed:
            return
        self._relayed[slot] = None
        self.send(self.peers, Proof(self.committee.symbol, self.committee.epoch, certificate))

    def _certified_block(self, certificate: Certificate, now: Now) -> Block | None:
        """A certified block with all its bodies here, or None after asking for what is missing."""
        block = self.blocks.get(certificate.block_id)
        if block is None:
            self._out += self.catch_up.want_block(certificate.block_id, now)
            return None
        _, missing = self.ops.resolve(block.op_ids)
        if missing:
            voter = self.committee.seats[certificate.signers[0][0]].peer_id
            if voter not in self.peers:
                voter = self.committee.seats[certificate.signers[-1][0]].peer_id
            self._out += self.catch_up.want(missing, voter, now)
            return None
        return block

    def _execute(self, block: Block, items: list[Item]) -> bool:
        """Run a block speculatively; whether it comes to the events that it states."""
        if self.executed is not None and self.executed[0] == block.id:
            return True
        self._rollback()
        execution = self.certified.execute(block.time_ms, items)
        if execution.events_digest != block.events_digest:
            self.certified.rollback()
            return False
        self.executed = (block.id, execution, items)
        return True

    def _rollback(self) -> None:
        self.certified.rollback()
        self.executed = None

    def _take_effects(self) -> list[CoreEffect]:
        """What this turn produced: records in the order made, the vote state last, then all that leaves."""
        effects = self._records
        if self.ballot.dirty:
            c = self.committee
            effects.append(Persist(VoteRecord(c.symbol, c.epoch, self.ballot.state.encode())))
            self.ballot.dirty = False
        effects += self._out
        self._records, self._out = [], []
        return effects


def final_id(symbol: str, height: int, block_id: BlockId) -> bytes:
    """The gossip id of a finalized block, whoever's signatures its certificate holds."""
    return digest(b"final", symbol.encode(), height.to_bytes(8, "big"), block_id)
