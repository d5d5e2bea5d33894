"""A consumer of a feed: it shows the peer's book at a stated sequence, or none."""

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matching.chaos import ARENAS, Chaos
from matching.duel import Rules, Run

from gossipbook.books.checksum import is_digest_due
from gossipbook.books.follower import EARLY_CAP, BookUpdate, FeedRefused, Follower, Resync
from gossipbook.books.l3 import L3Book
from gossipbook.books.levels import L2Book
from gossipbook.books.snapshot import ROWS_PER_PART, BookSnapshot
from gossipbook.client_messages import LAGGED, TOO_LARGE, BookMark, BookPart, FeedEnded, FeedMessage, PairEvents
from gossipbook.matching.commands import PairState, SetState

from .kit import ALICE, SPEC, Stage, block_id, place, special


class Source:
    """A peer's side: random blocks, and the messages that a follower gets of them."""

    def __init__(self, seed: int) -> None:
        arena = ARENAS["auctioned"]._replace(stops=0.6)
        self.stage = Stage(arena.rules)
        self.chaos = Chaos(seed, arena)
        self.books: dict[int, BookSnapshot] = {0: self.book.snapshot()}

    @property
    def book(self) -> L3Book:
        return self.stage.shelf.l3

    def block(self) -> list[FeedMessage]:
        previous = self.book.sequence
        self.stage.play(self.chaos.time_ms, self.chaos.block(self.stage.duel.oracle))
        time_ms, events = self.stage.blocks[-1]
        height = self.book.height
        self.books[height] = self.book.snapshot()
        half = len(events) // 2
        parts = [(events[:half], False), (events[half:], True)] if half else [(events, True)]
        messages: list[FeedMessage] = [
            PairEvents(SPEC.symbol, height, block_id(height), time_ms, tuple(part), last) for part, last in parts
        ]
        return [*messages, self.mark(previous)]

    def mark(self, previous: int) -> BookMark:
        book = self.book
        due = is_digest_due(book.height, book.open_count)
        digest, unseen = (book.digest(), book.unseen()) if due else (None, None)
        return BookMark(SPEC.symbol, book.height, previous, book.sequence, book.checksum(), digest, unseen)

    def snapshot(self) -> list[FeedMessage]:
        return [*self.book.snapshot().parts(), self.mark(self.book.sequence)]


class Reader:
    """What a consumer sees, held against what there was at the source, and a book kept from the updates alone."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.follower = Follower(SPEC)
        self.l2 = L2Book()
        self.updates: list[BookUpdate] = []
        self.resyncs: list[str] = []

    def take(self, *messages: FeedMessage) -> None:
        for message in messages:
            for outcome in self.follower.take(message):
                if isinstance(outcome, Resync):
                    self.resyncs.append(outcome.reason)
                else:
                    self._note(outcome)
            if self.follower.book is not None:
                self._compare(self.follower.book)

    def _note(self, update: BookUpdate) -> None:
        self.updates.append(update)
        if update.reset:
            self.l2.reset()
        self.l2.apply(update.previous, update.sequence, update.levels)
        there = L3Book.of_snapshot(SPEC, self.source.books[update.height])
        assert update.sequence == there.sequence
        assert self.l2.view() == there.l2()
        assert update.checksum == there.checksum()

    def _compare(self, book: L3Book) -> None:
        there = self.source.books[book.height]
        assert tuple(book.rows()) == there.rows
        assert (book.sequence, book.time_ms, book.block_id) == (there.sequence, there.time_ms, there.block_id)
        assert (book.state, book.last_ticks) == (there.state, there.last_ticks)


def following(seed: int = 1, blocks: int = 5) -> tuple[Source, Reader]:
    """A reader that has its snapshot and one step."""
    source = Source(seed)
    for _ in range(blocks):
        source.block()
    reader = Reader(source)
    reader.take(*source.snapshot(), *source.block())
    assert [update.reset for update in reader.updates] == ["start", ""]
    return source, reader


def test_updates_are_gapless_by_arithmetic() -> None:
    source, reader = following()
    for _ in range(20):
        reader.take(*source.block())
    assert len(reader.updates) == 22
    assert reader.updates[0].previous == 0
    for last, update in zip(reader.updates, reader.updates[1:], strict=False):
        assert update.previous == last.sequence
        assert update.height == last.height + 1
        assert [event[1] for event in update.events] == list(range(update.previous + 1, update.sequence + 1))
    assert reader.resyncs == []


def test_a_book_from_nothing() -> None:
    source = Source(2)
    reader = Reader(source)
    reader.take(*source.snapshot())
    assert (reader.updates[0].sequence, reader.updates[0].levels, reader.updates[0].checksum) == (0, (), 0)
    reader.take(*source.block())
    assert len(reader.updates) == 2


def test_a_snapshot_of_many_parts() -> None:
    stage = Stage(ARENAS["crowded"].rules._replace(max_own=5_000, max_all=5_000))
    count = 2 * ROWS_PER_PART + 1
    stage.play(1, [Run(ALICE, [place(number, 1, 100, 1) for number in range(1, count + 1)])])
    parts = list(stage.shelf.l3.snapshot().parts())
    assert [(part.part, len(part.rows), part.last) for part in parts] == [
        (0, ROWS_PER_PART, False), (1, ROWS_PER_PART, False), (2, 1, True)
    ]  # fmt: skip
    follower = Follower(SPEC)
    follower.take(parts[0])
    assert follower.take(parts[2]) == [Resync("snapshot")]
    assert follower.take(parts[2]) == [], "the rest of what was given up"
    for part in parts:
        assert follower.take(part) == []
    book = stage.shelf.l3
    assert follower.book is None, "a snapshot is nothing until its mark was compared"
    mark = BookMark(SPEC.symbol, 1, book.sequence, book.sequence, book.checksum(), book.digest(), None)
    (update,) = follower.take(mark)
    assert isinstance(update, BookUpdate)
    assert len(update.orders) == count
    assert follower.take(parts[0]) == [], "a snapshot for somebody else on the link"
    assert follower.take(mark) == []


def test_blocks_that_overtake_the_snapshot_are_kept_and_older_ones_ignored() -> None:
    source = Source(3)
    reader = Reader(source)
    older = [message for _ in range(3) for message in source.block()]
    snapshot = source.snapshot()
    newer = [message for _ in range(3) for message in source.block()]
    reader.take(*older, snapshot[0], *newer, *older, *snapshot[1:])
    assert [update.reset for update in reader.updates] == ["start", "", "", ""]
    assert reader.resyncs == []


def test_a_snapshot_for_somebody_else_disturbs_nobody_wherever_it_comes() -> None:
    source, reader = following()
    for at in range(4):
        block = source.block()
        snapshot = source.snapshot()
        reader.take(*block[:at], *snapshot, *block[at:])
    assert [update.reset for update in reader.updates[2:]] == [""] * 4
    assert reader.resyncs == []


def test_too_many_messages_before_a_snapshot_ask_for_another() -> None:
    source, reader = following()
    reader.follower.restart("gap")
    block = source.block()
    for _ in range(EARLY_CAP):
        reader.take(block[0])
    assert reader.resyncs == []
    reader.take(block[0])
    assert reader.resyncs == ["snapshot"]


def test_being_told_that_one_lagged() -> None:
    source, reader = following()
    reader.take(FeedEnded(SPEC.symbol, LAGGED))
    assert reader.resyncs == [LAGGED]
    assert reader.follower.book is None
    source.block()
    reader.take(*source.snapshot(), *source.block())
    assert [update.reset for update in reader.updates[2:]] == [LAGGED, ""]


def test_a_peer_that_does_not_serve_the_book() -> None:
    with pytest.raises(FeedRefused, match="does not serve the book of A/B: too-large"):
        Follower(SPEC).take(FeedEnded(SPEC.symbol, TOO_LARGE))


def a_block(source: Source, events: int = 2) -> list[Any]:
    """A block that has events in two parts."""
    while True:
        messages: list[Any] = source.block()
        if len(messages) == 3 and len(messages[0].events) >= events:
            return messages


def spoiled(fault: str, first: Any, second: Any, mark: Any) -> list[FeedMessage]:
    event = first.events[0]
    match fault:
        case "a part is lost":
            return [second, mark]
        case "the last part is lost":
            return [first, mark]
        case "all events are lost":
            return [mark]
        case "a part comes twice":
            return [first, first, second, mark]
        case "an event is lost":
            return [replace(first, events=first.events[1:]), second, mark]
        case "an event is of another number":
            return [replace(first, events=((event[0], event[1] + 1, *event[2:]), *first.events[1:])), second, mark]
        case "an event is of no known kind":
            return [replace(first, events=((99, *event[1:]), *first.events[1:])), second, mark]
        case "a part is of another block":
            return [first, replace(second, block_id=bytes(32)), mark]
        case "the mark says another sequence":
            return [first, second, replace(mark, sequence=mark.sequence + 1)]
        case "the mark follows another sequence":
            return [first, second, replace(mark, previous=mark.previous - 1)]
        case "the checksum is another":
            return [first, second, replace(mark, checksum=mark.checksum ^ 1)]
        case "the digest is another":
            return [first, second, replace(mark, digest=bytes(32))]
        case _:
            assert fault == "the digest of what is not shown is another"
            return [first, second, replace(mark, unseen=bytes(32))]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("a part is lost", "gap"),
        ("the last part is lost", "gap"),
        ("all events are lost", "gap"),
        ("a part comes twice", "gap"),
        ("an event is lost", "gap"),
        ("an event is of another number", "gap"),
        ("an event is of no known kind", "events"),
        ("a part is of another block", "gap"),
        ("the mark says another sequence", "gap"),
        ("the mark follows another sequence", "gap"),
        ("the checksum is another", "checksum"),
        ("the digest is another", "digest"),
        ("the digest of what is not shown is another", "digest"),
    ],
)
def test_one_fault_is_seen_at_once_and_a_snapshot_mends_it(fault: str, reason: str) -> None:
    source, reader = following()
    reader.take(*spoiled(fault, *a_block(source)))
    assert reader.resyncs == [reason]
    assert reader.follower.book is None
    shown = len(reader.updates)
    reader.take(*source.block())
    assert len(reader.updates) == shown, "nothing is shown without a book"
    reader.take(*source.snapshot(), *source.block())
    assert [update.reset for update in reader.updates[shown:]] == [reason, ""]


def test_a_lost_mark_is_seen_with_the_next_block() -> None:
    source, reader = following()
    reader.take(*source.block()[:-1])
    assert reader.resyncs == []
    reader.take(*source.block())
    assert reader.resyncs == ["gap"]


def follow_one_block(stage: Stage, events: list[Any]) -> list[object]:
    """What comes of a stage's first block, or of what a link made of it."""
    follower, book = Follower(SPEC), stage.shelf.l3
    follower.take(BookPart(SPEC.symbol, 0, bytes(32), 0, 0, 0, 1, 0, (), True))
    assert len(follower.take(BookMark(SPEC.symbol, 0, 0, 0, 0, None, None))) == 1
    follower.take(PairEvents(SPEC.symbol, 1, block_id(1), 1, tuple(events), True))
    mark = BookMark(SPEC.symbol, 1, 0, book.sequence, book.checksum(), book.digest(), book.unseen())
    return [*follower.take(mark)]


def test_a_changed_quantity_behind_the_best_ten_levels_is_found_by_the_digest() -> None:
    stage = Stage(ARENAS["wild"].rules._replace(max_own=50, max_all=50))
    stage.play(1, [Run(ALICE, [place(number, 1, 100 - number, 5) for number in range(1, 20)])])
    ((_, events),) = stage.blocks
    assert follow_one_block(stage, [*events[:-1], (*events[-1][:6], 4)]) == [Resync("digest")]


@pytest.mark.parametrize("field", [4, 5, 6, 7])
def test_a_changed_stop_order_is_found_though_it_does_not_show(field: int) -> None:
    stage = Stage()
    stage.play(1, [Run(ALICE, [special(1, 1, 105, 5, type=4, stop_ticks=103)])])
    ((_, (event,)),) = stage.blocks
    changed = (*event[:field], event[field] + 1, *event[field + 1 :])
    assert follow_one_block(stage, [changed]) == [Resync("digest")]


def test_the_state_of_the_pair_is_part_of_an_update() -> None:
    stage = Stage(Rules(wardens=(ALICE,)))
    stage.play(1, [Run(ALICE, [SetState(int(PairState.POST_ONLY))])])
    ((_, (event,)),) = stage.blocks
    (update,) = follow_one_block(stage, [event])
    assert isinstance(update, BookUpdate)
    assert update.state == PairState.POST_ONLY
    assert follow_one_block(stage, [(*event[:3], PairState.HALTED)]) == [Resync("digest")]


def garble(rng: random.Random, message: Any) -> Any:
    """One number of a message changed."""
    match message:
        case PairEvents() if message.events:
            at = rng.randrange(len(message.events))
            event = list(message.events[at])
            numbers = [i for i, value in enumerate(event) if isinstance(value, int)]
            event[rng.choice(numbers)] += rng.choice((-1, 1))
            return replace(message, events=(*message.events[:at], tuple(event), *message.events[at + 1 :]))
        case BookPart() if message.rows:
            at = rng.randrange(len(message.rows))
            row = list(message.rows[at])
            numbers = [i for i, value in enumerate(row) if isinstance(value, int)]
            row[rng.choice(numbers)] += rng.choice((-1, 1))
            return replace(message, rows=(*message.rows[:at], tuple(row), *message.rows[at + 1 :]))
        case BookMark():
            name = rng.choice(("height", "previous", "sequence", "checksum"))
            return replace(message, **{name: max(getattr(message, name) + rng.choice((-1, 1)), 0)})
        case _:
            return replace(message, height=message.height + 1)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 0.3))
def test_a_link_that_loses_repeats_swaps_and_garbles_never_shows_a_wrong_book(seed: int, rate: float) -> None:
    """The reader itself compares whatever it is shown with the source; what is left is that it gets well again."""
    rng = random.Random(seed)
    source = Source(seed)
    reader = Reader(source)
    asked, sent = 0, -1

    def deliver(messages: list[FeedMessage], fault_rate: float) -> None:
        queue = list(messages)
        while queue:
            message = queue.pop(0)
            draw = rng.random() / fault_rate if fault_rate else 1.0
            if draw < 0.3:
                continue
            if draw < 0.5:
                queue.insert(0, message)
            elif draw < 0.7 and queue:
                message, queue[0] = queue[0], message
            elif draw < 1.0:
                message = garble(rng, message)
            reader.take(message)

    for step in range(40):
        deliver(source.block(), rate if step < 20 else 0.0)
        # The peer answers what was asked; a snapshot of which the end got lost is asked for anew by whoever waits.
        if sent != len(reader.resyncs) or (reader.follower.book is None and step % 8 == 0):
            sent = len(reader.resyncs)
            asked += 1
            deliver(source.snapshot(), rate if step < 20 else 0.0)
    assert reader.follower.book is not None
    assert reader.updates[-1].height == 40
    assert asked >= 1
