"""Finds the orders of a recording that no message submits, and when they enter."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from gossipbook.flow.lobster import DELETE, EXECUTE, REDUCE, SUBMIT, RecordedMessage, Take, price_ticks


class UnseenOrder(NamedTuple):
    """An order that events name though none submitted it: it was in the book before, or entered out of view."""

    order_id: int
    side: int
    price_ticks: int
    qty_lots: int


@dataclass
class Outline:
    """What a first reading of a recording finds out for the second."""

    resting: list[UnseenOrder] = field(default_factory=list)
    """Those that were in the book at the open, in the order in which they are first named."""
    unseen: list[UnseenOrder] = field(default_factory=list)
    """Those that entered out of view, in order of id."""
    removed_lots: dict[int, int] = field(default_factory=dict)
    """What the events take out of each order, all in all."""
    message: RecordedMessage | None = None
    """The first."""


def outline(messages: Iterable[RecordedMessage], tick_e4: int = 100) -> Outline:
    """Read a recording for the first time.

    Ids grow with time, so an unseen order with an id below the first submission's was resting at the open. The others
    entered later, at a level too deep for the file to record; see :func:`merge_unseen`. In AAPL's first hour of
    2012-06-21 there are 36 and 44 of them; taking all 80 for resting puts 88 takes into the wrong hands.

    The quantity is all that the events take out of the order, and one lot more where the last of them is a
    reduction: a reduced order stays open.
    """
    result = Outline()
    removed = result.removed_lots
    submitted: set[int] = set()
    first_id: int | None = None
    found: dict[int, UnseenOrder] = {}
    reduced: dict[int, bool] = {}
    for message in messages:
        order_id = message.order_id
        if result.message is None:
            result.message = message
        if message.kind == SUBMIT:
            submitted.add(order_id)
            first_id = order_id if first_id is None else first_id
        elif message.kind in (REDUCE, DELETE, EXECUTE):
            removed[order_id] = removed.get(order_id, 0) + message.size
            if order_id not in submitted:
                before = found.get(order_id)
                lots = message.size + (before.qty_lots if before else 0)
                found[order_id] = UnseenOrder(order_id, message.side, price_ticks(message, tick_e4), lots)
                reduced[order_id] = message.kind == REDUCE
    for order_id, order in found.items():
        early = first_id is None or order_id < first_id
        (result.resting if early else result.unseen).append(order._replace(qty_lots=order.qty_lots + reduced[order_id]))
    result.unseen.sort()
    return result


def unseen_orders(
    messages: Iterable[RecordedMessage], tick_e4: int = 100
) -> tuple[list[UnseenOrder], list[UnseenOrder]]:
    """The orders that no message submitted: (resting at the open, entered out of view), each in order of id."""
    found = outline(messages, tick_e4)
    return sorted(found.resting), found.unseen


def merge_unseen(
    items: Iterable[RecordedMessage | Take], unseen: Iterable[UnseenOrder]
) -> Iterator[RecordedMessage | Take | UnseenOrder]:
    """Let each unseen order enter before the first submission with a higher id, or before the event that names it.

    The time is linear in the items and in the orders, which are best given in order of id.
    """
    waiting = {order.order_id: order for order in sorted(unseen)}
    ids = list(waiting)
    passed = 0  # So many of the ids are below that of a submission.
    for item in items:
        if isinstance(item, RecordedMessage) and item.kind == SUBMIT:
            first = passed
            while passed < len(ids) and ids[passed] < item.order_id:
                passed += 1
            entering = ids[first:passed]
        else:
            entering = [message.order_id for message in (item.executions if isinstance(item, Take) else (item,))]
        for order_id in entering:
            if order_id in waiting:
                yield waiting.pop(order_id)
        yield item
