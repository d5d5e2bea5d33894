"""``gossipbook start`` as a liar runs it: what it tells clients is altered, in the way that a file in its folder names.

Among peers it does as it should. Usage: lying_peer.py start FOLDER …
The lie is one line of FOLDER/lie, empty for none.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gossipbook.cli import main
from gossipbook.client_messages import Ack, AckLevel, Answer, AuthorWord, BookMark, BookPart, PairEvents, ProvenBlock
from gossipbook.effects import Lane
from gossipbook.net.link import Link
from gossipbook.wire.codec import decode_message, encode_message

HUGE = 2**62
Lie = Callable[[Any], Sequence[Any]]


def forged(fc: Any) -> Any:
    return None if fc is None else replace(fc, signers=tuple((seat, bytes(64)) for seat, _ in fc.signers))


def head_too_high(message: Any) -> Sequence[Any]:
    """More was signed than was."""
    if not isinstance(message, AuthorWord):
        return [message]
    nothing = {"newest": None, "block": b"", "fc": None, "pending": ()}
    return [replace(message, next_seq=HUGE, last_client_id=HUGE, height=HUGE, **nothing)]


def head_too_low(message: Any) -> Sequence[Any]:
    """Nothing was ever signed."""
    if not isinstance(message, AuthorWord):
        return [message]
    nothing = {"newest": None, "block": b"", "fc": None, "pending": ()}
    return [replace(message, next_seq=0, last_client_id=0, height=0, synced=True, **nothing)]


def head_forged(message: Any) -> Sequence[Any]:
    """A certificate that nobody signed."""
    return [replace(message, fc=forged(message.fc)) if isinstance(message, AuthorWord) else message]


def false_certified(message: Any) -> Sequence[Any]:
    """Every op is certified as soon as it is heard of, in some block that there is, and no block is sent."""
    if isinstance(message, Ack):
        return [replace(message, level=AckLevel.CERTIFIED, height=1, reason="")]
    return [] if isinstance(message, ProvenBlock) else [message]


def far_certified(message: Any) -> Sequence[Any]:
    """The same, in blocks that there will not be for long."""
    if isinstance(message, Ack):
        return [replace(message, level=AckLevel.CERTIFIED, height=HUGE, reason="")]
    return [message]


def withheld(message: Any) -> Sequence[Any]:
    """Nothing about ops or blocks, though questions are answered."""
    return [] if isinstance(message, Ack | AuthorWord | ProvenBlock) else [message]


def refused(message: Any) -> Sequence[Any]:
    """No op is taken."""
    return [replace(message, level=AckLevel.REFUSED, reason="stale") if isinstance(message, Ack) else message]


def forged_blocks(message: Any) -> Sequence[Any]:
    """Blocks with certificates that nobody signed."""
    return [replace(message, fc=forged(message.fc)) if isinstance(message, ProvenBlock) else message]


def altered_events(message: Any) -> Sequence[Any]:
    """Blocks in which something else happened."""
    return [replace(message, events=message.events[1:]) if isinstance(message, ProvenBlock) else message]


_first: dict[Any, Any] = {}


def stale(message: Any) -> Sequence[Any]:
    """What was said once is said for ever: heads, blocks; and books do not change any more."""
    if isinstance(message, AuthorWord | ProvenBlock):
        return [_first.setdefault((type(message), message.pair), message)]
    return [] if isinstance(message, PairEvents | BookMark | BookPart) else [message]


def senseless(message: Any) -> Sequence[Any]:
    """Answers of no shape."""
    return [replace(message, json=b'{"members": [7], "leader": 1e999}') if isinstance(message, Answer) else message]


LIES: dict[str, Lie] = {
    lie.__name__: lie
    for lie in (
        *(head_too_high, head_too_low, head_forged, false_certified, far_certified, withheld, refused),
        *(forged_blocks, altered_events, stale, senseless),
    )
}

honest_offer = Link.offer


def lying_offer(self: Link, raw: bytes, lane: Lane) -> None:
    lie = LIES.get(told.read_text().strip()) if self.hello.role == "client" and told.exists() else None
    if lie is None:
        honest_offer(self, raw, lane)
        return
    for message in lie(decode_message(raw)):
        honest_offer(self, encode_message(message), lane)


if __name__ == "__main__":
    told = Path(sys.argv[2]) / "lie"
    Link.offer = lying_offer  # type: ignore[method-assign]
    main()
