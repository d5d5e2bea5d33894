"""``gossipbook order``: place, cancel, amend and show orders with an author's key."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.text import Text

from gossipbook.cbor import MAX_INT
from gossipbook.cli.connect import Target, ask_once, peer_options, run
from gossipbook.cli.output import console, fail, json_option, print_json
from gossipbook.cli.submitting import Outcome, submit
from gossipbook.cli.units import format_price, format_qty, price_to_ticks, qty_to_lots
from gossipbook.errors import SubmitRefused
from gossipbook.manifest import Pair
from gossipbook.matching.commands import (
    Amend,
    AmendFlags,
    Cancel,
    CancelAll,
    Command,
    OrderType,
    Place,
    PlaceFlags,
    SelfTrade,
    Side,
    TimeInForce,
)
from gossipbook.matching.events import CancelCause, Cancelled, Fill
from gossipbook.requests import AckLevel
from gossipbook.storage.keys import load_key
from gossipbook.storage.wallet import Wallet

LEVELS = {"durable": AckLevel.DURABLE, "relayed": AckLevel.RELAYED, "certified": AckLevel.CERTIFIED}
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
SELF_TRADE_MODES = {mode.name.lower().replace("_", "-"): mode for mode in SelfTrade}
CLIENT_ID = click.IntRange(1, MAX_INT)
STATUS_STYLES = {"filled": "green", "open": "cyan", "rejected": "bold red"}

T = TypeVar("T")

key_option = click.option(
    "--key", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The author's key file."
)


def waiting_options(command: Callable[..., T]) -> Callable[..., T]:
    """How long an op is good for, and how far to follow it."""
    for option in (
        click.option(
            "--timeout",
            "timeout_s",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            default=10.0,
            show_default=True,
            help="How long to wait for that.",
        ),
        click.option(
            "--wait",
            type=click.Choice(list(LEVELS)),
            default="certified",
            show_default=True,
            help="What to wait for: synced here, held by enough others, in a finalized block.",
        ),
        click.option(
            "--op-expires",
            "op_expires_s",
            type=click.IntRange(1, 10**9),
            metavar="SECONDS",
            help="Void places and increases if not certified by then.",
        ),
    ):
        command = option(command)
    return command


@click.group()
def order() -> None:
    """Place, cancel, amend and look at orders. QTY and PRICE are decimals, converted exactly or refused."""


@order.command()
@click.argument("pair", metavar="PAIR")
@click.argument("side", type=click.Choice(list(SIDES)))
@click.argument("qty", metavar="QTY")
@click.argument("price", metavar="PRICE")
@key_option
@peer_options
@click.option("--type", "kind", type=click.Choice(["limit", "market"]), default="limit", show_default=True,
              help="A market order takes at any price up to PRICE and never rests.")  # fmt: skip
@click.option("--tif", type=click.Choice(["gtc", "gtd", "ioc", "fok"]),
              help="Time in force.  [default: gtc; gtd with --expires-ms; ioc for market]")  # fmt: skip
@click.option("--post-only", is_flag=True, help="Refuse the order if it would take.")
@click.option("--self-trade", type=click.Choice(list(SELF_TRADE_MODES)), default="cancel-taker", show_default=True,
              help="What to do on meeting an own order.")  # fmt: skip
@click.option("--expires-ms", type=click.IntRange(min=1), metavar="MS", help="gtd: lapse after this Unix time, ms.")
@waiting_options
@json_option
def place(
    pair: str,
    side: str,
    qty: str,
    price: str,
    key: Path,
    target: Target,
    kind: str,
    tif: str | None,
    post_only: bool,
    self_trade: str,
    expires_ms: int | None,
    op_expires_s: int | None,
    wait: str,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Place an order for QTY of PAIR at PRICE or better."""
    spec = target.manifest.pair(pair)
    ticks, lots = price_to_ticks(spec, price), qty_to_lots(spec, qty)
    force = _time_in_force(kind, tif, post_only, expires_ms)
    flags = PlaceFlags.POST_ONLY if post_only else PlaceFlags.NONE

    def make(wallet: Wallet, pair: str) -> Sequence[Command]:
        number = wallet.next_client_id(pair)
        mode = SELF_TRADE_MODES[self_trade]
        order_type = OrderType[kind.upper()]
        return [Place(number, SIDES[side], order_type, ticks, lots, force, flags, mode, expires_ms or 0)]

    outcome = _submit(target, key, pair, make, op_expires_s, wait, timeout_s)
    _report(outcome, spec, f"{side} {qty} {pair} at {price}", wait, as_json)


def _time_in_force(kind: str, tif: str | None, post_only: bool, expires_ms: int | None) -> TimeInForce:
    if tif is None:
        tif = "ioc" if kind == "market" else "gtc" if expires_ms is None else "gtd"
    if kind == "market" and tif not in ("ioc", "fok"):
        raise click.UsageError("a market order never rests: --tif ioc or fok")
    if post_only and tif in ("ioc", "fok"):
        raise click.UsageError("--post-only asks for an order that rests, and ioc and fok never do")
    if (tif == "gtd") != (expires_ms is not None):
        raise click.UsageError("--tif gtd and --expires-ms go together")
    if expires_ms is not None and expires_ms > MAX_INT:
        raise click.UsageError(f"--expires-ms is at most {MAX_INT}")
    return TimeInForce[tif.upper()]


@order.command()
@click.argument("pair", metavar="PAIR")
@click.argument("client_id", metavar="[CLIENT_ID]", type=CLIENT_ID, required=False)
@key_option
@peer_options
@click.option("--all", "everything", is_flag=True, help="Cancel all open orders of this key.")
@click.option("--side", type=click.Choice(list(SIDES)), help="With --all: only this side.")
@waiting_options
@json_option
def cancel(
    pair: str,
    client_id: int | None,
    key: Path,
    target: Target,
    everything: bool,
    side: str | None,
    op_expires_s: int | None,
    wait: str,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Cancel the order CLIENT_ID of PAIR, or --all."""
    if (client_id is None) != everything:
        raise click.UsageError("give either CLIENT_ID or --all")
    if side is not None and not everything:
        raise click.UsageError("--side goes with --all")
    spec = target.manifest.pair(pair)
    command = CancelAll(SIDES[side] if side else 0) if client_id is None else Cancel(client_id)
    outcome = _submit(target, key, pair, lambda *_: [command], op_expires_s, wait, timeout_s)
    _report(
        outcome,
        spec,
        "cancel" if client_id else f"cancel all {side + ' ' if side else ''}orders in {pair}",
        wait,
        as_json,
    )


@order.command()
@click.argument("pair", metavar="PAIR")
@click.argument("client_id", metavar="CLIENT_ID", type=CLIENT_ID)
@key_option
@peer_options
@click.option("--qty", help="The new total quantity, what is filled included.")
@click.option("--price", help="The new price. The order then goes to the back of the queue, and may fill.")
@click.option("--reduce-only", is_flag=True, help="Refuse anything but a reduction; runs before other orders.")
@waiting_options
@json_option
def amend(
    pair: str,
    client_id: int,
    key: Path,
    target: Target,
    qty: str | None,
    price: str | None,
    reduce_only: bool,
    op_expires_s: int | None,
    wait: str,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Change the quantity or the price of the open order CLIENT_ID of PAIR."""
    if qty is None and price is None:
        raise click.UsageError("give --qty, --price or both")
    spec = target.manifest.pair(pair)
    ticks = 0 if price is None else price_to_ticks(spec, price)
    lots = 0 if qty is None else qty_to_lots(spec, qty)
    command = Amend(client_id, ticks, lots, AmendFlags.REDUCE_ONLY if reduce_only else AmendFlags.NONE)
    outcome = _submit(target, key, pair, lambda *_: [command], op_expires_s, wait, timeout_s)
    words = [f"quantity {qty}" if qty else "", f"price {price}" if price else ""]
    _report(outcome, spec, "amend to " + ", ".join(filter(None, words)), wait, as_json)


@order.command()
@click.argument("pair", metavar="PAIR")
@click.argument("client_id", metavar="CLIENT_ID", type=CLIENT_ID)
@click.option("--key", type=click.Path(path_type=Path, dir_okay=False), help="The author's key file.")
@click.option("--author", metavar="HEX", help="Or the author's public key.")
@peer_options
@json_option
def show(pair: str, client_id: int, key: Path | None, author: str | None, target: Target, as_json: bool) -> None:
    """What became of the order CLIENT_ID of PAIR."""
    if (key is None) == (author is None):
        raise click.UsageError("give either --key FILE or --author HEX")
    spec = target.manifest.pair(pair)
    name = load_key(key).public_key.hex() if key is not None else str(author)
    answer = ask_once(target, "order", pair, name, str(client_id))
    if as_json:
        print_json(_order_json(answer, spec))
        return
    console.print(f"order   {name}:{client_id}", markup=False)
    if answer["side"]:
        qty, price = format_qty(spec, answer["qty_lots"]), format_price(spec, answer["price_ticks"])
        console.print(f"        {answer['side']} {qty} {pair} at {price}", markup=False)
    console.print(Text("state   ") + _state_line(answer, spec))


def _submit(
    target: Target, key: Path, pair: str, make: Any, op_expires_s: int | None, wait: str, timeout_s: float
) -> Outcome:
    expiry_ms = 0 if op_expires_s is None else time.time_ns() // 1_000_000 + op_expires_s * 1_000
    try:
        return run(submit, target, key, pair, make, expiry_ms, LEVELS[wait], timeout_s)
    except SubmitRefused as error:
        fail(f"{target.name} refused it: {error.reason}. It stays in the wallet and is sent again before the next one.")


def _report(outcome: Outcome, spec: Pair, what: str, wait: str, as_json: bool) -> None:
    """Say how an op fared; exit 1 if the book refused it, or if it did not get as far as was asked."""
    client_id = int(getattr(outcome.op.commands[0], "client_id", 0))
    refusal = outcome.refusal(client_id)
    if as_json:
        print_json(_outcome_json(outcome, spec, client_id, refusal))
    else:
        _show_outcome(outcome, spec, client_id, what, refusal)
    if refusal:
        fail(f"refused: {refusal}")
    if outcome.level < LEVELS[wait]:
        fate = "on its way" if outcome.level else "may have arrived"
        fail(
            f"not {wait}: {outcome.trouble}.\nDo not repeat it: the op is signed and {fate}. Look again with "
            f"'gossipbook status' and 'gossipbook order show'; the next order of this key sends it again."
        )


def _show_outcome(outcome: Outcome, spec: Pair, client_id: int, what: str, refusal: str) -> None:
    author = outcome.op.author.hex()
    console.print(f"order   {author}:{client_id}" if client_id else f"author  {author}", markup=False)
    console.print(f"        {what}", markup=False)
    level = outcome.level.name.lower() if outcome.level else "sent"
    place = f" at height {outcome.height:,}" if outcome.height else ""
    again = f", {outcome.resent} earlier sent again" if outcome.resent else ""
    console.print(f"level   {level}{place} after {outcome.elapsed_ms:,} ms{again}", markup=False)
    for qty, price in _fills(outcome, spec, client_id):
        console.print(f"fill    {qty} at {price}", markup=False)
    if not client_id and outcome.events is not None:
        gone = _cancelled_ids(outcome)
        console.print(f"state   {len(gone):,} cancelled" + (f": {', '.join(map(str, gone))}" if gone else ""))
    elif outcome.order and (not refusal or outcome.order["status"] != "rejected"):
        console.print(Text("state   ") + _state_line(outcome.order, spec))
    elif refusal:
        console.print(Text("state   ") + Text("rejected", "bold red") + Text(f" ({refusal})"))
    else:
        console.print("state   pending" if outcome.level is not AckLevel.CERTIFIED else "state   not known here")


def _state_line(state: dict[str, Any], spec: Pair) -> Text:
    status = state["status"]
    line = Text(status, style=STATUS_STYLES.get(status, "yellow"))
    if state["reason"]:
        line.append(f" ({state['reason']})", style="default")
    if status == "filled":
        line.append(f": {format_qty(spec, state['filled_lots'])}", style="default")
    elif status != "rejected":
        parts = [f"{format_qty(spec, state['filled_lots'])} of {format_qty(spec, state['qty_lots'])} filled"]
        left = ((key, state[f"{key}_lots"]) for key in ("open", "cancelled"))
        parts += [f"{format_qty(spec, lots)} {key}" for key, lots in left if lots]
        line.append(f": {', '.join(parts)}", style="default")
    return line


def _fills(outcome: Outcome, spec: Pair, client_id: int) -> list[tuple[str, str]]:
    """What the order took on arrival: (quantity, price) a price level."""
    taken: dict[int, int] = {}
    author = outcome.op.author
    for event in outcome.events or ():
        if isinstance(event, Fill) and (event.taker, event.taker_client_id) == (author, client_id):
            taken[event.price_ticks] = taken.get(event.price_ticks, 0) + event.qty_lots
    return [(format_qty(spec, lots), format_price(spec, ticks)) for ticks, lots in taken.items()]


def _cancelled_ids(outcome: Outcome) -> list[int]:
    cause = CancelCause.CANCEL_ALL
    return [e.client_id for e in outcome.events or () if isinstance(e, Cancelled) and e.cause == cause]


def _outcome_json(outcome: Outcome, spec: Pair, client_id: int, refusal: str) -> dict[str, Any]:
    value: dict[str, Any] = {
        "pair": spec.symbol,
        "author": outcome.op.author.hex(),
        "client_id": client_id or None,
        "order": f"{outcome.op.author.hex()}:{client_id}" if client_id else None,
        "op_id": outcome.op.id.hex(),
        "seq": outcome.op.seq,
        "level": outcome.level.name.lower() if outcome.level else "sent",
        "height": outcome.height,
        "elapsed_ms": outcome.elapsed_ms,
        "resent": outcome.resent,
        "rejected": refusal,
        "trouble": outcome.trouble,
    }
    if client_id:
        fills = [{"qty": qty, "price": price} for qty, price in _fills(outcome, spec, client_id)]
        return value | {"fills": fills, "state": _order_json(outcome.order, spec) if outcome.order else None}
    return value | {"cancelled_ids": _cancelled_ids(outcome)}


def _order_json(state: dict[str, Any], spec: Pair) -> dict[str, Any]:
    decimals = {"price": format_price(spec, state["price_ticks"])}
    for key in ("qty", "open", "filled", "cancelled"):
        decimals[key] = format_qty(spec, state[f"{key}_lots"])
    return state | decimals
