"""What became of an op: refused before it was signed, unknown so far, or certified with what it did."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from gossipbook.crdt.op import Op
from gossipbook.errors import NotKnown, SubmitRefused
from gossipbook.ids import BlockId, OpId, PublicKey
from gossipbook.matching.commands import (
    KINDS,
    PLACE_KINDS,
    AdmitToGroup,
    Amend,
    AnyPlace,
    Cancel,
    CancelAll,
    Command,
    JoinGroup,
    Lease,
    SetState,
)
from gossipbook.matching.events import (
    Amended,
    CancelCause,
    Cancelled,
    Event,
    Fill,
    Grouped,
    Leased,
    LeaseEnded,
    PairStateSet,
    Rejected,
    RejectReason,
    Uncrossed,
)


class ProofKind(Enum):
    """Why a program may believe that an op is certified."""

    OWN_PEER = "own-peer"
    """The program's own peer says so."""
    CERTIFICATE = "certificate"
    """A quorum's certificate of the block was checked, and all its events against the digest that it covers."""


@dataclass(frozen=True, slots=True)
class Certified:
    """An op is in a finalized block, and this is what its commands did there.

    ``events`` are those of the block that belong to the op's commands, in the order in which they happened. What a
    later block does to a resting order is not among them: ask for the order. ``time_ms`` is the block's time.
    """

    pair: str
    op_id: OpId
    height: int
    block_id: BlockId
    time_ms: int
    events: tuple[Event, ...]
    proof: ProofKind

    @property
    def rejections(self) -> tuple[Rejected, ...]:
        """The op's commands that the book refused; each changed nothing."""
        return tuple(event for event in self.events if isinstance(event, Rejected))

    @property
    def rejected(self) -> str:
        """Why the book refused the first command that it refused, such as ``unknown-order``; empty if it took all."""
        return next((RejectReason(event.reason).word for event in self.rejections), "")

    @property
    def fills(self) -> tuple[Fill, ...]:
        """The trades that the op's commands led to at once."""
        return tuple(event for event in self.events if isinstance(event, Fill))

    @property
    def filled_lots(self) -> int:
        """Lots that traded at once."""
        return sum(fill.qty_lots for fill in self.fills)

    @property
    def cancelled_lots(self) -> int:
        """Lots that left the book unfilled."""
        return sum(event.qty_lots for event in self.events if isinstance(event, Cancelled))


class NotSigned(SubmitRefused):
    """Nothing was signed and nothing has changed; ``reason`` is a fixed word, the text says what to do."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason)
        self.text = text

    def __str__(self) -> str:
        return self.text


class NothingToSign(SubmitRefused):
    """The caller gave no commands when it was asked for them, so that nothing was signed."""

    def __init__(self) -> None:
        super().__init__("nothing-to-sign")


class OutcomeUnknown(NotKnown):
    """An op was signed, and is not known to be certified yet. It is sent until it is; never sign it again.

    ``op_id`` and ``client_id`` (0 if it places no order) are what to ask by; ``trouble`` is why it takes so long, if
    that is known.
    """

    def __init__(self, op: Op, trouble: str) -> None:
        self.op_id = op.id
        self.client_id = next((c.client_id for c in op.commands if isinstance(c, AnyPlace)), 0)
        self.trouble = trouble
        asked_by = f"order {self.client_id}" if self.client_id else f"op {op.id.hex()[:16]}…"
        super().__init__(
            f"{asked_by} in {op.pair} is signed and not certified yet ({trouble}). It goes on being sent while this "
            "program runs, and again by the next one that opens the wallet. Ask for it; do not place it again."
        )


def own_events(op: Op, events: tuple[Event, ...], together: Sequence[Op] = ()) -> tuple[Event, ...]:
    """The events of a block that an op's commands led to, or that its orders had there."""
    return OwnEvents(op.author, events, together).of(op)


class OwnEvents:
    """One author's events in one block, by order, so that many ops of the author find theirs at little cost.

    ``together`` are the author's ops in the block, in order. Events name an order and no op: of several cancels, or
    amends, of one order the first answer is the first one's.
    """

    def __init__(self, author: PublicKey, events: Sequence[Event], together: Sequence[Op] = ()) -> None:
        self._author = author
        self._events = events
        self._by_order: dict[int, list[int]] = {}
        self._unnamed: list[int] = []  # of no order, or of a cancel of all
        self._answers: dict[tuple[int, int], list[int]] = {}
        self._askers: dict[tuple[int, int], list[OpId]] = {}
        for place, event in enumerate(events):
            orders = _orders(event, author)
            for client_id in orders:
                self._by_order.setdefault(client_id, []).append(place)
            if orders is _NONE or (isinstance(event, Cancelled) and event.cause == CancelCause.CANCEL_ALL):
                self._unnamed.append(place)
            answered = _answers(event, author)
            if answered is not None:
                self._answers.setdefault(answered, []).append(place)
        for each in together:
            for command in each.commands:
                if isinstance(command, Cancel | Amend):
                    asked = (KINDS[type(command)], command.client_id)
                    self._askers.setdefault(asked, []).append(each.id)

    def of(self, op: Op) -> tuple[Event, ...]:
        """The events that an op's commands led to, or that its orders had."""
        named: dict[int, list[Command]] = {}
        for command in op.commands:
            named.setdefault(_order_of(command), []).append(command)
        others = self._answers_to_others(op)
        found: set[int] = set()
        for client_id, commands in named.items():
            places = self._by_order.get(client_id, []) + (self._unnamed if not client_id else [])
            for place in places:
                if place not in others and any(_belongs(self._events[place], op.author, each) for each in commands):
                    found.add(place)
        return tuple(self._events[place] for place in sorted(found))

    def _answers_to_others(self, op: Op) -> set[int]:
        """Where the events are that answer equal commands of the author's other ops."""
        others: set[int] = set()
        for command in {c for c in op.commands if isinstance(c, Cancel | Amend)}:
            asked = (KINDS[type(command)], command.client_id)
            askers, places = self._askers.get(asked, []), self._answers.get(asked, [])
            if len(places) == len(askers):  # Else an op of the author is not known here.
                others |= {place for place, asker in zip(places, askers, strict=True) if asker != op.id}
        return others


_NONE: tuple[int, ...] = ()


def _orders(event: Event, author: PublicKey) -> tuple[int, ...]:
    """The orders of an author that an event names: 0 for a command that names none; none if it is about no order."""
    if isinstance(event, Fill):
        sides = ((event.maker, event.maker_client_id), (event.taker, event.taker_client_id))
        named = tuple(client_id for who, client_id in sides if who == author)
        return named or (-1,)  # somebody else's
    if isinstance(event, PairStateSet | Uncrossed | Grouped | Leased | LeaseEnded):
        return _NONE
    return (int(getattr(event, "client_id", 0)),) if event.author == author else (-1,)


def _order_of(command: Command) -> int:
    return int(getattr(command, "client_id", 0))


def _answers(event: Event, author: PublicKey) -> tuple[int, int] | None:
    """The kind of command of an author, and the order, to which an event is the book's answer."""
    if getattr(event, "author", None) != author:
        return None
    match event:
        case Rejected():
            return event.command, event.client_id
        case Amended():
            return KINDS[Amend], event.client_id
        case Cancelled() if event.cause == CancelCause.AMENDED_AWAY:
            return KINDS[Amend], event.client_id
        case Cancelled() if event.cause == CancelCause.REQUESTED:
            return KINDS[Cancel], event.client_id
        case _:
            return None


def _belongs(event: Event, author: PublicKey, command: Command) -> bool:
    match event:
        case Rejected():
            named = getattr(command, "client_id", 0)
            kinds = PLACE_KINDS if isinstance(command, AnyPlace) else (KINDS[type(command)],)
            return event.author == author and event.client_id == named and event.command in kinds
        case Fill():
            orders = ((event.maker, event.maker_client_id), (event.taker, event.taker_client_id))
            return isinstance(command, AnyPlace | Amend) and (author, command.client_id) in orders
        case PairStateSet() | Uncrossed():
            return isinstance(command, SetState)
        case Grouped():
            return isinstance(command, JoinGroup | AdmitToGroup) and author in (event.member, event.owner)
        case Leased() | LeaseEnded():
            return isinstance(command, Lease) and event.author == author
        case Cancelled() if isinstance(command, CancelAll):
            return event.author == author and event.cause == CancelCause.CANCEL_ALL
        case _:
            named_by = isinstance(command, AnyPlace | Amend | Cancel) and command.client_id
            return bool(named_by) and (event.author, getattr(event, "client_id", 0)) == (author, named_by)
