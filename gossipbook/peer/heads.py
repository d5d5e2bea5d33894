"""Where each author's newest certified op is."""

from collections.abc import Container

from gossipbook.ids import PublicKey


class Heads:
    """Heights by author. Authors who left the table are forgotten now and then: ``cap`` is twice its size."""

    def __init__(self, known: Container[PublicKey], cap: int) -> None:
        self._known = known
        self._cap = cap
        self._heights: dict[PublicKey, int] = {}

    def note(self, author: PublicKey, height: int) -> None:
        """Note an author's newest certified op."""
        self._heights[author] = height
        if len(self._heights) > self._cap:
            self._heights = {each: at for each, at in self._heights.items() if each in self._known}

    def height_of(self, author: PublicKey) -> int | None:
        """The block with an author's newest certified op; None if there is none."""
        return self._heights.get(author)
