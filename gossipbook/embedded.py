"""The embedded peer: a full participant inside a trio program.

async with gossipbook.open_peer(pairs=["BTC-USD"]) as peer:  # a development network of one
    pair = peer.pair("BTC-USD")
    wallet = peer.wallet()
    order = await pair.place(wallet, "buy", price_ticks=6_000_000, qty_lots=5)
    height = await order.certified()
    print(pair.book(levels=5))
    async for block in pair.blocks():
        ...
"""

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trio

from gossipbook.client_messages import Ack, AckLevel
from gossipbook.consensus.records import Finalized
from gossipbook.crdt.op import Op
from gossipbook.crdt.view import BookView
from gossipbook.errors import ConfigError
from gossipbook.identity import SEED_BYTES, Identity
from gossipbook.ids import BlockId, OpId
from gossipbook.manifest import Manifest, Matcher, Pair
from gossipbook.matching.events import Event, name_event
from gossipbook.net.runtime import Runtime, open_runtime
from gossipbook.net.service import Service
from gossipbook.net.settings import NetSettings
from gossipbook.peer.config import PeerConfig
from gossipbook.peer.events import BookAsked, Submitted
from gossipbook.peer.orders import OrderState
from gossipbook.peer.pair_replica import PairReplica
from gossipbook.peer.pair_summary import PairStanding, read_standing
from gossipbook.storage.keys import create_key, load_key
from gossipbook.trade.book_feed import BookFeed
from gossipbook.trade.pair_calls import Trading
from gossipbook.trade.submission import Submission
from gossipbook.trade.wallet import Wallet

BLOCKS_QUEUED_CAP = 1_024


@dataclass(frozen=True, slots=True)
class CertifiedBlock:
    """One finalized block of a pair: its numbered events, in order."""

    pair: str
    height: int
    block_id: BlockId
    time_ms: int
    events: tuple[Event, ...]


class EmbeddedPair(Trading[OrderState | None]):
    """One pair of an embedded peer."""

    def __init__(self, peer: "EmbeddedPeer", replica: PairReplica) -> None:
        super().__init__(peer.manifest, replica.symbol)
        self._peer = peer
        self._replica = replica

    async def submit_op(self, op: Op) -> Submission:
        return await self._peer.submit(op)

    # -- reading ------------------------------------------------------------------------------------

    def book(self, levels: int = 10) -> BookView:
        """The book now: certified quantities, and pending ones apart."""
        return self._replica.view(levels)

    def order(self, author: bytes, client_id: int) -> OrderState | None:
        """What became of one of the latest orders."""
        return self._replica.orders.find(author, client_id)

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

    def standing(self, author: bytes | None = None) -> PairStanding:
        """What the pair takes now, its last prices, and what an author has at stake there: lease, group, orders."""
        return read_standing(self._replica, author)

    def state(self) -> tuple[str, list[str]]:
        """``certifying``, ``no-quorum``, ``syncing``, ``faulty`` or ``frozen``; and the absent seats' names."""
        return self._replica.state()

    @property
    def height(self) -> int:
        """The last finalized block's height."""
        return self._replica.replica.fin

    async def blocks(self) -> AsyncIterator[CertifiedBlock]:
        """Finalized blocks from now on. Ends with :class:`Lagged` if the reader falls 1,024 blocks behind."""
        send, receive = trio.open_memory_channel[CertifiedBlock](BLOCKS_QUEUED_CAP)
        lagged = False

        def take(event: object) -> None:
            nonlocal lagged
            if not isinstance(event, Finalized) or event.pair != self.symbol or lagged:
                return
            block = event.block
            events = tuple(name_event(raw) for raw in event.events)
            try:
                send.send_nowait(CertifiedBlock(self.symbol, block.height, block.id, block.time_ms, events))
            except trio.WouldBlock:
                lagged = True
                send.close()

        subscribers = self._peer.runtime.driver.subscribers
        subscribers.append(take)
        try:
            async for block in receive:
                yield block
        finally:
            subscribers.remove(take)
        if lagged:
            raise Lagged(f"the reader of {self.symbol} fell {BLOCKS_QUEUED_CAP} blocks behind; read the book anew")

    @asynccontextmanager
    async def book_feed(self) -> AsyncIterator[BookFeed]:
        """The certified book for the length of the block: iterate over it for updates, the whole book first."""
        symbol, feeds = self.symbol, self._peer.service.feeds

        async def ask() -> None:
            await self._peer.runtime.driver.feed([BookAsked(symbol)])

        feed = BookFeed(self._peer.manifest.pair(symbol), ask)
        feeds.add_sink(symbol, feed.take)
        try:
            await ask()
            yield feed
        finally:
            feeds.remove_sink(symbol, feed.take)


class Lagged(ConfigError):
    """A reader of blocks was too slow; it has missed some."""


class EmbeddedPeer:
    """A running peer. Made by :func:`open_peer`."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.service = Service(runtime)
        self._submissions: dict[OpId, list[Submission]] = {}
        runtime.driver.subscribers.append(self._on_event)

    @property
    def manifest(self) -> Manifest:
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
        """An author's wallet: of a key file, or of a fresh key that is forgotten with this program."""
        if key_file is None:
            return Wallet(Identity(os.urandom(SEED_BYTES)), self.manifest.chain_id)
        return Wallet.open(Path(key_file), self.manifest.chain_id)

    async def submit(self, op: Op) -> Submission:
        """Submit a signed op. Submitting it again is harmless."""
        submission = Submission(op)
        self._submissions.setdefault(op.id, []).append(submission)
        await self.runtime.driver.feed([Submitted(op)])
        return submission

    def status(self) -> dict[str, Any]:
        """What ``gossipbook status`` shows."""
        return self.service.status()

    def _on_event(self, event: object) -> None:
        if not isinstance(event, Ack):
            return
        for submission in self._submissions.get(event.op_id, []):
            submission.take(event)
        if event.level in (AckLevel.CERTIFIED, AckLevel.REFUSED):
            self._submissions.pop(event.op_id, None)


@asynccontextmanager
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

    Raises:
        GossipbookError: saying what is not usable and what to do.
    """
    chosen = None if pairs is None else tuple(pairs)
    with ExitStack() as stack:
        path = Path(folder or stack.enter_context(TemporaryDirectory(prefix="gossipbook-")))
        key_file = path / "keys" / "peer.key"
        identity = load_key(key_file) if key_file.exists() else create_key(key_file)
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
            peer=PeerConfig(chosen, base.gossip, base.consensus, base.faults_per_link_cap),
        )
        async with open_runtime(manifest or _solo(identity, chosen), settings) as runtime:
            yield EmbeddedPeer(runtime)


def _solo(identity: Identity, pairs: tuple[str, ...] | None) -> Manifest:
    """A development network of one peer: n = 1, which tolerates no crash."""
    if not pairs:
        raise ConfigError("pairs: without a manifest, say which pairs to trade")
    matcher = Matcher("solo", identity.public_key, "solo")
    return Manifest("solo", tuple(Pair(symbol) for symbol in pairs), (matcher,), 1, "crash")
