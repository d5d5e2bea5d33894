"""Turns a trader's words (side, kind, time in force, …) into commands, for every interface that traders use.

What is wrong with an order by itself, whatever the book holds, is said here, before anything is signed. What depends on
the book is the engine's to refuse.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from gossipbook.cbor import INT_CAP
from gossipbook.crdt import command_code
from gossipbook.crdt.command_code import decode_command, encode_command, least_version
from gossipbook.errors import ConfigError, DecodeError, SubmitRefused
from gossipbook.limits import COMMANDS_PER_OP_CAP
from gossipbook.manifest import Manifest
from gossipbook.matching.commands import (
    SLICES_CAP,
    TEXT_ID_CAP,
    AnyPlace,
    CancelAll,
    Command,
    OrderType,
    PairState,
    Place,
    PlaceFlags,
    PlaceNamed,
    PlaceSpecial,
    SelfTrade,
    SetState,
    Side,
    TimeInForce,
)
from gossipbook.trade.numbers import shown, whole

SIDES: Final = {side.name.lower(): side for side in Side}
TIFS: Final = {tif.name.lower(): tif for tif in TimeInForce}
KINDS: Final = {kind.name.lower().replace("_", "-"): kind for kind in OrderType}
SELF_TRADES: Final = {mode.name.lower().replace("_", "-"): mode for mode in SelfTrade}
STATES: Final = {state.word: state for state in PairState}

SLIDE: Final = "slide"
REST, EXPIRE = "rest", "expire"
QUORUM_LOSS: Final = (REST, EXPIRE)
"""What an order does while its pair has no quorum: wait for it however long, or be gone from a given time on."""


class BadOrder(ConfigError, SubmitRefused):
    """An order that contradicts itself. Nothing was signed."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.reason = "bad-order"


class LaterRules(ConfigError, SubmitRefused):
    """The network's rules do not know what was asked for. Nothing was signed."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.reason = "later-rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One order in words, prices in ticks and quantities in lots.

    ``kind``: ``limit``, ``market``, ``stop`` or ``stop-limit``; empty is ``limit``, and ``stop`` with ``stop_ticks``.
    ``price_ticks`` is the protection price of a market or stop order. ``tif``: ``gtc``, ``gtd``, ``ioc`` or ``fok``;
    empty is ``ioc`` for market orders, ``gtd`` with ``expires_ms``, else ``gtc``. ``post_only``: True refuses the order
    if it would take, ``"slide"`` moves it to the nearest price that does not. ``text_id`` is a name of the trader's
    own, of up to 36 printable ASCII characters. 0 is none for all other numbers.

    Raises:
        BadNumber: naming the number that is none. BadOrder: naming what contradicts what.
    """

    side: str
    price_ticks: int
    qty_lots: int
    kind: str = ""
    tif: str = ""
    post_only: bool | str = False
    self_trade: str | SelfTrade = SelfTrade.CANCEL_TAKER
    expires_ms: int = 0
    display_lots: int = 0
    min_lots: int = 0
    stop_ticks: int = 0
    text_id: str = ""

    def __post_init__(self) -> None:
        for name in ("price_ticks", "qty_lots", "expires_ms", "display_lots", "min_lots", "stop_ticks"):
            object.__setattr__(self, name, whole(name, getattr(self, name), 0))
        _check_word("side", self.side, SIDES)
        if not isinstance(self.self_trade, SelfTrade):
            _check_word("self_trade", self.self_trade, SELF_TRADES)
        if not isinstance(self.post_only, bool) and self.post_only != SLIDE:
            raise BadOrder(f"post_only: True, False or {SLIDE!r}; got {shown(self.post_only)}")
        check_text_id(self.text_id)
        kind = self.kind if self.kind != "" else ("stop" if self.stop_ticks else "limit")
        tif = self.tif if self.tif != "" else ("ioc" if kind == "market" else "gtd" if self.expires_ms else "gtc")
        object.__setattr__(self, "kind", _check_word("kind", kind, KINDS))
        object.__setattr__(self, "tif", _check_word("tif", tif, TIFS))
        for fault in (_kind_fault(self), _extras_fault(self)):
            if fault:
                raise BadOrder(fault)

    @property
    def rests(self) -> bool:
        """Whether the order may stay in the book."""
        return self.tif in ("gtc", "gtd")

    def until(self, time_ms: int) -> "Ticket":
        """The same order, which lapses after a block time if it is still open then; 0 changes nothing."""
        if not time_ms:
            return self
        if self.expires_ms:
            raise BadOrder("when the order lapses is said twice: as gtd, and by what it does on loss of quorum")
        return replace(self, tif="gtd", expires_ms=time_ms) if self.rests else self

    def commands(self, client_id: int) -> list[Command]:
        """The commands of an op that places the order.

        Raises:
            BadOrder: there is no such id.
        """
        if client_id > INT_CAP:
            raise BadOrder("this key has used up its order ids in this pair: use a new key. Nothing was signed")
        return [self.command(client_id)]

    def command(self, client_id: int) -> AnyPlace:
        """The order under its author's next client order id."""
        flags = PlaceFlags.POST_ONLY if self.post_only else PlaceFlags.NONE
        if self.post_only == SLIDE:
            flags |= PlaceFlags.SLIDE
        mode = SELF_TRADES[self.self_trade] if isinstance(self.self_trade, str) else self.self_trade
        special = PlaceSpecial(
            client_id,
            SIDES[self.side],
            KINDS[self.kind],
            self.price_ticks,
            self.qty_lots,
            TIFS[self.tif],
            flags,
            mode,
            self.expires_ms,
            self.display_lots,
            self.min_lots,
            self.stop_ticks,
        )
        named = PlaceNamed(*special, self.text_id)
        if named.is_named():
            return named
        return special if special.is_special() else Place(*special[: len(Place._fields)])


def check_text_id(text: object) -> str:
    """Return a text id as it may be; empty for none.

    Raises:
        BadOrder: it is too long, or of other characters than printable ASCII.
    """
    try:
        return command_code.check_text_id(text)
    except DecodeError:
        raise BadOrder(f"text_id: expected up to {TEXT_ID_CAP} printable ASCII characters, not {shown(text)}") from None


def good_until_ms(on_quorum_loss: str, within_ms: int, now_ms: int) -> int:
    """Until when an order under a policy for the loss of quorum is good, in block time; 0 for ever.

    Raises:
        BadOrder: an unknown policy, or ``expire`` without a time.
    """
    if on_quorum_loss != "":
        _check_word("on_quorum_loss", on_quorum_loss, QUORUM_LOSS)
    if (on_quorum_loss == EXPIRE) != (within_ms > 0):
        raise BadOrder("an order expires on loss of quorum within some time, and only then: give both or neither")
    return now_ms + within_ms if within_ms else 0


def checked_commands(commands: Iterable[Command]) -> list[Command]:
    """Return commands that were made by hand, as peers will read them.

    Raises:
        BadOrder: one of them is none.
    """
    try:
        return [decode_command(encode_command(command)) for command in islice(commands, COMMANDS_PER_OP_CAP + 1)]
    except (DecodeError, ValueError, KeyError, TypeError) as error:
        why = f": {error}" if isinstance(error, DecodeError | ValueError) else ""
        raise BadOrder(f"commands: one of them is no command{why}. Nothing was signed") from None


def cancel_all(side: str = "") -> CancelAll:
    """Cancel all open orders of a side, or of both."""
    return CancelAll(0 if side == "" else SIDES[_check_word("side", side, SIDES)])


def set_state(state: str) -> SetState:
    """A warden's word for what a pair takes from now on."""
    return SetState(STATES[_check_word("state", state, STATES)])


def require_rules(manifest: Manifest, commands: Iterable[Command]) -> None:
    """Raises :class:`LaterRules` if a network's rules do not know one of the commands."""
    known, needed = manifest.rules_version, least_version(tuple(commands))
    if needed > known:
        unknown = "text ids, and orders that may trade with their author's own"
        if known < 2:
            unknown = f"icebergs, minimum quantities, stops, slides, leases, groups, pair states, {unknown}"
        raise LaterRules(
            f"network {manifest.name!r} has rules of version {known}, which do not know {unknown}. Nothing was signed "
            "or sent"
        )


def _check_word(what: str, word: str, known: Iterable[str]) -> str:
    if not isinstance(word, str) or word not in known:
        raise BadOrder(f"{what}: one of {', '.join(known)}; got {shown(word)}")
    return word


def _kind_fault(ticket: Ticket) -> str:
    """What is wrong with an order's type, time in force and post-only; empty if nothing."""
    if ticket.kind == "market" and ticket.rests:
        return "a market order never rests: its time in force is ioc or fok"
    if ticket.post_only and not ticket.rests:
        return "post-only asks for an order that rests, and ioc and fok never do"
    if (ticket.tif == "gtd") != (ticket.expires_ms > 0):
        return "gtd and the time at which the order lapses go together"
    stop = ticket.kind in ("stop", "stop-limit")
    if stop != (ticket.stop_ticks > 0):
        return "a stop price makes a stop or stop-limit order, and they need one"
    if stop and (not ticket.rests or ticket.post_only):
        return "a stop order waits for its stop price: it is gtc or gtd, and not post-only"
    return ""


def _extras_fault(ticket: Ticket) -> str:
    """What is wrong with an order's displayed and minimum quantity; empty if nothing."""
    if ticket.display_lots:
        if ticket.kind not in ("limit", "stop-limit") or not ticket.rests:
            return "an iceberg rests: it is a limit or stop-limit order, gtc or gtd"
        if ticket.display_lots >= ticket.qty_lots:
            return "an iceberg shows less than its quantity"
        if ticket.qty_lots > ticket.display_lots * SLICES_CAP:
            return f"an iceberg has at most {SLICES_CAP} slices: show more of it, or place less"
    if ticket.min_lots:
        if ticket.min_lots > ticket.qty_lots:
            return "the minimum quantity is at most the quantity"
        if ticket.tif == "fok":
            return "fok fills whole or not at all; a minimum quantity says something else"
        if ticket.post_only or ticket.kind in ("stop", "stop-limit"):
            return "a minimum quantity has to fill on arrival, where a post-only or stop order does not fill"
    return ""
