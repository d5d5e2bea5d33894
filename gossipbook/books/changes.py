"""Summarise what one block did to a book: each changed order once, each changed level with its new lots."""

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from gossipbook.books.levels import LevelChange
from gossipbook.books.queues import BookSide, OrderKey, Queue, RestingOrder
from gossipbook.ids import PublicKey
from gossipbook.matching.commands import Side


class Action(IntEnum):
    """What an update does to one order."""

    ADD = 1
    """It joins the back of its level."""
    CHANGE = 2
    """Its open lots are others now; its place is the same."""
    REMOVE = 3


class OrderChange(NamedTuple):
    """One step of an update by order. The steps are to be made in the order given. ``lots`` 0: removed."""

    action: Action
    side: int
    price_ticks: int
    author: PublicKey
    client_id: int
    lots: int


class BlockChanges(NamedTuple):
    """What one block did: to orders, and to levels (best first, bids before asks)."""

    orders: tuple[OrderChange, ...]
    levels: tuple[LevelChange, ...]


class ChangeLog:
    """Collects the changes of a book's orders and levels until they are taken."""

    def __init__(self) -> None:
        self._steps: list[tuple[Action, RestingOrder] | None] = []
        self._born: dict[OrderKey, int] = {}  # where in the steps an order was added, or changed
        self._before: dict[Queue, tuple[int, int]] = {}  # lots and orders of the levels that a block touches

    def touch(self, level: Queue) -> None:
        """Note a level's state before its first change."""
        if level not in self._before:
            self._before[level] = (level.lots, len(level.orders))

    def added(self, order: RestingOrder) -> None:
        self._born[order.key] = len(self._steps)
        self._steps.append((Action.ADD, order))

    def changed(self, order: RestingOrder) -> None:
        if order.key not in self._born:
            self._born[order.key] = len(self._steps)
            self._steps.append((Action.CHANGE, order))

    def removed(self, order: RestingOrder) -> None:
        at = self._born.pop(order.key, None)
        step = None if at is None else self._steps[at]
        if at is not None and step is not None:
            self._steps[at] = None  # What comes and goes within a block is not told.
        if step is None or step[0] is Action.CHANGE:
            self._steps.append((Action.REMOVE, order))

    def take(self, bids: BookSide, asks: BookSide) -> BlockChanges:
        """Return the changes since the last call, given both sides as they are now."""
        orders = []
        for step in self._steps:
            if step is not None:
                action, order = step
                lots = 0 if action is Action.REMOVE else order.open_lots
                level = order.level
                orders.append(OrderChange(action, level.side, level.price_ticks, order.author, order.client_id, lots))
        # A level that was emptied and filled again within the block is two queues: the first knows what was before.
        before: dict[tuple[int, int], tuple[int, int]] = {}
        for level, was in self._before.items():
            before.setdefault((level.side, level.price_ticks), was)
        changed = []
        for (side, price), was in before.items():
            now = (bids if side == Side.BUY else asks).levels.get(price)
            lots, count = (now.lots, len(now.orders)) if now is not None else (0, 0)
            if (lots, count) != was:
                changed.append(LevelChange(side, price, lots, count))
        changed.sort(key=_bids_then_asks)
        self.forget()
        return BlockChanges(tuple(orders), tuple(changed))

    def forget(self) -> None:
        self._steps.clear()
        self._born.clear()
        self._before.clear()


def _bids_then_asks(change: LevelChange) -> tuple[int, int]:
    return change.side, -change.price_ticks if change.side == Side.BUY else change.price_ticks


def apply_orders(queues: dict[int, dict[int, dict[OrderKey, int]]], changes: Iterable[OrderChange]) -> None:
    """Keep a book by order from order changes alone: ``queues[side][price]`` maps orders to open lots, front first.

    That is all that a consumer of L3 has to do; the rules of matching are not needed for it.
    """
    for action, side, price, author, client_id, lots in changes:
        queue = queues.setdefault(side, {}).setdefault(price, {})
        if action is Action.REMOVE:
            del queue[author, client_id]
            if not queue:
                del queues[side][price]
        else:
            queue[author, client_id] = lots
