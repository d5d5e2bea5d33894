"""Commands as they travel in ops: arrays ``[kind, field, …]`` in the field order of their classes.

Kinds 1 to 4 belong to version 1 of the op, all to version 2. An order has one encoding: kind 5 (``PlaceSpecial``) is
refused where kind 1 (``Place``) would do.
"""

import operator
from collections.abc import Callable
from itertools import chain
from typing import Any, TypeVar

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
    LATER_KINDS,
    LEASE,
    PLACE,
    PLACE_SPECIAL,
    SET_STATE,
    AdmitToGroup,
    Amend,
    AmendFlags,
    Cancel,
    CancelAll,
    Command,
    JoinGroup,
    Lease,
    PairState,
    Place,
    PlaceFlags,
    PlaceSpecial,
    SetState,
)

CLASS_CANCELS, CLASS_POST_ONLY, CLASS_REST = 0, 1, 2

_INTEGERS = {int}
_PLACES = Place, PlaceSpecial
_LATER = frozenset(command for command, kind in KINDS.items() if kind in LATER_KINDS)
_POST_ONLY, _REDUCE_ONLY = int(PlaceFlags.POST_ONLY), int(AmendFlags.REDUCE_ONLY)  # enum arithmetic is slow


_Made = TypeVar("_Made", bound=tuple[Any, ...])


def _new(kind: type[_Made], fields: list[int]) -> _Made:
    """A named tuple of as many fields as it has; ``_make`` takes twice as long."""
    return tuple.__new__(kind, fields)


def encode_command(command: Command) -> list[Any]:
    """A command's array.

    Raises:
        ValueError: a number is no int from 0 to 2**63 - 1, or an order is of a class that does not fit it.
    """
    fields = [field if isinstance(field, bytes) else _whole(field) for field in command]
    if any(not 0 <= field <= cbor.INT_CAP for field in fields if not isinstance(field, bytes)):
        raise ValueError("the numbers of a command are from 0 to 2**63 - 1")
    return [KINDS[type(command)], *fields]


def _whole(field: object) -> int:
    """A number as it was given: one with a fraction would be another price."""
    try:
        return operator.index(field)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError(f"the numbers of a command are ints, not {field!r}") from None


def least_version(commands: tuple[Command, ...]) -> int:
    """The op version that may carry these commands: the lowest, so that there is one encoding."""
    return 1 if _LATER.isdisjoint(map(type, commands)) else 2


def decode_commands(items: list[object]) -> tuple[Command, ...]:
    """The commands of an op from their arrays; the numbers of all are looked at together, which is most of the work.

    Raises:
        DecodeError: saying what is wrong.
    """
    if items and all(items) and {list}.issuperset(map(type, items)):
        numbers: list[Any] = list(chain.from_iterable(items))  # type: ignore[arg-type]  # They are lists, see above.
        if _INTEGERS.issuperset(map(type, numbers)) and min(numbers) >= 0 and max(numbers) <= cbor.INT_CAP:
            return tuple([_decode_numbers(item) for item in items])  # type: ignore[arg-type]  # Lists of numbers.
    return tuple([decode_command(item) for item in items])


def decode_command(item: object) -> Command:
    """A command from its array. Unknown kinds and values out of range make the whole op undeliverable.

    Raises:
        DecodeError: saying what is wrong.
    """
    if type(item) is not list or not item:
        raise DecodeError("command: expected an array")
    kind = item[0]
    if kind in (JOIN_GROUP, ADMIT_TO_GROUP):
        return _decode_group(item)
    if set(map(type, item)) != _INTEGERS or min(item) < 0 or max(item) > cbor.INT_CAP:
        raise DecodeError("command: expected integers from 0 to 2**63 - 1")
    return _decode_numbers(item)


def _decode_numbers(item: list[int]) -> Command:
    """A command whose numbers are in range as such."""
    kind, fields = item[0], item[1:]
    decode = _DECODERS.get((kind, len(fields)))
    if decode is None:
        raise DecodeError(f"command: unknown kind {kind} with {len(fields)} fields")
    return decode(fields)


def priority_class(command: Command) -> int:
    """Which part of a block a command belongs to: what only takes away first, then what only makes, then the rest."""
    if isinstance(command, _PLACES):
        return CLASS_POST_ONLY if command.flags & _POST_ONLY else CLASS_REST
    if isinstance(command, Amend):
        return CLASS_CANCELS if command.flags & _REDUCE_ONLY else CLASS_REST
    return CLASS_CANCELS


def _decode_place(fields: list[int]) -> Place:
    c = _new(Place, fields)
    if not (1 <= c.side <= 2 and 1 <= c.type <= 2 and 1 <= c.tif <= 4 and c.flags <= 1 and 1 <= c.self_trade <= 4):
        raise DecodeError("place: a side, type, time in force, flag or self-trade mode is unknown")
    _check_id(c.client_id)
    return c


def _decode_special(fields: list[int]) -> PlaceSpecial:
    c = _new(PlaceSpecial, fields)
    if not (1 <= c.side <= 2 and 1 <= c.type <= 4 and 1 <= c.tif <= 4 and c.flags <= 3 and 1 <= c.self_trade <= 4):
        raise DecodeError("place: a side, type, time in force, flag or self-trade mode is unknown")
    if not c.is_special():
        raise DecodeError("place: nothing special about it; kind 1 is its encoding")
    _check_id(c.client_id)
    return c


def _decode_cancel(fields: list[int]) -> Cancel:
    _check_id(fields[0])
    return Cancel._make(fields)


def _decode_amend(fields: list[int]) -> Amend:
    if fields[3] > 1:
        raise DecodeError("amend: unknown flags")
    _check_id(fields[0])
    return Amend._make(fields)


def _decode_cancel_all(fields: list[int]) -> CancelAll:
    if fields[0] > 2:
        raise DecodeError("cancel all: a side is 1 or 2, or 0 for both")
    return CancelAll._make(fields)


def _decode_state(fields: list[int]) -> SetState:
    if not 1 <= fields[0] <= max(PairState):
        raise DecodeError("set state: unknown state")
    return SetState._make(fields)


def _decode_group(item: list[Any]) -> JoinGroup | AdmitToGroup:
    kind, fields = item[0], item[1:]
    if kind == JOIN_GROUP and len(fields) == 1:
        return JoinGroup(cbor.check_bytes(fields[0], "join group", PUBLIC_KEY_BYTES if fields[0] != b"" else 0))
    if kind == ADMIT_TO_GROUP and len(fields) == 2:
        member = cbor.check_bytes(fields[0], "admit to group", PUBLIC_KEY_BYTES)
        return AdmitToGroup(member, cbor.check_uint(fields[1], "admit", 1))
    raise DecodeError(f"command: unknown kind {kind} with {len(fields)} fields")


def _check_id(client_id: int) -> None:
    if not client_id:
        raise DecodeError("command: client order ids start at 1")


_DECODERS: dict[tuple[int, int], Callable[[list[int]], Command]] = {
    (PLACE, 9): _decode_place,
    (CANCEL, 1): _decode_cancel,
    (AMEND, 4): _decode_amend,
    (CANCEL_ALL, 1): _decode_cancel_all,
    (PLACE_SPECIAL, 12): _decode_special,
    (LEASE, 1): Lease._make,
    (SET_STATE, 1): _decode_state,
}
