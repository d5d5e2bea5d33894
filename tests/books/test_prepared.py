"""What is prepared stands until it is final, or another block takes its height."""

from dataclasses import dataclass
from typing import Any

from matching.duel import Run

from gossipbook.books.l3 import L3Book
from gossipbook.books.prepared import PREPARED_CAP, PreparedLine, book_ahead
from gossipbook.matching.events import name_event

from .kit import ALICE, BOB, SPEC, Stage, block_id, place

A, B, C, D = (bytes([letter]) * 32 for letter in b"abcd")


def test_what_is_prepared_stands_until_it_is_final() -> None:
    line = PreparedLine()
    assert line.prepared(0, 1, A) == (True, [])
    assert line.prepared(0, 2, B) == (True, [])
    assert line.standing == (A, B)
    assert line.prepared(0, 2, B) == (False, []), "another member says so too"
    assert line.final(1, A) == []
    assert line.standing == (B,)
    assert line.prepared(0, 1, A) == (False, []), "a member that is behind says so"
    assert line.final(2, B) == []
    assert line.final(1, A) == []
    assert line.standing == ()


def test_another_final_block_takes_back_what_was_prepared_and_all_on_top() -> None:
    line = PreparedLine()
    for height, block in ((5, A), (6, B), (7, C)):
        line.prepared(3, height, block)
    assert line.final(6, D) == [B, C]
    assert line.standing == ()


def test_a_later_term_takes_back_and_an_earlier_one_does_not() -> None:
    line = PreparedLine()
    line.prepared(2, 5, A)
    line.prepared(2, 6, B)
    assert line.prepared(1, 5, C) == (False, []), "a member that is behind says so"
    assert line.prepared(3, 5, D) == (True, [A, B])
    assert line.standing == (D,)


def test_a_final_block_above_says_nothing_of_those_below() -> None:
    line = PreparedLine()
    line.prepared(0, 1, A)
    assert line.final(9, D) == []
    assert line.standing == ()


def test_no_more_stand_than_may() -> None:
    line = PreparedLine()
    for height in range(1, 2 * PREPARED_CAP):
        line.prepared(0, height, bytes([height]) * 32)
    assert len(line.standing) == PREPARED_CAP


@dataclass
class Block:
    height: int
    block_id: bytes
    time_ms: int
    events: list[Any]


def test_the_book_ahead_is_what_the_book_will_be() -> None:
    stage = Stage()
    for height, (author, commands) in enumerate(
        [
            (ALICE, [place(1, 2, 101, 5)]),
            (BOB, [place(1, 1, 101, 2), place(2, 1, 99, 1)]),
            (ALICE, [place(2, 2, 99, 1)]),
        ],
        1,
    ):
        stage.play(1_000 * height, [Run(author, commands)])
    book = L3Book(SPEC)
    book.apply(1, block_id(1), *stage.blocks[0])
    blocks = [
        Block(height, block_id(height), time_ms, [name_event(event) for event in events])
        for height, (time_ms, events) in enumerate(stage.blocks, 1)
    ]
    before = book.snapshot()
    ahead = book_ahead(book, blocks)
    assert (ahead.height, book.height) == (3, 1)
    assert ahead.l2().asks == ((101, 3, 1),)
    assert ahead.l2().bids == ()
    assert book.snapshot() == before, "the certified book is as it was"
    assert book_ahead(book, blocks[2:]).height == 1, "one below it is not known"
    assert book_ahead(book, [Block(2, C, 1, [blocks[1].events[0]._replace(number=9)])]).snapshot() == before
