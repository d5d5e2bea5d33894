"""The state of one pair's consensus at one peer, which all of a replica's rules share."""

from contextlib import AbstractContextManager

from gossipbook.consensus.ballot import Ballot
from gossipbook.consensus.block import Block
from gossipbook.consensus.catchup import CatchUp
from gossipbook.consensus.certificate import Certificate, Vote
from gossipbook.consensus.certificates import Certificates
from gossipbook.consensus.chain import Chain
from gossipbook.consensus.committee import Committee
from gossipbook.consensus.config import ConsensusConfig
from gossipbook.consensus.genuine import Part
from gossipbook.consensus.messages import DUE_IDS_CAP, CastVote, Proof, Propose, Status
from gossipbook.consensus.outbox import Outbox
from gossipbook.consensus.records import PairHalted, VoteState
from gossipbook.consensus.relaying import Relaying
from gossipbook.consensus.selection import due_ids
from gossipbook.consensus.speculation import Speculation
from gossipbook.consensus.validity import unordered
from gossipbook.consensus.words import Halt
from gossipbook.crdt.author_log import NEVER_MS
from gossipbook.crdt.interpretation import Interpretation, Item
from gossipbook.crdt.op_set import OpSet
from gossipbook.crdt.ops_on_top import OpsOnTop, Pool
from gossipbook.effects import Emit, Now
from gossipbook.identity import Identity, Verifier
from gossipbook.ids import BlockId, PeerId
from gossipbook.manifest import Manifest
from gossipbook.refusals import Refusals


class Member:
    """One pair's consensus state at one peer: a member's if ``seat`` is not None, else a follower's.

    It keeps the state together and says what several rules need to know of it; when to act is for the rules above it.
    """

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
        refusals: Refusals | None = None,
    ) -> None:
        self.manifest = manifest
        self.committee = committee
        self.verifier = verifier
        self.ops = ops
        self.config = config or ConsensusConfig()
        self.ballot = Ballot(committee, seat, identity, votes)
        self.public_key = identity.public_key
        self.peers = committee.peers(besides=seat)
        self.catch_up = CatchUp(committee.symbol, committee.epoch, self.config, self.peers, follows=seat is None)
        self.chain = Chain(committee.genesis)
        self.certificates = Certificates(committee, self.chain, self.catch_up)
        self.speculation = Speculation(certified)
        self.outbox = Outbox(committee)

        self.settled = seat is None or committee.quorum.n == 1
        self.answered: dict[int, None] = {}  # seats that told us our own newest votes
        self.refusals = refusals or Refusals()
        self.takeovers = 0
        self.gave_up = ""  # why this member gave up its present term, in words
        self.votes_cast = 0  # since the start of this process
        self.failed_terms = 0
        self.term_started_ms = 0
        self.entered_ms: int | None = None  # when the present term was entered, if it was in this run
        self.last_progress_ms = 0
        self.wall_ms = 0  # when the last event happened
        self.timer_ms = 0
        relay_after_ms = min(self.config.relay_after_ms, manifest.timing.timeout_base_ms // 10)
        self.proposed: dict[int, tuple[BlockId, Propose]] = {}  # by height: in this term, above the finalized one
        self._asked_term_ms = NEVER_MS
        self.relaying = Relaying(committee, seat, relay_after_ms)

    # -- questions ----------------------------------------------------------------------------------

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
    def halted(self) -> Halt:
        """Why this pair stopped for good; empty, and so false, if it did not."""
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
        state, fin, term = self.ballot.state, self.fin, self.ballot.term
        is_deep = self.committee.is_deep  # Else what an earlier term left is work, too, as it always was.
        return (
            self.ops.has_eligible()
            or self.certified.due(max(self.wall_ms, self.certified.time_ms + 1))
            or self.ops.newcomers.await_place(
                self.certified, self.ops.block_ms - self.manifest.timing.clock_tolerance_ms
            )
            or state.lock is not None
            or any(vote.height > fin and (vote.term == term or not is_deep) for vote in state.prepared)
            or any(height > fin for height in self.proposed)
        )

    def worth_checking(self, part: Part) -> bool:
        """Whether part of a message could matter here; if not, its signatures need no look."""
        if isinstance(part, Vote):
            return part.height > self.fin
        return self.certificates.news(part, self.ballot.term)

    def status(self, pending_digest: bytes) -> Status:
        c = self.committee
        return Status(c.symbol, c.epoch, self.fin, self.tip, self.ballot.term, pending_digest, self.voting)

    # -- changes ------------------------------------------------------------------------------------

    def hold(self, block: Block) -> None:
        """Keep a block that a proposal or a certificate names, and the bodies that it names."""
        state, known, chain = self.ballot.state, self.certificates, self.chain
        certificates = [part for part in (state.lock, known.fc, *known.ncs.values()) if part is not None]
        ids = [part.block_id for part in certificates] + [vote.block_id for vote in state.prepared]
        ids += [block_id for block_id, _ in self.proposed.values()]
        chain.hold(block, [kept.id for block_id in ids for kept in chain.line(block_id).blocks])
        self.ops.pin([op_id for held in self.chain.held() for op_id in held.op_ids], self.timer_ms)
        self.catch_up.got_block(block.id)

    def demote(self, reason: str) -> None:
        """Become an observer, for good: this peer cannot tell what it has voted."""
        self.ballot.seat = None
        self.settled = True
        self.ballot.state.observer = reason
        self.ballot.dirty = True

    def halt(self, reason: Halt, certificates: tuple[Certificate, ...]) -> None:
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

    def may_give_up_early(self, now: Now) -> bool:
        """Whether the present term may be given up before its time is over, because of what its leader sent.

        Not for a round's length after the last change of term: whatever is sent, terms do not race.
        """
        return self.entered_ms is None or now.timer_ms >= self.entered_ms + self.manifest.timing.timeout_base_ms

    def time_out(self, why: str) -> bool:
        """Rule 7; whether it was possible. ``why`` is for people.

        Who has something final of a later term gets into that term first: the TIMEOUT could not prove it.
        """
        fc = self.chain.fc
        if self.committee.is_deep and fc is not None and fc.term > self.ballot.term:
            self._ask_for_term()
            return False
        self.gave_up = why
        self.ballot.time_out(self.fin, self.tip, self.chain.fc)
        message = self.ballot.give_up(due_ids(self.ops, DUE_IDS_CAP))
        self.outbox.send(self.peers, message)
        self.certificates.timeouts.add(message)
        return True

    def _ask_for_term(self) -> None:
        """Tell the others which term this member is in: they answer with what got them into theirs."""
        if self.timer_ms >= self._asked_term_ms + self.config.help_pause_ms:
            self._asked_term_ms = self.timer_ms
            self.outbox.send(self.peers, self.status(bytes(32)))

    def store(self, block: Block) -> None:
        """What a vote stands for is durable with it."""
        self.outbox.store(self.ops.resolve(block.op_ids)[0])
        self.outbox.store_block(block)

    def cast(self, vote: Vote) -> None:
        self.votes_cast += 1
        self.outbox.send(self.peers, CastVote(self.committee.symbol, self.committee.epoch, vote))
        self.certificates.count(vote)

    def relay(self, certificate: Certificate) -> None:
        """Rule 10: who obtains an NC or FC sees to it that all members have it."""
        if self.ballot.seat is not None:
            self.relaying.obtained(certificate, self.timer_ms)

    # -- blocks that others have --------------------------------------------------------------------

    def voter(self, certificate: Certificate) -> PeerId:
        """Another member who signed a certificate, and so has its block with all bodies."""
        seat = next((seat for seat, _ in certificate.signers if seat != self.ballot.seat), 0)
        return self.committee.seats[seat].peer_id

    def bodies(self, block: Block, peer: PeerId) -> list[Item] | None:
        """The items of a block, or None after asking a peer for what is missing."""
        items, missing = self.ops.resolve(block.op_ids)
        if missing:
            self.outbox.extend(self.catch_up.want(missing, peer))
            return None
        return items

    def certified_line(self, certificate: Certificate, now: Now) -> list[Block] | None:
        """A certified block's unfinalized ancestors and itself, or None after asking for what is missing.

        None, too, if it does not descend from the tip.
        """
        line = self.chain.line(certificate.block_id)
        if line.missing is not None:
            self.outbox.extend(self.catch_up.want_block(line.missing, now))
        return line.blocks if line.is_on_tip else None

    def follow(self, blocks: list[Block], peer: PeerId) -> bool | None:
        """Execute blocks, the first on the tip and each on the one before; False if one is not what it states.

        None after asking a peer for bodies that are missing.
        """
        for block in blocks:
            if self.speculation.holds(block.id):
                continue
            items = self.bodies(block, peer)
            if items is None:
                return None
            state = self.speculation.after(block.parent)
            if unordered(block, items, state, self.manifest) or not self.speculation.execute(block, items):
                return False
        return True

    def pool_after(self, parent: BlockId) -> Pool:
        """What a block on top of another one, which is executed, may take."""
        if parent == self.tip:
            return self.ops
        return OpsOnTop(self.ops, self.speculation.after(parent), self.timer_ms)
