"""The embedded peer for plain programs and notebooks. Importing this loads the whole peer."""

from gossipbook import embedded
from gossipbook.accounts.order_state import OrderState
from gossipbook.faces.base import told, told_as
from gossipbook.faces.blocking import asked, asked_as, iterated, opened, opening
from gossipbook.faces.peer_facts import PeerFacts
from gossipbook.faces.sync_client import BookFeed, PairCalls, Submission


class EmbeddedPair(PairCalls[OrderState | None]):
    """One pair of an embedded peer. Made by :meth:`EmbeddedPeer.pair`.

    Example::

        for block in pair.blocks():
            print(block.height, block.events)
    """

    order = told(embedded.EmbeddedPair.order)
    book = told(embedded.EmbeddedPair.book)
    standing = told(embedded.EmbeddedPair.standing)
    state = told(embedded.EmbeddedPair.state)
    explain = asked(embedded.EmbeddedPair.explain)
    blocks = iterated(embedded.EmbeddedPair.blocks)
    prepared_blocks = iterated(embedded.EmbeddedPair.prepared_blocks)
    book_feed = opened(embedded.EmbeddedPair.book_feed, BookFeed)

    @property
    def height(self) -> int:
        """The last finalized block's height."""
        assert isinstance(self._inner, embedded.EmbeddedPair)
        return self._inner.height


class EmbeddedPeer(PeerFacts):
    """A running peer. Made by :func:`open_peer`. Several threads may use it at one time.

    After it was closed, or broke down, every call raises ``LinkClosed``.
    """

    pair = told_as(embedded.EmbeddedPeer.pair, EmbeddedPair)
    statement = asked(embedded.EmbeddedPeer.statement)
    submit = asked_as(embedded.EmbeddedPeer.submit, Submission)


open_peer = opening(embedded.open_peer, EmbeddedPeer)
