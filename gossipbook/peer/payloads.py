"""Gossiped payloads: which were judged, and those decoded ahead of that."""

import hashlib
from typing import Any

from gossipbook.errors import DecodeError
from gossipbook.gossip.messages import Source
from gossipbook.ordered import BoundedDict
from gossipbook.wire.codec import decode_message

PAYLOADS_CAP = 8_192  # what is gossiped in minutes; one that comes later is decoded, and seen to be known
DECODED_CAP = 1_024


class Payloads:
    """Payloads by their keys: bytes that were good once need no second look."""

    def __init__(self) -> None:
        self._good: BoundedDict[bytes, Source | None] = BoundedDict(PAYLOADS_CAP)
        self._decoded: BoundedDict[bytes, Any] = BoundedDict(DECODED_CAP)

    def note(self, key: bytes, source: Source | None) -> None:
        """Remember a payload that was good, and its source."""
        self._good[key] = source

    def has(self, key: bytes) -> bool:
        """Whether a payload was here before, and good."""
        return key in self._good

    def source(self, key: bytes) -> Source | None:
        """The source of a payload that was here before, and good."""
        return self._good.get(key)

    def look(self, payload: bytes) -> Any:
        """Decode a payload that will be taken soon; None if it was here before, or cannot be decoded."""
        key = payload_key(payload)
        if key in self._good:
            return None
        try:
            message = self._decoded[key] = decode_message(payload)
        except DecodeError:
            return None
        return message

    def take(self, key: bytes, payload: bytes) -> Any:
        """The message in a payload.

        Raises:
            DecodeError: there is none.
        """
        return self._decoded.pop(key) or decode_message(payload)


def payload_key(payload: bytes) -> bytes:
    """What a payload is known by; worked out once for each that comes."""
    return hashlib.sha256(payload).digest()
