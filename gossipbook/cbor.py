"""Encodes and decodes the one format of ops, blocks and messages: canonical CBOR of a few types.

No maps, tags, floats, indefinite lengths or depth above 16, and exactly one encoding for each value:
what does not re-encode to the very same bytes is refused, so nothing can travel under two digests.
"""

from itertools import chain
from typing import Any, NoReturn

import cbor2

from gossipbook.errors import DecodeError

DEPTH_CAP = 16
INT_CAP = 2**63 - 1

# Every tag for which cbor2 has a decoder of its own. Each is overridden, since building a set or a
# map of integers chosen to collide can be made to take seconds. Tags unknown to cbor2 reach tag_hook.
KNOWN_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)


def _refuse(*_: object) -> NoReturn:
    raise cbor2.CBORDecodeError("tags and maps are not part of the format")


_LEAVES = {int, bytes, str, bool, type(None)}
_LISTS_AND_LEAVES = {list, *_LEAVES}
_SEMANTIC_DECODERS = dict.fromkeys(KNOWN_TAGS, _refuse)


def encode(value: object) -> bytes:
    """Encode nested lists or tuples of int, bytes, str, bool and None."""
    return cbor2.dumps(value)


def decode(raw: bytes, *, looked_at: bool = False) -> Any:
    """Decode one value; lists come back as lists.

    ``looked_at``: whoever calls looks at the type of every leaf, so that nobody has to do it twice.

    Raises:
        DecodeError: for anything outside the format, trailing bytes and non-minimal encodings included.
    """
    try:
        value = cbor2.loads(
            raw,
            tag_hook=_refuse,
            object_hook=_refuse,
            semantic_decoders=_SEMANTIC_DECODERS,
            max_depth=DEPTH_CAP,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        )
        canonical = cbor2.dumps(value) == raw
        plain = looked_at or type(value) in _LEAVES or (type(value) is list and _is_plain(value))
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise DecodeError(f"not CBOR of this format: {error}") from None
    if not canonical:
        raise DecodeError("not the shortest encoding of its value")
    if not plain:
        raise DecodeError("holds a float, an undefined or another simple value")
    return value


def _is_plain(items: list[Any]) -> bool:
    """Whether a list holds nothing but leaves and lists that are plain themselves; looked at by depth, not by list."""
    while not _LEAVES.issuperset(kinds := set(map(type, items))):
        if not _LISTS_AND_LEAVES.issuperset(kinds):
            return False
        lists = items if len(kinds) == 1 else [item for item in items if type(item) is list]
        items = list(chain.from_iterable(lists))
    return True


def decode_array(raw: bytes, length: int, *, looked_at: bool = False) -> list[Any]:
    """Decode an array of exactly ``length`` elements."""
    value = decode(raw, looked_at=looked_at)
    if type(value) is not list or len(value) != length:
        raise DecodeError(f"expected an array of {length} elements")
    return value


def check_uint(value: object, name: str, limit: int = INT_CAP) -> int:
    """Return ``value`` if it is an integer in 0..limit (booleans are not integers here)."""
    if type(value) is not int or not 0 <= value <= limit:
        raise DecodeError(f"{name}: expected an integer in 0..{limit}")
    return value


def check_bytes(value: object, name: str, length: int) -> bytes:
    """Return ``value`` if it is a byte string of exactly ``length`` bytes."""
    if type(value) is not bytes or len(value) != length:
        raise DecodeError(f"{name}: expected {length} bytes")
    return value


def check_blob(value: object, name: str, limit: int) -> bytes:
    """Return ``value`` if it is a byte string of at most ``limit`` bytes."""
    if type(value) is not bytes or len(value) > limit:
        raise DecodeError(f"{name}: expected at most {limit} bytes")
    return value


def check_text(value: object, name: str, limit: int) -> str:
    """Return ``value`` if it is text of at most ``limit`` characters."""
    if type(value) is not str or len(value) > limit:
        raise DecodeError(f"{name}: expected text of at most {limit} characters")
    return value


def check_list(value: object, name: str, limit: int) -> list[Any]:
    """Return ``value`` if it is an array of at most ``limit`` elements."""
    if type(value) is not list or len(value) > limit:
        raise DecodeError(f"{name}: expected an array of at most {limit} elements")
    return value
