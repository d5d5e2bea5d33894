"""Websocket channels: opening them on either side, and the handshake over them.

Everything that can go wrong with a remote here ends in :class:`LinkClosed` or :class:`HandshakeError`.
"""

import hashlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import h11
import trio
import trio_websocket
import wsproto
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    WebSocketConnection,
    wrap_client_stream,
    wrap_server_stream,
)

from gossipbook.buckets import TokenBucket
from gossipbook.errors import HandshakeError, LinkClosed
from gossipbook.net.address import Address
from gossipbook.net.odd_frames import OddFrames
from gossipbook.net.tls import make_client_context
from gossipbook.wire.framing import FRAME_BYTES_CAP
from gossipbook.wire.handshake import HANDSHAKE_BYTES_CAP, Handshake, Hello

RECEIVE_BUFFER_BYTES = 65_536  # the library's default of 4 KiB halves the throughput
MESSAGE_QUEUE = 16  # a queue of 1 blocks the library's reader, and with it its pings
HANDSHAKE_S = 10.0  # for TCP, TLS, websocket and our own handshake together
ODD_FRAMES_PER_S, ODD_FRAMES_BURST = 5, 100
ODD_FRAMES = "too many websocket frames that are no message"
POLICY_VIOLATION = 1008
CLOSE_S = 2.0


class Channel:
    """A websocket that carries binary messages; ``binding`` is its TLS certificate's SHA-256, or empty."""

    def __init__(self, connection: WebSocketConnection, stream: "_Watched", remote: str, binding: bytes) -> None:
        self._connection = connection
        self._stream = stream
        self.remote = remote
        self.binding = binding
        self.close_reason = ""

    async def send(self, raw: bytes) -> None:
        """Send one message. A cancelled send leaves the stream unusable: close the channel after one."""
        try:
            await self._connection.send_message(raw)
        except ConnectionClosed as error:
            raise LinkClosed(_reason(error)) from None

    async def receive(self) -> bytes:
        try:
            message = await self._connection.get_message()
        except ConnectionClosed as error:
            raise LinkClosed(ODD_FRAMES if self._stream.flooded else _reason(error)) from None
        if isinstance(message, str):
            raise LinkClosed("they sent text; frames are binary")
        return message

    async def close(self, reason: str = "") -> None:
        """Say goodbye, but do not wait long for an answer."""
        self.close_reason = self.close_reason or reason
        # When this task is being cancelled, so is the library's reader, and no answer would ever be read.
        patience_s = CLOSE_S if trio.current_effective_deadline() == float("inf") else 0.1
        with trio.move_on_after(patience_s) as scope:
            scope.shield = True
            await self._connection.aclose(POLICY_VIOLATION if reason else 1000, reason[:120] or None)


def _reason(error: ConnectionClosed) -> str:
    closed = error.reason
    if closed is None:
        return "closed here"
    return closed.reason or f"closed by the other side (code {closed.code})"


@asynccontextmanager
async def _library_faults(what: str) -> AsyncIterator[None]:
    """trio-websocket's reader raises some of what a remote does into the nursery it was given."""
    try:
        yield
    except* (
        trio_websocket.HandshakeError,
        ConnectionClosed,
        wsproto.utilities.ProtocolError,
        h11.ProtocolError,
    ) as group:
        raise LinkClosed(f"{what}: {group.exceptions[0]}") from None


class _Watched(trio.abc.Stream):
    """A stream that says when it ended: the library goes on waiting for an upgrade that cannot come any more.

    It ends when the other side floods the library with what it never hands to us.
    """

    def __init__(self, stream: trio.abc.Stream, ended: Callable[[], None]) -> None:
        self._stream = stream
        self._ended = ended
        self._odd_frames = OddFrames()
        self._odd_left = TokenBucket(ODD_FRAMES_PER_S, ODD_FRAMES_BURST)
        self.flooded = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        try:
            raw = await self._stream.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._ended()
            raise
        if not raw:
            self._ended()
        odd = self._odd_frames.count(raw)
        if odd and not self._odd_left.spend(trio.current_time(), odd):
            self.flooded = True
            self._ended()
            raise trio.BrokenResourceError(ODD_FRAMES)
        return raw

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        self._ended()
        await self._stream.aclose()


@asynccontextmanager
async def dial(address: Address) -> AsyncIterator[Channel]:
    """Open a channel to a listener; it is closed at the end of the block.

    Raises:
        LinkClosed: nobody answers there, or no websocket does.
    """
    binding = b""
    try:
        with trio.fail_after(HANDSHAKE_S):
            stream: trio.SocketStream | trio.SSLStream[trio.SocketStream]
            stream = tcp = await trio.open_tcp_stream(address.host, address.port)
            tcp.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
            if address.tls:
                stream = trio.SSLStream(tcp, make_client_context(), server_hostname=address.host)
                await stream.do_handshake()
                binding = hashlib.sha256(stream.getpeercert(True)).digest()
    except (OSError, ssl.SSLError, trio.BrokenResourceError, trio.TooSlowError, UnicodeError) as error:
        raise LinkClosed(f"cannot reach {address}: {error or 'no answer in time'}") from None
    async with _library_faults(f"no peer at {address}"), trio.open_nursery() as nursery:
        connection = None
        try:
            with trio.move_on_after(HANDSHAKE_S) as scope:
                watched = _Watched(stream, scope.cancel)
                connection = await wrap_client_stream(
                    nursery,
                    watched,  # type: ignore[arg-type]  # any stream will do
                    address.host,
                    "/",
                    message_queue_size=MESSAGE_QUEUE,
                    max_message_size=FRAME_BYTES_CAP,
                    receive_buffer_size=RECEIVE_BUFFER_BYTES,
                )
        except (ConnectionRejected, ConnectionClosed) as error:
            await trio.aclose_forcefully(stream)
            raise LinkClosed(f"no peer at {address}: {error}") from None
        if connection is None:
            await trio.aclose_forcefully(stream)
            raise LinkClosed(f"no peer at {address}: ended or too slow")
        channel = Channel(connection, watched, str(address), binding)
        try:
            yield channel
        finally:
            await channel.close()
            await trio.aclose_forcefully(stream)
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def accept(
    stream: trio.SocketStream, remote: str, context: ssl.SSLContext | None, binding: bytes
) -> AsyncIterator[Channel]:
    """Turn an accepted TCP stream into a channel; it is closed at the end of the block.

    Raises:
        LinkClosed: what is there does not speak TLS or websocket, or not in time.
    """
    stream.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
    secured: trio.SocketStream | trio.SSLStream[trio.SocketStream] = stream
    async with _library_faults("not a websocket"), trio.open_nursery() as nursery:
        connection = None
        try:
            with trio.move_on_after(HANDSHAKE_S) as scope:
                if context is not None:
                    secured = trio.SSLStream(stream, context, server_side=True)
                watched = _Watched(secured, scope.cancel)
                request = await wrap_server_stream(
                    nursery,
                    watched,
                    message_queue_size=MESSAGE_QUEUE,
                    max_message_size=FRAME_BYTES_CAP,
                    receive_buffer_size=RECEIVE_BUFFER_BYTES,
                )
                connection = await request.accept()
        except (ConnectionClosed, ssl.SSLError, trio.BrokenResourceError) as error:
            await trio.aclose_forcefully(secured)
            raise LinkClosed(f"not a websocket: {error}") from None
        if connection is None:
            await trio.aclose_forcefully(secured)
            raise LinkClosed("not a websocket: ended or too slow")
        channel = Channel(connection, watched, remote, binding)
        try:
            yield channel
        finally:
            await channel.close()
            await trio.aclose_forcefully(secured)
            nursery.cancel_scope.cancel()


async def shake_hands(channel: Channel, handshake: Handshake) -> Hello:
    """Exchange the handshake; return what the other side proved about itself.

    Raises:
        HandshakeError: with the reason, theirs or ours; the channel is closed with it.
        LinkClosed: the channel ended.
    """
    try:
        with trio.fail_after(HANDSHAKE_S):
            await channel.send(handshake.hello())
            proof = handshake.answer(await _receive_small(channel))
            await channel.send(proof)
            return handshake.finish(await _receive_small(channel))
    except HandshakeError as error:
        await channel.close(error.reason)
        raise
    except trio.TooSlowError:
        await channel.close("handshake-too-slow")
        raise HandshakeError("handshake-too-slow") from None


async def _receive_small(channel: Channel) -> bytes:
    raw = await channel.receive()
    if len(raw) > HANDSHAKE_BYTES_CAP:
        raise HandshakeError("malformed-handshake", f"{len(raw)} bytes")
    return raw
