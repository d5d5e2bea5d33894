"""A client of one peer: submits signed ops and follows them, asks questions, watches events.

The link is the peers' own (websocket, handshake, frames) with the role ``client``; any key serves for it, since an op
is signed by its author, whoever brings it.
"""

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

from gossipbook.crdt.op import Op
from gossipbook.errors import GossipbookError, LinkClosed, SubmitRefused, ungrouped
from gossipbook.identity import SEED_BYTES, Identity
from gossipbook.ids import ChainId, OpId
from gossipbook.net.address import parse_address
from gossipbook.net.transport import Channel, dial, shake_hands
from gossipbook.requests import Ack, AckLevel, Answer, PairEvents, Query, Submit, Watch
from gossipbook.wire.codec import decode_message, encode_message
from gossipbook.wire.framing import FRAME_TARGET_BYTES, join_frame, split_frame
from gossipbook.wire.handshake import Handshake
from gossipbook.wire.link_messages import Ping, Pong

PING_S = 5.0
OUTBOX_CAP = 4_096
EVENTS_CAP = 4_096


class QueryFailed(GossipbookError):
    """The peer could not answer; its words are the message."""


class Submission:
    """One op on its way. Await the level that matters; times are ``trio.current_time()`` in seconds."""

    def __init__(self, op: Op) -> None:
        self.op = op
        self.submitted_s = trio.current_time()
        self.times_s: dict[AckLevel, float] = {}
        self.height = 0
        self.refused = ""
        self.level = AckLevel.REFUSED
        self._changed = trio.Event()

    async def durable(self) -> None:
        """Until the peer has synced it. Raises :class:`SubmitRefused`, or :class:`LinkClosed` if the link ended."""
        await self._reach(AckLevel.DURABLE)

    async def relayed(self) -> None:
        """Until enough committee members hold it, synced, that it cannot be lost."""
        await self._reach(AckLevel.RELAYED)

    async def certified(self) -> int:
        """Until it is in a finalized block; returns the block's height."""
        await self._reach(AckLevel.CERTIFIED)
        return self.height

    def take(self, ack: Ack) -> None:
        """Note what the peer says."""
        if ack.level == AckLevel.REFUSED:
            self.refused = ack.reason
        elif ack.level > self.level:
            self.level = AckLevel(ack.level)
            now_s = trio.current_time()
            for level in range(AckLevel.DURABLE, ack.level + 1):
                self.times_s.setdefault(AckLevel(level), now_s)
            self.height = ack.height
        self._wake()

    def lose(self, reason: str) -> None:
        """The link ended; whether the op arrived is not known. Submitting it again elsewhere is harmless."""
        if self.level < AckLevel.CERTIFIED and not self.refused:
            self.refused = f"link closed: {reason}"
        self._wake()

    async def _reach(self, level: AckLevel) -> None:
        while self.level < level:
            if self.refused:
                raise SubmitRefused(self.refused)
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


class Client:
    """An open client link. Made by :func:`open_client`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._send_outbox, self._outbox = trio.open_memory_channel[bytes](OUTBOX_CAP)
        self._send_events, self.events = trio.open_memory_channel[PairEvents](EVENTS_CAP)
        self._submissions: dict[OpId, Submission] = {}
        self._answers: dict[int, tuple[trio.Event, list[Answer]]] = {}
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

    async def watch(self, pair: str) -> None:
        """Have every finalized block's events of a pair put into ``events`` from now on."""
        await self._send(Watch(pair))

    async def _send(self, message: object) -> None:
        if self.closed_reason:
            raise LinkClosed(self.closed_reason)
        await self._send_outbox.send(encode_message(message))

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
            case PairEvents():
                try:
                    self._send_events.send_nowait(message)
                except trio.WouldBlock:
                    self.lagged += 1
            case Ping(number):
                await self._send(Pong(number))
            case _:
                pass  # Pongs, and what a newer peer may say.

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
            client = Client(channel)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.run)
                yield client
                nursery.cancel_scope.cancel()
