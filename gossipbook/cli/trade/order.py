"""``gossipbook order``: place, cancel, amend and show orders with an author's key, and their dead man's switch."""

import time
from pathlib import Path

import click

from gossipbook.cbor import INT_CAP
from gossipbook.cli.connect import Target, ask_once, peer_options, run, signing_options
from gossipbook.cli.lazy import Home, LazyGroup
from gossipbook.cli.options import LEVELS, waiting_options
from gossipbook.cli.output import json_option, print_json, say
from gossipbook.cli.trade.outcome import order_json, read_cancelled, report, report_each, say_state
from gossipbook.cli.trade.own_order import named_client_id, signed_order
from gossipbook.cli.trade.submitting import send, submit_each
from gossipbook.cli.trade.terms import OrderTerms, terms_options
from gossipbook.matching.commands import Amend, AmendFlags, Cancel, Command
from gossipbook.storage.keys import load_key
from gossipbook.trade.numbers import BadNumber
from gossipbook.trade.peer_link import QueryFailed
from gossipbook.trade.tickets import SIDES, BadOrder
from gossipbook.trade.tickets import cancel_all as all_cancelled
from gossipbook.trade.units import format_price, format_qty, price_to_ticks, qty_to_lots

CLIENT_ID = click.IntRange(1, INT_CAP)
text_id_option = click.option("--text-id", metavar="TEXT", help="The order that has this text id.")


order = LazyGroup(
    "order",
    homes={
        "Commands": {
            "place": Home("trade.order", "Place an order"),
            "amend": Home("trade.order", "Change the quantity or price of an open order"),
            "cancel": Home("trade.order", "Cancel an order, or all orders in a pair"),
            "cancel-all": Home("trade.order", "Cancel all orders of a key in all pairs"),
            "show": Home("trade.order", "Show what became of an order"),
            "lease": Home("trade.lease", "Set a dead man's switch, which cancels all orders"),
        }
    },
    help="""Place, change and show orders.

    QTY and PRICE are decimals, which are converted exactly or refused.""",
)


@click.command()
@click.argument("pair", metavar="PAIR")
@click.argument("side", type=click.Choice(list(SIDES)))
@click.argument("qty", metavar="QTY")
@click.argument("price", metavar="PRICE")
@signing_options
@terms_options
@waiting_options
@json_option
def place(
    pair: str,
    side: str,
    qty: str,
    price: str,
    key: Path,
    target: Target,
    terms: OrderTerms,
    op_expires_s: int | None,
    wait: str,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Place an order.

    For QTY of PAIR at PRICE or better.
    """
    spec = target.manifest.pair(pair)
    try:
        ticket = terms.ticket(spec, side, qty, price)
        until_ms = terms.good_until_ms()
        if until_ms and op_expires_s is not None:
            raise BadOrder("--on-quorum-loss expire says by itself when the op is void: leave --op-expires out")
        ticket = ticket.until(until_ms)
    except (BadNumber, BadOrder) as error:
        raise click.UsageError(str(error)) from None
    expiry_ms = until_ms or _expiry_ms(op_expires_s)
    outcome = send(target, key, pair, ticket, expiry_ms, wait, timeout_s)
    report(outcome, spec, f"{side} {qty} {pair} at {price}{terms.words}", wait, as_json)


@click.command()
@click.argument("pair", metavar="PAIR")
@click.argument("client_id", metavar="[CLIENT_ID]", type=CLIENT_ID, required=False)
@signing_options
@text_id_option
@click.option("--all", "everything", is_flag=True, help="Cancel all open orders of this key.")
@click.option("--side", type=click.Choice(list(SIDES)), help="With --all: only this side.")
@waiting_options
@json_option
def cancel(
    pair: str,
    client_id: int | None,
    key: Path,
    target: Target,
    text_id: str | None,
    everything: bool,
    side: str | None,
    op_expires_s: int | None,
    wait: str,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Cancel an order, or all orders in a pair.

    The order CLIENT_ID of PAIR, or with --all every open one of the key there.
    """
    if [client_id is None, text_id is None, not everything].count(False) != 1:
        raise click.UsageError("give either CLIENT_ID, --text-id or --all")
    if side is not None and not everything:
        raise click.UsageError("--side goes with --all")
    spec = target.manifest.pair(pair)
    client_id = client_id if everything else _which(client_id, target, key, pair, text_id)
    command: Command = all_cancelled(side or "") if client_id is None else Cancel(client_id)
    outcome = send(target, key, pair, lambda _: [command], _expiry_ms(op_expires_s), wait, timeout_s)
    what = "cancel" if client_id else f"cancel all {side + ' ' if side else ''}orders in {pair}"
    report(outcome, spec, what, wait, as_json)


@click.command("cancel-all")
@click.argument("pairs", metavar="[PAIR]...", nargs=-1)
@signing_options
@click.option("--side", type=click.Choice(list(SIDES)), help="Only this side.")
@waiting_options
@json_option
def cancel_all(
    pairs: tuple[str, ...],
    key: Path,
    target: Target,
    side: str | None,
    op_expires_s: int | None,
    wait: str,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Cancel all orders of a key in all pairs.

    In all pairs in which it ever placed one, or in each PAIR that is named. Cancels run before everybody's new orders
    of the same block, and in void ops too.
    """
    chosen = [target.manifest.pair(pair).symbol for pair in dict.fromkeys(pairs)]
    command = all_cancelled(side or "")

    def make(client_id: int) -> list[Command]:
        return [command] if chosen or client_id > 1 else []

    arguments = (make, _expiry_ms(op_expires_s), LEVELS[wait], timeout_s)
    sent = run(submit_each, target, key, chosen or target.manifest.symbols(), *arguments)
    what = f"cancel all {side + ' ' if side else ''}orders in {', '.join(chosen) or 'all pairs'}"
    report_each(sent, target.manifest, what, wait, as_json, read_cancelled)


@click.command()
@click.argument("pair", metavar="PAIR")
@click.argument("client_id", metavar="[CLIENT_ID]", type=CLIENT_ID, required=False)
@signing_options
@text_id_option
@click.option("--qty", help="The new total quantity, what is filled included.")
@click.option("--price", help="The new price. The order then goes to the back of the queue, and may fill.")
@click.option("--reduce-only", is_flag=True, help="Refuse anything but a reduction; runs before other orders.")
@waiting_options
@json_option
def amend(
    pair: str,
    client_id: int | None,
    key: Path,
    target: Target,
    text_id: str | None,
    qty: str | None,
    price: str | None,
    reduce_only: bool,
    op_expires_s: int | None,
    wait: str,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Change the quantity or price of an open order.

    The order CLIENT_ID of PAIR keeps its place in the queue if only its quantity is reduced.
    """
    if qty is None and price is None:
        raise click.UsageError("give --qty, --price or both")
    spec = target.manifest.pair(pair)
    number = _which(client_id, target, key, pair, text_id)
    ticks = 0 if price is None else price_to_ticks(spec, price)
    lots = 0 if qty is None else qty_to_lots(spec, qty)
    command = Amend(number, ticks, lots, AmendFlags.REDUCE_ONLY if reduce_only else AmendFlags.NONE)
    outcome = send(target, key, pair, lambda _: [command], _expiry_ms(op_expires_s), wait, timeout_s)
    words = [f"quantity {qty}" if qty else "", f"price {price}" if price else ""]
    report(outcome, spec, "amend to " + ", ".join(filter(None, words)), wait, as_json)


@click.command()
@click.argument("pair", metavar="PAIR")
@click.argument("client_id", metavar="[CLIENT_ID]", type=CLIENT_ID, required=False)
@text_id_option
@click.option("--key", type=click.Path(path_type=Path, dir_okay=False), help="The author's key file.")
@click.option("--author", metavar="HEX", help="Or the author's public key.")
@peer_options
@json_option
def show(
    pair: str,
    client_id: int | None,
    text_id: str | None,
    key: Path | None,
    author: str | None,
    target: Target,
    as_json: bool,
) -> None:
    """Show what became of an order.

    The order CLIENT_ID of PAIR, as a peer knows it. What the peer has not heard of is looked for in the wallet beside
    --key: the order may be signed and not certified yet.
    """
    if (key is None) == (author is None):
        raise click.UsageError("give either --key FILE or --author HEX")
    spec = target.manifest.pair(pair)
    name = load_key(key).public_key.hex() if key is not None else str(author)
    client_id = _which(client_id, target, name if key is None else key, pair, text_id)
    try:
        answer = ask_once(target, "order", pair, name, str(client_id))
    except QueryFailed:
        signed = None if key is None else signed_order(key, target.manifest.chain_id, pair, client_id)
        if signed is None:
            raise
        if as_json:
            print_json(signed.row(spec))
        else:
            say(signed.words(spec, target.name))
        return
    if as_json:
        print_json(order_json(answer, spec))
        return
    say(f"order   {name}:{client_id}")
    if answer["side"]:
        qty, price = format_qty(spec, answer["qty_lots"]), format_price(spec, answer["price_ticks"])
        say(f"        {answer['side']} {qty} {pair} at {price}")
    say_state("state   ", answer, spec)


def _which(client_id: int | None, target: Target, whose: Path | str, pair: str, text_id: str | None) -> int:
    """The order that is named by its id or by its text id."""
    if client_id is not None and text_id is None:
        return client_id
    if text_id is None or client_id is not None:
        raise click.UsageError("give either CLIENT_ID or --text-id")
    return named_client_id(target, whose, pair, text_id)


def _expiry_ms(op_expires_s: int | None) -> int:
    return 0 if op_expires_s is None else time.time_ns() // 1_000_000 + op_expires_s * 1_000
