"""Strict reading of JSON: every character of an export means something, so nothing is read with leniency."""

import json
from typing import Any, NoReturn

from gossipbook.cbor import INT_CAP


class Defect(Exception):
    """Something that is checked does not hold; the text is the reason. Never leaves this package."""


def _refuse(_: str) -> NoReturn:
    raise ValueError("not an integer")


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key appears twice")
    return table


_DECODER = json.JSONDecoder(object_pairs_hook=_no_key_twice, parse_float=_refuse, parse_constant=_refuse)


def parse_json(raw: bytes) -> Any:
    """One JSON value without floats and without repeated keys."""
    try:
        return _DECODER.decode(raw.decode())
    except (ValueError, RecursionError) as error:
        raise Defect(f"not JSON of this format: {error}") from None


def take(table: object, keys: tuple[str, ...], what: str) -> list[Any]:
    """The values of exactly these keys, in this order."""
    if type(table) is not dict:
        raise Defect(f"{what}: expected an object")
    if table.keys() != set(keys):
        odd = sorted(set(keys) ^ table.keys())
        raise Defect(f"{what}: missing or unknown key {odd[0]!r}")
    return [table[key] for key in keys]


def hex_bytes(value: object, what: str, length: int | None = None) -> bytes:
    """Bytes from lower-case hex digits: one spelling for each value."""
    if type(value) is str:
        try:
            raw = bytes.fromhex(value)
        except ValueError:
            raw = b""
        if raw.hex() == value and (length is None or len(raw) == length):
            return raw
    raise Defect(f"{what}: expected {'' if length is None else f'{length} bytes in '}lower-case hex digits")


def uint(value: object, what: str) -> int:
    """An integer in 0..2**63 - 1; ``true`` is not one."""
    if type(value) is not int or not 0 <= value <= INT_CAP:
        raise Defect(f"{what}: expected an integer in 0..2**63 - 1")
    return value


def array(value: object, what: str, length: int | None = None) -> list[Any]:
    if type(value) is not list or (length is not None and len(value) != length):
        raise Defect(f"{what}: expected an array{'' if length is None else f' of {length}'}")
    return value
