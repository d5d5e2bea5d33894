"""What may be read over HTTP and over the socket alike."""

from typing import Any

from gossipbook.accounts.asking import WIDTHS_MS
from gossipbook.gateway.amounts import price_text, qty_text, quote_text
from gossipbook.gateway.clock import now_ms
from gossipbook.gateway.desk import Desk
from gossipbook.gateway.gateway import Gateway
from gossipbook.gateway.market import Market
from gossipbook.gateway.problems import Problem
from gossipbook.gateway.rows import candle_json, fill_json, order_json, position_json, trade_json
from gossipbook.matching.commands import Side

Told = dict[str, Any]
DEPTH_CAP = 5_000
"""Levels of one answer."""


# -- markets ------------------------------------------------------------------------------------------


async def book(gateway: Gateway, pair: str, level: int, depth: int) -> Told:
    """A pair's book: 1 the best of both sides, 2 by level, 3 by order."""
    market = gateway.markets.get(pair)
    await market.ready()
    return book_json(market, level, 1 if level == 1 else depth)


def book_json(market: Market, level: int, depth: int | None) -> Told:
    """A book that is there."""
    update, spec = market.update, market.spec
    assert update is not None
    top = update.top
    last_lots = qty_text(spec, top.last_lots) if top.last_lots else None
    last_side = Side(top.last_side).name.lower() if top.last_side else None
    return {
        "pair": spec.symbol,
        "height": update.height,
        "time_ms": update.time_ms,
        "sequence": update.sequence,
        "checksum": update.checksum,
        "state": market.state.word,
        "stale": market.is_stale,
        "bids": levels_json(market, Side.BUY, level, depth),
        "asks": levels_json(market, Side.SELL, level, depth),
        "last": {"price": price_text(spec, top.last_ticks), "qty": last_lots, "side": last_side}
        if top.last_ticks
        else None,
    }


def levels_json(market: Market, side: Side, level: int, depth: int | None) -> list[Told]:
    """One side of a book, best first."""
    spec = market.spec
    rows: list[Told] = [
        {"price": price_text(spec, each.price_ticks), "qty": qty_text(spec, each.lots), "orders": each.orders}
        for each in market.levels(side, depth)
    ]
    if level == 3:
        for row, (_, queue) in zip(rows, market.orders(side, depth), strict=True):
            row["queue"] = [
                {"author": author.hex(), "client_id": client_id, "qty": qty_text(spec, lots)}
                for (author, client_id), lots in queue
            ]
    return rows


async def trades(gateway: Gateway, pair: str, after: str, before: str, limit: int) -> Told:
    """A pair's trades; the last ones are told from memory."""
    spec = gateway.network.spec(pair)
    market = gateway.markets.get(pair)
    if not after and not before and market.update is not None and not market.is_stale and len(market.trades) >= limit:
        rows = [trade._asdict() | {"taker_side": _side(trade.taker_side)} for trade in [*market.trades][-limit:]]
        height = market.update.height
    else:
        answer = await gateway.network.ask(pair, lambda p: p.trades(after=after, before=before, limit=limit))
        rows, height = answer["trades"], answer["height"]
    return {"pair": pair, "height": height, "trades": [trade_json(spec, row) for row in rows]}


async def candles(gateway: Gateway, pair: str, width: str, from_ms: int, until_ms: int, limit: int) -> Told:
    """A pair's candles."""
    spec = gateway.network.spec(pair)
    if width not in WIDTHS_MS:
        raise Problem(400, "bad-request", f"width: one of {', '.join(WIDTHS_MS)}")
    answer = await gateway.network.ask(
        pair, lambda p: p.candles(width, from_ms=from_ms, until_ms=until_ms, limit=limit)
    )
    rows = [candle_json(spec, row) for row in answer["candles"]]
    return {"pair": pair, "width": width, "height": answer["height"], "candles": rows}


async def ticker(gateway: Gateway, pair: str) -> Told:
    """A pair's last 24 hours, to five minutes, and the best of its book."""
    market = gateway.markets.get(pair)
    await market.ready()
    return ticker_json(market)


def ticker_json(market: Market) -> Told:
    """Of a market whose book is there."""
    spec, top, day = market.spec, market.top(), market.day.summary(now_ms())
    best = {"bid": top.bid, "ask": top.ask}
    prices = {"open": day.open_ticks, "high": day.high_ticks, "low": day.low_ticks} if day else {}
    return {
        "pair": spec.symbol,
        "time_ms": now_ms(),
        "last": price_text(spec, top.last_ticks) if top.last_ticks else None,
        **{name: None if at is None else price_text(spec, at.price_ticks) for name, at in best.items()},
        **{f"{name}_qty": None if at is None else qty_text(spec, at.lots) for name, at in best.items()},
        **{name: price_text(spec, prices[name]) if prices else None for name in ("open", "high", "low")},
        "volume": qty_text(spec, day.lots if day else 0),
        "quote": quote_text(spec, day.quote if day else 0),
        "trades": day.trades if day else 0,
    }


def _side(side: int) -> str:
    return Side(side).name.lower()


# -- the network --------------------------------------------------------------------------------------


async def status(gateway: Gateway) -> Told:
    """How the network fares, as far as the gateway's peers say."""
    statuses = await gateway.statuses() if gateway.network.is_open else []
    pairs = (_pair_status(gateway, spec.symbol, statuses) for spec in gateway.manifest.pairs)
    return {
        "network": gateway.manifest.name,
        "chain_id": gateway.manifest.chain_id.hex(),
        "time_ms": now_ms(),
        "started_ms": gateway.started_ms,
        "linked": bool(statuses),
        "trouble": gateway.network.trouble or ("" if statuses else "no peer answers"),
        "pairs": [row for row in pairs if row is not None],
    }


def _pair_status(gateway: Gateway, symbol: str, statuses: list[Told]) -> Told | None:
    told = [row for status in statuses for row in status["pairs"] if row["symbol"] == symbol]
    if not told:
        return None
    furthest = max(told, key=lambda row: int(row["height"]))
    level = [row["events_digest"] for row in told if row["height"] == furthest["height"]]
    market = gateway.markets.known(symbol)
    return {
        "pair": symbol,
        **{name: furthest[name] for name in ("state", "trading", "height", "time_ms", "term", "leader", "committee")},
        "absent": furthest["absent"],
        "agree": len(set(level)) == 1,
        "stale": market is not None and market.is_stale,
    }


async def peers(gateway: Gateway) -> list[Told]:
    """The peers that the gateway is linked to, as they tell of themselves."""
    names = ("state", "height", "term", "seat", "voting", "takeovers", "pending_ops", "events_digest")
    return [
        {
            **{name: status[name] for name in ("name", "public_key", "addresses", "links", "started_ms")},
            "pairs": [{"pair": row["symbol"]} | {name: row[name] for name in names} for row in status["pairs"]],
            "refused": status["rejected"],
        }
        for status in await gateway.statuses()
    ]


# -- accounts -----------------------------------------------------------------------------------------


async def orders(gateway: Gateway, desk: Desk, pair: str, only_open: bool, after: str, before: str, limit: int) -> Told:
    """An account's orders."""
    spec = gateway.network.spec(pair)
    feed = await desk.feed(pair)
    if only_open and not after and not before and len(feed.own.open) <= limit:
        return {"pair": pair, "height": feed.height, "orders": [order_json(spec, row) for row in feed.own.open]}
    answer = await desk.ask(
        pair, lambda p: p.orders(desk.author, only_open=only_open, after=after, before=before, limit=limit)
    )
    return {
        "pair": pair,
        "height": answer["height"],
        "orders": [order_json(spec, row) for row in answer["orders"]],
    }


async def fills(gateway: Gateway, desk: Desk, pair: str, after: str, before: str, limit: int) -> Told:
    """An account's fills; the last ones are told from memory."""
    spec = gateway.network.spec(pair)
    feed = await desk.feed(pair)
    if not after and not before and len(feed.fills) > limit:  # One more: of two sides of a trade none is left out.
        rows: list[Any] = [*feed.fills][-limit:]
        return {"pair": pair, "height": feed.height, "fills": [fill_json(spec, row) for row in rows]}
    answer = await desk.ask(pair, lambda p: p.fills(desk.author, after=after, before=before, limit=limit))
    return {"pair": pair, "height": answer["height"], "fills": [fill_json(spec, row) for row in answer["fills"]]}


async def statement(gateway: Gateway, desk: Desk, at: str) -> Told:
    """An account's positions, now or as of some event, height or time."""
    rows = [position_json(gateway.manifest.pair(row["pair"]), row) for row in await desk.positions(at)]
    return {"author": desk.author.hex(), "positions": rows}
