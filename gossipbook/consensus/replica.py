"""The replica core of one pair: proposes, votes, finalizes, gives up terms. The package docstring has the rules.

After every event the replica applies its rules until none of them acts any more (``_progress``). Of all that a
turn produced, what is to be durable is put ahead of what may leave.
"""

from contextlib import AbstractContextManager

from gossipbook.consensus.block import Block
from gossipbook.consensus.certificate import Certificate
from gossipbook.consensus.committee import Committee
from gossipbook.consensus.config import ConsensusConfig
from gossipbook.consensus.events import (
    Event,
    GraceTimer,
    MemberDown,
    MemberUp,
    Message,
    PoolGrew,
    RelayTimer,
    RetryTimer,
    RoundTimer,
    SettleTimer,
    Started,
    Stopping,
    WakeTimer,
)
from gossipbook.consensus.finality import Finality
from gossipbook.consensus.inbox import Inbox
from gossipbook.consensus.member import Member
from gossipbook.consensus.pacing import Pacing
from gossipbook.consensus.proposing import Proposing
from gossipbook.consensus.records import (
    VoteRecord,
    VoteState,
)
from gossipbook.consensus.terms import TermRules
from gossipbook.consensus.validity import misplaced
from gossipbook.crdt.interpretation import Execution, Interpretation, Item
from gossipbook.crdt.op_set import OpSet
from gossipbook.effects import CoreEffect, Now, SetTimer
from gossipbook.identity import Identity, Verifier
from gossipbook.ids import BlockId, PublicKey
from gossipbook.manifest import Manifest
from gossipbook.refusals import Refusals


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
        refusals: Refusals | None = None,
    ) -> None:
        self.member = Member(
            manifest=manifest,
            committee=committee,
            seat=seat,
            identity=identity,
            verifier=verifier,
            certified=certified,
            ops=ops,
            votes=votes,
            config=config,
            refusals=refusals,
        )
        self.proposing = Proposing(self.member)
        self.pacing = Pacing(self.member)
        self.inbox = Inbox(self.member, self.proposing, self.pacing)
        self._finality = Finality(self.member, self.proposing, self.pacing)
        self._terms = TermRules(self.member, self.proposing, self.pacing)

    @property
    def fin(self) -> int:
        """The finalized height."""
        return self.member.fin

    @property
    def tip(self) -> BlockId:
        """The finalized block's id."""
        return self.member.tip

    @property
    def voting(self) -> bool:
        """Whether this is a seat that votes."""
        return self.member.voting

    def certified_view(self) -> AbstractContextManager[Interpretation]:
        """The certified state, to be read for the length of a ``with`` block, whatever was executed ahead of it."""
        return self.member.certified_view()

    def last_order_id(self, author: PublicKey) -> int:
        """The client id of an author's last certified order; 0 if there is none in this life."""
        with self.certified_view() as certified:
            return certified.engine.book.last_id(author)

    # -- restoring ----------------------------------------------------------------------------------

    def replay(self, block: Block, fc: Certificate, items: list[Item]) -> Execution | None:
        """Follow a finalized block out of the journal; None if it does not execute to what was certified."""
        member = self.member
        if misplaced(block, member.committee, member.fin, member.tip) or member.certified.refusal(items, block.time_ms):
            return None
        if not member.speculation.execute(block, items):
            return None
        execution = member.speculation.commit(block.id)
        member.chain.append(block, fc)
        return execution

    def restore(self, blocks: list[Block], now: Now) -> None:
        """The rest of what the journal held, after the chain: blocks that votes refer to, and own votes."""
        member = self.member
        for block in blocks:
            member.hold(block)
        state = member.ballot.state
        member.ballot.restored(member.chain.final_id, member.fin)
        for vote in member.ballot.cast(member.fin):
            member.certificates.count(vote)
        if state.timeout is not None and state.timed_out:
            member.certificates.timeouts.add(member.ballot.give_up(()))
            member.certificates.tc = member.certificates.timeouts.certificate(member.ballot.term)
        if state.lock is not None:
            member.certificates.ncs[state.lock.height] = state.lock
        member.term_started_ms = member.last_progress_ms = now.timer_ms
        member.ops.wall_ms = now.wall_ms
        if state.observer:
            member.demote(state.observer)

    def stored(self, item: Item) -> None:
        """Note that an item is in the journal."""
        self.member.outbox.stored(item)

    # -- driving ------------------------------------------------------------------------------------

    def handle(self, event: Event, now: Now) -> list[CoreEffect]:
        """Take one event; the effects, records first."""
        member = self.member
        moved = True
        member.wall_ms, member.timer_ms = now.wall_ms, now.timer_ms
        member.ops.wall_ms = now.wall_ms
        match event:
            case Message(sender, message):
                moved = self.inbox.take(sender, message, now)
            case MemberUp(peer):
                self.pacing.member_up(peer)
            case MemberDown(peer):
                self.pacing.member_down(peer)
            case Stopping():
                self._terms.hand_over()
            case RoundTimer():
                self.pacing.round_over(event)
            case RetryTimer():
                self.pacing.retry_over()
                member.outbox.extend(member.catch_up.retry(member.fin, now))
            case RelayTimer():
                self.pacing.relay()
                moved = False
            case GraceTimer():
                member.outbox.extend(member.catch_up.grace_over(now))
            case Started():
                if not member.settled:
                    member.outbox.put(SetTimer(member.config.settle_ms, SettleTimer(member.committee.symbol)))
            case SettleTimer():
                member.settled = True
            case WakeTimer():
                self.pacing.woken()
                self.proposing.woken()
            case PoolGrew():
                pass  # _progress looks for work by itself.
        if moved and not member.halted:
            self._progress(now)
        elif not member.halted:
            self.pacing.mind()
        c, state = member.committee, member.ballot.state
        votes = VoteRecord(c.symbol, c.epoch, state.encode()) if member.ballot.dirty else None
        member.ballot.dirty = False
        return member.outbox.take(votes)

    # -- rules --------------------------------------------------------------------------------------

    def _progress(self, now: Now) -> None:
        """Apply the rules until none acts."""
        terms, finality = self._terms, self._finality
        while not self.member.halted and (
            terms.freeze()
            or finality.finalize(now)
            or terms.enter(now)
            or finality.take_lock()
            or finality.commit(now)
            or self.proposing.prepare(now)
            or self.proposing.propose(now)
            or terms.join(now)
        ):
            pass
        self.pacing.mind()
