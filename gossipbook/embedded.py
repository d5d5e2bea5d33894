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
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trio

from gossipbook.client import Submission
from gossipbook.consensus.records import Finalized
from gossipbook.crdt.op import Op
from gossipbook.crdt.view import BookView
from gossipbook.errors import ConfigError
from gossipbook.identity import SEED_BYTES, Identity
from gossipbook.ids import BlockId, OpId
from gossipbook.manifest import Manifest, Matcher, Pair
from gossipbook.matching.commands import (
    Amend,
    AmendFlags,
    Cancel,
    CancelAll,
    Command,
    OrderType,
    Place,
    PlaceFlags,
    SelfTrade,
    Side,
    TimeInForce,
)
from gossipbook.matching.events import Event, name_event
from gossipbook.net.runtime import Runtime, open_runtime
from gossipbook.net.service import Service
from gossipbook.net.settings import NetSettings
from gossipbook.peer.config import PeerConfig
from gossipbook.peer.events import Submitted
from gossipbook.peer.orders import OrderState
from gossipbook.peer.pair_replica import PairReplica
from gossipbook.requests import Ack, AckLevel
from gossipbook.storage.keys import create_key, load_key
from gossipbook.storage.wallet import Wallet

BLOCKS_QUEUED_CAP = 1_024

SIDES = {"buy": Side.BUY, "sell": Side.SELL}
TIFS = {"gtc": TimeInForce.GTC, "gtd": TimeInForce.GTD, "ioc": TimeInForce.IOC, "fok": TimeInForce.FOK}


@dataclass(frozen=True, slots=True)
class CertifiedBlock:
    """One finalized block of a pair: its numbered events, in order."""

    pair: str
    height: int
    block_id: BlockId
    time_ms: int
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """An order on its way: its id, and the submission of the op that carries it."""

    pair: "EmbeddedPair"
    author: bytes
    client_id: int
    submission: Submission

    async def certified(self) -> int:
        """Until it is in a finalized block; returns the height. What became of it is in :meth:`state`."""
        return await self.submission.certified()

    def state(self) -> OrderState | None:
        """The order as of the last finalized block; None if it is not certified yet, or too long ago."""
        return self.pair.order(self.author, self.client_id)


class EmbeddedPair:
    """One pair of an embedded peer."""

    def __init__(self, peer: "EmbeddedPeer", replica: PairReplica) -> None:
        self._peer = peer
        self._replica = replica
        self.symbol = replica.symbol

    # -- trading ------------------------------------------------------------------------------------

    async def submit(self, wallet: Wallet, commands: Sequence[Command], expiry_ms: int = 0) -> Submission:
        """Sign 1 to 256 commands as the author's next op, and submit it.

        ``expiry_ms``: block time after which its places are void; 0 for never.
        """
        return await self._peer.submit(wallet.sign(self.symbol, commands, expiry_ms))

    async def place(
        self,
        wallet: Wallet,
        side: str,
        *,
        price_ticks: int,
        qty_lots: int,
        tif: str = "gtc",
        market: bool = False,
        post_only: bool = False,
        self_trade: SelfTrade = SelfTrade.CANCEL_TAKER,
        expires_ms: int = 0,
    ) -> PlacedOrder:
        """Place one order. ``market`` takes up to ``price_ticks``, its protection price, and needs tif ioc or fok.

        Raises:
            ConfigError: ``side`` or ``tif`` is no known word.
        """
        if side not in SIDES or tif not in TIFS:
            raise ConfigError(f"side: one of {sorted(SIDES)}, tif: one of {sorted(TIFS)}; got {side!r}, {tif!r}")
        client_id = wallet.next_client_id(self.symbol)
        command = Place(
            client_id=client_id,
            side=SIDES[side],
            type=OrderType.MARKET if market else OrderType.LIMIT,
            price_ticks=price_ticks,
            qty_lots=qty_lots,
            tif=TIFS[tif],
            flags=PlaceFlags.POST_ONLY if post_only else PlaceFlags.NONE,
            self_trade=self_trade,
            expires_ms=expires_ms,
        )
        submission = await self.submit(wallet, [command])
        return PlacedOrder(self, wallet.identity.public_key, client_id, submission)

    async def cancel(self, wallet: Wallet, client_id: int) -> Submission:
        return await self.submit(wallet, [Cancel(client_id)])

    async def cancel_all(self, wallet: Wallet) -> Submission:
        return await self.submit(wallet, [CancelAll()])

    async def amend(
        self, wallet: Wallet, client_id: int, *, price_ticks: int = 0, qty_lots: int = 0, reduce_only: bool = False
    ) -> Submission:
        """Change an order; ``qty_lots`` is the new total, 0 keeps what is not given."""
        flags = AmendFlags.REDUCE_ONLY if reduce_only else AmendFlags.NONE
        return await self.submit(wallet, [Amend(client_id, price_ticks, qty_lots, flags)])

    # -- reading ------------------------------------------------------------------------------------

    def book(self, levels: int = 10) -> BookView:
        """The book now: certified quantities, and pending ones apart."""
        return self._replica.view(levels)

    def order(self, author: bytes, client_id: int) -> OrderState | None:
        """What became of one of the latest orders."""
        return self._replica.orders.find(author, client_id)

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
