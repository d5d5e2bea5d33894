"""A frame is one binary websocket message: messages one after another, each behind its u32 big-endian length."""

from collections.abc import Iterable, Iterator

from gossipbook.errors import DecodeError

FRAME_BYTES_CAP = 128 * 1024
PREFIX_BYTES = 4
MESSAGE_BYTES_CAP = FRAME_BYTES_CAP - PREFIX_BYTES
FRAME_TARGET_BYTES = 32 * 1024  # flush a batch at about this size: large enough to be cheap, small enough to be fair


def join_frame(messages: Iterable[bytes]) -> bytes:
    """Pack encoded messages into one frame."""
    return b"".join(len(raw).to_bytes(PREFIX_BYTES, "big") + raw for raw in messages)


def split_frame(frame: bytes) -> Iterator[bytes]:
    """The encoded messages of a frame.

    Raises:
        DecodeError: when lengths and bytes do not come out even.
    """
    if len(frame) > FRAME_BYTES_CAP:
        raise DecodeError(f"a frame of {len(frame)} bytes; the cap is {FRAME_BYTES_CAP}")
    if not frame:
        raise DecodeError("an empty frame")
    start = 0
    while start < len(frame):
        body = start + PREFIX_BYTES
        end = body + int.from_bytes(frame[start:body], "big")
        if body > len(frame) or end > len(frame) or end == body:
            raise DecodeError("a frame that ends inside a message")
        yield frame[body:end]
        start = end
