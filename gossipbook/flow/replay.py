"""Turns a recorded LOBSTER file into commands that a book of ours understands."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest
from pathlib import Path

from gossipbook.errors import DecodeError
from gossipbook.flow.figures import ReplayAudit, ReplayFigures, Tally
from gossipbook.flow.follower import RecordingFollower
from gossipbook.flow.lobster import RecordedMessage, Take, group_takes, read_messages
from gossipbook.flow.orderbook import BookRow, read_books
from gossipbook.flow.recorded_book import IOC
from gossipbook.flow.step import Flow, FlowStep
from gossipbook.flow.unseen import UnseenOrder, merge_unseen, outline, unseen_orders
from gossipbook.matching.commands import Place

__all__ = ["RecordedFlow", "UnseenOrder", "lobster_flow", "merge_unseen", "unseen_orders"]

_LEVELS = re.compile(r"_message_(\d{1,3})\.csv", re.IGNORECASE)


class RecordedFlow(Flow):
    """A flow that knows what was recorded, and compares with it what comes of its commands."""

    tally: Tally

    def figures(self) -> ReplayFigures:
        """What comes of the steps drawn so far in the replay's own book, which refuses nothing."""
        return self.tally.figures(self.tally.expected, 0)

    def audit(self) -> ReplayAudit:
        """A new audit of whoever runs the flow: it is told of events, and has the figures."""
        return ReplayAudit(self.tally)


def lobster_flow(
    path: str | Path,
    *,
    orderbook: str | Path | None = None,
    levels: int | None = None,
    makers: int = 8,
    takers: int = 2,
    tick_e4: int = 100,
) -> RecordedFlow:
    """Replay a message file: a prelude of resting orders, then a stream of steps at the file's times.

    Submissions become GTC limit orders, reductions reduce-only amends, deletions cancels, and each take one IOC
    limit order at its worst price. Hidden executions, crosses and halts are skipped. An order stays with one of
    ``makers`` for life; the aggressors are ``takers`` who never rest anything. The file is read twice.

    With the ``orderbook`` file, the book has after each message the levels that it shows, all of them whole.
    ``levels`` is how many the recording has of each side; as a rule the orderbook or the file's name tells.

    Raises:
        DecodeError: for a malformed row, a price between ticks, a message that contradicts those before, or an
            orderbook of other rows than the messages.
    """
    assert min(makers, takers) > 0, "needs at least one of each"
    first = outline(read_messages(path), tick_e4)
    view = None
    if orderbook is not None and first.message is not None:
        view = next(read_books(orderbook, tick_e4), None)
        if view is None:
            raise DecodeError(f"{Path(orderbook).name}: no rows, where the message file has some")
        levels = view.levels
    elif levels is None:
        named = _LEVELS.search(Path(path).name)
        levels = int(named[1]) if named else 0
    tally = Tally()
    follower = RecordingFollower(tally, first.removed_lots, makers, takers, tick_e4, levels)
    prelude: list[FlowStep] = []
    if first.message is not None:
        prelude = follower.open(first.message.time_ns, first.resting)
        if view is not None:
            prelude += follower.show(view.before(first.message, tick_e4))
    items = merge_unseen(group_takes(read_messages(path)), first.unseen)
    views = None if view is None or orderbook is None else read_books(orderbook, tick_e4)
    flow = RecordedFlow(prelude, _steps(follower, tally, items, views))
    flow.tally = tally
    return flow


def _steps(
    follower: RecordingFollower,
    tally: Tally,
    items: Iterable[RecordedMessage | Take | UnseenOrder],
    views: Iterator[BookRow] | None,
) -> Iterator[FlowStep]:
    for item in items:
        for step in follower.follow(item):
            if isinstance(item, Take) and isinstance(step.command, Place) and step.command.tif == IOC:
                name = (step.author, step.command.client_id)
                tally.recorded[name], tally.expected[name] = follower.recorded, follower.expected
            yield step
        if views is not None and not isinstance(item, UnseenOrder):
            yield from follower.show(_view_after(item, views))
    if views is not None and next(views, None) is not None:
        raise DecodeError("the orderbook has more rows than the message file")


def _view_after(item: RecordedMessage | Take, views: Iterator[BookRow]) -> BookRow:
    messages = item.executions if isinstance(item, Take) else (item,)
    for message, view in zip_longest(messages, islice(views, len(messages))):
        if view is None:
            raise DecodeError(f"line {message.line}: the orderbook has no row for this message")
    return view
