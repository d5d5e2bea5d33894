"""A client of the network: stays connected, brings ops to peers until they are certified, reads books and blocks.

It is linked to several peers at a time and believes none of them without proof, but for the program's own. Whatever
was under way over a link that ended goes on over another one. Books and receipts are imported when they are first asked
for: a program that only places an order starts faster without.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import trio

from gossipbook.client_messages import (
    Ack,
    AskBlock,
    AuthorWord,
    BookMark,
    BookPart,
    FeedEnded,
    FeedMessage,
    Follow,
    PairEvents,
    PreparedPart,
    ProvenBlock,
    Unfollow,
    WatchProven,
)
from gossipbook.consensus.committee import Committee
from gossipbook.crdt.op import Op
from gossipbook.effects import Lane
from gossipbook.errors import ConfigError, GossipbookError
from gossipbook.identity import Verifier
from gossipbook.manifest import Manifest, Pair
from gossipbook.ordered import BoundedDict
from gossipbook.trade.asking import Asker
from gossipbook.trade.author_driver import FOREIGN_AUTHORS_CAP, AuthorDriver, ForeignAuthor, Offer, make_room
from gossipbook.trade.author_events import Acked, BlockSeen, LinkUp, MembersWanted, WordHeard
from gossipbook.trade.block_stream import BlockReading, BlockStream, CertifiedBlock
from gossipbook.trade.blocks import BlockReader
from gossipbook.trade.client_pair import ClientPair
from gossipbook.trade.connections import Connections
from gossipbook.trade.peer_link import MALFORMED_ANSWER, PeerLink
from gossipbook.trade.prepared_blocks import PreparedBlock, PreparedStream, PreparedStreams
from gossipbook.trade.submission import Submission
from gossipbook.trade.wallet import Wallet

if TYPE_CHECKING:
    from gossipbook.trade.book_feed import BookFeed

ATTEMPT_S = 4.0
"""How long one peer has for an answer before another one is asked."""
ADDRESSES_A_MEMBER = 8
"""How many addresses of one committee member are taken from one peer."""
WATCHED_LINKS = 2
"""Peers that send the blocks of a pair: when one goes silent the other is there."""
SEEN_CAP = 1_024


class Client(Asker):
    """A client that stays connected. Made by ``open_client``; it ends with the ``async with`` block."""

    def __init__(self, manifest: Manifest, connections: Connections, nursery: trio.Nursery) -> None:
        super().__init__(manifest, connections)
        self.on_ack: Callable[[Ack], None] | None = None  # for those who record what peers promise
        self.refused: dict[str, int] = {}  # what peers sent that is not genuine, by reason
        self._nursery = nursery
        self._verifier = Verifier()
        self._committees = {s: Committee.of(manifest, manifest.chain_id, s) for s in manifest.symbols()}
        self._readers: dict[PeerLink, BlockReader] = {}
        self._drivers: dict[AuthorDriver, None] = {}  # of one author there may be several
        self._streams: dict[str, BlockStream] = {}
        self._prepared = PreparedStreams(self._committees, self._verifier, connections, nursery, self._tell_prepared)
        self._watching: dict[str, dict[PeerLink, None]] = {}
        self._seen: BoundedDict[tuple[str, int], None] = BoundedDict(SEEN_CAP)
        self._feeds: dict[str, list[BookFeed]] = {}
        self._feed_links: dict[str, PeerLink] = {}

    # -- trading ------------------------------------------------------------------------------------

    async def pair(self, symbol: str) -> ClientPair:
        """One of the network's pairs, to trade in.

        Raises:
            ConfigError: the network does not have it.
        """
        self._check_pair(symbol)
        await trio.lowlevel.checkpoint()
        return ClientPair(self, symbol)

    def attach(self, wallet: Wallet) -> None:
        """Sign and send with a wallet through this client; what it signed before and is not certified goes out too.

        Raises:
            WalletError: the wallet is of another network.
        """
        for symbol in wallet.unfinished_pairs() if self._attach(wallet) else ():
            if symbol in self._committees:
                self.use(wallet, symbol)

    def use(self, wallet: AuthorDriver, symbol: str) -> None:
        """Begin to use a wallet in a pair."""
        self._stream(symbol)
        wallet.use(symbol)

    async def meet(self, symbol: str) -> None:
        """Learn from a peer where the members of a pair's committee can be dialled, and be linked to all of them.

        Raises:
            ConfigError: the network does not have the pair.
        """
        self._check_pair(symbol)
        committee = self._committees[symbol]
        self.connections.want(seat.public_key for seat in committee.seats)
        await self._look_for_members(symbol)

    async def submit(self, op: Op) -> Submission:
        """Bring an op to peers that was signed already, and follow it. Doing so again is harmless.

        Raises:
            ConfigError: the network does not have the op's pair.
        """
        self._check_pair(op.pair)
        driver = next((each for each in self._drivers if each.core.author == op.author and not each.closed), None)
        if driver is None:
            if not make_room(self._drivers):
                raise ConfigError(f"this client follows {FOREIGN_AUTHORS_CAP} authors already; open another one")
            driver = ForeignAuthor(op.author, self.chain_id)
            self._attach(driver)
        self._stream(op.pair)
        await trio.lowlevel.checkpoint()
        return driver.follow(op)

    def _attach(self, driver: AuthorDriver) -> bool:
        """Bring an author's ops to peers from now on; True if that is news."""
        self._drivers = {each: None for each in self._drivers if not each.closed}
        self.connections.check_open()
        if driver in self._drivers:
            return False
        driver.join(self.manifest)
        self._drivers[driver] = None
        driver.on_members_wanted.append(self._on_members_wanted)
        driver.on_prepared_wanted.append(self._want_prepared)
        self._nursery.start_soon(driver.run)
        for link in self.connections.up():
            driver.link_up(LinkUp(link.id, link.public_key, link.own), self._offer_over(link))
        return True

    def _offer_over(self, link: PeerLink) -> Offer:
        def offer(message: object, lane: Lane) -> None:
            if isinstance(message, AskBlock):
                self._seen.pop((message.pair, message.height))  # It is wanted, whether or not it came before.
            link.send(message, lane)

        return offer

    def _check_pair(self, symbol: str) -> None:
        self.connections.check_open()
        if symbol not in self._committees:
            raise ConfigError(f"no pair {symbol!r} in network {self.manifest.name!r}; it has {[*self._committees]}")

    # -- blocks and books ---------------------------------------------------------------------------

    async def blocks(self, pair: str) -> AsyncIterator[CertifiedBlock]:
        """Finalized blocks from the first step of the iteration on, each of them proven, in order and without a gap.

        After a link was lost the missing ones are fetched. Where they are more than can be, the next block says with
        ``missed`` how many are left out: read the book anew.

        Example::

            async for block in client.blocks("BTC-USD"):
                print(block.height, block.events)

        Raises:
            ConfigError: the network does not have the pair. Lagged: the reader fell 1,024 blocks behind.
        """
        async with self.block_reader(pair) as reader:
            async for block in reader:
                yield block

    @asynccontextmanager
    async def block_reader(self, pair: str) -> AsyncIterator[BlockReading[CertifiedBlock]]:
        """As :meth:`blocks`, from the entering of the context on."""
        self._check_pair(pair)
        async with self._stream(pair).readers.reader() as reader:
            yield reader

    async def prepared_blocks(self, pair: str) -> AsyncIterator[PreparedBlock]:
        """Blocks from the first step of the iteration on that a quorum prepared, one delay before they are final.

        One that another block took the place of comes a second time, ``taken_back``; what became final does not.

        Raises:
            ConfigError: the network does not have the pair. Lagged: the reader fell 1,024 blocks behind.
        """
        self._check_pair(pair)
        async with self._want_prepared(pair).readers.reader() as reader:
            async for block in reader:
                yield block

    def _want_prepared(self, pair: str) -> PreparedStream:
        self._stream(pair)
        return self._prepared.want(pair)

    def _tell_prepared(self, block: PreparedBlock) -> None:
        for driver in self._drivers:
            driver.prepared(block.op_ids, taken_back=block.taken_back)

    @asynccontextmanager
    async def book_feed(self, pair: Pair | str, *, prepared: bool = False) -> AsyncIterator["BookFeed"]:
        """A pair's book, for the length of the block: iterate over it for updates, each of them checked.

        ``prepared``: what is prepared is told as well, for ``ahead`` of the feed.
        When its peer is lost the book goes on from another one: the next update is a whole book that says so.

        Raises:
            ConfigError: the network does not have the pair.
        """
        from gossipbook.trade.book_feed import BookFeed

        spec = pair
        if isinstance(spec, str):
            self._check_pair(spec)
            spec = self.manifest.pair(spec)
        symbol = spec.symbol

        async def ask() -> None:
            await self.connections.linked()
            self._feed_link(symbol).send(Follow(symbol), Lane.OPS)

        stream = self._want_prepared(symbol) if prepared else None
        feed = BookFeed(spec, ask, tuple if stream is None else lambda: stream.standing)
        (feeds := self._feeds.setdefault(symbol, [])).append(feed)
        try:
            await ask()
            yield feed
        finally:
            feeds.remove(feed)
            feed.end("the feed was closed")
            if not feeds:
                del self._feeds[symbol]
                link = self._feed_links.pop(symbol, None)
                if link is not None:
                    link.send(Unfollow(symbol), Lane.OPS)

    def _feed_link(self, symbol: str) -> PeerLink:
        link = self._feed_links.get(symbol)
        if link is None or link.closed_reason:
            chosen = self.connections.next()
            assert chosen is not None
            link = self._feed_links[symbol] = chosen
        return link

    def _stream(self, symbol: str) -> BlockStream:
        """The blocks of a pair, which every link is asked to send."""
        stream = self._streams.get(symbol)
        if stream is None:
            stream = self._streams[symbol] = BlockStream(symbol, self.connections)
            self._nursery.start_soon(stream.run)
            if self.connections.least > 1:
                self._nursery.start_soon(self._look_for_members, symbol)
            self._watch(symbol)
        return stream

    def _watch(self, symbol: str) -> None:
        """Have enough peers send the pair's blocks; a copy of a block that came already is not looked at."""
        watching = self._watching.setdefault(symbol, {})
        for link in self.connections.up():
            if len(watching) < WATCHED_LINKS and link not in watching:
                watching[link] = None
                link.send(WatchProven(symbol), Lane.OPS)

    # -- links --------------------------------------------------------------------------------------

    def link_up(self, link: PeerLink) -> None:
        """A peer is linked: everything that is under way goes over it too."""
        link.on_message = self._on_message
        self._readers[link] = BlockReader(self._committees, self._verifier, own=link.own)
        for symbol, stream in self._streams.items():
            self._watch(symbol)
            stream.probe(link)
        self._prepared.links_changed()
        for driver in self._drivers:
            driver.link_up(LinkUp(link.id, link.public_key, link.own), self._offer_over(link))
        for symbol, feeds in self._feeds.items():
            before = self._feed_links.get(symbol)
            if before is None or before.closed_reason:
                for feed in feeds:
                    feed.resume()

    def link_down(self, link: PeerLink) -> None:
        """A link ended: what went over it goes on over others, or waits for the next."""
        self._readers.pop(link, None)
        for watching in self._watching.values():
            watching.pop(link, None)
        for symbol in self._streams:
            self._watch(symbol)
        self._prepared.links_changed()
        for driver in self._drivers:
            driver.link_down(link.id)
        for symbol, before in list(self._feed_links.items()):
            if before is link:
                del self._feed_links[symbol]
                for feed in self._feeds.get(symbol, ()):
                    feed.resume()

    def _on_members_wanted(self, wanted: MembersWanted) -> None:
        committee = self._committees[wanted.pair]
        self.connections.least = max(self.connections.least, wanted.seats)
        self.connections.want(seat.public_key for seat in committee.seats)
        self._nursery.start_soon(self._look_for_members, wanted.pair)

    async def _look_for_members(self, symbol: str) -> None:
        """Ask where the members of a pair can be dialled, and link to its leader."""
        try:
            committee = self._committees[symbol]
            answer = await self.query("members", symbol)
            for row in answer["members"]:
                key = bytes.fromhex(row["public_key"])
                for address in row["addresses"][:ADDRESSES_A_MEMBER] if committee.seat_of(key) is not None else ():
                    self.connections.learn(str(address), key)
            leader = committee.key(int(answer["leader"]) % len(committee.seats))
        except (*MALFORMED_ANSWER, GossipbookError):
            self._count("no members")  # The addresses that are known must do.
            return
        self.connections.want([leader])

    def _on_message(self, link: PeerLink, message: Any) -> None:
        match message:
            case Ack():
                if self.on_ack is not None:
                    self.on_ack(message)
                for driver in self._drivers:
                    driver.handle(Acked(link.id, message))
            case ProvenBlock():
                self._on_block(link, message)
            case PreparedPart():
                self._blame(link, self._prepared.take(link, message))
            case AuthorWord():
                for driver in self._drivers:
                    if driver.core.author == message.author:
                        driver.handle(WordHeard(link.id, message))
            case PairEvents() | BookPart() | BookMark() | FeedEnded():
                self._take_feed(link, message)
            case _:
                self._count("unknown message")  # What a newer peer may say.

    def _take_feed(self, link: PeerLink, message: FeedMessage) -> None:
        if self._feed_links.get(message.pair) is link:
            for feed in self._feeds.get(message.pair, ()):
                feed.take(message)

    def _on_block(self, link: PeerLink, message: ProvenBlock) -> None:
        if (message.pair, message.height) in self._seen:
            return  # Another peer sent it first.
        reader = self._readers.get(link)
        checked = None if reader is None else reader.take(message)
        if isinstance(checked, str):
            self._blame(link, checked)
        elif checked is not None:
            self._seen[checked.pair, checked.block.height] = None
            self._prepared.final(checked.pair, checked.block.height, checked.block.id)
            for driver in self._drivers:
                driver.handle(BlockSeen(checked))
            self._stream(checked.pair).take(checked)

    def _blame(self, link: PeerLink, fault: str) -> None:
        """Close the link of a liar; others are dialled."""
        if fault:
            self._count(fault)
            link.close(fault)

    def _count(self, reason: str) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def release(self) -> None:
        """Let go of all wallets and feeds, which goes with closing."""
        self.connections.close()
        for stream in self._streams.values():
            stream.readers.end()
        self._prepared.end()
        for driver in self._drivers:
            driver.on_members_wanted.remove(self._on_members_wanted)
            driver.on_prepared_wanted.remove(self._want_prepared)
            for link in self.connections.up():
                driver.link_down(link.id)
            if not isinstance(driver, Wallet):
                driver.close()
        for feed in chain.from_iterable(self._feeds.values()):
            feed.end("closed here")
