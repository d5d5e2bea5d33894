"""What may be done over HTTP and over the socket alike: each takes what was asked for, and gives what is told."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from pydantic import BaseModel

from gossipbook.accounts.rows import OrderRow
from gossipbook.crdt.op import Op, decode_op
from gossipbook.errors import DecodeError
from gossipbook.gateway.accounts import Scope
from gossipbook.gateway.desk import Desk, Progress, Sent, follow
from gossipbook.gateway.gateway import Gateway
from gossipbook.gateway.market_price import place_at_market
from gossipbook.gateway.native import models as m
from gossipbook.gateway.problems import Problem
from gossipbook.gateway.rows import fill_json, order_json, pending_order
from gossipbook.identity import verify_signature
from gossipbook.matching.commands import AdmitToGroup, Amend, AmendFlags, AnyPlace, Cancel, JoinGroup, Lease
from gossipbook.matching.events import Cancelled
from gossipbook.trade.numbers import price_in_ticks, qty_in_lots
from gossipbook.trade.pair_calls import PairCalls
from gossipbook.trade.submission import Submission
from gossipbook.trade.tickets import cancel_all as cancel_all_command
from gossipbook.trade.tickets import require_rules, set_state

Told = dict[str, Any]


def told(gateway: Gateway, sent: Sent, found: OrderRow | None = None) -> Told:
    """What is told of something that was signed; ``found`` is the order that it is about, if it placed none."""
    spec = gateway.manifest.pair(sent.op.pair)
    last, done = sent.last, sent.certified
    order = found or (last.order if last is not None else pending_order(sent.op, sent.client_id))
    fills = [report.fill for report in sent.reports if report.fill is not None]
    cancelled = [event for event in (done.events if done else ()) if isinstance(event, Cancelled)]
    return {
        "pair": sent.op.pair,
        "op_id": sent.op.id.hex(),
        "client_id": sent.client_id,
        "text_id": "" if order is None else order.text_id,
        "progress": sent.progress.value,
        "trouble": sent.trouble,
        "height": done.height if done else 0,
        "time_ms": done.time_ms if done else 0,
        "rejected": sent.rejected,
        "order": None if order is None else order_json(spec, order),
        "fills": [fill_json(spec, fill, with_position=False) for fill in fills],
        "cancelled": len(cancelled),
    }


async def place(gateway: Gateway, desk: Desk, asked: m.Place) -> Told:
    """Place an order, or tell of the one that has its text id."""
    terms: dict[str, Any] = {
        name: value
        for name, value in (
            ("tif", asked.tif),
            ("kind", asked.kind),
            ("display", asked.display),
            ("min_qty", asked.min_qty),
            ("stop", asked.stop),
            ("on_quorum_loss", asked.on_quorum_loss),
        )
        if value is not None
    }
    gateway.network.spec(asked.pair)
    if asked.price is not None:
        terms["price"] = asked.price
    terms |= {"qty": asked.qty, "post_only": asked.post_only, "self_trade": asked.self_trade}
    terms |= {"expires_ms": asked.expires_ms, "text_id": asked.text_id, "within_ms": asked.within_ms}
    terms |= {"wait": Progress(asked.wait), "within_s": asked.wait_s}
    if asked.kind == "market" and asked.price is None:
        return told(gateway, await place_at_market(gateway, desk, asked.pair, asked.side, **terms))
    return told(gateway, await desk.place(asked.pair, asked.side, **terms))


async def amend(gateway: Gateway, desk: Desk, asked: m.Amend) -> Told:
    """Change an order."""
    spec = gateway.network.spec(asked.pair)
    client_id = await desk.client_id(asked.pair, asked.client_id, asked.text_id)
    price, qty = price_in_ticks(spec, "price", 0, asked.price), qty_in_lots(spec, "qty", 0, asked.qty)
    if not price and not qty:
        raise Problem(400, "bad-request", "give a price or a qty to change")
    flags = AmendFlags.REDUCE_ONLY if asked.reduce_only else AmendFlags.NONE
    return await _send(gateway, desk, asked, [Amend(client_id, price, qty, flags)], client_id)


async def cancel(gateway: Gateway, desk: Desk, asked: m.Named) -> Told:
    """Cancel an order; that it was gone already is told, and no error."""
    gateway.network.spec(asked.pair)
    client_id = await desk.client_id(asked.pair, asked.client_id, asked.text_id)
    return await _send(gateway, desk, asked, [Cancel(client_id)], client_id)


class CancelAll(m.Waiting):
    """All open orders of the account in a pair, or those of one side."""

    pair: m.Symbol
    side: m.Side | None = None


async def cancel_all(gateway: Gateway, desk: Desk, asked: CancelAll) -> Told:
    """Cancel all of an account's orders in a pair."""
    return await _send(gateway, desk, asked, [cancel_all_command(asked.side or "")])


async def lease(gateway: Gateway, desk: Desk, asked: m.Lease) -> Told:
    """Begin, renew or end a lease."""
    return await _send(gateway, desk, asked, [Lease(asked.for_ms)])


async def group(gateway: Gateway, desk: Desk, asked: m.Group) -> Told:
    """Join, leave, admit or expel."""
    if (asked.author is None) != (asked.action == "leave"):
        raise Problem(400, "bad-request", "join, admit and expel name an author, and leave names none")
    key = bytes.fromhex(asked.author or "")
    commands = {"join": JoinGroup(key), "leave": JoinGroup(b"")}
    command = commands.get(asked.action) or AdmitToGroup(key, int(asked.action == "admit"))
    return await _send(gateway, desk, asked, [command])


async def state(gateway: Gateway, desk: Desk, asked: m.State) -> Told:
    """Set what a pair takes; the account's key is one of the network's wardens."""
    return await _send(gateway, desk, asked, [set_state(asked.state)])


async def _send(gateway: Gateway, desk: Desk, asked: Any, commands: list[Any], client_id: int = 0) -> Told:
    gateway.network.spec(asked.pair)
    wait, within_s = Progress(asked.wait), asked.wait_s
    sent = await desk.send(asked.pair, commands, client_id, wait=wait, within_s=within_s)
    found = await desk.order_after(sent) if client_id else None
    return told(gateway, sent, found)


async def order(gateway: Gateway, desk: Desk, pair: str, client_id: int, text_id: str) -> Told:
    """One order of the account."""
    spec = gateway.network.spec(pair)
    number = await desk.client_id(pair, client_id, text_id)
    found = await desk.order(pair, number)
    if found is None:
        raise Problem(404, "unknown-order", f"no order {number} of this account in {pair} is known")
    return order_json(spec, found)


ACTIONS: Final[dict[str, tuple[type[BaseModel], Scope, Callable[[Gateway, Desk, Any], Awaitable[Told]]]]] = {
    "place": (m.Place, Scope.TRADE, place),
    "amend": (m.Amend, Scope.TRADE, amend),
    "cancel": (m.Named, Scope.CANCEL, cancel),
    "cancel_all": (CancelAll, Scope.CANCEL, cancel_all),
    "lease": (m.Lease, Scope.TRADE, lease),
    "group": (m.Group, Scope.TRADE, group),
    "state": (m.State, Scope.TRADE, state),
}
"""What changes something: what it takes, the scope that it needs, and who does it."""


# -- ops that were signed elsewhere -------------------------------------------------------------------


def read_op(gateway: Gateway, text: str) -> Op:
    """An op of this network that its author signed.

    Raises:
        Problem: it is none.
    """
    try:
        op = decode_op(bytes.fromhex(text))
    except DecodeError as error:
        raise Problem(400, "bad-op", str(error)) from None
    gateway.network.spec(op.pair)
    if op.chain_id != gateway.manifest.chain_id:
        raise Problem(400, "wrong-network", "the op is of another network")
    if not verify_signature(op.check()):
        raise Problem(400, "bad-signature", "the op is not signed by its author")
    require_rules(gateway.manifest, op.commands)
    return op


async def submit(gateway: Gateway, asked: m.SignedOp) -> Told:
    """Bring an op to peers that was signed elsewhere. Doing so again is harmless."""
    op = read_op(gateway, asked.op)
    client_id = next((command.client_id for command in op.commands if isinstance(command, AnyPlace)), 0)

    async def steps(pair: PairCalls[Any]) -> tuple[Submission, str]:
        submission = await pair.submit_op(op)
        return submission, await follow(submission, Progress(asked.wait), asked.wait_s)

    submission, trouble = await gateway.network.ask(op.pair, lambda pair: pair.together(steps))
    return told(gateway, Desk.sent(submission, client_id, trouble))
