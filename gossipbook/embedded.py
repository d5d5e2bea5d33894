"""The embedded peer: a full participant inside a trio program.

async with gossipbook.open_peer(pairs=["BTC-USD"]) as peer:  # a development network of one
    pair = peer.pair("BTC-USD")
    wallet = peer.wallet()
    order = await pair.place(wallet, "buy", price_ticks=6_000_000, qty_lots=5)
    print(await order.certified())
    print(pair.book(levels=5))
    async for block in pair.blocks():
        ...
"""

import itertools
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trio

from gossipbook.accounts.order_state import OrderState
from gossipbook.client_messages import Ack, AskAuthor, AskBlock, Submit
from gossipbook.consensus.records import Finalized
from gossipbook.crdt.op import Op
from gossipbook.crdt.view import BookView
from gossipbook.effects import Lane, LinkId
from gossipbook.errors import ConfigError, LinkClosed, ungrouped
from gossipbook.identity import SEED_BYTES, Identity
from gossipbook.loops import trio_context
from gossipbook.manifest import Manifest, Matcher, Pair
from gossipbook.matching.events import name_event
from gossipbook.net.opening import open_runtime
from gossipbook.net.runtime import Runtime
from gossipbook.net.service import Service
from gossipbook.net.settings import NetSettings
from gossipbook.peer.condition import PairCondition
from gossipbook.peer.config import PeerConfig
from gossipbook.peer.events import BookAsked, Submitted
from gossipbook.peer.pair_replica import PairReplica
from gossipbook.peer.pair_summary import PairStanding, find_order, read_standing
from gossipbook.receipt.making import Executed
from gossipbook.storage.keys import create_key, load_key
from gossipbook.trade.account_calls import Bound
from gossipbook.trade.author_driver import AuthorDriver, ForeignAuthor
from gossipbook.trade.author_events import Acked, BlockSeen, LinkUp, WordHeard
from gossipbook.trade.block_stream import BlockReading, CertifiedBlock
from gossipbook.trade.blocks import CheckedBlock
from gossipbook.trade.book_feed import BookFeed
from gossipbook.trade.connections import CLOSED
from gossipbook.trade.outcome import ProofKind
from gossipbook.trade.own_blocks import OwnBlocks
from gossipbook.trade.pair_calls import PairCalls
from gossipbook.trade.prepared_blocks import PreparedBlock
from gossipbook.trade.submission import Submission
from gossipbook.trade.wallet import Wallet

_serials = itertools.count(1)


class EmbeddedPair(PairCalls[OrderState | None]):
    """One pair of an embedded peer. Made by :meth:`EmbeddedPeer.pair`.

    Example::

        async for block in pair.blocks():
            print(block.height, block.events)
    """

    def __init__(self, peer: "EmbeddedPeer", replica: PairReplica) -> None:
        super().__init__(peer.manifest, replica.symbol)
        self._peer = peer
        self._replica = replica

    def _use(self, wallet: Wallet) -> None:
        self._peer.attach(wallet)
        wallet.use(self.symbol)

    async def submit_op(self, op: Op) -> Submission:
        """Submit an op of this pair that was signed already, and follow it. Doing so again is harmless."""
        return await self._peer.submit(op)

    def book(self, levels: int = 10) -> BookView:
        """The book now: certified quantities, and pending ones apart. At most ``levels`` price levels of each side."""
        return self._replica.view(levels)

    def order(self, author: bytes, client_id: int) -> OrderState | None:
        """What is known of an order: certified, if it is among the latest, or pending; None if nothing is."""
        return find_order(self._replica, author, client_id)

    async def receipt(self, author: bytes, client_id: int) -> bytes:
        """The receipt of an order: a file that proves to anybody, offline, what became of it.

        Raises:
            VerifyError: no finalized block has the order.
        """
        return await self._peer.service.receipt(self.symbol, author, client_id)

    async def explain(self, author: bytes, client_id: int) -> dict[str, Any]:
        """What this peer knows of an order: how its op came, each event with its block, why it waits.

        Raises:
            GossipbookError: it knows nothing of it.
        """
        return await self._peer.service.explain(self.symbol, author, client_id)

    async def _ask_account(self, what: str, *arguments: str) -> dict[str, Any]:
        self._peer._check_open()
        return await self._peer.service.account(what, self.symbol, *arguments)

    def standing(self, author: bytes | None = None) -> PairStanding:
        """What the pair takes now, its last prices, and what an author has at stake there: lease, group, orders."""
        return read_standing(self._replica, author)

    def state(self) -> tuple[PairCondition, list[str]]:
        """How the pair fares at this peer, and the absent seats' names."""
        return self._replica.state()

    @property
    def height(self) -> int:
        """The last finalized block's height."""
        return self._replica.replica.fin

    async def blocks(self) -> AsyncIterator[CertifiedBlock]:
        """Finalized blocks, from the first step of the iteration on.

        Raises:
            Lagged: the reader fell 1,024 blocks behind. LinkClosed: the peer was closed.
        """
        async with self._block_reader() as reading:
            async for block in reading:
                yield block

    async def prepared_blocks(self) -> AsyncIterator[PreparedBlock]:
        """Blocks that a quorum prepared, not final yet, or again as ``taken_back``; members alone have them.

        Raises:
            Lagged: the reader fell 1,024 blocks behind. LinkClosed: the peer was closed.
        """
        self._peer._check_open()
        async with self._peer._blocks.want_prepared(self.symbol).readers.reader() as reading:
            async for block in reading:
                yield block

    def _block_reader(self) -> AbstractAsyncContextManager[BlockReading[CertifiedBlock]]:
        self._peer._check_open()
        return self._peer._blocks.reader(self.symbol)

    @asynccontextmanager
    async def book_feed(self, *, prepared: bool = False) -> AsyncIterator[BookFeed]:
        """The certified book for the length of the block: iterate over it for updates, the whole book first.

        ``prepared``: what is prepared is told as well, for ``ahead`` of the feed.

        Example::

            async with pair.book_feed() as feed:
                async for update in feed:
                    print(update.height, update.top, "whole" if update.reset else "step")
        """
        symbol, feeds = self.symbol, self._peer.service.feeds

        async def ask() -> None:
            await self._peer.runtime.driver.feed([BookAsked(symbol)])

        self._peer._check_open()
        stream = self._peer._blocks.want_prepared(symbol) if prepared else None
        feed = BookFeed(self._peer.manifest.pair(symbol), ask, tuple if stream is None else lambda: stream.standing)
        self._peer._book_feeds[feed] = None
        feeds.add_sink(symbol, feed.take)
        try:
            await ask()
            yield feed
        finally:
            del self._peer._book_feeds[feed]
            feeds.remove_sink(symbol, feed.take)
            feed.end("the feed was closed")


class EmbeddedPeer:
    """A running peer. Made by :func:`open_peer`; it ends with the ``async with`` block."""

    def __init__(self, runtime: Runtime, nursery: trio.Nursery) -> None:
        self.runtime = runtime
        self.service = Service(runtime)
        self._book_feeds: dict[BookFeed, None] = {}
        self._closed = False
        self._nursery = nursery
        self._link: LinkId = b"own-peer" + next(_serials).to_bytes(8, "big")  # what author cores call this peer
        self._drivers: dict[AuthorDriver, None] = {}  # of one author there may be several
        self._blocks = OwnBlocks(lambda: self._drivers)
        runtime.driver.subscribers += (self._on_event, self._blocks.on_event)

    @property
    def manifest(self) -> Manifest:
        """The network's manifest."""
        return self.runtime.manifest

    @property
    def addresses(self) -> list[str]:
        """Where others dial this peer."""
        return list(map(str, self.runtime.addresses))

    def pair(self, symbol: str) -> EmbeddedPair:
        """One of the pairs that this peer follows.

        Raises:
            ConfigError: it does not follow that pair.
        """
        replica = self.runtime.peer.pairs.get(symbol)
        if replica is None:
            raise ConfigError(f"pair {symbol!r} is not followed; followed: {sorted(self.runtime.peer.pairs)}")
        return EmbeddedPair(self, replica)

    def wallet(self, key_file: str | Path | None = None) -> Wallet:
        """An author's wallet: of a key file, or of a fresh key that is forgotten with this program.

        Raises:
            KeyFileError: the key, or its file of ops, cannot be used; says why.
        """
        if key_file is None:
            return Wallet(Identity(os.urandom(SEED_BYTES)), self.manifest.chain_id)
        return Wallet.open(Path(key_file), self.manifest.chain_id)

    def attach(self, wallet: Wallet) -> None:
        """Sign and send with a wallet through this peer; what it signed before and is not certified goes out too.

        Raises:
            WalletError: the wallet is of another network.
        """
        for symbol in wallet.unfinished_pairs() if self._attach(wallet) else ():
            if symbol in self.runtime.peer.pairs:
                wallet.use(symbol)

    async def submit(self, op: Op) -> Submission:
        """Submit an op that was signed already, and follow it. Doing so again is harmless.

        Raises:
            ConfigError: this peer does not follow the op's pair.
        """
        self.pair(op.pair)
        driver = next((each for each in self._drivers if each.core.author == op.author and not each.closed), None)
        if driver is None:
            driver = ForeignAuthor(op.author, self.manifest.chain_id)
            self._attach(driver)
        await trio.lowlevel.checkpoint()
        return driver.follow(op)

    async def statement(self, author: bytes, *, at: Bound = "") -> dict[str, Any]:
        """An author's ``positions``: what the fills in each pair come to, up to a height or a time; and open orders."""
        self._check_open()
        return await self.service.account("statement", "", author.hex(), str(at))

    def _check_open(self) -> None:
        """Raises LinkClosed if the peer was closed."""
        if self._closed:
            raise LinkClosed(CLOSED)

    def _attach(self, driver: AuthorDriver) -> bool:
        """Bring an author's ops to this peer from now on; True if that is news."""
        self._check_open()
        self._drivers = {each: None for each in self._drivers if not each.closed}
        if driver in self._drivers:
            return False
        driver.join(self.manifest)
        driver.on_prepared_wanted.append(self._blocks.want_prepared)
        self._drivers[driver] = None
        self._nursery.start_soon(driver.run)
        driver.link_up(LinkUp(self._link, self.runtime.identity.public_key, own=True), self._offer)
        return True

    def release(self) -> None:
        """Let go of all wallets and readers, which goes with closing."""
        self._closed = True
        self._blocks.end()
        for feed in self._book_feeds:
            feed.end(CLOSED)
        for driver in self._drivers:
            driver.link_down(self._link)
            driver.on_prepared_wanted.remove(self._blocks.want_prepared)
            if not isinstance(driver, Wallet):
                driver.close()

    def status(self) -> dict[str, Any]:
        """What ``gossipbook status`` shows."""
        return self.service.status()

    def _offer(self, message: object, _lane: Lane) -> None:
        """What an author core says to its own peer."""
        match message:
            case Submit(op):
                self.runtime.driver.feed_soon([Submitted(op)])
            case AskAuthor():
                self._nursery.start_soon(self._tell_author, message)
            case AskBlock():
                self._nursery.start_soon(self._tell_block, message)

    async def _tell_author(self, message: AskAuthor) -> None:
        word = await self.service.proofs.word(message)
        for driver in self._drivers:
            if driver.core.author == message.author:
                driver.handle(WordHeard(self._link, word))

    async def _tell_block(self, message: AskBlock) -> None:
        executed = await self.service.proofs.block(message.pair, message.height)
        if executed is not None:
            self._see(message.pair, executed)

    def _see(self, pair: str, executed: Executed) -> None:
        events = tuple(map(name_event, executed.events))
        seen = BlockSeen(CheckedBlock(pair, executed.block, executed.fc.term, events, ProofKind.OWN_PEER))
        for driver in self._drivers:
            driver.handle(seen)

    def _on_event(self, event: object) -> None:
        if isinstance(event, Ack):
            for driver in self._drivers:
                driver.handle(Acked(self._link, event))
        elif isinstance(event, Finalized) and self._drivers:
            self._see(event.pair, Executed(event.block, event.fc, (), event.events, b""))


@trio_context
async def open_peer(
    manifest: Manifest | None = None,
    *,
    folder: str | Path | None = None,
    listen: str = "127.0.0.1:0",
    advertise: Iterable[str] = (),
    dht: bool = True,
    dht_listen: str = "127.0.0.1:0",
    dht_advertise: str = "",
    bootstrap: Iterable[str] = (),
    peers: Iterable[str] = (),
    pairs: Iterable[str] | None = None,
    config: PeerConfig | None = None,
) -> AsyncIterator[EmbeddedPeer]:
    """Run a peer for the length of the block.

    ``manifest`` None: a network of this peer alone, over ``pairs``, for development. ``folder`` holds the key (made
    if there is none) and the journal; None: a temporary one. ``listen``: host:port for links, port 0 for any;
    ``advertise``: what to tell others to dial, if not that. ``dht`` off: only ``peers`` and the manifest's addresses
    are dialled. ``pairs`` None follows all.

    Example::

        manifest = Manifest.from_file("network.toml")
        async with open_peer(manifest, folder="peer1", bootstrap=["10.0.0.5:7401"]) as peer:
            print(peer.status())

    Raises:
        ConfigError: a setting is not usable. FolderLocked: another peer runs on the folder.
        KeyFileError, JournalError: what is in the folder cannot be used. Each says what to do.
        WrongLoop: trio does not run here.
    """
    _refuse_text(pairs=pairs, peers=peers, bootstrap=bootstrap, advertise=advertise)
    chosen = None if pairs is None else tuple(pairs)
    with ungrouped(), ExitStack() as stack:
        path = Path(folder or stack.enter_context(TemporaryDirectory(prefix="gossipbook-")))
        key_file = path / "keys" / "peer.key"
        identity = load_key(key_file) if key_file.exists() else create_key(key_file, for_author=False)
        base = config or PeerConfig.lan()
        settings = NetSettings(
            folder=path,
            listen=listen,
            advertise=tuple(advertise),
            dht=dht and manifest is not None,
            dht_listen=dht_listen,
            dht_advertise=dht_advertise,
            bootstrap=tuple(bootstrap),
            peers=tuple(peers),
            peer=replace(base, pairs=chosen),
        )
        async with (
            open_runtime(manifest or _solo(identity, chosen), settings) as runtime,
            trio.open_nursery() as nursery,
        ):
            peer = EmbeddedPeer(runtime, nursery)
            try:
                yield peer
            finally:
                peer.release()
                nursery.cancel_scope.cancel()


def _refuse_text(**given: object) -> None:
    """Refuse one text where a list of texts is expected: iterated over, it would be a list of letters."""
    for name, value in given.items():
        if isinstance(value, str):
            raise ConfigError(f"{name}: expected a list, such as [{value!r}], not text")


def _solo(identity: Identity, pairs: tuple[str, ...] | None) -> Manifest:
    """A development network of one peer: n = 1, which tolerates no crash."""
    if not pairs:
        raise ConfigError("pairs: without a manifest, say which pairs to trade")
    matcher = Matcher("solo", identity.public_key, "solo")
    return Manifest("solo", tuple(Pair(symbol) for symbol in pairs), (matcher,), 1, "crash")
