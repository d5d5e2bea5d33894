"""A flow as steps that every engine can follow: tuples of integers in which nothing is refused.

A step is ``(kind, order, author, side, price_ticks, lots, last)``. Orders are numbered from 1 as they enter, with
gaps. ``lots`` is what a place asks for, or what a reduction leaves open; ``last`` is 1 for a place that must not rest,
and the new total for a reduction.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from gossipbook.flow import Flow, FlowStep, generated_flow, lobster_flow
from gossipbook.limits import Limits
from gossipbook.manifest import Pair
from gossipbook.matching.commands import Amend, AmendFlags, Cancel, Command, OrderType, Place, TimeInForce
from gossipbook.matching.engine import Engine
from gossipbook.matching.events import CANCELLED, FILL, REJECTED, RawEvent

PLACE, CANCEL, REDUCE = 1, 2, 3
LIMIT, GTC, IOC = int(OrderType.LIMIT), int(TimeInForce.GTC), int(TimeInForce.IOC)
REDUCE_ONLY = int(AmendFlags.REDUCE_ONLY)

MAKERS, TAKERS = 8, 2
STINT = 256  # Makers take turns of so many submissions: ops then hold 3.8 commands, in the flow's own order.

Step = tuple[int, int, int, int, int, int, int]


class Steps(NamedTuple):
    name: str
    steps: list[Step]
    left_out: int  # what the product refused, or took without effect, when the steps were made
    trimmed: int  # places cut to what they filled


def recorded_steps(path: Path, limit: int | None = None) -> Steps:
    return _steps("recorded", lobster_flow(path), limit)


def generated_steps(limit: int, seed: int = 1) -> Steps:
    return _steps("generated", generated_flow(seed), limit)


def _steps(name: str, flow: Flow, limit: int | None) -> Steps:
    made = _Maker()
    steps = list(made.follow([*flow.prelude, *islice(flow.steps, limit)]))
    return Steps(name, steps, made.left_out, made.trimmed)


class _Maker:
    """Runs a flow through the product, one command a block, and writes down what had an effect."""

    def __init__(self) -> None:
        self._engine = Engine(Pair("STEPS"), Limits())
        self._orders: dict[tuple[int, int], tuple[int, int, int, int]] = {}  # -> order, author, side, price
        self._entered = self._submitted = self._taken = 0
        self.left_out = self.trimmed = 0

    def follow(self, flow: Iterable[FlowStep]) -> Iterator[Step]:
        for step in flow:
            command = step.command
            if isinstance(command, Place):
                made = self._place(step.author, command)
            else:
                assert isinstance(command, Cancel | Amend)
                made = self._change(step.author, command)
            if made is None:
                self.left_out += 1
            else:
                yield made

    def _place(self, flow_author: int, place: Place) -> Step | None:
        immediate = place.tif == IOC
        if immediate:
            author = MAKERS + self._taken % TAKERS
            self._taken += 1
        else:
            author = self._submitted // STINT % MAKERS
            self._submitted += 1
        self._entered += 1
        number = self._entered  # Used up even by a place that is left out.
        tif = IOC if immediate else GTC
        events = self._run(author, Place(number, place.side, LIMIT, place.price_ticks, place.qty_lots, tif))
        if events[0][0] == REJECTED:
            return None
        lots = place.qty_lots
        if any(event[0] == CANCELLED for event in events):  # The rest of a take, or the maker met an own order.
            lots = sum(event[3] for event in events if event[0] == FILL)
            if not lots:
                return None
            self.trimmed += 1
            immediate = True
        self._orders[flow_author, place.client_id] = number, author, place.side, place.price_ticks
        return PLACE, number, author, place.side, place.price_ticks, lots, int(immediate)

    def _change(self, flow_author: int, command: Cancel | Amend) -> Step | None:
        order = self._orders.get((flow_author, command.client_id))
        if order is None:
            return None
        number, author, side, price = order
        event = self._run(author, command._replace(client_id=number))[0]
        if event[0] == REJECTED:
            return None
        if event[0] == CANCELLED:
            return CANCEL, number, author, side, price, 0, 0
        _, _, _, _, _, total, left = event
        return REDUCE, number, author, side, price, left, total

    def _run(self, author: int, command: Command) -> list[RawEvent]:
        self._engine.begin_block(1)
        self._engine.run(bytes([author]), [command])
        events = self._engine.end_block()
        self._engine.commit()
        return events
