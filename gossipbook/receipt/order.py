"""Follows one order through ops and events: which of them are its own, and their sums."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from gossipbook.crdt.op import Op
from gossipbook.errors import VerifyError
from gossipbook.ids import PublicKey
from gossipbook.matching import events as e
from gossipbook.matching.commands import AMEND, CANCEL, Amend, Cancel, Command, Side
from gossipbook.matching.events import RawEvent

_KEYS = frozenset({"author", "maker", "taker", "warden", "member", "owner"})
_SIDES = frozenset({"side", "taker_side"})
KNOWN_KINDS = frozenset(e.EVENT_TYPES)
_OF_NO_ORDER = frozenset({e.FROZEN, e.PAIR_STATE, e.UNCROSSED, e.LEASED, e.LEASE_ENDED, e.GROUPED, e.LEFT})


def entering(op: Op, client_id: int) -> Command | None:
    """The command of an op that enters an order."""
    for command in op.commands:
        if getattr(command, "client_id", None) == client_id and not isinstance(command, Cancel | Amend):
            return command
    return None


def named_orders(event: RawEvent) -> list[tuple[PublicKey, int]]:
    """The orders that an event names: where it names any, an author's key stands right before the client id."""
    if event[0] in _OF_NO_ORDER:
        return []
    pairs = pairwise(event)
    return [(key, number) for key, number in pairs if type(key) is bytes and type(number) is int]


def concerns(event: RawEvent, author: PublicKey, client_id: int) -> bool:
    """Whether an event names an order."""
    return author in event and (author, client_id) in named_orders(event)


def entry(events: Iterable[RawEvent], author: PublicKey, client_id: int) -> RawEvent | None:
    """Of some events the one that answers an op which enters an order, under an id that was not used before.

    The second time for one order, it is another: its author has left the pair's table, and begun another life.
    """
    for event in events:
        if event[2:4] != (author, client_id):
            continue
        if event[0] in (e.ACCEPTED, e.STOP_ACCEPTED) or (event[0] == e.REJECTED and _answers_entry(event)):
            return event
    return None


def answered_seq(event: RawEvent) -> int | None:
    """The sequence number of the op that an event of :func:`entry` answers; None where events do not tell."""
    named: Any = e.name_event(event)
    seq: int | None = named.seq
    return seq


def _answers_entry(rejected: RawEvent) -> bool:
    """Whether what was refused is an order, and not for an id used before: that says nothing of who used it."""
    return rejected[4] not in (CANCEL, AMEND) and rejected[5] != e.RejectReason.ID_REUSED


def kind_name(event: RawEvent) -> str:
    """The kind of an event in a word, for people."""
    named = e.EVENT_TYPES.get(event[0])
    return f"event-{event[0]}" if named is None else named.__name__.lower()


@dataclass(slots=True)
class Life:
    """What an order's events come to, in ticks and lots: total = filled + open + cancelled.

    ``status``: waiting (a stop order), open, filled, cancelled, expired or rejected; empty before the first event.
    ``known``: no event was of a kind that this version does not know, so that the sums are to be relied on.
    ``told``: events tell their order's past, as from rules version 3 on, and none is missing between those taken.
    ``last_event``: the number of the last one that changed the order. ``op_seq``: the sequence number of its op.
    """

    op_seq: int
    status: str = ""
    reason: str = ""
    side: int = 0
    price_ticks: int = 0
    total_lots: int = 0
    open_lots: int = 0
    filled_lots: int = 0
    cancelled_lots: int = 0
    known: bool = True
    told: bool = True
    last_event: int = 0

    @property
    def accounted(self) -> bool:
        """Whether all of the order's quantity is accounted for, so that no event of it can be missing.

        Events of earlier rules do not tell: an amend that raised the quantity may be left out, with what filled then.
        """
        return self.known and bool(self.status) and not self.open_lots and (self.told or self.status == "rejected")

    def follow(self, events: Iterable[RawEvent], author: PublicKey, client_id: int) -> None:
        """Take the order's events in order.

        Raises:
            VerifyError: one of them cannot follow those before it.
        """
        for raw in events:
            if raw[0] not in KNOWN_KINDS:
                self.known = False
                continue
            event = _named(raw)
            if self.known:
                self._take(event, (author, client_id))

    def _take(self, event: Any, order: tuple[PublicKey, int]) -> None:
        if not isinstance(event, e.Rejected):
            self._hold_to_past(event, order)
            self.last_event = event.number
        match event:
            case e.Accepted():
                self._expect(not self.status and self._answers_op(event), event)
                self.status, self.side = "open", event.side
                self.price_ticks, self.total_lots, self.open_lots = event.price_ticks, event.qty_lots, event.qty_lots
            case e.StopAccepted():
                self._expect(not self.status and self._answers_op(event), event)
                self.status, self.side = "waiting", event.side
                self.price_ticks, self.total_lots, self.open_lots = event.price_ticks, event.qty_lots, event.qty_lots
            case e.Triggered():
                self._expect(self.status == "waiting" and event.qty_lots == self.open_lots, event)
                self.status = "open"
            case e.Sliced():
                self._expect(event.shown_lots > 0 and event.shown_lots + event.hidden_lots == self.open_lots, event)
            case e.Rejected():
                if _answers_entry((e.REJECTED, *event)):
                    self._expect(not self.status and self._answers_op(event), event)
                    self.status, self.reason = "rejected", reason_word(e.RejectReason, event.reason)
            case e.Fill():
                self._expect(0 < event.qty_lots <= self.open_lots, event)
                self._expect(((event.maker, event.maker_client_id) == order) == (event.taker_side != self.side), event)
                self.filled_lots += event.qty_lots
                self._lower(event.qty_lots, "filled", "")
            case e.Cancelled():
                self._expect(event.qty_lots + event.open_lots == self.open_lots > 0, event)
                self.cancelled_lots += event.qty_lots
                self._lower(event.qty_lots, "cancelled", reason_word(e.CancelCause, event.cause))
            case e.Expired():
                self._expect(event.qty_lots == self.open_lots > 0, event)
                self.cancelled_lots += event.qty_lots
                self._lower(event.qty_lots, "expired", "gtd")
            case e.Amended():
                gone = self.total_lots - self.open_lots
                self._expect(self.open_lots > 0 and event.qty_lots - event.open_lots == gone, event)
                self.price_ticks, self.total_lots, self.open_lots = event.price_ticks, event.qty_lots, event.open_lots

    def _answers_op(self, event: Any) -> bool:
        """Whether an event that enters the order, or refuses it, is about its own op, as far as events tell."""
        return event.seq in (None, self.op_seq)

    def _hold_to_past(self, event: Any, order: tuple[PublicKey, int]) -> None:
        """Hold what an event tells of the events before it to those that were taken."""
        if isinstance(event, e.Accepted | e.StopAccepted):
            return
        if isinstance(event, e.Fill):
            role = "maker" if (event.maker, event.maker_client_id) == order else "taker"
            filled, left, total, previous = (
                getattr(event, f"{role}_{what}") for what in ("filled_lots", "open_lots", "total_lots", "previous")
            )
            lots = event.qty_lots
        else:
            filled, previous = event.filled_lots, event.previous
            total = event.qty_lots if isinstance(event, e.Amended) else event.total_lots
            left, lots = None, 0
        if previous is None:
            self.told = False
            return
        if previous != self.last_event:
            raise VerifyError(
                f"events of the order are left out: event {event.number} follows its event {previous}, not "
                f"{self.last_event}"
            )
        self._expect(filled == self.filled_lots + lots, event)
        self._expect(left is None or left == self.open_lots - lots, event)
        self._expect(isinstance(event, e.Amended) or total == self.total_lots, event)

    def _lower(self, lots: int, status: str, reason: str) -> None:
        self.open_lots -= lots
        if not self.open_lots:
            self.status, self.reason = status, reason

    def _expect(self, holds: bool, event: Any) -> None:
        if not holds:
            what = type(event).__name__.lower()
            raise VerifyError(f"event {event.number}, {what}, cannot follow the order's events before it")


def _named(raw: RawEvent) -> Any:
    """An event of a known kind, its fields named.

    Raises:
        VerifyError: they are not what such an event has.
    """
    try:
        event: Any = e.name_event(raw)
    except TypeError:
        raise VerifyError(f"event {raw[1]} has a wrong number of fields") from None
    for name, value in zip(event._fields, raw[1:], strict=False):
        sound = type(value) is bytes if name in _KEYS else type(value) is int and value >= 0
        if not sound or (name in _SIDES and value not in (Side.BUY, Side.SELL)):
            raise VerifyError(f"event {raw[1]}: {name} is not what it should be")
    return event


def reason_word(reasons: Any, number: int) -> str:
    """The word for a reason, which a later version may have more of."""
    try:
        word: str = reasons(number).word
    except ValueError:
        return f"reason {number}"
    return word
