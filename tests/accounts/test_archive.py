"""Accounts and markets out of the archive, held against a slow count of all events."""

import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from matching.chaos import AUTHORS, TAKER

from gossipbook.accounts import asking
from gossipbook.accounts.asking import WIDTHS_MS, Unanswerable
from gossipbook.accounts.order_state import OrderState
from gossipbook.crdt.op import Op
from gossipbook.matching.commands import AnyPlace, PlaceNamed
from gossipbook.net import account_questions as questions
from gossipbook.storage.archive import ArchivedBlock, EventArchive, Past
from gossipbook.storage.sqlite import SqliteJournal

from .kit import OTHER, PAIR, SlowBooks, random_blocks

CHAIN = b"c" * 32
ARENAS = ("wild", "auctioned", "bounded wild", "bounded auctioned", "bounded cascading", "bounded taken")
FORMS = [each.name for each in fields(OrderState)]


@pytest.fixture(scope="module", params=ARENAS)
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Archived"]:
    with closing(Archived(tmp_path_factory.mktemp("archive"), request.param)) as archived:
        yield archived


class Archived:
    """The blocks of two pairs in an archive that was closed and opened between them, and slow books of them."""

    def __init__(self, folder: Path, arena: str) -> None:
        SqliteJournal.create(folder, journal_id="one", chain_id=CHAIN, public_key=bytes(32)).close()
        rng = random.Random(arena)
        self.books = {PAIR: SlowBooks(), OTHER: SlowBooks()}
        self.blocks: list[ArchivedBlock] = []
        waiting: list[ArchivedBlock] = []
        archive = EventArchive(folder, CHAIN)
        both = zip(random_blocks(1, arena, 120), random_blocks(2, arena, 120, OTHER, 40_000), strict=True)
        for block in (block for two in both for block in two):
            self.blocks.append(block)
            self.books[block.pair].take(block)
            waiting.append(block)
            if rng.random() < 0.1:
                archive.add(waiting)
                waiting = []
            if rng.random() < 0.05:
                archive.close()
                archive = EventArchive(folder, CHAIN)
        archive.add(waiting)
        archive.close()
        self.past = Past(folder, 0)

    def close(self) -> None:
        self.past.close()


@contextmanager
def refused(words: str) -> Iterator[None]:
    with pytest.raises(Unanswerable, match=words):
        yield


def test_fills_and_positions(story: Archived) -> None:
    traded = 0
    for pair, books in story.books.items():
        for author in (*AUTHORS, TAKER):
            rows = all_pages(lambda after: story.past.accounts.fills(pair, author, after=after, limit=7))  # noqa: B023
            told = [(r.number, r.is_maker, r.client_id, r.side, r.price_ticks, r.qty_lots) for r in rows]
            assert told == books.fills(author)
            traded += len(told)
            for row in rows[:: max(1, len(rows) // 9)]:
                if not (row.is_maker and (row.number, False) in {(r.number, r.is_maker) for r in rows}):
                    assert row.sums == books.sums(author, row.number)
            assert (story.past.accounts.sums(pair, author) or books.sums(author, 0)) == books.sums(author)
    assert traded > 20


def all_pages(page: Any) -> list[Any]:
    """Rows of all pages; two of one number are never parted, as no page ends between a trade's two sides."""
    rows: list[Any] = []
    while True:
        found = page(rows[-1].number if rows else 0)
        if not found:
            return rows
        rows += found


def test_orders_as_whoever_follows_the_events_has_them(story: Archived) -> None:
    statuses = set()
    for pair, books in story.books.items():
        for author in (*AUTHORS, TAKER):
            rows = all_pages(lambda after: story.past.accounts.orders(pair, author, after=after, limit=11))  # noqa: B023
            newest = {row.client_id: row for row in rows}
            for row in newest.values():
                state = books.log.find(author, row.client_id)
                assert state is not None
                told = {name: getattr(row, name) for name in FORMS}
                if state.status == "rejected":  # The row tells what was refused.
                    told |= {name: getattr(state, name) for name in ("side", "price_ticks", "qty_lots", "stop_ticks")}
                assert told == {name: getattr(state, name) for name in FORMS}
                statuses.add(row.status)
            opens = story.past.accounts.orders(pair, author, limit=1_000, only_open=True)
            assert opens == [row for row in rows if row.status in ("open", "waiting")]
            assert story.past.accounts.open_count(pair, author) == len(opens)
    assert statuses >= {"filled", "cancelled", "rejected", "open"}


def test_an_order_is_what_its_command_says(story: Archived) -> None:
    entered: dict[tuple[str, int, bytes, int], list[AnyPlace]] = {}  # an id that is used again is so in vain
    for block in story.blocks:
        for op in block.items:
            assert isinstance(op, Op)
            for command in op.commands:
                if isinstance(command, AnyPlace):
                    key = block.pair, block.height, op.author, command.client_id
                    entered.setdefault(key, []).append(command)
    named = 0
    for pair in story.books:
        for author in AUTHORS:
            for row in story.past.accounts.orders(pair, author, limit=10_000):
                said = (row.side, row.type, row.tif, row.flags, row.self_trade, row.text_id)
                assert said in [terms(place) for place in entered[pair, row.height, author, row.client_id]]
                if text := row.text_id:
                    found = story.past.accounts.order_by_text(pair, author, text)
                    assert found is not None
                    assert found.number >= row.number
                    named += 1
    assert named or not story.blocks or "bounded" not in str(story)


def terms(place: AnyPlace) -> tuple[int, int, int, int, int, str]:
    text_id = place.text_id if isinstance(place, PlaceNamed) else ""
    return place.side, place.type, place.tif, place.flags, place.self_trade, text_id


def test_candles_of_every_width(story: Archived) -> None:
    for pair, books in story.books.items():
        for width, width_ms in WIDTHS_MS.items():
            slow = books.candles(width_ms)
            told = questions.candles(pair, width, "", "", "1000")(story.past)["candles"]
            assert told == slow[-1_000:]
            assert questions.candles(pair, width, "", "", "3")(story.past)["candles"] == slow[-3:]
            if len(slow) > 4:
                part = questions.candles(pair, width, str(slow[1][0]), str(slow[3][0]), "")(story.past)["candles"]
                assert part == slow[1:3]


def test_trades_forth_and_back(story: Archived) -> None:
    for pair, books in story.books.items():
        numbers = [event[1] for _, _, event in books.events if event[0] == 3]
        forth = all_pages(lambda after: story.past.accounts.trades(pair, after=after, limit=9))  # noqa: B023
        assert [row.number for row in forth] == numbers
        newest = questions.trades(pair, "", "", "5")(story.past)["trades"]
        assert [row["number"] for row in newest] == numbers[-5:]
        if len(numbers) > 9:
            before = questions.trades(pair, "", str(newest[0]["number"]), "4")(story.past)["trades"]
            assert [row["number"] for row in before] == numbers[-9:-5]


def test_statements_as_of_a_height_and_a_time(story: Archived) -> None:
    for block in story.blocks[10::37]:
        for author in AUTHORS[:2]:
            books = story.books[block.pair]
            for at, last in (
                (f"h{block.height}", books.last_number(height=block.height)),
                (f"t{block.time_ms}", books.last_number(time_ms=block.time_ms)),
                (f"t{block.time_ms - 1}", books.last_number(time_ms=block.time_ms - 1)),
                ("", books.last_number()),
            ):
                told = questions.statement([block.pair], author, at)(story.past)["positions"][0]
                sums = books.sums(author, last)
                assert told["position_lots"] == sums.position_lots
                assert (told["bought_quote"], told["sold_quote"]) == (sums.bought_quote, sums.sold_quote)
                page = asking.read_page(story.past, block.pair, at, "", "") if at else None
                assert page is None or page.after == last


def test_what_cannot_be_answered_is_said(story: Archived) -> None:
    author = AUTHORS[0]
    with refused("which orders: open or all, not 'none'"):
        questions.orders(PAIR, author, "none", "", "", "")
    with refused("width: one of 1s, 1m"):
        questions.candles(PAIR, "7m", "", "", "")
    with refused("a time in ms, not '-1'"):
        questions.candles(PAIR, "1m", "-1", "", "")
    with refused("text id: expected printable ASCII"):
        questions.find(PAIR, author, "a\nb")
    for bad in ("x1", "h", "-1", "h1.5", "n" + "9" * 30, "１"):
        with refused("after: expected an event's number"):
            questions.fills(PAIR, author, bad, "", "")(story.past)
    with refused("limit: expected a number of rows"):
        questions.fills(PAIR, author, "", "", "many")(story.past)
    assert questions.fills(PAIR, author, "", "", "0")(story.past)["fills"].__len__() <= 1
