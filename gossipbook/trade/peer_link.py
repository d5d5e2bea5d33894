"""A client's link to one peer: questions with answers, and everything else handed on as it comes.

The link is the peers' own (websocket, handshake, frames, lanes, pings) with the role ``client``; any key serves for it,
since an op is signed by its author, whoever brings it.
"""

import itertools
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio

from gossipbook.client_messages import Answer, Query
from gossipbook.effects import Lane, LinkId
from gossipbook.errors import ConfigError, GossipbookError, LinkClosed, NoAnswer, ungrouped
from gossipbook.identity import SEED_BYTES, Identity
from gossipbook.ids import ChainId, PublicKey
from gossipbook.net.address import parse_address
from gossipbook.net.link import CLIENTS, Link
from gossipbook.net.transport import dial, shake_hands
from gossipbook.wire.codec import encode_message
from gossipbook.wire.handshake import PROOFS, Handshake, Role

ANSWER_S = 10.0
"""How long an answer is waited for, unless the caller says otherwise."""
QUESTIONS_CAP = 1_024
ARGUMENTS_CAP = 8
ARGUMENT_CHARS_CAP = 128
MALFORMED_ANSWER = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What it raises to read an answer of another shape than was asked for."""

_serials = itertools.count(1)


class QueryFailed(GossipbookError):
    """The peer could not answer; its words are the message."""


class PeerBusy(GossipbookError):
    """The peer has too many questions at the moment; another one, or the same in a while, has an answer."""


def check_question(what: Any, arguments: Sequence[Any]) -> None:
    """See to it that a question is one that peers read: short texts.

    Raises:
        ConfigError: it is not; nothing was asked.
    """
    for text in (what, *arguments):
        if not isinstance(text, str):
            raise ConfigError(f"a question's arguments are texts, not {type(text).__name__}: {what!r:.40}")
        if len(text) > ARGUMENT_CHARS_CAP or not text.isascii():
            raise ConfigError(
                f"a question's arguments have at most {ARGUMENT_CHARS_CAP} ASCII characters: {what!r:.40}"
            )
    if len(arguments) > ARGUMENTS_CAP:
        raise ConfigError(f"a question has at most {ARGUMENTS_CAP} arguments")


class PeerLink:
    """An open client link. Made by :func:`open_peer_link`."""

    def __init__(self, link: Link, address: str, *, own: bool) -> None:
        self.address = address
        self.own = own
        self.id: LinkId = link.id
        self.on_message: Callable[[PeerLink, Any], None] = _ignore
        self._link = link
        self._answers: dict[int, list[Answer]] = {}
        self._arrived: dict[int, trio.Event] = {}
        self._numbers = itertools.count(1)
        self._ended = link.ended

    @property
    def public_key(self) -> PublicKey:
        """Who is at the other end, proven by the handshake."""
        return self._link.hello.public_key

    @property
    def proves(self) -> bool:
        """Whether the peer knows the messages that carry proofs."""
        return PROOFS in self._link.hello.features

    @property
    def closed_reason(self) -> str:
        """Why the link ended; empty while it is open."""
        return (self._link.end_reason or "closed here") if self._ended.is_set() else ""

    def send(self, message: object, lane: Lane = Lane.OPS) -> None:
        """Send a message; never waits. On a link that ended it goes nowhere."""
        if not self._ended.is_set():
            self._link.offer(encode_message(message), lane)

    async def query(self, what: str, *arguments: str, within_s: float = ANSWER_S) -> Any:
        """Ask a question; the answer's JSON, decoded.

        Raises:
            QueryFailed: the peer says why. PeerBusy: it may be asked again. LinkClosed: the link ended. NoAnswer: not
            within ``within_s`` seconds.
        """
        if self._ended.is_set():
            raise LinkClosed(self.closed_reason)
        if len(self._answers) >= QUESTIONS_CAP:
            raise NoAnswer(f"{QUESTIONS_CAP} questions to {self.address} wait for an answer already")
        number = next(self._numbers) % 2**32
        answers: list[Answer] = []
        arrived = self._arrived[number] = trio.Event()
        self._answers[number] = answers
        try:
            self.send(Query(number, what, arguments), Lane.SYNC)
            with trio.move_on_after(within_s):
                await arrived.wait()
        finally:
            del self._answers[number], self._arrived[number]
        if not answers:
            if self._ended.is_set():
                raise LinkClosed(self.closed_reason)
            raise NoAnswer(f"{self.address} did not answer within {within_s:g} s")
        try:
            body = json.loads(answers[0].json)
            error = None if answers[0].good else str(body["error"])
            busy = error is not None and bool(body.get("busy"))
        except MALFORMED_ANSWER:
            raise QueryFailed(f"{self.address} answered with something that is not an answer") from None
        if busy:
            raise PeerBusy(error)
        if error is not None:
            raise QueryFailed(error)
        return body

    def close(self, reason: str = "closed here") -> None:
        """End the link."""
        self._link.close(reason)

    async def wait_closed(self) -> None:
        """Until the link has ended."""
        await self._ended.wait()

    async def run(self) -> None:
        """Read and write until the link ends or this is cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end_questions)
            try:
                await self._link.run(self._deliver)
            finally:
                self._ended.set()

    async def _end_questions(self) -> None:
        """Let no question wait for a link that has ended."""
        with trio.CancelScope(shield=True):  # ``run`` sets the event, however it ends
            await self._ended.wait()
        for arrived in self._arrived.values():
            arrived.set()

    async def _deliver(self, _link: Link, messages: list[Any]) -> None:
        for message in messages:
            if isinstance(message, Answer):
                waiting = self._answers.get(message.number)
                if waiting is not None:
                    waiting.append(message)
                    self._arrived[message.number].set()
            else:
                self.on_message(self, message)


def _ignore(_link: PeerLink, _message: Any) -> None:
    return None


@asynccontextmanager
async def dial_peer(
    address: str, chain_id: ChainId, identity: Identity, own_key: PublicKey | None = None
) -> AsyncIterator[PeerLink]:
    """Dial a peer; the link is there, and is run by the caller. ``own_key``: whoever proves to have it is our own peer.

    Raises:
        LinkClosed: nobody there. HandshakeError: another network, or not what it claims to be.
    """
    parsed = parse_address(address)
    async with dial(parsed) as channel:
        nonce = os.urandom(32)
        handshake = Handshake(identity, chain_id, dialled=True, nonce=nonce, role=Role.CLIENT, binding=channel.binding)
        hello = await shake_hands(channel, handshake)
        link_id = hello.peer_id + next(_serials).to_bytes(8, "big")
        link = Link(channel, hello, link_id, outbound=True, patience=CLIENTS)
        yield PeerLink(link, str(parsed), own=hello.public_key == own_key)


@asynccontextmanager
async def open_peer_link(address: str, chain_id: ChainId, identity: Identity | None = None) -> AsyncIterator[PeerLink]:
    """Link to one peer, and to no other, for the length of the block.

    Raises:
        LinkClosed: nobody there. HandshakeError: another network, or not what it claims to be.
    """
    identity = identity or Identity(os.urandom(SEED_BYTES))
    with ungrouped():
        async with dial_peer(address, chain_id, identity) as link, trio.open_nursery() as nursery:
            nursery.start_soon(link.run)
            yield link
            nursery.cancel_scope.cancel()
