"""Orders, fills, trades and books as the dialect tells them."""

from typing import Any, Final

from gossipbook.accounts.rows import FillRow, OrderRow
from gossipbook.gateway.amounts import assets, price_text, qty_text, quote_text
from gossipbook.gateway.clock import now_ms
from gossipbook.gateway.market import Traded
from gossipbook.manifest import Pair
from gossipbook.matching.commands import OrderType, PlaceFlags, SelfTrade, Side, TimeInForce

Told = dict[str, Any]

SIDES: Final = {"BUY": "buy", "SELL": "sell"}
TIFS: Final = {"GTC": "gtc", "IOC": "ioc", "FOK": "fok"}
PREVENTIONS: Final = {
    "NONE": "allow",
    "EXPIRE_TAKER": "cancel-taker",
    "EXPIRE_MAKER": "cancel-maker",
    "EXPIRE_BOTH": "cancel-both",
    "DECREMENT": "decrement",
}
_PREVENTION_OF: Final = {
    SelfTrade.CANCEL_TAKER: "EXPIRE_TAKER",
    SelfTrade.CANCEL_MAKER: "EXPIRE_MAKER",
    SelfTrade.CANCEL_BOTH: "EXPIRE_BOTH",
    SelfTrade.DECREMENT: "DECREMENT",
    SelfTrade.ALLOW: "NONE",
}
ORDER_TYPES: Final = ("LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT")
_CANCELLED: Final = {"unfilled": "EXPIRED", "below-minimum": "EXPIRED", "self-trade": "EXPIRED_IN_MATCH"}


def status_of(order: OrderRow) -> str:
    """What became of an order, in the dialect's word."""
    match order.status:
        case "pending" | "open" | "waiting" | "triggered":
            return "PARTIALLY_FILLED" if order.filled_lots else "NEW"
        case "filled":
            return "FILLED"
        case "expired":
            return "EXPIRED"
        case "rejected":
            return "REJECTED"
        case _:
            return _CANCELLED.get(order.reason, "CANCELED")


def type_of(order: OrderRow) -> str:
    """What kind of order it was placed as."""
    match order.type:
        case OrderType.MARKET:
            return "MARKET"
        case OrderType.STOP:
            return "STOP_LOSS"
        case OrderType.STOP_LIMIT:
            return "STOP_LOSS_LIMIT"
        case _:
            return "LIMIT_MAKER" if order.flags & PlaceFlags.POST_ONLY else "LIMIT"


def side_of(side: int) -> str:
    """BUY or SELL; of a refused order whose command is not known, BUY."""
    return "SELL" if side == Side.SELL else "BUY"


def tif_of(order: OrderRow) -> str:
    """GTC, IOC or FOK; an order that lapses at some time is GTC until then."""
    return TimeInForce(order.tif).name if order.tif in (TimeInForce.IOC, TimeInForce.FOK) else "GTC"


def order_json(name: str, spec: Pair, order: OrderRow) -> Told:
    """An order, as GET /api/v3/order tells it."""
    market = order.type == OrderType.MARKET
    began_ms = order.time_ms or now_ms()  # One that is not certified has no time yet.
    return {
        "symbol": name,
        "orderId": order.client_id,
        "orderListId": -1,
        "clientOrderId": order.text_id,
        "price": price_text(spec, 0 if market else order.price_ticks),
        "origQty": qty_text(spec, order.qty_lots),
        "executedQty": qty_text(spec, order.filled_lots),
        "origQuoteOrderQty": quote_text(spec, 0),
        "cummulativeQuoteQty": quote_text(spec, order.quote),
        "status": status_of(order),
        "timeInForce": tif_of(order),
        "type": type_of(order),
        "side": side_of(order.side),
        "stopPrice": price_text(spec, order.stop_ticks),
        "icebergQty": qty_text(spec, order.display_lots),
        "time": began_ms,
        "updateTime": order.changed_ms or began_ms,
        "isWorking": order.status not in ("waiting", "pending"),
        "workingTime": began_ms,
        "selfTradePreventionMode": _PREVENTION_OF.get(SelfTrade(order.self_trade or 1), "EXPIRE_TAKER"),
    }


def placed_json(name: str, spec: Pair, order: OrderRow, fills: list[FillRow], form: str) -> Told:
    """An order that was just placed: ``ACK``, ``RESULT`` or ``FULL``."""
    told = order_json(name, spec, order)
    acked = ("symbol", "orderId", "orderListId", "clientOrderId")
    ack = {key: told[key] for key in acked} | {"transactTime": told["updateTime"]}
    if form == "ACK":
        return ack
    left_out = (*acked, "time", "updateTime", "isWorking", "icebergQty", "stopPrice")
    result = ack | {key: value for key, value in told.items() if key not in left_out}
    if order.stop_ticks:
        result["stopPrice"] = told["stopPrice"]
    if form == "RESULT":
        return result
    return result | {"fills": [_fill_of_order(spec, fill) for fill in fills]}


def _fill_of_order(spec: Pair, fill: FillRow) -> Told:
    return {
        "price": price_text(spec, fill.price_ticks),
        "qty": qty_text(spec, fill.qty_lots),
        "commission": "0",
        "commissionAsset": assets(spec.symbol)[1],
        "tradeId": fill.number,
    }


def cancelled_json(name: str, spec: Pair, order: OrderRow, new_text: str) -> Told:
    """An order that was just cancelled; its own name is then the original one."""
    told = order_json(name, spec, order)
    left_out = ("time", "updateTime", "isWorking", "icebergQty", "stopPrice", "workingTime")
    result = {key: value for key, value in told.items() if key not in left_out}
    return result | {
        "origClientOrderId": told["clientOrderId"],
        "clientOrderId": new_text or told["clientOrderId"],
        "transactTime": told["updateTime"],
    }


def my_trade_json(name: str, spec: Pair, fill: FillRow) -> Told:
    """A fill of an account."""
    return {
        "symbol": name,
        "id": fill.number,
        "orderId": fill.client_id,
        "orderListId": -1,
        "price": price_text(spec, fill.price_ticks),
        "qty": qty_text(spec, fill.qty_lots),
        "quoteQty": quote_text(spec, fill.price_ticks * fill.qty_lots),
        "commission": "0",
        "commissionAsset": assets(spec.symbol)[1],
        "time": fill.time_ms,
        "isBuyer": fill.side == Side.BUY,
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def trade_json(spec: Pair, trade: Traded) -> Told:
    """A trade of a pair."""
    return {
        "id": trade.number,
        "price": price_text(spec, trade.price_ticks),
        "qty": qty_text(spec, trade.qty_lots),
        "quoteQty": quote_text(spec, trade.price_ticks * trade.qty_lots),
        "time": trade.time_ms,
        "isBuyerMaker": trade.taker_side == Side.SELL,
        "isBestMatch": True,
    }


def agg_trade_json(spec: Pair, trade: Traded) -> Told:
    """A trade as an aggregate of one."""
    return {
        "a": trade.number,
        "p": price_text(spec, trade.price_ticks),
        "q": qty_text(spec, trade.qty_lots),
        "f": trade.number,
        "l": trade.number,
        "T": trade.time_ms,
        "m": trade.taker_side == Side.SELL,
        "M": True,
    }


def kline_json(spec: Pair, row: list[int], width_ms: int) -> list[Any]:
    """A candle; of the taker's side only zeros are told, as it is not kept."""
    start_ms, open_, high, low, close, lots, quote, trades = row
    prices = [price_text(spec, ticks) for ticks in (open_, high, low, close)]
    amounts = [qty_text(spec, lots), start_ms + width_ms - 1, quote_text(spec, quote), trades]
    return [start_ms, *prices, *amounts, qty_text(spec, 0), quote_text(spec, 0), "0"]
