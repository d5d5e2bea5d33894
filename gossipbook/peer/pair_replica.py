"""One pair at one peer: op set, engine and consensus tied together, and the pair's gossip validated."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from gossipbook.client_messages import Ack, AckLevel
from gossipbook.consensus.block import decode_block
from gossipbook.consensus.committee import Committee
from gossipbook.consensus.config import ConsensusConfig
from gossipbook.consensus.events import Event, MemberUp, Message, PoolGrew, Started
from gossipbook.consensus.messages import (
    FETCH_IDS_CAP,
    Bodies,
    CastVote,
    Fetch,
    FinalizedBlock,
    GiveUp,
    Propose,
    Status,
)
from gossipbook.consensus.records import Dropped, Finalized, ItemRecord, VoteState
from gossipbook.consensus.replica import Replica
from gossipbook.crdt.interpretation import Interpretation, Item
from gossipbook.crdt.messages import AskHeld, Frontier, Held
from gossipbook.crdt.op import Evidence, Op
from gossipbook.crdt.op_set import Inserted, OpSet
from gossipbook.crdt.view import BookView, view_book
from gossipbook.effects import CoreEffect, Emit, Lane, LinkId, Now, Persist, Publish, Send
from gossipbook.identity import Identity, Verifier
from gossipbook.ids import OpId, PeerId, PublicKey
from gossipbook.manifest import Manifest
from gossipbook.matching.events import FILL
from gossipbook.ordered import BoundedCounter
from gossipbook.peer.acks import Acks
from gossipbook.peer.arrivals import Arrivals, Came
from gossipbook.peer.events import LOCAL
from gossipbook.peer.exchange import Exchange
from gossipbook.peer.judgement import finality_fault, genuine_fault, is_news, is_spent, message_id
from gossipbook.peer.orders import OrderLog
from gossipbook.peer.stored import StoredPair


class PairReplica:
    """The composition for one pair. ``faults`` are what a remote got wrong, for the peer core to hold against it."""

    def __init__(
        self, manifest: Manifest, symbol: str, identity: Identity, verifier: Verifier, config: ConsensusConfig
    ) -> None:
        committee = Committee.of(manifest, manifest.chain_id, symbol)
        seat = committee.seat_of(identity.public_key)
        self.symbol = symbol
        self.committee = committee
        self.verifier = verifier
        self.certified = Interpretation(manifest, symbol)
        self.ops = OpSet(self.certified, manifest.limits)
        self._identity, self._config, self._manifest = identity, config, manifest
        self.replica = self._make_replica(seat, None)
        self.exchange = Exchange(symbol, self.ops, self.replica.member.chain)
        self.acks = Acks(committee, seat)
        self.counts: Counter[str] = BoundedCounter()
        self.orders = OrderLog()
        self.arrivals = Arrivals()
        self.ops_certified = 0
        self.commands_certified = 0
        self.fills_certified = 0
        self.head_heights: dict[PublicKey, int] = {}  # where each author's newest certified op is
        self.live: dict[PeerId, bool] = {}  # linked peers, and whether they say that they vote
        self._ask: list[OpId] = []
        self._held: dict[LinkId, list[OpId]] = {}
        self._grew = False

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
        )

    # -- starting -----------------------------------------------------------------------------------

    def restore(
        self, stored: StoredPair, now: Now, observer_reason: str, replayed: Callable[[Finalized], None]
    ) -> str | None:
        """Rebuild from the journal; what is wrong with it, or None."""
        self.replica = self._make_replica(self.replica.member.ballot.seat, stored.votes)
        self.exchange = Exchange(self.symbol, self.ops, self.replica.member.chain)
        for block, fc, items in stored.chain:
            execution = self.replica.replay(block, fc, items)
            if execution is None:
                return f"block {block.height} of {self.symbol} does not execute to what was certified"
            for item in items:
                self.replica.stored(item)
            final = Finalized(self.symbol, block, fc, tuple(items), execution.events)
            self._on_finalized(final)
            replayed(final)
        for item in stored.pending:
            self.replica.stored(item)
            if isinstance(item, Evidence):
                self.ops.add_evidence(item, now.timer_ms)
            else:
                self.ops.insert(item, now.timer_ms, solicited=True)
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
        effects.append(Send((peer,), self.replica.member.status(self.ops.digest()), Lane.SYNC))
        return effects

    def link_down(self, peer: PeerId) -> None:
        self.live.pop(peer, None)

    # -- ops ----------------------------------------------------------------------------------------

    def submit(self, op: Op, link: LinkId, now: Now) -> list[CoreEffect]:
        """Take an op from a client or from this program."""
        if op.chain_id != self.committee.chain_id or op.version > self._manifest.rules_version:
            reason = "later-rules" if op.chain_id == self.committee.chain_id else "wrong-network"
            return self._refuse(op, link, reason, now)
        if not self.verifier.good(op.check()):
            return self._refuse(op, link, "bad-signature", now)
        height = self.acks.height_of(op.id)
        if height is not None:
            return self._tell([(link, Ack(self.symbol, op.id, AckLevel.CERTIFIED, height, ""))])
        state = self.certified.author(op.author)
        if op.seq == state.next_seq and op.prev != state.head:
            return self._refuse(op, link, "wrong-prev", now)
        outcome, effects = self._insert(op, now, Came.HERE if link == LOCAL else Came.CLIENT, link)
        if outcome is Inserted.DUPLICATE:
            self.acks.track(op, link)
            repeated = self.acks.repeat(op.id, link)
            return self._tell(repeated) if repeated else self._note_held([op])
        if outcome not in (Inserted.ACCEPTED, Inserted.PARKED):
            return [*effects, *self._refuse(op, link, outcome.value, now)]
        return effects

    def judge(self, sender: LinkId, message: Any, now: Now) -> tuple[bool, list[CoreEffect]]:
        """Validate a gossiped message: whether to relay it, and what it led to."""
        match message:
            case Bodies(_, items) if len(items) == 1:
                return self._judge_item(items[0], sender, now)
            case FinalizedBlock() | CastVote() | GiveUp() | Propose():
                if is_spent(message, self.replica):
                    return False, []
                news = is_news(message, self.replica)
                fault = genuine_fault(message, self.committee, self.verifier) if news else None
                if fault is not None:
                    self.replica.member.faults[fault] += 1
                    return False, []
                return news, self.step(Message(sender, message), now)
            case _:
                self.counts["a message that does not belong on a topic"] += 1
                return False, []

    def _judge_item(self, item: Item, sender: LinkId, now: Now) -> tuple[bool, list[CoreEffect]]:
        fault = self._fault(item)
        if fault is not None:
            self.counts[fault] += 1
            return False, []
        if isinstance(item, Evidence):
            fresh = self.ops.add_evidence(item, now.timer_ms)
            if fresh:
                self._grew = True
                return True, [Persist(ItemRecord(self.symbol, item))]
            return False, []
        outcome, effects = self._insert(item, now, Came.GOSSIP, sender)
        if outcome not in (Inserted.ACCEPTED, Inserted.PARKED, Inserted.FORKED):
            self.counts[f"op {outcome.value}"] += 1
        return outcome in (Inserted.ACCEPTED, Inserted.PARKED, Inserted.FORKED), effects

    def take_bodies(self, sender: LinkId, message: Bodies, now: Now) -> list[CoreEffect]:
        """Bodies from one peer: asked for by id, or found missing by anti-entropy."""
        effects: list[CoreEffect] = []
        for item in message.items:
            fault = self._fault(item)
            if fault is not None:
                self.counts[fault] += 1
                continue
            solicited = self.replica.member.catch_up.got(item.id)
            if isinstance(item, Evidence):
                if self.ops.add_evidence(item, now.timer_ms):
                    self._grew = True
                    effects += [Persist(ItemRecord(self.symbol, item)), self._publication(item)]
                continue
            outcome, more = self._insert(item, now, Came.ASKED if solicited else Came.REPAIR, sender)
            effects += more
            if outcome in (Inserted.ACCEPTED, Inserted.PARKED, Inserted.FORKED):
                self._grew = True
                if not solicited:
                    effects.append(self._publication(item))
        return effects

    def _fault(self, item: Item) -> str | None:
        ops = (item.first, item.second) if isinstance(item, Evidence) else (item,)
        for op in ops:
            if op.chain_id != self.committee.chain_id or op.pair != self.symbol:
                return "an op of another network or pair"
            if op.version > self._manifest.rules_version:
                return "an op of later rules than this network's"
            if not self.verifier.good(op.check()):
                return "a forged op"
        return None

    def _insert(self, op: Op, now: Now, came: Came, link: LinkId) -> tuple[Inserted, list[CoreEffect]]:
        solicited = came in (Came.ASKED, Came.BLOCK)
        outcome, grown = self.ops.insert(op, now.timer_ms, solicited=solicited)
        self.arrivals.came(op, outcome, came, link, now.wall_ms)
        effects: list[CoreEffect] = []
        if outcome in (Inserted.ACCEPTED, Inserted.PARKED) and came in (Came.HERE, Came.CLIENT):
            self.acks.track(op, link)
            effects.append(self._publication(op))
        if outcome is Inserted.FORKED:
            log = self.ops.logs[op.author]
            assert log.evidence is not None
            effects += [Persist(ItemRecord(self.symbol, log.evidence)), self._publication(log.evidence)]
            self._grew = True
        if grown:
            self._grew = True
            for accepted in grown:
                self.replica.stored(accepted)
                self.arrivals.stored(accepted, now.wall_ms)
                effects.append(Persist(ItemRecord(self.symbol, accepted)))
            effects += self._note_held(grown)
        return outcome, effects

    def _note_held(self, ops: list[Op]) -> list[CoreEffect]:
        """Ops that are stored with all their ancestors: acks, and HELD to those who asked."""
        told: list[tuple[LinkId, Ack]] = []
        for op in ops:
            if not self.ops.in_main(op):
                continue
            acks, askers, ask = self.acks.held_here(op.id)
            told += acks
            for asker in askers:
                self._held.setdefault(asker, []).append(op.id)
            if ask:
                self._ask.append(op.id)
        return self._tell(told)

    def _refuse(self, op: Op, link: LinkId, reason: str, now: Now) -> list[CoreEffect]:
        if reason not in ("wrong-network", "bad-signature"):
            self.arrivals.refused(op, reason, now.wall_ms)
        self.counts[f"submit refused: {reason}"] += 1
        return self._tell([(link, Ack(self.symbol, op.id, AckLevel.REFUSED, 0, reason))])

    def _tell(self, acks: list[tuple[LinkId, Ack]]) -> list[CoreEffect]:
        return [Emit(ack) if link == LOCAL else Send((link,), ack, Lane.CONSENSUS) for link, ack in acks]

    def _publication(self, item: Item) -> CoreEffect:
        return Publish(self.symbol, item.id, Bodies(self.symbol, (item,)))

    # -- other messages -----------------------------------------------------------------------------

    def receive(self, sender: LinkId, message: Any, now: Now) -> list[CoreEffect]:
        """A message of this pair from a peer link."""
        match message:
            case Fetch():
                return self.exchange.serve(sender, message.ids)
            case Bodies():
                return self.take_bodies(sender, message, now)
            case AskHeld():
                return self._on_ask_held(sender, message)
            case Held():
                return self._on_held(sender, message, now)
            case Frontier():
                return self.exchange.on_frontier(sender, message)
            case FinalizedBlock():
                return self._take_chain_bodies(sender, message, now) + self.step(Message(sender, message), now)
            case Status():
                self.live[sender] = message.voting
                effects = self.step(Message(sender, message), now)
                return effects + self.exchange.compare(sender, message)
            case _:
                return self.step(Message(sender, message), now)

    def _take_chain_bodies(self, sender: LinkId, message: FinalizedBlock, now: Now) -> list[CoreEffect]:
        """Bodies that came along with a finalized block: needed, not gossip."""
        effects: list[CoreEffect] = []
        if message.fc.height <= self.replica.fin or finality_fault(message, self.committee, self.verifier):
            return effects
        named = set(decode_block(message.block).op_ids)
        for item in message.items:
            if item.id not in named or self._fault(item) is not None:
                continue
            if isinstance(item, Evidence):
                self.ops.add_evidence(item, now.timer_ms)
            else:
                effects += self._insert(item, now, Came.BLOCK, sender)[1]
        return effects

    def _on_ask_held(self, sender: LinkId, message: AskHeld) -> list[CoreEffect]:
        for op_id in message.ids:
            op = self.ops.bodies.get(op_id)
            if self.acks.height_of(op_id) is not None or (op is not None and self.ops.in_main(op)):
                self._held.setdefault(sender, []).append(op_id)
            else:
                self.acks.asked(op_id, sender)
        return []

    def _on_held(self, sender: LinkId, message: Held, now: Now) -> list[CoreEffect]:
        seat = self.committee.seat_of_peer(sender)
        if seat is None:
            return []
        for op_id in message.ids:
            self.arrivals.held(op_id, seat, now.wall_ms)
        return self._tell([told for op_id in message.ids for told in self.acks.held_there(op_id, seat)])

    # -- turns --------------------------------------------------------------------------------------

    def flush(self, now: Now) -> list[CoreEffect]:
        """End of a turn: what was gathered in it goes out in one piece."""
        if not (self._grew or self._held or self._ask):
            return []
        effects: list[CoreEffect] = []
        if self._grew:
            self._grew = False
            effects += self.step(PoolGrew(), now)
        for link, ids in self._held.items():
            for start in range(0, len(ids), FETCH_IDS_CAP):
                effects.append(Send((link,), Held(self.symbol, tuple(ids[start : start + FETCH_IDS_CAP])), Lane.OPS))
        self._held = {}
        members = tuple(peer for peer in self.replica.member.peers if peer in self.live)
        for start in range(0, len(self._ask) if members else 0, FETCH_IDS_CAP):
            effects.append(
                Send(members, AskHeld(self.symbol, tuple(self._ask[start : start + FETCH_IDS_CAP])), Lane.OPS)
            )
        self._ask = []
        return effects

    def heartbeat(self, peers: tuple[PeerId, ...]) -> list[CoreEffect]:
        """Say where this replica is to its neighbours on the topic."""
        self.exchange.heartbeat()
        self._ask += self.acks.unrelayed(FETCH_IDS_CAP)
        return [Send(peers, self.replica.member.status(self.ops.digest()), Lane.DIGESTS)] if peers else []

    def step(self, event: Event, now: Now) -> list[CoreEffect]:
        """Run the consensus core and see to what its effects mean to this pair."""
        effects = self.replica.handle(event, now)
        more: list[CoreEffect] = []
        for effect in effects:
            if isinstance(effect, Emit) and isinstance(effect.event, Finalized):
                self.arrivals.final(effect.event.block.height, now.wall_ms)
                more += self._on_finalized(effect.event)
            elif isinstance(effect, Emit) and isinstance(effect.event, Dropped):
                more += self._tell([told for op in effect.event.ops for told in self.acks.barred(op.id)])
            elif isinstance(effect, Send) and isinstance(effect.message, CastVote | GiveUp | Propose):
                if any(peer not in self.live for peer in effect.to):
                    more.append(self._relay_on_topic(effect))
            elif isinstance(effect, Persist) and isinstance(effect.record, ItemRecord):
                item = effect.record.item
                if isinstance(item, Op):
                    more += self._note_held([item])
        return effects + more

    def _relay_on_topic(self, effect: Send) -> CoreEffect:
        """A vote for a member to whom there is no live link goes by the topic."""
        gossip_id = message_id(effect.message)
        assert gossip_id is not None
        return Publish(self.symbol, gossip_id, effect.message)

    def _on_finalized(self, final: Finalized) -> list[CoreEffect]:
        told: list[tuple[LinkId, Ack]] = []
        for item in final.items:
            self.exchange.remember(item)
            if isinstance(item, Op):
                self.ops_certified += 1
                self.head_heights[item.author] = final.block.height
                self.commands_certified += len(item.commands)
                acks, askers = self.acks.certified(item.id, final.block.height)
                told += acks
                for asker in askers:
                    self._held.setdefault(asker, []).append(item.id)
        self.orders.follow(final.events)
        self.fills_certified += sum(1 for event in final.events if event[0] == FILL)
        return self._tell(told)

    # -- questions ----------------------------------------------------------------------------------

    def view(self, levels: int) -> BookView:
        """The book as a client sees it, at ``levels`` price levels a side."""
        with self.replica.certified_view() as certified:
            return view_book(self.symbol, self.replica.fin, certified, self.ops, levels)

    def state(self) -> tuple[str, list[str]]:
        """``certifying``, ``no-quorum``, ``syncing``, ``faulty`` or ``frozen``, and the names of the absent seats.

        Absent is who is not linked, or says that it does not vote, this peer's own seat included.
        """
        absent = [
            seat.name
            for number, seat in enumerate(self.committee.seats)
            if not (self._votes_here if number == self.acks.seat else self.live.get(seat.peer_id, False))
        ]
        if self.replica.member.halted:
            return self.replica.member.halted, absent
        if self.committee.quorum.n - len(absent) < self.committee.quorum.q:
            return "no-quorum", absent
        if self.replica.member.catch_up.target() > self.replica.fin + 1:
            return "syncing", absent
        return "certifying", absent

    @property
    def _votes_here(self) -> bool:
        return self.replica.member.ballot.seat is not None
