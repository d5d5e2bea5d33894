"""Commands as they travel in ops: arrays ``[kind, field, …]`` in the field order of their classes.

A kind belongs to the ops of the rules version that it came with, and of later ones. An order has one encoding: kind 10
(``PlaceNamed``) is refused where kind 5 (``PlaceSpecial``) would do, and that where kind 1 (``Place``) would.
"""

import operator
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any, NamedTuple

from gossipbook import cbor
from gossipbook.errors import DecodeError
from gossipbook.ids import PUBLIC_KEY_BYTES
from gossipbook.matching.commands import (
    ADMIT_TO_GROUP,
    AMEND,
    CANCEL,
    CANCEL_ALL,
    JOIN_GROUP,
    KINDS,
    LEASE,
    PLACE,
    PLACE_NAMED,
    PLACE_SPECIAL,
    SET_STATE,
    SINCE,
    TEXT_ID_CAP,
    AdmitToGroup,
    Amend,
    AmendFlags,
    AnyPlace,
    Cancel,
    CancelAll,
    Command,
    JoinGroup,
    Lease,
    PairState,
    Place,
    PlaceFlags,
    PlaceNamed,
    PlaceSpecial,
    SetState,
)

CLASS_CANCELS, CLASS_POST_ONLY, CLASS_REST = 0, 1, 2

_INTEGERS = {int}
_BY_HAND = JOIN_GROUP, ADMIT_TO_GROUP, PLACE_NAMED
"""Kinds that are not made of numbers alone."""
_SINCE = {command: SINCE[kind] for command, kind in KINDS.items()}
_FIRST = frozenset(command for command, since in _SINCE.items() if since == 1)
_POST_ONLY, _REDUCE_ONLY = int(PlaceFlags.POST_ONLY), int(AmendFlags.REDUCE_ONLY)  # enum arithmetic is slow


def encode_command(command: Command) -> list[Any]:
    """A command's array.

    Raises:
        ValueError: a number is no int from 0 to 2**63 - 1, or an order is of a class that does not fit it.
    """
    texts = command[-1:] if isinstance(command, PlaceNamed) else ()
    fields = [field if isinstance(field, bytes) else _whole(field) for field in command[: len(command) - len(texts)]]
    if any(not 0 <= field <= cbor.INT_CAP for field in fields if not isinstance(field, bytes)):
        raise ValueError("the numbers of a command are from 0 to 2**63 - 1")
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("the text id of an order is text")
    return [KINDS[type(command)], *fields, *texts]


def _whole(field: object) -> int:
    """A number as it was given: one with a fraction would be another price."""
    try:
        return operator.index(field)  # type: ignore[arg-type]  # Whether it can be one is what is asked.
    except TypeError:
        raise ValueError(f"the numbers of a command are ints, not {field!r}") from None


def least_version(commands: tuple[Command, ...]) -> int:
    """The op version that may carry these commands: the lowest, so that there is one encoding."""
    kinds = set(map(type, commands))
    return 1 if kinds <= _FIRST else max(_SINCE[kind] for kind in kinds)


def decode_commands(items: list[object]) -> tuple[Command, ...]:
    """The commands of an op from their arrays. Unknown kinds and values out of range make the whole op undeliverable.

    What all of a kind have in common is looked at by field, not by command, which takes a third of the time.

    Raises:
        DecodeError: saying what is wrong.
    """
    arrays: list[list[Any]] = [item for item in items if type(item) is list and item]
    if len(arrays) < len(items):
        raise DecodeError("command: expected an array")
    kinds = [array[0] for array in arrays]
    if not _INTEGERS.issuperset(map(type, kinds)):
        raise DecodeError("command: its kind is an integer")
    if not any(kind in kinds for kind in _BY_HAND):
        return tuple(_decode_numbers(arrays))
    numbers = _decode_numbers([array for array in arrays if array[0] not in _BY_HAND])
    named = _decode_named([array for array in arrays if array[0] == PLACE_NAMED])
    rest = {PLACE_NAMED: named}
    return tuple(
        [
            _decode_group(array) if array[0] in (JOIN_GROUP, ADMIT_TO_GROUP) else next(rest.get(array[0], numbers))
            for array in arrays
        ]
    )


def decode_command(item: object) -> Command:
    """A command from its array.

    Raises:
        DecodeError: saying what is wrong.
    """
    return decode_commands([item])[0]


def _decode_numbers(arrays: list[list[Any]]) -> Iterator[Command]:
    """Commands that are made of numbers alone."""
    if not _INTEGERS.issuperset(map(type, chain.from_iterable(arrays))):
        raise DecodeError("command: expected integers")
    alike: dict[int, list[list[int]]] = {}
    for array in arrays:
        alike.setdefault(array[0], []).append(array)
    made = {kind: _decode_alike(kind, rows) for kind, rows in alike.items()}
    if len(made) == 1:
        return next(iter(made.values()))
    return iter([next(made[array[0]]) for array in arrays])


def _decode_alike(kind: int, rows: list[list[int]]) -> Iterator[Command]:
    """Commands of one kind."""
    shape = _SHAPES.get(kind)
    lengths = set(map(len, rows))
    if shape is None or lengths != {len(shape.ranges) + 1}:
        raise DecodeError(f"command: unknown kind {kind} with {max(lengths) - 1} fields")
    columns = list(zip(*rows, strict=True))[1:]
    for place, ((least, most), column) in enumerate(zip(shape.ranges, columns, strict=True)):
        if min(column) < least or max(column) > most:
            raise DecodeError(f"{shape.name}: its {shape.made._fields[place]} is not a number from {least} to {most}")
    made = map(tuple.__new__, repeat(shape.made), zip(*columns, strict=True))  # ``_make`` takes three times as long.
    return map(_special, made) if kind == PLACE_SPECIAL else made


def priority_class(command: Command) -> int:
    """Which part of a block a command belongs to: what only takes away first, then what only makes, then the rest."""
    if isinstance(command, AnyPlace):
        return CLASS_POST_ONLY if command.flags & _POST_ONLY else CLASS_REST
    if isinstance(command, Amend):
        return CLASS_CANCELS if command.flags & _REDUCE_ONLY else CLASS_REST
    return CLASS_CANCELS


def _special(command: PlaceSpecial) -> PlaceSpecial:
    if not command.is_special():
        raise DecodeError("place special: nothing special about it; kind 1 is its encoding")
    return command


def _decode_named(arrays: list[list[Any]]) -> Iterator[Command]:
    """Orders with a text id: the numbers of a special one, and the text."""
    if not arrays:
        return iter(())
    for array in arrays:
        if len(array) != len(PlaceNamed._fields) + 1:
            raise DecodeError(f"command: unknown kind {PLACE_NAMED} with {len(array) - 1} fields")
        check_text_id(array[-1])
    numbers = [array[:-1] for array in arrays]
    if not _INTEGERS.issuperset(map(type, chain.from_iterable(numbers))):
        raise DecodeError("command: expected integers")
    orders = _decode_alike(PLACE_NAMED, numbers)
    made = [PlaceNamed._make((*order, array[-1])) for order, array in zip(orders, arrays, strict=True)]
    if not all(map(PlaceNamed.is_named, made)):
        raise DecodeError("place named: it has no text, and prevents self-trades; kind 1 or 5 is its encoding")
    return iter(made)


def check_text_id(value: object) -> str:
    """A text id as it may be; empty for none.

    Raises:
        DecodeError: saying what is wrong.
    """
    text = cbor.check_text(value, "text id", TEXT_ID_CAP)
    if not (text.isascii() and text.isprintable()):
        raise DecodeError("text id: expected printable ASCII characters")
    return text


def _decode_group(item: list[Any]) -> JoinGroup | AdmitToGroup:
    kind, fields = item[0], item[1:]
    if kind == JOIN_GROUP and len(fields) == 1:
        return JoinGroup(cbor.check_bytes(fields[0], "join group", PUBLIC_KEY_BYTES if fields[0] != b"" else 0))
    if kind == ADMIT_TO_GROUP and len(fields) == 2:
        member = cbor.check_bytes(fields[0], "admit to group", PUBLIC_KEY_BYTES)
        return AdmitToGroup(member, cbor.check_uint(fields[1], "admit", 1))
    raise DecodeError(f"command: unknown kind {kind} with {len(fields)} fields")


_ANY, _ID = (0, cbor.INT_CAP), (1, cbor.INT_CAP)


class _Shape(NamedTuple):
    """What commands of a kind become, what they are called, and from where to where each of their numbers goes."""

    made: Any
    name: str
    ranges: tuple[tuple[int, int], ...]


_SHAPES = {
    PLACE: _Shape(Place, "place", (_ID, (1, 2), (1, 2), _ANY, _ANY, (1, 4), (0, 1), (1, 4), _ANY)),
    CANCEL: _Shape(Cancel, "cancel", (_ID,)),
    AMEND: _Shape(Amend, "amend", (_ID, _ANY, _ANY, (0, 1))),
    CANCEL_ALL: _Shape(CancelAll, "cancel all", ((0, 2),)),
    PLACE_SPECIAL: _Shape(
        PlaceSpecial, "place special", (_ID, (1, 2), (1, 4), _ANY, _ANY, (1, 4), (0, 3), (1, 4), *(_ANY,) * 4)
    ),
    PLACE_NAMED: _Shape(
        PlaceSpecial, "place named", (_ID, (1, 2), (1, 4), _ANY, _ANY, (1, 4), (0, 3), (1, 5), *(_ANY,) * 4)
    ),
    LEASE: _Shape(Lease, "lease", (_ANY,)),
    SET_STATE: _Shape(SetState, "set state", ((1, max(PairState)),)),
}
