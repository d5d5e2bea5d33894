"""One pair at one peer: op set, engine and consensus tied together, and the pair's gossip validated."""

from collections.abc import Callable
from typing import Any

from gossipbook.client_messages import Submit
from gossipbook.consensus.committee import Committee
from gossipbook.consensus.config import ConsensusConfig
from gossipbook.consensus.events import Event, MemberDown, MemberUp, Message, PoolGrew, Started, Stopping, Timer
from gossipbook.consensus.genuine import Flaw, flaw_of, signature_checks
from gossipbook.consensus.messages import Bodies, CastVote, Fetch, FinalizedBlock, GiveUp, Propose, Status
from gossipbook.consensus.records import Dropped, Finalized, ItemRecord, VoteState
from gossipbook.consensus.relevance import gossip_id, is_news, is_spent
from gossipbook.consensus.replica import Replica
from gossipbook.crdt.interpretation import Interpretation
from gossipbook.crdt.messages import AskHeld, Frontier, Held
from gossipbook.crdt.op import Op
from gossipbook.crdt.op_set import OpSet
from gossipbook.crdt.view import BookView, view_book
from gossipbook.effects import Blame, CoreEffect, Emit, Lane, LinkId, Now, Persist, Publish, Send
from gossipbook.identity import Identity, SignatureCheck, Verifier
from gossipbook.ids import PeerId
from gossipbook.manifest import Manifest
from gossipbook.matching.events import FILL
from gossipbook.peer.ack_exchange import AckExchange
from gossipbook.peer.allowance import Allowance
from gossipbook.peer.arrivals import Arrivals
from gossipbook.peer.body_exchange import BodyExchange
from gossipbook.peer.condition import PairCondition
from gossipbook.peer.events import AskTimer
from gossipbook.peer.heads import Heads
from gossipbook.peer.op_intake import OpIntake
from gossipbook.peer.orders import OrderLog
from gossipbook.peer.relays import Relays
from gossipbook.peer.saying import Saying
from gossipbook.peer.stored import StoredPair
from gossipbook.refusals import Refusals, Scope


class PairReplica:
    """The composition for one pair: hands each message to what it is for, and sees to what follows from it."""

    def __init__(
        self,
        manifest: Manifest,
        symbol: str,
        identity: Identity,
        verifier: Verifier,
        config: ConsensusConfig,
        refusals: Refusals,
        allowance: Allowance,
    ) -> None:
        self.symbol = symbol
        self.committee = Committee.of(manifest, manifest.chain_id, symbol)
        self.seat = self.committee.seat_of(identity.public_key)
        self.verifier = verifier
        self.certified = Interpretation(manifest, symbol)
        self.ops = OpSet(self.certified, manifest.limits)
        self._identity, self._config, self._manifest, self._refusals = identity, config, manifest, refusals
        self._allowance = allowance
        self.orders = OrderLog()
        self.arrivals = Arrivals()
        self.ops_certified = 0
        self.commands_certified = 0
        self.fills_certified = 0
        self.heads = Heads(self.certified.authors, 2 * manifest.limits.max_authors_per_pair)
        self.live: dict[PeerId, bool] = {}  # linked peers, and whether they say that they vote
        self._saying = Saying()
        self.acks = AckExchange(self.committee, self.seat, self.ops, self.arrivals)
        self._compose(self._make_replica(self.seat, None))

    def _compose(self, replica: Replica) -> None:
        self.replica = replica
        self.bodies = BodyExchange(self.symbol, self.ops, replica.member.chain)
        self._relays = Relays(replica.member)
        self._intake = OpIntake(replica, self.acks, self.arrivals, self._allowance)

    def _make_replica(self, seat: int | None, votes: VoteState | None) -> Replica:
        return Replica(
            manifest=self._manifest,
            committee=self.committee,
            seat=seat,
            identity=self._identity,
            verifier=self.verifier,
            certified=self.certified,
            ops=self.ops,
            votes=votes,
            config=self._config,
            refusals=self._refusals,
        )

    # -- starting -----------------------------------------------------------------------------------

    def restore(
        self, stored: StoredPair, now: Now, observer_reason: str, replayed: Callable[[Finalized], None]
    ) -> str | None:
        """Rebuild from the journal; what is wrong with it, or None."""
        self._compose(self._make_replica(self.replica.member.ballot.seat, stored.votes))
        for block, fc, items in stored.chain:
            execution = self.replica.replay(block, fc, items)
            if execution is None:
                return f"block {block.height} of {self.symbol} does not execute to what was certified"
            for item in items:
                self.replica.stored(item)
            final = Finalized(self.symbol, block, fc, tuple(items), execution.events)
            self._on_finalized(final)
            replayed(final)
        self.ops.pin_also(op_id for block in stored.blocks for op_id in block.op_ids)
        self._intake.restore(stored.pending, now)
        self.replica.restore(stored.blocks, now)
        if observer_reason and self.replica.member.ballot.seat is not None:
            self.replica.member.demote(observer_reason)
        return None

    def begin(self, now: Now) -> list[CoreEffect]:
        return self.step(Started(), now)

    # -- links --------------------------------------------------------------------------------------

    def link_up(self, peer: PeerId, now: Now) -> list[CoreEffect]:
        self.live[peer] = True
        effects = self.step(MemberUp(peer), now) if self.committee.seat_of_peer(peer) is not None else []
        return [*effects, Send((peer,), self.replica.member.status(self.ops.digest()), Lane.SYNC)]

    def link_down(self, peer: PeerId, now: Now) -> list[CoreEffect]:
        self.live.pop(peer, None)
        self.acks.acks.link_down(peer)
        return self.step(MemberDown(peer), now) if self.committee.seat_of_peer(peer) is not None else []

    def stop(self, now: Now) -> list[CoreEffect]:
        """This peer is about to stop."""
        return self.step(Stopping(), now)

    # -- messages -----------------------------------------------------------------------------------

    def submit(self, op: Op, link: LinkId, now: Now) -> list[CoreEffect]:
        """Take an op from a client or from this program."""
        return self._intake.submit(op, link, now)

    def judge(self, sender: LinkId, message: Any, now: Now) -> tuple[bool, list[CoreEffect]]:
        """Validate a gossiped message: whether to relay it, and what it led to."""
        member = self.replica.member
        match message:
            case Bodies(_, items) if len(items) == 1:
                return self._intake.judge(items[0], sender, now)
            case FinalizedBlock() | CastVote() | GiveUp() | Propose():
                if is_spent(message, member):
                    return False, []
                if not is_news(message, member):
                    return False, self.step(Message(sender, message), now)
                beside = isinstance(message, FinalizedBlock) and bool(message.items)
                flaw = Flaw.BODIES_ON_TOPIC if beside else flaw_of(message, self.committee, self.verifier)
                if flaw is not None:
                    return False, [Blame(sender, flaw.value)]
                return self._relays.take(message), self.step(Message(sender, message), now)
            case _:
                member.refusals.count(Scope.MESSAGE, "a message that does not belong on a topic")
                return False, []

    def receive(self, sender: LinkId, message: Any, now: Now) -> list[CoreEffect]:
        """A message of this pair from a peer link."""
        match message:
            case Fetch():
                return self.bodies.serve(sender, message.ids)
            case Bodies():
                return self._intake.take_bodies(message, sender, now)
            case AskHeld():
                return self.acks.on_ask_held(sender, message)
            case Held():
                return self.acks.on_held(sender, message, now.wall_ms)
            case Frontier():
                return self.bodies.on_frontier(sender, message)
            case FinalizedBlock():
                came_along = self._intake.take_block_bodies(message, sender, now)
                return came_along + self.step(Message(sender, message), now)
            case Status():
                self.live[sender] = message.voting
                effects = self.step(Message(sender, message), now)
                return effects + self.bodies.compare(sender, message)
            case _:
                return self.step(Message(sender, message), now)

    def signature_checks(self, message: Any) -> list[SignatureCheck]:
        """The signatures that handling a message now would verify; fewer or more does no harm."""
        match message:
            case Submit(op):
                return self._intake.signature_checks((op,))
            case Bodies(_, items):
                return self._intake.signature_checks(items)
            case FinalizedBlock(_, _, _, _, items):
                return self._consensus_checks(message) + self._intake.signature_checks(items)
            case _:
                return self._consensus_checks(message)

    def _consensus_checks(self, message: Any) -> list[SignatureCheck]:
        return signature_checks(message, self.committee, self.replica.member.worth_checking)

    # -- turns --------------------------------------------------------------------------------------

    def flush(self, now: Now) -> list[CoreEffect]:
        """End of a turn: what was gathered in it goes out in one piece."""
        effects = self._intake.joined()
        if self._intake.has_grown():
            effects += self.step(PoolGrew(), now)
        return effects + self.acks.flush()

    def fire(self, timer: Timer | AskTimer, now: Now) -> list[CoreEffect]:
        """One of this pair's timers went off."""
        if isinstance(timer, AskTimer):
            return self.acks.ask(tuple(peer for peer in self.replica.member.peers if peer in self.live))
        return self.step(timer, now)

    def heartbeat(self, peers: tuple[PeerId, ...], now: Now) -> list[CoreEffect]:
        """Say where this replica is to its neighbours on the topic."""
        self.ops.wall_ms = now.wall_ms
        self.ops.expire(now.timer_ms)
        self.bodies.heartbeat(now.timer_ms)
        acks = self.acks.heartbeat()
        effects = self.step(PoolGrew(), now) if self.ops.newcomers.authors else []  # Time alone may give them a place.
        status = self.replica.member.status(self.ops.digest())
        is_told = self._saying.is_to_be_told(status, waits=self.replica.member.has_work())
        return [*acks, *effects, *([Send(peers, status, Lane.DIGESTS)] if peers and is_told else [])]

    def step(self, event: Event, now: Now) -> list[CoreEffect]:
        """Run the consensus core and see to what its effects mean to this pair."""
        effects = self.replica.handle(event, now)
        more: list[CoreEffect] = []
        for effect in effects:
            if isinstance(effect, Emit) and isinstance(effect.event, Finalized):
                self.arrivals.final(effect.event.block.height, now.wall_ms)
                more += self._on_finalized(effect.event)
            elif isinstance(effect, Emit) and isinstance(effect.event, Dropped):
                more += self.acks.barred(effect.event.ops, effect.event.reason)
            elif isinstance(effect, Send) and isinstance(effect.message, CastVote | GiveUp | Propose):
                if any(peer not in self.live for peer in effect.to):
                    more.append(self._relay_on_topic(effect))
            elif isinstance(effect, Persist) and isinstance(effect.record, ItemRecord):
                item = effect.record.item
                if isinstance(item, Op):
                    more += self.acks.stored([item])
                    if self.ops.in_main(item):  # It waited for what the block brought.
                        more.append(Publish(self.symbol, item.id, Bodies(self.symbol, (item,))))
        return effects + more

    def _relay_on_topic(self, effect: Send) -> CoreEffect:
        """A vote for a member to whom there is no live link goes by the topic."""
        message_id = gossip_id(effect.message)
        assert message_id is not None
        return Publish(self.symbol, message_id, effect.message)

    def _on_finalized(self, final: Finalized) -> list[CoreEffect]:
        effects: list[CoreEffect] = []
        for item in final.items:
            self.bodies.remember(item)
            if isinstance(item, Op):
                self.ops_certified += 1
                self.heads.note(item.author, final.block.height)
                self.commands_certified += len(item.commands)
                effects += self.acks.certified(item, final.block.height)
        self.orders.follow(final.events, final.items)
        self.fills_certified += sum(1 for event in final.events if event[0] == FILL)
        return effects

    # -- questions ----------------------------------------------------------------------------------

    def view(self, levels: int) -> BookView:
        """The book as a client sees it, at ``levels`` price levels a side."""
        with self.replica.certified_view() as certified:
            return view_book(self.symbol, self.replica.fin, certified, self.ops, levels)

    def state(self) -> tuple[PairCondition, list[str]]:
        """How this pair fares here, and the names of the absent seats.

        Absent is who is not linked, or says that it does not vote, this peer's own seat included.
        """
        votes_here = self.replica.member.ballot.seat is not None
        absent = [
            seat.name
            for number, seat in enumerate(self.committee.seats)
            if not (votes_here if number == self.seat else self.live.get(seat.peer_id, False))
        ]
        if self.replica.member.halted:
            return PairCondition(self.replica.member.halted.value), absent
        if self.committee.quorum.n - len(absent) < self.committee.quorum.q:
            return PairCondition.NO_QUORUM, absent
        if self.replica.member.catch_up.heights.proven > self.replica.fin + 1:
            return PairCondition.SYNCING, absent
        return PairCondition.CERTIFYING, absent
