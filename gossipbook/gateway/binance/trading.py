"""The dialect's orders: placing, cancelling, replacing. An order that was signed is never told as an error."""

import secrets
from typing import Any, Final

from gossipbook.accounts.rows import OrderRow
from gossipbook.errors import GossipbookError
from gossipbook.gateway.accounts import Scope
from gossipbook.gateway.binance import errors as e
from gossipbook.gateway.binance.call import Call
from gossipbook.gateway.binance.shapes import PREVENTIONS, SIDES, TIFS, Told, cancelled_json, order_json, placed_json
from gossipbook.gateway.desk import Desk, Sent
from gossipbook.gateway.market_price import beyond, place_at_market, protection_ticks
from gossipbook.gateway.problems import problem_of
from gossipbook.gateway.rows import pending_order
from gossipbook.manifest import Pair
from gossipbook.matching.commands import Amend, AmendFlags, Cancel, CancelAll, Command
from gossipbook.matching.events import Cancelled
from gossipbook.trade.numbers import price_in_ticks, qty_in_lots

TYPES: Final = {
    "LIMIT": "limit",
    "LIMIT_MAKER": "limit",
    "MARKET": "market",
    "STOP_LOSS": "stop",
    "STOP_LOSS_LIMIT": "stop-limit",
    "TAKE_PROFIT": "take-profit",
    "TAKE_PROFIT_LIMIT": "take-profit",
}
FORMS: Final = {"ACK": "ACK", "RESULT": "RESULT", "FULL": "FULL"}
TEXT_BYTES: Final = 16
WITHIN_S: Final = 10.0
NOT_HERE: Final = {
    "quoteOrderQty": "a quantity in the quote asset, as nothing is held in custody; give quantity",
    "trailingDelta": "trailing stops",
    "pegPriceType": "pegged orders",
}


async def place(call: Call) -> Told:
    """Place an order, or tell of the one that has its client order id and is the same."""
    desk, spec, terms, form = await _read_order(call)
    sent = await _place(call, desk, spec, terms)
    return _told(call, spec, sent, form)


async def test_order(call: Call) -> Told:
    """Whether an order would be taken as one, without placing it."""
    desk, spec, terms, _ = await _read_order(call)
    if terms["kind"] == "market":
        terms["price_ticks"] = await protection_ticks(call.gateway, desk, spec.symbol, terms["side"], terms["text_id"])
    price_in_ticks(spec, "price", terms.get("price_ticks", 0), terms.get("price"))
    qty_in_lots(spec, "qty", 0, terms["qty"])
    return {}


async def _place(call: Call, desk: Desk, spec: Pair, terms: Told) -> Sent:
    try:
        if terms["kind"] == "market":
            return await place_at_market(call.gateway, desk, spec.symbol, within_s=WITHIN_S, **terms)
        return await desk.place(spec.symbol, within_s=WITHIN_S, **terms)
    except GossipbookError as error:
        raise e.refused_by(problem_of(error)) from error


async def _send(desk: Desk, spec: Pair, command: Command, client_id: int = 0) -> Sent:
    try:
        return await desk.send(spec.symbol, [command], client_id, within_s=WITHIN_S)
    except GossipbookError as error:
        raise e.refused_by(problem_of(error)) from error


async def _read_order(call: Call) -> tuple[Desk, Pair, Told, str]:
    """An order as it is asked for, in the terms of the library."""
    spec = call.pair()
    side = call.word("side", SIDES, e.BAD_SIDE)
    kind = call.word("type", TYPES, e.BAD_TYPE)
    name = call.text("type").upper()
    for parameter, what in NOT_HERE.items():
        if call.params.get(parameter):
            raise e.unsupported(what)
    if kind == "take-profit":
        raise e.unsupported("take-profit orders; place a limit order at the price")
    desk = await call.desk(Scope.TRADE)
    text = call.text("newClientOrderId", "") or secrets.token_hex(TEXT_BYTES)
    terms: Told = {"side": side, "qty": call.text("quantity"), "kind": kind, "text_id": text}
    terms["self_trade"] = call.word("selfTradePreventionMode", PREVENTIONS, e.BAD_COMBINATION, "EXPIRE_TAKER")
    if name in ("LIMIT", "STOP_LOSS_LIMIT"):
        terms["tif"] = call.word("timeInForce", TIFS, e.BAD_TIF)
    if name in ("LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT"):
        terms["price"] = call.text("price")
    elif call.params.get("price"):
        raise e.Refused(e.NOT_REQUIRED, "Parameter 'price' sent when not required.")
    if name == "LIMIT_MAKER":
        terms["post_only"] = True
    if kind.startswith("stop"):
        terms["stop"] = call.text("stopPrice")
    if (iceberg := call.text("icebergQty", "0")).strip("0."):
        terms["display"] = iceberg
    if name == "STOP_LOSS":
        terms["price_ticks"] = beyond(spec, side, price_in_ticks(spec, "stop", 0, terms["stop"]))
    form = call.word("newOrderRespType", FORMS, e.BAD_COMBINATION, "FULL" if name in ("LIMIT", "MARKET") else "ACK")
    return desk, spec, terms, form


def _told(call: Call, spec: Pair, sent: Sent, form: str) -> Told:
    if sent.rejected:
        raise e.rejected_by_book(sent.rejected)
    order = sent.last.order if sent.last is not None else pending_order(sent.op, sent.client_id)
    assert order is not None, "the op placed it"
    fills = [
        report.fill for report in sent.reports if report.fill is not None and report.fill.client_id == sent.client_id
    ]
    return placed_json(call.name_of(spec), spec, order, fills, form)


# -- cancelling ---------------------------------------------------------------------------------------


async def cancel(call: Call) -> Told:
    """Cancel an order."""
    desk, spec = await call.desk(Scope.CANCEL), call.pair()
    try:
        client_id = await call.order_id(desk, spec)
    except e.Refused as refused:
        if refused.code == e.NO_SUCH_ORDER:
            raise e.Refused(e.CANCEL_REJECTED, "Unknown order sent.") from refused
        raise
    order = await _cancel(desk, spec, client_id)
    return cancelled_json(call.name_of(spec), spec, order, call.text("newClientOrderId", ""))


async def _cancel(desk: Desk, spec: Pair, client_id: int) -> OrderRow:
    sent = await _send(desk, spec, Cancel(client_id), client_id)
    if sent.rejected:
        raise e.Refused(e.CANCEL_REJECTED, "Unknown order sent.")
    order = await desk.order_after(sent, client_id)
    if order is None:
        raise _unknown()
    return order


def _unknown() -> e.Refused:
    """What was signed is on its way, or what came of it cannot be read: in the dialect that is no failure."""
    text = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
    return e.Refused(e.TIMEOUT, text, 408)


async def cancel_all(call: Call) -> list[Told]:
    """Cancel all open orders of a pair."""
    desk, spec = await call.desk(Scope.CANCEL), call.pair()
    sent = await _send(desk, spec, CancelAll())
    if sent.certified is None:
        raise _unknown()
    gone = [event.client_id for event in sent.certified.events if isinstance(event, Cancelled)]
    if not gone:
        raise e.Refused(e.CANCEL_REJECTED, "Unknown order sent.")
    orders = [order for client_id in gone if (order := await desk.order_after(sent, client_id)) is not None]
    if not orders:
        raise _unknown()
    return [cancelled_json(call.name_of(spec), spec, order, "") for order in orders]


async def cancel_replace(call: Call) -> Told:
    """Cancel an order, and place another one: only if it was cancelled (STOP_ON_FAILURE), or in any case."""
    modes = {"STOP_ON_FAILURE": "stop", "ALLOW_FAILURE": "go on"}
    mode = call.word("cancelReplaceMode", modes, e.BAD_COMBINATION)
    desk, spec, terms, form = await _read_order(call)
    cancelled: Any = None
    refused: e.Refused | None = None
    try:
        client_id = await call.order_id(desk, spec, "cancelOrderId", "cancelOrigClientOrderId")
        order = await _cancel(desk, spec, client_id)
        cancelled = cancelled_json(call.name_of(spec), spec, order, call.text("cancelNewClientOrderId", ""))
    except e.Refused as error:
        refused = error
    if refused is not None and mode == "stop":
        data = {
            "cancelResult": "FAILURE",
            "newOrderResult": "NOT_ATTEMPTED",
            "cancelResponse": refused.told(),
            "newOrderResponse": None,
        }
        raise e.Refused(e.REPLACE_FAILED, "Order cancel-replace failed.", data=data) from refused
    told: Told = {"cancelResult": "FAILURE" if refused else "SUCCESS", "newOrderResult": "SUCCESS"}
    told["cancelResponse"] = refused.told() if refused else cancelled
    try:
        told["newOrderResponse"] = _told(call, spec, await _place(call, desk, spec, terms), form)
    except e.Refused as error:
        told |= {"newOrderResult": "FAILURE", "newOrderResponse": error.told()}
        code = e.REPLACE_FAILED if refused else e.REPLACE_PARTLY_FAILED
        text = "Order cancel-replace failed." if refused else "Order cancel-replace partially failed."
        raise e.Refused(code, text, 400 if refused else 409, told) from error
    return told


async def amend_keep_priority(call: Call) -> Told:
    """Reduce an order, which keeps its place in the queue."""
    desk, spec = await call.desk(Scope.TRADE), call.pair()
    client_id = await call.order_id(desk, spec)
    lots = qty_in_lots(spec, "qty", 0, call.text("newQty"))
    sent = await _send(desk, spec, Amend(client_id, 0, lots, AmendFlags.REDUCE_ONLY), client_id)
    if sent.rejected:
        raise e.Refused(-2038, f"Order amend rejected: {sent.rejected}.")
    order = await desk.order_after(sent, client_id)
    if sent.certified is None or order is None:
        raise _unknown()
    return {
        "transactTime": sent.certified.time_ms,
        "executionId": sent.certified.height,
        "amendedOrder": order_json(call.name_of(spec), spec, order),
    }
