"""What undoes a speculative block while others are on top of it.

Each is undone from the very state in which the next one found the book, so the logs need to know nothing of each other.
"""

from typing import NamedTuple

from gossipbook.matching.book import Book
from gossipbook.matching.ladder import NOT_MET, Account
from gossipbook.matching.undo import UndoEntry


class Covered(NamedTuple):
    """One block's changes to a book, the accounts that it had commands of with their last ids before, and new ones."""

    log: list[UndoEntry]
    met: list[tuple[Account, int]]
    made: list[Account]


def cover(book: Book) -> Covered:
    """Put what undoes the newest block aside, so that another one can begin on top of it."""
    covered = Covered(book.log, [(account, account.before) for account in book.met], book.made)
    for account in book.met:
        account.before = NOT_MET
    book.log, book.met, book.made = [], [], []
    book.emptied.clear()  # Whose change has been seen to when the block was executed.
    return covered


def uncover(book: Book, covered: Covered) -> None:
    """Take back what undoes a block that is the newest again."""
    book.log, book.made = covered.log, covered.made
    for account, before in covered.met:
        account.before = before
        book.met.append(account)
