"""What a client's parts tell in every face without being waited for."""

from collections.abc import Mapping
from types import MappingProxyType

from gossipbook.books.l3 import L3Book
from gossipbook.client_messages import AckLevel
from gossipbook.crdt.op import Op
from gossipbook.errors import GossipbookError, LinkClosed
from gossipbook.faces.base import Face, told
from gossipbook.ids import ChainId
from gossipbook.manifest import Manifest, Pair
from gossipbook.trade import book_feed, client, submission
from gossipbook.trade.outcome import Certified, OutcomeUnknown
from gossipbook.trade.pair_calls import AnyPair


class ClientFacts(Face[client.Client]):
    """What a client knows by itself."""

    @property
    def manifest(self) -> Manifest:
        """The network's manifest."""
        return self._inner.manifest

    @property
    def chain_id(self) -> ChainId:
        """The network's chain id, of 32 bytes."""
        return self._inner.chain_id

    @property
    def refused(self) -> dict[str, int]:
        """How often peers sent what is not genuine, by reason."""
        return dict(self._inner.refused)

    why_unlinked = told(client.Client.why_unlinked)
    attach = told(client.Client.attach)


class PairFacts(Face[AnyPair]):
    """What a pair is."""

    @property
    def symbol(self) -> str:
        """The pair's name, such as ``BTC-USD``."""
        return self._inner.symbol

    @property
    def spec(self) -> Pair:
        """The pair as the manifest has it: what a tick and a lot are worth, and the bounds of orders."""
        return self._inner.spec


class SubmissionFacts(Face[submission.Submission]):
    """What is known of an op on its way."""

    def _when_closed(self, error: LinkClosed) -> GossipbookError:
        """The op is signed: that nobody follows it here any more says nothing of what becomes of it."""
        return OutcomeUnknown(self.op, str(error))

    @property
    def op(self) -> Op:
        """The op itself, with its id and commands."""
        return self._inner.op

    @property
    def submitted_s(self) -> float:
        """When it was submitted, in seconds of the clock that ``times_s`` uses, which begins anywhere."""
        return self._inner.submitted_s

    @property
    def times_s(self) -> Mapping[AckLevel, float]:
        """When it was known to have reached each level; take differences."""
        return MappingProxyType(self._inner.times_s)

    @property
    def height(self) -> int:
        """The block that it is in, once it is certified; 0 before."""
        return self._inner.height

    @property
    def level(self) -> AckLevel:
        """How safe it is, as far as is known."""
        return self._inner.level

    @property
    def taken_back(self) -> int:
        """How often it was prepared in vain."""
        return self._inner.taken_back

    @property
    def trouble(self) -> str:
        """Why it is not certified yet, in a peer's words; empty if no peer said."""
        return self._inner.trouble

    @property
    def outcome(self) -> Certified | None:
        """What ``certified`` returns, once that is known."""
        return self._inner.outcome


class FeedFacts(Face[book_feed.BookFeed]):
    """What a book feed has got so far."""

    @property
    def spec(self) -> Pair:
        """The pair as the manifest has it."""
        return self._inner.spec

    @property
    def resyncs(self) -> int:
        """How many whole books were asked for after the first."""
        return self._inner.resyncs

    @property
    def book(self) -> L3Book | None:
        """The book as of the newest message that was looked at; None while it waits for a snapshot.

        Read it between two updates, in the thread that iterates: it changes while the next one is waited for.
        """
        return self._inner.book

    def ahead(self) -> L3Book | None:
        """A copy of :attr:`book` with the blocks on top that are prepared and not final, if the feed has them told.

        Read it where :attr:`book` may be read. Nothing may rest on it: it may be taken back.
        """
        return self._inner.ahead()
