"""Counts the websocket frames that no peer sends: pings and pongs of the websocket itself, and parts of messages.

Each costs the library as much as a whole message, for six bytes of whoever sends it, and our own limits never see them.
So the stream under the library is read along: not what is in the frames, but where they begin.
"""

import re
from collections.abc import Iterator

_HEAD_ENDS = re.compile(rb"\n\r?\n")
"""The end of an HTTP request or response: what the library's parser takes for it."""
_HEAD_TAIL = 2  # bytes of it that may be in the chunk before
_HEADER_BYTES_CAP = 14
_BINARY, _CLOSE, _FIN, _MASKED = 0x2, 0x8, 0x80, 0x80


class OddFrames:
    """Follows the bytes that one side of a websocket sends, from its upgrade on."""

    def __init__(self) -> None:
        self._in_head = True
        self._begun = b""  # of a head, or of a frame's header
        self._payload_left = 0

    def count(self, chunk: bytes | bytearray) -> int:
        """How many odd frames begin in the next bytes."""
        if self._in_head:
            self._begun += chunk
            found = _HEAD_ENDS.search(self._begun)
            if found is None:
                self._begun = self._begun[-_HEAD_TAIL:]
                return 0
            chunk, self._begun, self._in_head = self._begun[found.end() :], b"", False
        return sum(1 for first in self._firsts(chunk) if first & 0x0F != _CLOSE and first != _FIN | _BINARY)

    def _firsts(self, chunk: bytes | bytearray) -> Iterator[int]:
        """The first bytes of the frames whose headers end in a chunk."""
        at = 0
        while at < len(chunk):
            if self._payload_left:
                passed = min(self._payload_left, len(chunk) - at)
                self._payload_left -= passed
                at += passed
                continue
            header = self._begun + bytes(chunk[at : at + _HEADER_BYTES_CAP])
            size = _header_bytes(header)
            if size > len(header):
                self._begun = header
                return
            at += size - len(self._begun)
            self._begun = b""
            self._payload_left = _payload_bytes(header)
            yield header[0]


def _header_bytes(header: bytes) -> int:
    """How long a frame's header is, as far as its beginning tells."""
    if len(header) < 2:
        return 2
    extended = {126: 2, 127: 8}.get(header[1] & 0x7F, 0)
    return 2 + extended + (4 if header[1] & _MASKED else 0)


def _payload_bytes(header: bytes) -> int:
    length = header[1] & 0x7F
    if length < 126:
        return length
    return int.from_bytes(header[2 : 4 if length == 126 else 10], "big")
