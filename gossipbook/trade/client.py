"""A client of one peer: submits signed ops and follows them, asks questions, watches events.

The link is the peers' own (websocket, handshake, frames) with the role ``client``; any key serves for it, since an op
is signed by its author, whoever brings it.
"""

import base64
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio

from gossipbook.client_messages import (
    Ack,
    AckLevel,
    Answer,
    BookMark,
    BookPart,
    FeedEnded,
    FeedMessage,
    Follow,
    PairEvents,
    Query,
    Submit,
    Unfollow,
    Watch,
)
from gossipbook.crdt.op import Op
from gossipbook.errors import GossipbookError, LinkClosed, VerifyError, ungrouped
from gossipbook.identity import SEED_BYTES, Identity
from gossipbook.ids import ChainId, OpId, PublicKey
from gossipbook.manifest import Manifest, Pair
from gossipbook.net.address import parse_address
from gossipbook.net.transport import Channel, dial, shake_hands
from gossipbook.receipt.format import RECEIPT_BYTES_CAP
from gossipbook.receipt.verifying import verify_receipt
from gossipbook.trade.book_feed import BookFeed
from gossipbook.trade.pair_calls import Trading
from gossipbook.trade.submission import Submission
from gossipbook.wire.codec import decode_message, encode_message
from gossipbook.wire.framing import FRAME_TARGET_BYTES, join_frame, split_frame
from gossipbook.wire.handshake import Handshake
from gossipbook.wire.link_messages import Ping, Pong

PING_S = 5.0
OUTBOX_CAP = 4_096
EVENTS_CAP = 4_096


class QueryFailed(GossipbookError):
    """The peer could not answer; its words are the message."""


class Client:
    """An open client link. Made by :func:`open_client`."""

    def __init__(self, channel: Channel, chain_id: ChainId) -> None:
        self.chain_id = chain_id
        self._channel = channel
        self._send_outbox, self._outbox = trio.open_memory_channel[bytes](OUTBOX_CAP)
        self._send_events, self.events = trio.open_memory_channel[PairEvents](EVENTS_CAP)
        self._submissions: dict[OpId, Submission] = {}
        self._answers: dict[int, tuple[trio.Event, list[Answer]]] = {}
        self._feeds: dict[str, list[BookFeed]] = {}
        self._watched: set[str] = set()
        self._number = 0
        self.on_ack: Callable[[Ack], None] | None = None  # for those who follow many ops at once
        self.lagged = 0  # event messages lost because nobody read ``events``
        self.closed_reason = ""

    async def submit(self, op: Op) -> Submission:
        """Send an op; the submission tells how it fares. Idempotent."""
        submission = Submission(op)
        self._submissions[op.id] = submission
        await self._send(Submit(op))
        return submission

    async def query(self, what: str, *arguments: str) -> Any:
        """Ask a question; the answer's JSON, decoded.

        Raises:
            QueryFailed: the peer says why.
        """
        self._number += 1
        number = self._number
        arrived, answers = self._answers[number] = (trio.Event(), [])
        await self._send(Query(number, what, arguments))
        await arrived.wait()
        del self._answers[number]
        if not answers:
            raise LinkClosed(self.closed_reason)
        body = json.loads(answers[0].json)
        if not answers[0].good:
            raise QueryFailed(body["error"])
        return body

    async def receipt(self, pair: str, author: PublicKey, client_id: int) -> bytes:
        """The receipt of an order, verified against this link's network: what ``gossipbook receipt verify`` checks.

        Raises:
            QueryFailed: there is nothing to prove yet, in the peer's words.
            VerifyError: what the peer sent proves nothing, or something else.
        """
        raw, whole = b"", 1
        while len(raw) < whole <= RECEIPT_BYTES_CAP:
            answer = await self.query("receipt", pair, author.hex(), str(client_id), str(len(raw)))
            part = base64.b64decode(answer["part"])
            if not part:
                break
            raw, whole = raw + part, int(answer["bytes"])
        proven = verify_receipt(raw, self.chain_id)
        if (proven.op.pair, proven.op.author, proven.client_id) != (pair, author, client_id):
            raise VerifyError("the peer sent the receipt of another order")
        return raw

    async def explain(self, pair: str, author: PublicKey, client_id: int) -> dict[str, Any]:
        """What the peer knows of an order: how its op came, each event with its block, why it waits. Not proven.

        Raises:
            QueryFailed: it knows nothing of it.
        """
        answer: dict[str, Any] = await self.query("explain", pair, author.hex(), str(client_id))
        return answer

    async def pair(self, symbol: str) -> "ClientPair":
        """One of the network's pairs, to trade in.

        Raises:
            QueryFailed: the peer does not follow that pair.
        """
        manifest = Manifest.from_dict(await self.query("manifest"))
        await self.query("pair", symbol)
        return ClientPair(self, manifest, symbol)

    async def watch(self, pair: str) -> None:
        """Have every finalized block's events of a pair put into ``events`` from now on."""
        self._watched.add(pair)
        await self._send(Watch(pair))

    @asynccontextmanager
    async def book_feed(self, pair: Pair | str) -> AsyncIterator[BookFeed]:
        """A pair's book, for the length of the block: iterate over it for updates, each of them checked.

        Only tick and lot size are needed of ``pair``; a symbol alone has the peer asked for them.

        Raises:
            QueryFailed: the peer does not follow that pair.
        """
        if isinstance(pair, str):
            answer = await self.query("book", pair, "1")
            pair = Pair(pair, tick_size=answer["tick_size"], lot_size=answer["lot_size"])
        symbol = pair.symbol

        async def ask() -> None:
            await self._send(Follow(symbol))

        feed = BookFeed(pair, ask)
        feeds = self._feeds.setdefault(symbol, [])
        feeds.append(feed)
        try:
            await ask()
            yield feed
        finally:
            feeds.remove(feed)
            if not feeds:
                del self._feeds[symbol]
                self._send_at_once(Unfollow(symbol))

    async def _send(self, message: object) -> None:
        if self.closed_reason:
            raise LinkClosed(self.closed_reason)
        await self._send_outbox.send(encode_message(message))

    def _send_at_once(self, message: object) -> None:
        """Send if there is room, and not otherwise."""
        if not self.closed_reason:
            with suppress(trio.WouldBlock):
                self._send_outbox.send_nowait(encode_message(message))

    # -- running ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read and write until the link ends or this is cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                nursery.start_soon(self._ping)
                try:
                    await self._read()
                finally:
                    nursery.cancel_scope.cancel()
        finally:
            self._lose_all()

    async def _read(self) -> None:
        try:
            while True:
                for raw in split_frame(await self._channel.receive()):
                    await self._take(decode_message(raw))
        except GossipbookError as error:
            self.closed_reason = str(error) or "link closed"

    async def _take(self, message: object) -> None:
        match message:
            case Ack():
                if self.on_ack is not None:
                    self.on_ack(message)
                submission = self._submissions.get(message.op_id)
                if submission is not None:
                    submission.take(message)
                    if message.level in (AckLevel.CERTIFIED, AckLevel.REFUSED):
                        del self._submissions[message.op_id]
            case Answer():
                waiting = self._answers.get(message.number)
                if waiting is not None:
                    waiting[1].append(message)
                    waiting[0].set()
            case PairEvents() | BookPart() | BookMark() | FeedEnded():
                self._take_feed(message)
            case Ping(number):
                await self._send(Pong(number))
            case _:
                pass  # Pongs, and what a newer peer may say.

    def _take_feed(self, message: FeedMessage) -> None:
        feeds = self._feeds.get(message.pair, ())
        for feed in feeds:
            feed.take(message)
        if isinstance(message, PairEvents) and (message.pair in self._watched or not feeds):
            try:
                self._send_events.send_nowait(message)
            except trio.WouldBlock:
                self.lagged += 1

    async def _write(self) -> None:
        async for first in self._outbox:
            batch, size = [first], len(first)
            while size < FRAME_TARGET_BYTES:
                try:
                    raw = self._outbox.receive_nowait()
                except trio.WouldBlock:
                    break
                batch.append(raw)
                size += len(raw)
            try:
                await self._channel.send(join_frame(batch))
            except LinkClosed:
                return  # The reader says why.

    async def _ping(self) -> None:
        number = 0
        while True:
            await trio.sleep(PING_S)
            number += 1
            await self._send(Ping(number))

    def _lose_all(self) -> None:
        self.closed_reason = self.closed_reason or "closed here"
        for submission in self._submissions.values():
            submission.lose(self.closed_reason)
        for arrived, _ in self._answers.values():
            arrived.set()
        self._send_events.close()
        for feeds in self._feeds.values():
            for feed in feeds:
                feed.end(self.closed_reason)


class ClientPair(Trading[Awaitable[dict[str, Any] | None]]):
    """One pair, traded in through a client's peer. Made by :meth:`Client.pair`; its answers are the peer's JSON."""

    def __init__(self, client: Client, manifest: Manifest, symbol: str) -> None:
        super().__init__(manifest, symbol)
        self._client = client

    async def submit_op(self, op: Op) -> Submission:
        return await self._client.submit(op)

    async def order(self, author: PublicKey, client_id: int) -> dict[str, Any] | None:
        """What became of one of the latest orders; None if it is not certified yet, or too long ago."""
        try:
            answer: dict[str, Any] = await self._client.query("order", self.symbol, author.hex(), str(client_id))
        except QueryFailed:
            return None
        return answer

    async def receipt(self, author: PublicKey, client_id: int) -> bytes:
        return await self._client.receipt(self.symbol, author, client_id)

    async def standing(self, author: PublicKey | None = None) -> dict[str, Any]:
        """What the pair takes now, its last prices, and what an author has at stake there: lease, group, orders."""
        answer: dict[str, Any] = await self._client.query("pair", self.symbol, author.hex() if author else "")
        return answer


@asynccontextmanager
async def open_client(address: str, chain_id: ChainId, identity: Identity | None = None) -> AsyncIterator[Client]:
    """Connect to a peer for the length of the block. ``identity`` None: a key for this link alone.

    Raises:
        LinkClosed: nobody there. HandshakeError: another network, or not what it claims to be.
    """
    identity = identity or Identity(os.urandom(SEED_BYTES))
    with ungrouped():
        async with dial(parse_address(address)) as channel:
            handshake = Handshake(
                identity, chain_id, dialled=True, nonce=os.urandom(32), role="client", binding=channel.binding
            )
            await shake_hands(channel, handshake)
            client = Client(channel, chain_id)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.run)
                yield client
                nursery.cancel_scope.cancel()
