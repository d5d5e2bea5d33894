"""Scripts of a book: a command a line, and indented beneath it the events that it must cause.

::

    at 1000
    A1 buy 10@100 show=3
      accepted A1 buy 10@100
      sliced A1 3+7
    B1 sell 4@100 ioc
      accepted B1 sell 4@100
      B1 sells 3@100 to A1
      sliced A1 3+4
      B1 sells 1@100 to A1
    end

``A1`` is author A's order 1. An order may be ``market``, ``ioc``, ``fok``, ``gtd=<ms>``, ``post``, ``slide``,
``mode=<self-trade mode>``, ``show=<displayed>``, ``min=<minimum>``, ``stop=<price>``, and with that ``limit``.
``at`` begins a block, ``end`` ends it (so does the next ``at``, if that causes no event), and ``book`` shows what
rests (shown+hidden@price), what waits and what is in line. ``void`` before a command puts it into a void op.
"""

from collections.abc import Iterable
from textwrap import dedent
from typing import Any

from gossipbook.audit.oracle import OracleBook
from gossipbook.matching.commands import (
    ADMIT_TO_GROUP,
    AMEND,
    CANCEL,
    CANCEL_ALL,
    JOIN_GROUP,
    LEASE,
    PLACE,
    PLACE_SPECIAL,
    SET_STATE,
    OrderType,
    PairState,
    PlaceFlags,
    PlaceSpecial,
    SelfTrade,
    Side,
    TimeInForce,
)
from gossipbook.matching.events import (
    Accepted,
    Amended,
    CancelCause,
    Cancelled,
    Expired,
    Fill,
    Frozen,
    Grouped,
    Leased,
    LeaseEnded,
    PairStateSet,
    Rejected,
    RejectReason,
    Sliced,
    StopAccepted,
    Triggered,
    Uncrossed,
    name_event,
)

WARDEN = b"W"
KIND_WORDS = ("", "place", "cancel", "amend", "cancel-all", "place", "lease", "state", "join", "admit", "place")
MODES = {"taker": 1, "maker": 2, "both": 3, "decrement": 4, "allow": 5}
assert list(MODES.values()) == [int(mode) for mode in SelfTrade]


def obey(script: str, **rules: int) -> None:
    """Run the commands of a script, under other limits if given; the events must be those that it says."""
    expected = [line for line in dedent(script).splitlines() if line.strip()]
    told = _transcript((line for line in expected if not line.startswith(" ")), **rules)
    assert told == expected, "it goes otherwise:\n" + "\n".join(told)


def _transcript(lines: Iterable[str], **rules: int) -> list[str]:
    limits = {
        "min_qty_lots": 1,
        "max_qty_lots": 1_000,
        "max_price_ticks": 200,
        "price_band_bps": 0,
        "max_open_orders_per_author": 12,
        "max_open_orders_per_pair": 40,
    }
    book = OracleBook(**{**limits, **rules}, wardens=(WARDEN,))
    told: list[str] = []
    seen = 0
    in_block = False
    for line in lines:
        first, *rest = line.split()
        if in_block and first == "at":
            book.end_block()
            late = [_say(event) for event in book.events[seen:]]
            told += ["end", *(f"  {words}" for words in late)] if late else []
        told.append(line)
        if first == "book":
            told += [f"  {row}" for row in _rows(book)]
            continue
        if first == "at":
            book.begin_block(int(rest[0]))
            in_block, seen = True, 0
        elif first == "end":
            book.end_block()
            in_block = False
        elif first == "freeze":
            book.freeze(rest[0].encode())
        else:
            void = first == "void"
            who, *what = rest if void else [first, *rest]
            book.run(who[:1].encode(), [_command(who, what)], void)
        told += [f"  {_say(event)}" for event in book.events[seen:]]
        seen = len(book.events)
    return told


def _command(who: str, what: list[str]) -> tuple[Any, ...]:
    match what:
        case ["buy" | "sell" as side, size, *extras]:
            return _place(int(who[1:]), side, size, extras)
        case ["cancel"]:
            return CANCEL, int(who[1:])
        case ["amend", size, *flags]:
            lots, price = (int(word or 0) for word in size.split("@"))
            return AMEND, int(who[1:]), price, lots, int("reduce" in flags)
        case ["cancel-all"]:
            return CANCEL_ALL, 0
        case ["cancel-all", side]:
            return CANCEL_ALL, int(Side[side.upper()])
        case ["lease", for_ms]:
            return LEASE, int(for_ms)
        case ["state", word]:
            return SET_STATE, int(PairState[word.upper().replace("-", "_")])
        case ["join", owner]:
            return JOIN_GROUP, owner.encode()
        case ["leave"]:
            return JOIN_GROUP, b""
        case ["admit" | "expel" as verb, member]:
            return ADMIT_TO_GROUP, member.encode(), int(verb == "admit")
    raise ValueError(f"no such command: {who} {what}")


def _place(client_id: int, side: str, size: str, extras: list[str]) -> tuple[Any, ...]:
    named = dict(word.split("=") for word in extras if "=" in word)
    lots, price = (int(word) for word in size.split("@"))
    order_type = OrderType.MARKET if "market" in extras else OrderType.LIMIT
    if "stop" in named:
        order_type = OrderType.STOP_LIMIT if "limit" in extras else OrderType.STOP
    tif = next((TimeInForce[word.upper()] for word in extras if word in ("ioc", "fok")), TimeInForce.GTC)
    place = PlaceSpecial(
        client_id,
        Side[side.upper()],
        order_type,
        price,
        lots,
        TimeInForce.GTD if "gtd" in named else tif,
        PlaceFlags.POST_ONLY * ("post" in extras) | PlaceFlags.SLIDE * ("slide" in extras),
        MODES[named.get("mode", "taker")],
        int(named.get("gtd", 0)),
        int(named.get("show", 0)),
        int(named.get("min", 0)),
        int(named.get("stop", 0)),
    )
    fields = [int(value) for value in place]
    return (PLACE_SPECIAL, *fields) if place.is_special() else (PLACE, *fields[:9])


def _say(raw: tuple[Any, ...]) -> str:
    match name_event(raw):
        case Accepted(_, author, client_id, side, price, lots):
            return f"accepted {_order(author, client_id)} {_side(side)} {lots}@{price}"
        case StopAccepted(_, author, client_id, side, stop, price, lots):
            return f"waits {_order(author, client_id)} {_side(side)} {lots}@{price} from {stop}"
        case Rejected(_, author, client_id, kind, reason):
            who = _order(author, client_id) if client_id else author.decode()
            return f"rejected {who} {KIND_WORDS[kind]}: {RejectReason(reason).word}"
        case Fill(_, price, lots, maker, maker_id, taker, taker_id, side):
            verb, link = ("buys", "from") if side == Side.BUY else ("sells", "to")
            return f"{_order(taker, taker_id)} {verb} {lots}@{price} {link} {_order(maker, maker_id)}"
        case Cancelled(_, author, client_id, lots, left, cause):
            return f"cancelled {_order(author, client_id)} {lots} leaving {left}: {CancelCause(cause).word}"
        case Expired(_, author, client_id, lots):
            return f"expired {_order(author, client_id)} {lots}"
        case Amended(_, author, client_id, price, total, left):
            return f"amended {_order(author, client_id)} {total}@{price} open {left}"
        case Triggered(_, author, client_id, price, lots):
            return f"triggered {_order(author, client_id)} {lots}@{price}"
        case Sliced(_, author, client_id, shown, hidden):
            return f"sliced {_order(author, client_id)} {shown}+{hidden}"
        case PairStateSet(_, warden, state):
            return f"{PairState(state).word} by {warden.decode()}"
        case Uncrossed(_, price, lots):
            return f"uncrossed {lots}@{price}"
        case Leased(_, author, until_ms):
            return f"leased {author.decode()} until {until_ms}"
        case LeaseEnded(_, author):
            return f"lease ended {author.decode()}"
        case Grouped(_, member, owner, consent):
            return f"grouped {member.decode()} with {owner.decode() or 'nobody'}: {consent}"
        case Frozen(_, author):
            return f"frozen {author.decode()}"
    raise AssertionError(f"no words for {raw}")


def _rows(book: OracleBook) -> list[str]:
    rows = {}
    for name, side in (("bids", 1), ("offers", 2)):
        rows[name] = [
            f"{_order(author, client_id)} {shown}{f'+{hidden}' if hidden else ''}@{price}"
            for author, client_id, price, shown, hidden in book.resting_whole(side)
        ]
    for name, stops in (("waiting", book.waiting()), ("line", book.line())):
        rows[name] = [
            f"{_order(author, client_id)} {lots}@{price} from {stop}"
            for author, client_id, _, stop, price, lots in stops
        ]
    return [f"{name}: {', '.join(orders)}" for name, orders in rows.items() if orders]


def _order(author: bytes, client_id: int) -> str:
    return f"{author.decode()}{client_id}"


def _side(side: int) -> str:
    return Side(side).name.lower()
