"""How ops get into a pair: from clients, by gossip, asked for by id, with a finalized block, out of the journal."""

from gossipbook.client_messages import Ack, AckLevel
from gossipbook.consensus.block import decode_block
from gossipbook.consensus.genuine import Culprit, flaw_of, item_flaw
from gossipbook.consensus.messages import Bodies, FinalizedBlock
from gossipbook.consensus.records import ItemRecord
from gossipbook.consensus.replica import Replica
from gossipbook.crdt.inserted import Inserted
from gossipbook.crdt.interpretation import Item
from gossipbook.crdt.op import Evidence, Op
from gossipbook.effects import Blame, CoreEffect, LinkId, Now, Persist, Publish
from gossipbook.identity import SignatureCheck
from gossipbook.ids import PublicKey
from gossipbook.peer.ack_exchange import AckExchange
from gossipbook.peer.allowance import Allowance
from gossipbook.peer.arrivals import Arrivals, Came
from gossipbook.peer.events import LOCAL
from gossipbook.refusals import Scope

_TAKEN = (Inserted.ACCEPTED, Inserted.PARKED, Inserted.FORKED)


class OpIntake:
    """Judges ops, puts them into the op set, and says what that leads to."""

    def __init__(self, replica: Replica, acks: AckExchange, arrivals: Arrivals, allowance: Allowance) -> None:
        self._replica = replica
        self._member = replica.member
        self._ops = replica.member.ops
        self._acks = acks
        self._arrivals = arrivals
        self._allowance = allowance
        self._grew = False

    def has_grown(self) -> bool:
        """Whether ops were added since this was last asked."""
        grew, self._grew = self._grew, False
        return grew

    def restore(self, items: list[Item], now: Now) -> None:
        """Take what was stored, and is in no final block."""
        for item in items:
            self._replica.stored(item)
            if isinstance(item, Evidence):
                self._ops.add_evidence(item, now.timer_ms, solicited=True)
            else:
                self._ops.insert(item, now.timer_ms, solicited=True)

    def submit(self, op: Op, link: LinkId, now: Now) -> list[CoreEffect]:
        """Take an op from a client or from this program."""
        committee, symbol = self._member.committee, self._member.committee.symbol
        if op.chain_id != committee.chain_id or op.version > self._member.manifest.rules_version:
            reason = "later-rules" if op.chain_id == committee.chain_id else "wrong-network"
            return self._refuse(op, link, reason, now)
        if not self._member.verifier.good(op.check()):
            return self._refuse(op, link, "bad-signature", now)
        height = self._acks.acks.height_of(op.id)
        if height is not None:
            return self._acks.tell([(link, Ack(symbol, op.id, AckLevel.CERTIFIED, height, ""))])
        state = self._member.certified.author(op.author)
        if op.seq == state.next_seq and op.prev != state.head:
            return self._refuse(op, link, "wrong-prev", now)
        outcome, effects = self._insert(op, now, Came.HERE if link == LOCAL else Came.CLIENT, link)
        if outcome is Inserted.DUPLICATE:
            self._acks.acks.track(op, link)
            repeated = self._acks.acks.repeat(op.id, link)
            return self._acks.tell(repeated) if repeated else self._acks.stored([op])
        if outcome not in (Inserted.ACCEPTED, Inserted.PARKED):
            return [*effects, *self._refuse(op, link, outcome.value, now)]
        return effects

    def judge(self, item: Item, sender: LinkId, now: Now) -> tuple[bool, list[CoreEffect]]:
        """Take a gossiped item: whether to relay it, and what it led to."""
        item = self._by_rules(item)
        blame = self._fault(item, sender)
        if blame is not None:
            return False, blame
        if isinstance(item, Evidence) and self._member.certified.takes_evidence(item):
            fresh = self._add_evidence(item, now)
            return fresh, [Persist(ItemRecord(self._member.committee.symbol, item))] if fresh else []
        relay, effects = False, []
        for op in _ops_of(item):
            outcome, more = self._insert(op, now, Came.GOSSIP, sender)
            effects += more
            if outcome not in _TAKEN:
                self._member.refusals.count(Scope.OP, outcome.value)
            relay = relay or self._is_news(op, outcome)
        return relay, effects

    def take_bodies(self, message: Bodies, sender: LinkId, now: Now) -> list[CoreEffect]:
        """Bodies from one peer: asked for by id, or found missing by anti-entropy."""
        effects: list[CoreEffect] = []
        for item in map(self._by_rules, message.items):
            blame = self._fault(item, sender)
            if blame is not None:
                effects += [one for one in blame if one not in effects]  # One message is one fault.
                continue
            solicited = self._member.catch_up.got(item, self._ops.bodies)
            if isinstance(item, Evidence) and (solicited or self._member.certified.takes_evidence(item)):
                if self._add_evidence(item, now, solicited=solicited):
                    effects += [Persist(ItemRecord(self._member.committee.symbol, item)), self._publication(item)]
                continue
            is_accepted = False
            for op in _ops_of(item):
                outcome, more = self._insert(op, now, Came.ASKED if solicited else Came.REPAIR, sender)
                effects += more
                self._grew = self._grew or outcome in _TAKEN
                is_accepted = is_accepted or outcome is Inserted.ACCEPTED
            if is_accepted and not solicited:  # A fork is not passed on: all would tell all for ever.
                effects.append(self._publication(item))
        return effects

    def take_block_bodies(self, message: FinalizedBlock, sender: LinkId, now: Now) -> list[CoreEffect]:
        """Bodies that came along with a finalized block: needed, not gossip."""
        effects: list[CoreEffect] = []
        member = self._member
        if not message.items or message.fc.height <= member.fin:
            return effects
        if flaw_of(message, member.committee, member.verifier) is not None:
            return effects  # The member itself is about to say so.
        named = set(decode_block(message.block).op_ids)
        self._ops.pin_also(named)
        for item in map(self._by_rules, message.items):
            rules = member.manifest.rules_version
            if item.id not in named or item_flaw(item, member.committee, rules, member.verifier) is not None:
                continue
            if isinstance(item, Evidence):
                self._ops.add_evidence(item, now.timer_ms, solicited=True)
            else:
                effects += self._insert(item, now, Came.BLOCK, sender)[1]
        return effects

    def signature_checks(self, items: tuple[Item, ...]) -> list[SignatureCheck]:
        """The signatures that taking items would verify: those of ops that are not here yet, and all of evidence."""
        checks: list[SignatureCheck] = []
        for item in items:
            if isinstance(item, Evidence):
                checks += item.checks()
            elif item.id not in self._ops.bodies:
                checks.append(item.check())
        return checks

    def _add_evidence(self, evidence: Evidence, now: Now, *, solicited: bool = False) -> bool:
        fresh = self._ops.add_evidence(evidence, now.timer_ms, solicited=solicited)
        self._grew = self._grew or fresh
        return fresh

    def _by_rules(self, item: Item) -> Item:
        """An item under the id that this network's rules give it."""
        return item.by_rules(self._member.manifest.rules_version) if isinstance(item, Evidence) else item

    def _fault(self, item: Item, sender: LinkId) -> list[CoreEffect] | None:
        """What follows from an item that is not genuine; None if it is."""
        member = self._member
        flaw = item_flaw(item, member.committee, member.manifest.rules_version, member.verifier)
        if flaw is None:
            return None
        if flaw.culprit is Culprit.SENDER:
            return [Blame(sender, flaw.value)]
        member.refusals.count(Scope.MESSAGE, flaw.value)
        return []

    def _insert(self, op: Op, now: Now, came: Came, link: LinkId) -> tuple[Inserted, list[CoreEffect]]:
        symbol = self._member.committee.symbol
        solicited = came in (Came.ASKED, Came.BLOCK)
        self._ops.wall_ms = now.wall_ms
        is_new = self._is_newcomer(op.author) and not solicited and self._ops.refusal(op) is None
        if is_new and not self._allowance.take_newcomer(link, now):
            return Inserted.TOO_FAST, []
        outcome, grown = self._ops.insert(op, now.timer_ms, solicited=solicited, link=link)
        self._arrivals.came(op, outcome, came, link, now.wall_ms)
        effects: list[CoreEffect] = []
        if outcome in (Inserted.ACCEPTED, Inserted.PARKED) and came in (Came.HERE, Came.CLIENT):
            self._acks.acks.track(op, link)
        if outcome is Inserted.ACCEPTED and came in (Came.HERE, Came.CLIENT):
            effects.append(self._publication(op))
        if outcome is Inserted.FORKED:
            log = self._ops.logs.get(op.author)
            if log is not None and log.evidence is not None:
                effects += [Persist(ItemRecord(symbol, log.evidence)), self._publication(log.evidence)]
            elif came in (Came.HERE, Came.CLIENT) and self._is_news(op, outcome):
                effects.append(self._publication(op))
            self._grew = True
        return outcome, effects + self._joined(grown, [waited for waited in grown if waited is not op])

    def joined(self) -> list[CoreEffect]:
        """Store and tell what joined main chains because something else went."""
        ops = self._ops.take_joined()
        return self._joined(ops, ops)

    def _joined(self, ops: list[Op], waited: list[Op]) -> list[CoreEffect]:
        """Ops are in main chains; those which waited for that were not passed on before."""
        effects: list[CoreEffect] = []
        for op in ops:
            self._grew = True
            self._replica.stored(op)
            self._arrivals.stored(op, self._ops.wall_ms)
            effects.append(Persist(ItemRecord(self._member.committee.symbol, op)))
        effects += [self._publication(op) for op in waited]
        return effects + self._acks.stored(ops) if ops else effects

    def _is_news(self, op: Op, outcome: Inserted) -> bool:
        """Whether others should have an op that was taken; one beyond a gap may be anybody's junk."""
        return outcome is Inserted.ACCEPTED or (outcome is Inserted.FORKED and op.id in self._ops.bodies)

    def _is_newcomer(self, author: PublicKey) -> bool:
        return self._member.certified.needs_place(author) and author not in self._ops.logs

    def _refuse(self, op: Op, link: LinkId, reason: str, now: Now) -> list[CoreEffect]:
        if reason not in ("wrong-network", "bad-signature"):
            self._arrivals.refused(op, reason, now.wall_ms)
        self._member.refusals.count(Scope.SUBMISSION, reason)
        return self._acks.tell([(link, Ack(self._member.committee.symbol, op.id, AckLevel.REFUSED, 0, reason))])

    def _publication(self, item: Item) -> CoreEffect:
        symbol = self._member.committee.symbol
        return Publish(symbol, item.id, Bodies(symbol, (item,)))


def _ops_of(item: Item) -> tuple[Op, ...]:
    """An item's ops: evidence against one who is in no table is no more than that two ops came."""
    return (item.first, item.second) if isinstance(item, Evidence) else (item,)
