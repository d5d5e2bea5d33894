"""The protocol messages in the byte streams that a traced process sent, each as its last byte left."""

from collections.abc import Iterator
from typing import Any

from durability.trace import Began, Call, Ended
from gossipbook.wire.codec import decode_message
from gossipbook.wire.framing import split_frame

HANDSHAKE_FRAMES = 2  # a hello and a proof
CLIENT_START, SERVER_START = b"GET ", b"HTTP/1.1 101"
BINARY, CONTINUATION = 2, 0


class Tap:
    """All sockets of a process, told apart by their inode."""

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = {}

    def follow(self, event: Began | Ended) -> Iterator[Any]:
        """Take one event; the messages that it completed. What fails is sent again, and is looked at then."""
        call = event.call
        assert call.name not in ("sendmsg", "sendmmsg", "sendfile") or not self._known(call), f"{call.name} on a link"
        if not isinstance(event, Ended) or call.name not in ("sendto", "write") or (call.result or 0) <= 0:
            return
        socket = call.named()
        if not socket.startswith("socket:"):
            return
        raw = call.text(1)[: call.result]
        stream = self._streams.get(socket)
        if stream is None:
            if not raw.startswith((CLIENT_START, SERVER_START)):
                return
            stream = self._streams[socket] = _Stream()
        yield from stream.feed(raw)

    def _known(self, call: Call) -> bool:
        return call.named() in self._streams


class _Stream:
    def __init__(self) -> None:
        self._rest = b""
        self._upgraded = False
        self._frames = 0

    def feed(self, raw: bytes) -> Iterator[Any]:
        self._rest += raw
        if not self._upgraded:
            head, end, rest = self._rest.partition(b"\r\n\r\n")
            if not end:
                return
            assert b"permessage-deflate" not in head, "compressed frames are not modelled"
            self._upgraded, self._rest = True, rest
        while (frame := self._take_frame()) is not None:
            opcode, last, payload = frame
            assert last, "a fragmented frame is not modelled"
            if opcode != BINARY:
                assert opcode != CONTINUATION
                continue
            self._frames += 1
            if self._frames > HANDSHAKE_FRAMES:
                yield from map(decode_message, split_frame(payload))

    def _take_frame(self) -> tuple[int, bool, bytes] | None:
        """One whole websocket frame (RFC 6455, 5.2), unmasked."""
        raw = self._rest
        if len(raw) < 2:
            return None
        size, at = raw[1] & 0x7F, 2
        if size >= 126:
            extended = 2 if size == 126 else 8
            if len(raw) < at + extended:
                return None
            size, at = int.from_bytes(raw[at : at + extended], "big"), at + extended
        masked = bool(raw[1] & 0x80)
        end = at + 4 * masked + size
        if len(raw) < end:
            return None
        payload = raw[at + 4 * masked : end]
        if masked:
            mask = int.from_bytes((raw[at : at + 4] * (size // 4 + 1))[:size], "big")
            payload = (int.from_bytes(payload, "big") ^ mask).to_bytes(size, "big")
        self._rest = raw[end:]
        return raw[0] & 0x0F, bool(raw[0] & 0x80), payload
