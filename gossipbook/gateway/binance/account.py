"""The dialect's account: orders, fills, and balances, which are the sums of certified fills."""

from typing import Any, Final

from gossipbook.accounts.rows import FillRow
from gossipbook.gateway.account_feed import read_fill
from gossipbook.gateway.accounts import Scope
from gossipbook.gateway.amounts import assets, units
from gossipbook.gateway.binance import errors as e
from gossipbook.gateway.binance.call import Call
from gossipbook.gateway.binance.shapes import Told, my_trade_json, order_json
from gossipbook.gateway.clock import now_ms
from gossipbook.gateway.desk import Desk
from gossipbook.gateway.own_orders import read_order
from gossipbook.gateway.paging import read_pages
from gossipbook.manifest import Pair

ROWS_CAP: Final = 1_000


async def account(call: Call) -> Told:
    """Balances: of each asset what the account's certified fills come to; negative is owed. Nothing is locked."""
    assert call.key is not None
    desk = await call.desk(Scope.READ)
    omit = call.text("omitZeroBalances", "false").lower() == "true"
    rates = dict.fromkeys(("maker", "taker", "buyer", "seller"), "0.00000000")
    return {
        "makerCommission": 0,
        "takerCommission": 0,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": rates,
        "canTrade": Scope.TRADE in call.key.scopes,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": now_ms(),
        "accountType": "SPOT",
        "balances": [row for row in await balances(call, desk) if not omit or row["free"].strip("-0.")],
        "permissions": ["SPOT"],
        "uid": int.from_bytes(desk.author[:6], "big"),
    }


async def balances(call: Call, desk: Desk) -> list[Told]:
    """What the account's fills come to, asset by asset."""
    sums: dict[str, Any] = {}
    for row in await desk.positions():
        spec = call.gateway.manifest.pair(row["pair"])
        base, quote = assets(spec.symbol)
        bought, received = units(spec, row["position_lots"], row["sold_quote"] - row["bought_quote"])
        sums[base] = sums.get(base, 0) + bought
        sums[quote] = sums.get(quote, 0) + received
    return [{"asset": asset, "free": f"{amount:f}", "locked": "0"} for asset, amount in sums.items()]


async def order(call: Call) -> Told:
    """One order."""
    desk, spec = await call.desk(Scope.READ), call.pair()
    client_id = await call.order_id(desk, spec)
    found = await desk.order(spec.symbol, client_id)
    if found is None:
        raise e.Refused(e.NO_SUCH_ORDER, "Order does not exist.")
    return order_json(call.name_of(spec), spec, found)


async def open_orders(call: Call) -> list[Told]:
    """The open orders of one pair, or of all."""
    desk = await call.desk(Scope.READ)
    wanted = call.params.get("symbol")
    specs = [call.pair_of(wanted)] if wanted else call.gateway.manifest.pairs
    told = []
    for spec in specs:
        feed = await desk.feed(spec.symbol)
        told += [order_json(call.name_of(spec), spec, row) for row in feed.own.open]
    return told


async def all_orders(call: Call) -> list[Told]:
    """The orders of a pair: the last ones, or those from an id or a time on."""
    desk, spec = await call.desk(Scope.READ), call.pair()
    first = call.number("orderId", 0)
    start_ms, end_ms = call.number("startTime", 0), call.number("endTime", 0)
    after = ""
    if first:
        begun = await desk.order(spec.symbol, first)
        if begun is None or not begun.number:
            return []
        after = str(begun.number - 1)
    await desk.feed(spec.symbol)
    rows = await _pages(desk, spec, "orders", start_ms, end_ms, call.limit(500, ROWS_CAP), after)
    return [order_json(call.name_of(spec), spec, read_order(spec.symbol, desk.author, row)) for row in rows]


async def my_trades(call: Call) -> list[Told]:
    """The account's fills in a pair: the last ones, or those from an id or a time on, or those of one order."""
    desk, spec = await call.desk(Scope.READ), call.pair()
    limit = call.limit(500, ROWS_CAP)
    start_ms, end_ms = call.number("startTime", 0), call.number("endTime", 0)
    order_id, first = call.number("orderId", 0), call.number("fromId", 0)
    feed = await desk.feed(spec.symbol)
    if not (start_ms or end_ms or first or order_id) and len(feed.fills) > limit:
        fills: list[FillRow] = [*feed.fills][-limit:]
    else:
        after = str(first - 1) if first else ""
        if order_id and not after:
            order = await desk.order(spec.symbol, order_id)
            if order is None or not order.number:
                return []
            after = str(order.number - 1)
        rows = await _pages(desk, spec, "fills", start_ms, end_ms, limit, after, order_id)
        fills = [read_fill(spec.symbol, desk.author, row) for row in rows]
    return [my_trade_json(call.name_of(spec), spec, fill) for fill in fills]


async def _pages(
    desk: Desk, spec: Pair, what: str, start_ms: int, end_ms: int, count: int, after: str = "", order_id: int = 0
) -> list[Told]:
    """So many of the account's rows, from a start on the first ones; with ``order_id`` of that order alone."""

    async def fetch(after: str, before: str, limit: int) -> list[Told]:
        bounds = {"after": after, "before": before, "limit": limit}
        page = await desk.ask(spec.symbol, lambda pair: getattr(pair, what)(desk.author, **bounds))
        rows: list[Told] = page[what]
        return rows

    return await read_pages(
        fetch,
        after=after or (f"t{max(start_ms - 1, 0)}" if start_ms else ""),
        before=f"t{end_ms + 1}" if end_ms else "",
        count=count,
        wanted=(lambda row: bool(row["client_id"] == order_id)) if order_id else None,
    )


async def order_rates(_: Call) -> list[Told]:
    """How many orders were counted: none, as only requests are."""
    return []


async def commission(call: Call) -> Told:
    """No fees are taken."""
    spec = call.pair()
    none = dict.fromkeys(("maker", "taker", "buyer", "seller"), "0.00000000")
    kinds = ("standardCommission", "taxCommission", "specialCommission")
    discount = {"enabledForAccount": False, "enabledForSymbol": False, "discountAsset": "", "discount": "0.00000000"}
    return {"symbol": call.name_of(spec)} | dict.fromkeys(kinds, none) | {"discount": discount}


async def trade_fees(call: Call) -> list[Told]:
    """What is taken of trades in one pair, or in each: nothing."""
    wanted = call.params.get("symbol")
    specs = [call.pair_of(wanted)] if wanted else call.gateway.manifest.pairs
    return [{"symbol": call.name_of(spec), "makerCommission": "0", "takerCommission": "0"} for spec in specs]


async def capital(call: Call) -> list[Told]:
    """The assets of all pairs. None can be brought in or taken out: nothing is held in custody."""
    named = dict.fromkeys(name for spec in call.gateway.manifest.pairs for name in assets(spec.symbol))
    flags = {"depositAllEnable": False, "withdrawAllEnable": False, "trading": True, "isLegalMoney": False}
    zeros = dict.fromkeys(("free", "locked", "freeze", "withdrawing", "ipoing", "ipoable", "storage"), "0")
    return [{"coin": name, "name": name, "networkList": []} | flags | zeros for name in named]
