"""One pair's acks on their way: to those who submitted, and between the peers that hold an op."""

from gossipbook.client_messages import Ack
from gossipbook.consensus.committee import Committee
from gossipbook.consensus.messages import FETCH_IDS_CAP
from gossipbook.crdt.messages import AskHeld, Held
from gossipbook.crdt.op import Op
from gossipbook.crdt.op_set import OpSet
from gossipbook.effects import CoreEffect, Emit, Lane, LinkId, Send, SetTimer
from gossipbook.ids import OpId, PeerId
from gossipbook.ordered import BoundedDict
from gossipbook.peer.acks import Acks
from gossipbook.peer.arrivals import Arrivals
from gossipbook.peer.events import LOCAL, AskTimer

ASK_AFTER_MS = 100
"""An op is asked about when it was not certified in the time that this takes as a rule."""
UNPLACED_CAP = 4_096
"""Ops of newcomers that wait to be acked until the author table has a place; the others are acked once certified."""


class AckExchange:
    """Tells submitters of each level that their op reaches, and sends a turn's HELD and ASK-HELD in few messages."""

    def __init__(self, committee: Committee, seat: int | None, ops: OpSet, arrivals: Arrivals) -> None:
        self.acks = Acks(committee, seat)
        self._committee = committee
        self._ops = ops
        self._arrivals = arrivals
        self._ask: list[OpId] = []
        self._unplaced: BoundedDict[OpId, None] = BoundedDict(UNPLACED_CAP)
        self._timer_on = False
        self._held: dict[LinkId, list[OpId]] = {}

    def tell(self, acks: list[tuple[LinkId, Ack]]) -> list[CoreEffect]:
        """Acks as effects: this program's own subscribers hear of them as events."""
        return [Emit(ack) if link == LOCAL else Send((link,), ack, Lane.CONSENSUS) for link, ack in acks]

    def stored(self, ops: list[Op]) -> list[CoreEffect]:
        """Ops are stored with all their ancestors: acks, and HELD to those who asked.

        Not of those for whose author there may be no place: no block may ever take them. They are once there is one.
        """
        told: list[tuple[LinkId, Ack]] = []
        for op in ops:
            if not self._ops.in_main(op):
                continue
            if not self._ops.has_place_for(op.author):
                self._unplaced[op.id] = None
                continue
            acks, askers, ask = self.acks.held_here(op.id)
            told += acks
            self._answer(askers, op.id)
            if ask:
                self._ask.append(op.id)
        return self.tell(told)

    def certified(self, op: Op, height: int) -> list[CoreEffect]:
        """An op is in a finalized block."""
        acks, askers = self.acks.certified(op.id, height)
        self._answer(askers, op.id)
        return self.tell(acks)

    def barred(self, ops: tuple[Op, ...], reason: str) -> list[CoreEffect]:
        """Ops that will never be certified."""
        return self.tell([told for op in ops for told in self.acks.barred(op.id, reason)])

    def on_ask_held(self, sender: LinkId, message: AskHeld) -> list[CoreEffect]:
        """A peer asks whether ops are held here; it is told now or when they are."""
        for op_id in message.ids[:FETCH_IDS_CAP]:
            op = self._ops.bodies.get(op_id)
            if self.acks.height_of(op_id) is not None or (op is not None and self._is_kept(op)):
                self._answer([sender], op_id)
            else:
                self.acks.asked(op_id, sender)
        return []

    def on_held(self, sender: LinkId, message: Held, wall_ms: int) -> list[CoreEffect]:
        """A peer says that it holds ops; only a committee member's word counts."""
        seat = self._committee.seat_of_peer(sender)
        if seat is None:
            return []
        ids = message.ids[:FETCH_IDS_CAP]
        for op_id in ids:
            self._arrivals.held(op_id, seat, wall_ms)
        return self.tell([told for op_id in ids for told in self.acks.held_there(op_id, seat)])

    def heartbeat(self) -> list[CoreEffect]:
        """Ask again about ops that too few members are known to hold, and that are here still; ack what has a place."""
        self._ask += [op_id for op_id in self.acks.unrelayed(FETCH_IDS_CAP) if op_id in self._ops.bodies]

        held = [(op_id, self._ops.bodies.get(op_id)) for op_id in self._unplaced]
        placed = [op for _, op in held if op is not None and self._is_kept(op)]
        for op_id in [*(op.id for op in placed), *(op_id for op_id, op in held if op is None)]:
            self._unplaced.pop(op_id)
        return self.stored(placed)

    def _is_kept(self, op: Op) -> bool:
        """Whether an op is stored with all its ancestors, and its author has a place."""
        return self._ops.in_main(op) and self._ops.has_place_for(op.author)

    def flush(self) -> list[CoreEffect]:
        """The HELD of this turn, and a timer to ask others what they hold."""
        symbol = self._committee.symbol
        effects: list[CoreEffect] = [
            Send((link,), Held(symbol, page), Lane.OPS) for link, ids in self._held.items() for page in _pages(ids)
        ]
        self._held = {}
        if self._ask and not self._timer_on:
            self._timer_on = True
            effects.append(SetTimer(ASK_AFTER_MS, AskTimer(symbol)))
        return effects

    def ask(self, members: tuple[PeerId, ...]) -> list[CoreEffect]:
        """The ASK-HELD about ops that are not certified meanwhile; ``members`` are the linked ones."""
        self._timer_on = False
        ids = [op_id for op_id in dict.fromkeys(self._ask) if self.acks.is_unrelayed(op_id)]
        self._ask = []
        return (
            [Send(members, AskHeld(self._committee.symbol, page), Lane.OPS) for page in _pages(ids)] if members else []
        )

    def _answer(self, askers: list[LinkId], op_id: OpId) -> None:
        for asker in askers:
            self._held.setdefault(asker, []).append(op_id)


def _pages(ids: list[OpId]) -> list[tuple[OpId, ...]]:
    return [tuple(ids[start : start + FETCH_IDS_CAP]) for start in range(0, len(ids), FETCH_IDS_CAP)]
