"""The dialect's market data over HTTP."""

from typing import Any, Final

from gossipbook.accounts.asking import WIDTHS_MS
from gossipbook.gateway.amounts import assets, average_text, price_text, qty_text, quote_text
from gossipbook.gateway.binance.call import Call
from gossipbook.gateway.binance.errors import BAD_INTERVAL, Refused
from gossipbook.gateway.binance.shapes import ORDER_TYPES, PREVENTIONS, Told, agg_trade_json, kline_json, trade_json
from gossipbook.gateway.clock import now_ms
from gossipbook.gateway.market import Market, Traded, traded_of_row
from gossipbook.gateway.paging import read_pages
from gossipbook.manifest import Pair
from gossipbook.matching.commands import PairState, Side

WEIGHT_PER_MINUTE: Final = 12_000
DEPTH_CAP: Final = 5_000
KLINES_CAP: Final = 1_000
ASSET_DIGITS: Final = 8


async def ping(_: Call) -> Told:
    """Nothing."""
    return {}


async def server_time(_: Call) -> Told:
    """This machine's time."""
    return {"serverTime": now_ms()}


async def exchange_info(call: Call) -> Told:
    """What may be traded, and by which filters."""
    wanted = call.params.get("symbol")
    specs = [call.pair_of(wanted)] if wanted else call.gateway.manifest.pairs
    limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": WEIGHT_PER_MINUTE}
    return {
        "timezone": "UTC",
        "serverTime": now_ms(),
        "rateLimits": [limit],
        "exchangeFilters": [],
        "symbols": [_symbol(call, spec) for spec in specs],
    }


async def nothing(_: Call) -> list[Told]:
    """What programs ask for when they load the markets, and is not here: pairs and assets to borrow."""
    return []


async def no_contracts(_: Call) -> Told:
    """Futures and options, which programs ask for when they load the markets: there are none."""
    return {"timezone": "UTC", "serverTime": now_ms(), "symbols": [], "optionSymbols": [], "assets": []}


def _symbol(call: Call, spec: Pair) -> Told:
    base, quote = assets(spec.symbol)
    market = call.gateway.markets.known(spec.symbol)
    halted = market is not None and market.state is PairState.HALTED
    least, most = qty_text(spec, spec.min_qty_lots), qty_text(spec, spec.max_qty_lots)
    size = {"minQty": least, "maxQty": most, "stepSize": spec.lot_size}
    price = {"minPrice": spec.tick_size, "maxPrice": price_text(spec, spec.max_price_ticks), "tickSize": spec.tick_size}
    return {
        "symbol": call.name_of(spec),
        "status": "HALT" if halted else "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": ASSET_DIGITS,
        "quoteAsset": quote,
        "quotePrecision": ASSET_DIGITS,
        "quoteAssetPrecision": ASSET_DIGITS,
        "baseCommissionPrecision": ASSET_DIGITS,
        "quoteCommissionPrecision": ASSET_DIGITS,
        "orderTypes": list(ORDER_TYPES),
        "icebergAllowed": True,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": False,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", **price},
            {"filterType": "LOT_SIZE", **size},
            {"filterType": "MARKET_LOT_SIZE", **size},
        ],
        "permissions": ["SPOT"],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_TAKER",
        "allowedSelfTradePreventionModes": list(PREVENTIONS),
    }


async def depth(call: Call) -> Told:
    """A book by level."""
    market = await _market(call)
    assert market.update is not None
    limit = call.limit(100, DEPTH_CAP)
    return {"lastUpdateId": market.update.sequence, **depth_levels(market, limit)}


def depth_levels(market: Market, limit: int) -> Told:
    """Both sides of a book, best first."""
    spec = market.spec
    return {
        key: [[price_text(spec, level.price_ticks), qty_text(spec, level.lots)] for level in market.levels(side, limit)]
        for key, side in (("bids", Side.BUY), ("asks", Side.SELL))
    }


async def _market(call: Call) -> Market:
    market = call.gateway.markets.get(call.pair().symbol)
    await market.ready()
    return market


# -- trades and candles -------------------------------------------------------------------------------


async def trades(call: Call) -> list[Told]:
    """The last trades."""
    spec = call.pair()
    return [trade_json(spec, trade) for trade in await _trades(call, spec, "", "", call.limit(500, 1_000))]


async def historical_trades(call: Call) -> list[Told]:
    """Trades from a number on."""
    spec, first = call.pair(), call.number("fromId", 0)
    found = await _trades(call, spec, str(first - 1) if first else "", "", call.limit(500, 1_000))
    return [trade_json(spec, trade) for trade in found]


async def agg_trades(call: Call) -> list[Told]:
    """Trades from a number or within a span of time; each is an aggregate of one."""
    spec, first = call.pair(), call.number("fromId", 0)
    start_ms, end_ms = call.number("startTime", 0), call.number("endTime", 0)
    after = str(first - 1) if first else f"t{max(start_ms - 1, 0)}" if start_ms else ""
    before = f"t{end_ms + 1}" if end_ms else ""
    return [agg_trade_json(spec, trade) for trade in await _trades(call, spec, after, before, call.limit(500, 1_000))]


async def _trades(call: Call, spec: Pair, after: str, before: str, limit: int) -> list[Traded]:
    market = call.gateway.markets.get(spec.symbol)
    await market.ready()
    if not after and not before and len(market.trades) >= limit:
        return [*market.trades][-limit:]

    async def fetch(after: str, before: str, count: int) -> list[Told]:
        page = await call.gateway.network.ask(
            spec.symbol, lambda pair: pair.trades(after=after, before=before, limit=count)
        )
        rows: list[Told] = page["trades"]
        return rows

    rows = await read_pages(fetch, after=after, before=before, count=limit)
    return [traded_of_row(row) for row in rows]


async def klines(call: Call) -> list[list[Any]]:
    """Candles; spans without a trade are left out."""
    spec, width = call.pair(), call.text("interval")
    if width not in WIDTHS_MS:
        raise Refused(BAD_INTERVAL, "Invalid interval.")
    start_ms, end_ms = call.number("startTime", 0), call.number("endTime", 0)
    limit, width_ms = call.limit(500, KLINES_CAP), WIDTHS_MS[width]
    until_ms = end_ms + 1 if end_ms else 0
    if start_ms:  # The first ones from there on are meant, and not the last.
        capped = start_ms + limit * width_ms
        until_ms = min(until_ms, capped) if until_ms else capped
    answer = await call.gateway.network.ask(
        spec.symbol, lambda pair: pair.candles(width, from_ms=start_ms, until_ms=until_ms, limit=limit)
    )
    return [kline_json(spec, row, width_ms) for row in answer["candles"]]


# -- tickers ------------------------------------------------------------------------------------------


async def ticker_24h(call: Call) -> Any:
    """The last 24 hours of one pair, or of all."""
    return await _of_symbols(call, ticker_json)


async def ticker_price(call: Call) -> Any:
    """The last price of one pair, or of all."""
    return await _of_symbols(
        call, lambda name, market: {"symbol": name, "price": price_text(market.spec, market.top().last_ticks)}
    )


async def ticker_book(call: Call) -> Any:
    """The best bid and offer of one pair, or of all."""
    return await _of_symbols(call, lambda name, market: {"symbol": name} | best_json(market))


async def _of_symbols(call: Call, shape: Any) -> Any:
    wanted = call.params.get("symbol")
    if wanted:
        market = await _market(call)
        return shape(call.name_of(market.spec), market)
    listed = call.params.get("symbols")
    names = [*call.dialect.symbols.pairs]
    if listed:
        names = [*dict.fromkeys(each.strip(' "[]') for each in listed.split(","))]
    told = []
    for spec in [call.pair_of(name) for name in names]:
        market = call.gateway.markets.get(spec.symbol)
        await market.ready()
        told.append(shape(call.name_of(spec), market))
    return told


def best_json(market: Market) -> Told:
    """The best bid and offer; zeros where there is none."""
    spec, top = market.spec, market.top()
    told: Told = {}
    for name, level in (("bid", top.bid), ("ask", top.ask)):
        told[f"{name}Price"] = price_text(spec, level.price_ticks if level else 0)
        told[f"{name}Qty"] = qty_text(spec, level.lots if level else 0)
    return told


def ticker_json(name: str, market: Market) -> Told:
    """The last 24 hours, to five minutes."""
    spec, top, now = market.spec, market.top(), now_ms()
    day = market.day.summary(now)
    open_, high, low = (day.open_ticks, day.high_ticks, day.low_ticks) if day else (top.last_ticks,) * 3
    change = top.last_ticks - open_
    percent = f"{100 * change / open_:.3f}" if open_ else "0.000"
    lots, quote = (day.lots, day.quote) if day else (0, 0)
    shown = price_text(spec, abs(change))
    recent = [trade.number for trade in market.trades if trade.time_ms >= now - 86_400_000]
    return {
        "symbol": name,
        "priceChange": f"-{shown}" if change < 0 else shown,
        "priceChangePercent": percent,
        "weightedAvgPrice": average_text(spec, quote, lots) or price_text(spec, 0),
        "prevClosePrice": price_text(spec, open_),
        "lastPrice": price_text(spec, top.last_ticks),
        "lastQty": qty_text(spec, top.last_lots),
        **best_json(market),
        "openPrice": price_text(spec, open_),
        "highPrice": price_text(spec, high),
        "lowPrice": price_text(spec, low),
        "volume": qty_text(spec, lots),
        "quoteVolume": quote_text(spec, quote),
        "openTime": now - 86_400_000,
        "closeTime": now,
        "firstId": recent[0] if recent else -1,
        "lastId": recent[-1] if recent else -1,
        "count": day.trades if day else 0,
    }
