"""What happened to an order, in words and in JSON."""

import time
from typing import Any

from gossipbook.ids import PublicKey, short
from gossipbook.manifest import Pair
from gossipbook.matching import events as e
from gossipbook.matching.commands import KINDS, AnyPlace, Command, PlaceFlags, Side, SpecialPlace, TimeInForce
from gossipbook.matching.events import RawEvent
from gossipbook.receipt.order import KNOWN_KINDS, kind_name, reason_word
from gossipbook.trade.units import format_price, format_qty

_COMMANDS = {number: kind.__name__.lower() for kind, number in KINDS.items()}


def clock(time_ms: int) -> str:
    """A moment, to the millisecond, in UTC."""
    whole, rest = divmod(time_ms, 1_000)
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(whole)) + f".{rest:03}Z"
    except (OverflowError, ValueError):
        return f"{time_ms} ms"


def asked(command: Command, pair: Pair) -> str:
    """What a command that enters an order asks for."""
    if not isinstance(command, AnyPlace):
        return type(command).__name__.lower()
    words = [
        Side(command.side).name.lower(),
        format_qty(pair, command.qty_lots),
        pair.symbol,
        "at",
        format_price(pair, command.price_ticks),
        TimeInForce(command.tif).name.lower(),
    ]
    if command.flags & PlaceFlags.POST_ONLY:
        words.append("slide" if command.flags & PlaceFlags.SLIDE else "post-only")
    if isinstance(command, SpecialPlace):
        words += ["showing", format_qty(pair, command.display_lots)] if command.display_lots else []
        words += ["at least", format_qty(pair, command.min_lots)] if command.min_lots else []
        words += ["stop", format_price(pair, command.stop_ticks)] if command.stop_ticks else []
    return " ".join(words)


def told(raw: RawEvent, author: PublicKey, client_id: int, pair: Pair) -> str:
    """One event of an order, as its owner would put it."""
    if raw[0] not in KNOWN_KINDS:
        return f"{kind_name(raw)}: {', '.join(_field(field) for field in raw[2:])}"
    event: Any = e.name_event(raw)
    match event:
        case e.Accepted():
            side, qty = Side(event.side).name.lower(), format_qty(pair, event.qty_lots)
            return f"accepted: {side} {qty} at {format_price(pair, event.price_ticks)}"
        case e.StopAccepted():
            side, qty = Side(event.side).name.lower(), format_qty(pair, event.qty_lots)
            stop, price = format_price(pair, event.stop_ticks), format_price(pair, event.price_ticks)
            return f"accepted: waits for a trade at {stop}, then {side} {qty} at {price}"
        case e.Triggered():
            return f"triggered: {format_qty(pair, event.qty_lots)} at {format_price(pair, event.price_ticks)}"
        case e.Sliced():
            shown, hidden = format_qty(pair, event.shown_lots), format_qty(pair, event.hidden_lots)
            return f"shows {shown} at the back of its level, {hidden} behind it"
        case e.Rejected():
            return f"{_COMMANDS.get(event.command, 'command')} refused: {reason_word(e.RejectReason, event.reason)}"
        case e.Fill():
            maker = (event.maker, event.maker_client_id) == (author, client_id)
            other = (event.taker, event.taker_client_id) if maker else (event.maker, event.maker_client_id)
            role = "resting" if maker else "taking"
            qty, price = format_qty(pair, event.qty_lots), format_price(pair, event.price_ticks)
            return f"filled {qty} at {price}, {role}, against {short(other[0])}…:{other[1]}"
        case e.Cancelled():
            qty, left = format_qty(pair, event.qty_lots), format_qty(pair, event.open_lots)
            return f"cancelled {qty} ({reason_word(e.CancelCause, event.cause)}), {left} open"
        case e.Expired():
            return f"lapsed with {format_qty(pair, event.qty_lots)} open"
        case e.Amended():
            total, left = format_qty(pair, event.qty_lots), format_qty(pair, event.open_lots)
            return f"amended: {total} in all at {format_price(pair, event.price_ticks)}, {left} open"
        case _:
            return kind_name(raw)


def as_json(raw: RawEvent) -> dict[str, Any]:
    """An event with its fields named; of an unknown kind, in order."""
    named = e.EVENT_TYPES.get(raw[0])
    fields: Any = raw[1:]
    table = {"kind": kind_name(raw), "number": raw[1]}
    if named is not None and e.is_whole(raw):
        return table | {name: _plain(field) for name, field in zip(named._fields, fields, strict=False)}
    return table | {"fields": [_plain(field) for field in fields[1:]]}


def _plain(field: Any) -> Any:
    return field.hex() if isinstance(field, bytes) else field


def _field(field: Any) -> str:
    return f"{short(field)}…" if isinstance(field, bytes) else str(field)
