"""Who may not trade with whom: groups of authors, each member wanted by the owner and wanting to be one."""

from typing import TYPE_CHECKING

from gossipbook.matching.commands import GROUP_CAP
from gossipbook.matching.events import RejectReason

if TYPE_CHECKING:
    from gossipbook.matching.book import Book

JOINED, ADMITTED = 1, 2


class Groups:
    """Both sides' wishes, and the members that follow from them. Changes go through the book's undo log."""

    __slots__ = ("admitted", "joined", "members", "sizes")

    def __init__(self) -> None:
        self.joined: dict[bytes, bytes] = {}  # author: whose group they want to be in
        self.admitted: dict[bytes, tuple[bytes, ...]] = {}  # owner: whom they want, sorted
        self.members: dict[bytes, bytes] = {}  # author: whose group they are in, if another's
        self.sizes: dict[bytes, int] = {}  # owner: how many members

    def of(self, author: bytes) -> bytes:
        """The owner of the group that an author is in."""
        return self.members.get(author, author)

    def together(self, author: bytes) -> list[bytes]:
        """All who are in an author's group: its owner, then its members, by key."""
        owner = self.of(author)
        return [owner, *(member for member in self.admitted.get(owner, ()) if self.members.get(member) == owner)]

    def refuse_joining(self, author: bytes, owner: bytes) -> RejectReason | None:
        """Why an author may not say that they want to be in a group; None if they may."""
        nested = author in self.admitted.get(owner, ()) and self._would_nest(author, owner)
        return RejectReason.INVALID_COMBINATION if nested else None

    def refuse_admission(self, owner: bytes, member: bytes, admit: int) -> RejectReason | None:
        """Why an owner may not say that they want somebody, or no more; None if they may."""
        if not admit:
            return None
        if member == owner or (self.joined.get(member) == owner and self._would_nest(member, owner)):
            return RejectReason.INVALID_COMBINATION
        admitted = self.admitted.get(owner, ())
        return RejectReason.GROUP_FULL if member not in admitted and len(admitted) >= GROUP_CAP else None

    def join(self, book: "Book", author: bytes, owner: bytes) -> int:
        """Note whose group an author wants; the consent there is now."""
        if owner in (b"", author):
            book.set_item(self.joined, author, None)
            self._set_member(book, author, None)
            return 0
        book.set_item(self.joined, author, owner)
        admitted = author in self.admitted.get(owner, ())
        self._set_member(book, author, owner if admitted else None)
        return JOINED | (ADMITTED if admitted else 0)

    def admit(self, book: "Book", owner: bytes, member: bytes, admit: bool) -> int:
        """Note whom an owner wants; the consent there is now."""
        others = tuple(author for author in self.admitted.get(owner, ()) if author != member)
        wanted = tuple(sorted((*others, member))) if admit else others
        book.set_item(self.admitted, owner, wanted or None)
        joined = self.joined.get(member) == owner
        if joined:
            self._set_member(book, member, owner if admit else None)
        return (JOINED if joined else 0) | (ADMITTED if admit else 0)

    def _would_nest(self, member: bytes, owner: bytes) -> bool:
        """Whether a group would come to be inside another: then it would not be clear who trades with whom."""
        return member in self.sizes or owner in self.members

    def _set_member(self, book: "Book", author: bytes, owner: bytes | None) -> None:
        before = self.members.get(author)
        if before is not None:
            book.set_item(self.sizes, before, self.sizes[before] - 1 or None)
        book.set_item(self.members, author, owner)
        if owner is not None:
            book.set_item(self.sizes, owner, self.sizes.get(owner, 0) + 1)
