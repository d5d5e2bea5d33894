"""Turns a recorded LOBSTER file into commands that a book of ours understands."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from gossipbook.errors import DecodeError
from gossipbook.flow.lobster import (
    DELETE,
    REDUCE,
    SUBMIT,
    Message,
    Take,
    group_takes,
    price_ticks,
    read_messages,
)
from gossipbook.flow.step import Flow, FlowStep
from gossipbook.flow.unseen import UnseenOrder, merge_unseen, unseen_orders
from gossipbook.matching.commands import Amend, AmendFlags, Cancel, Command, OrderType, Place, TimeInForce

LIMIT, GTC, IOC = int(OrderType.LIMIT), int(TimeInForce.GTC), int(TimeInForce.IOC)
REDUCE_ONLY = int(AmendFlags.REDUCE_ONLY)

__all__ = ["UnseenOrder", "lobster_flow", "merge_unseen", "unseen_orders"]


class _Known:
    """What the file has told so far of one order that may still be open."""

    __slots__ = ("author", "client_id", "open_lots", "total_lots")

    def __init__(self, author: int, client_id: int, lots: int) -> None:
        self.author, self.client_id = author, client_id
        self.total_lots = self.open_lots = lots


def lobster_flow(path: str | Path, *, makers: int = 8, takers: int = 2, tick_e4: int = 100) -> Flow:
    """Replay a message file: a prelude of resting orders, then a stream of steps at the file's times.

    Submissions become GTC limit orders, reductions reduce-only amends, deletions cancels, and each take one IOC
    limit order at its worst price. Hidden executions, crosses and halts are skipped. An order stays with one of
    ``makers`` for life; the aggressors are ``takers`` who never rest anything. The file is read twice.

    Raises:
        DecodeError: for a malformed row, a price between ticks, or an id that is submitted twice.
    """
    assert min(makers, takers) > 0, "needs at least one of each"
    replay = _Replay(makers, takers, tick_e4)
    first = next(read_messages(path), None)
    if first is None:
        return Flow([], iter(()))
    resting, unseen = unseen_orders(read_messages(path), tick_e4)
    replay.time_us = first.time_ns // 1000
    prelude = [replay.submit(*order) for order in resting]
    return Flow(prelude, replay.steps(merge_unseen(group_takes(read_messages(path)), unseen)))


class _Replay:
    def __init__(self, makers: int, takers: int, tick_e4: int) -> None:
        self._makers, self._takers, self._tick_e4 = makers, takers, tick_e4
        self._last_ids = [0] * (makers + takers)
        self._known: dict[int, _Known] = {}
        self._submitted = self._taken = 0
        self.time_us = 0

    def steps(self, items: Iterable[Message | Take | UnseenOrder]) -> Iterator[FlowStep]:
        for item in items:
            if isinstance(item, UnseenOrder):
                yield self.submit(*item)  # at the time of the item before: the item after may be long in coming
                continue
            self.time_us = item.time_ns // 1000
            if isinstance(item, Take):
                yield self._take(item)
            elif item.kind == SUBMIT:
                if item.order_id in self._known:
                    raise DecodeError(f"line {item.line}: order {item.order_id} is submitted twice")
                price = price_ticks(item, self._tick_e4)
                yield self.submit(item.order_id, item.side, price, item.size)
            elif item.kind == REDUCE:
                yield self._reduce(item)
            elif item.kind == DELETE:
                known = self._known.pop(item.order_id, None)
                if known is None:
                    raise DecodeError(f"line {item.line}: order {item.order_id} is deleted after its end")
                yield FlowStep(self.time_us, known.author, Cancel(known.client_id))

    def submit(self, order_id: int, side: int, price: int, lots: int) -> FlowStep:
        author = self._submitted % self._makers
        self._submitted += 1
        client_id = self._next_id(author)
        self._known[order_id] = _Known(author, client_id, lots)
        return FlowStep(self.time_us, author, Place(client_id, side, LIMIT, price, lots, GTC))

    def _take(self, take: Take) -> FlowStep:
        author = self._makers + self._taken % self._takers
        self._taken += 1
        for execution in take.executions:
            self._lower(execution)
        limit = price_ticks(take.executions[0]._replace(price_e4=take.limit_e4), self._tick_e4)
        place = Place(self._next_id(author), take.side, LIMIT, limit, take.size, IOC)
        return FlowStep(self.time_us, author, place)

    def _reduce(self, message: Message) -> FlowStep:
        known = self._lower(message)
        known.total_lots -= message.size
        command: Command = Cancel(known.client_id)  # for a file that reduces an order to nothing
        if known.open_lots > 0:
            command = Amend(known.client_id, 0, known.total_lots, REDUCE_ONLY)
        return FlowStep(self.time_us, known.author, command)

    def _lower(self, message: Message) -> _Known:
        known = self._known.get(message.order_id)
        if known is None:
            raise DecodeError(f"line {message.line}: order {message.order_id} has ended before")
        known.open_lots -= message.size
        if known.open_lots <= 0:
            del self._known[message.order_id]
        return known

    def _next_id(self, author: int) -> int:
        self._last_ids[author] += 1
        return self._last_ids[author]
