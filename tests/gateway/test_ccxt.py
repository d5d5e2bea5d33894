"""An unmodified ccxt against a live network: nothing is changed but the base URL."""

import asyncio
import re
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import ccxt.pro
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import gossipbook
from gossipbook.gateway.accounts import AccountFile, Scope

from .live import PAIR, Live, until

SYMBOL = "BTC/USD"
WITHIN_S = 20


def moved(urls: Any, base: str) -> Any:
    """The same URLs, at another host."""
    if isinstance(urls, dict):
        return {name: moved(url, base) for name, url in urls.items()}
    if not isinstance(urls, str):
        return urls
    return re.sub(r"^(http|ws)s?://[^/]+", lambda found: base.replace("http", found[1], 1), urls)


def exchange(kind: Any, live: Live, account: str, **more: str) -> Any:
    row = live.accounts[account]
    made = kind({"apiKey": row["key"], "secret": row["secret"]} | more)
    made.urls["api"] = moved(made.urls["api"], live.url)
    return made


@pytest.fixture
def alice(live: Live) -> Any:
    return exchange(ccxt.binance, live, "alice")


@pytest.fixture
def bob(live: Live) -> Any:
    return exchange(ccxt.binance, live, "bob")


def certified(live: Live, account: str, client_id: int) -> dict[str, Any]:
    """An order as the certified events have it, asked of a peer by the library."""
    author = bytes.fromhex(live.get("/v1/account", account)["author"])
    with gossipbook.sync.open_client(live.ready["peers"][0]["address"], live.manifest.chain_id) as client:
        pair = client.pair(PAIR)
        return dict(until(lambda: pair.find_id(author, client_id)["order"], "the archive"))


def test_the_unified_calls(live: Live, alice: Any, bob: Any) -> None:
    before = alice.fetch_balance()
    market = alice.load_markets()[SYMBOL]  # 1
    spec = live.manifest.pair(PAIR)
    assert (market["precision"]["price"], market["precision"]["amount"]) == (
        float(spec.tick_size),
        float(spec.lot_size),
    )
    assert abs(alice.fetch_time() - time.time() * 1_000) < 10_000  # 2
    order = alice.create_order(SYMBOL, "limit", "buy", 5, 100.25)  # 3
    assert (order["status"], order["amount"], order["price"], order["filled"]) == ("open", 5, 100.25, 0)
    taken = bob.create_order(SYMBOL, "limit", "sell", 3, 100.25)
    assert (taken["status"], taken["average"], taken["cost"]) == ("closed", 100.25, 300.75)
    assert [(fill["price"], fill["amount"]) for fill in taken["trades"]] == [(100.25, 3)]
    row = certified(live, "alice", int(order["id"]))
    assert (row["filled_lots"], row["text_id"]) == (3, order["clientOrderId"])
    book = until(lambda: (found := alice.fetch_order_book(SYMBOL))["bids"] == [[100.25, 2]] and found, "the book")  # 4
    assert book["asks"] == []
    ticker = alice.fetch_ticker(SYMBOL)  # 5
    assert (ticker["last"], ticker["bid"], ticker["bidVolume"]) == (100.25, 100.25, 2)
    trade = alice.fetch_trades(SYMBOL)[-1]  # 6
    assert (trade["price"], trade["amount"], trade["side"]) == (100.25, 3, "sell")
    candle = until(lambda: alice.fetch_ohlcv(SYMBOL, "1m"), "a candle")[-1]  # 7
    assert candle[4] == 100.25
    balance = alice.fetch_balance()  # 8
    assert balance["BTC"]["total"] - before["BTC"]["total"] == 3
    assert Decimal(str(balance["USD"]["total"])) - Decimal(str(before["USD"]["total"])) == Decimal("-300.75")
    found = alice.fetch_order(order["id"], SYMBOL)  # 9
    assert (found["status"], found["filled"], found["remaining"]) == ("open", 3, 2)
    assert alice.fetch_order(None, SYMBOL, {"origClientOrderId": order["clientOrderId"]})["id"] == order["id"]
    assert [each["id"] for each in alice.fetch_open_orders(SYMBOL)] == [order["id"]]  # 10
    assert (order["id"], "open") in [(each["id"], each["status"]) for each in alice.fetch_orders(SYMBOL)]  # 11
    mine = alice.fetch_my_trades(SYMBOL)[-1]  # 12
    assert (mine["order"], mine["price"], mine["amount"], mine["takerOrMaker"]) == (order["id"], 100.25, 3, "maker")
    edited = alice.edit_order(order["id"], SYMBOL, "limit", "buy", 4, 99.5)  # 13
    assert (edited["price"], edited["amount"], edited["status"]) == (99.5, 4, "open")
    assert alice.fetch_order(order["id"], SYMBOL)["status"] == "canceled"
    assert alice.cancel_order(edited["id"], SYMBOL)["status"] == "canceled"  # 14
    for price in (90, 91, 92):
        alice.create_order(SYMBOL, "limit", "buy", 1, price)
    assert [each["status"] for each in alice.cancel_all_orders(SYMBOL)] == ["canceled"] * 3  # 15
    assert alice.fetch_open_orders(SYMBOL) == []


def test_since_and_limits(alice: Any, bob: Any) -> None:
    began_ms = int(time.time() * 1_000)
    alice.create_order(SYMBOL, "limit", "buy", 9, 50)
    for _ in range(3):
        bob.create_order(SYMBOL, "limit", "sell", 3, 50)
    fills = until(lambda: len(found := alice.fetch_my_trades(SYMBOL, since=began_ms - 1_000)) >= 3 and found, "fills")
    assert [fill["amount"] for fill in fills[-3:]] == [3, 3, 3]
    assert len(alice.fetch_my_trades(SYMBOL, limit=2)) == 2
    assert len(alice.fetch_trades(SYMBOL, limit=2)) == 2
    assert [each["amount"] for each in alice.fetch_trades(SYMBOL, since=began_ms - 1_000)[-3:]] == [3, 3, 3]
    assert len(alice.fetch_orders(SYMBOL, limit=1)) == 1
    assert alice.fetch_ohlcv(SYMBOL, "1m", since=began_ms - 120_000)


def test_kinds_of_orders(alice: Any, bob: Any) -> None:
    maker = alice.create_order(SYMBOL, "limit", "buy", 4, 100, {"postOnly": True})
    assert (maker["status"], maker["postOnly"]) == ("open", True)
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        bob.create_order(SYMBOL, "limit", "sell", 4, 100, {"postOnly": True})
    market = bob.create_order(SYMBOL, "market", "sell", 1)
    assert (market["status"], market["filled"], market["average"]) == ("closed", 1, 100)
    ioc = bob.create_order(SYMBOL, "limit", "sell", 9, 100, {"timeInForce": "IOC"})
    assert (ioc["filled"], ioc["status"]) == (3, "expired")
    stop = alice.create_order(SYMBOL, "limit", "buy", 1, 201, {"stopPrice": 200})
    assert alice.fetch_order(stop["id"], SYMBOL)["triggerPrice"] == 200
    fok = bob.create_order(SYMBOL, "limit", "sell", 9, 100, {"timeInForce": "FOK"})
    assert (fok["filled"], fok["status"]) == (0, "expired")


def test_errors_are_those_that_programs_expect(live: Live, alice: Any, bob: Any) -> None:
    first = alice.create_order(SYMBOL, "limit", "buy", 1, 60, {"clientOrderId": (text := f"dup {time.monotonic_ns()}")})
    again = alice.create_order(SYMBOL, "limit", "buy", 1, 60, {"clientOrderId": text})
    assert again["id"] == first["id"], "the same order, as a program sends it that was not answered"
    with pytest.raises(ccxt.InvalidOrder, match="Duplicate"):
        alice.create_order(SYMBOL, "limit", "buy", 2, 60, {"clientOrderId": text})
    with pytest.raises(ccxt.OrderNotFound):
        alice.cancel_order("999999", SYMBOL)
    with pytest.raises(ccxt.OrderNotFound):
        alice.fetch_order("999999", SYMBOL)
    wrong = exchange(ccxt.binance, live, "alice", secret="wrong")
    with pytest.raises(ccxt.AuthenticationError):
        wrong.fetch_balance()
    late = exchange(ccxt.binance, live, "alice")
    late.nonce = lambda: int(time.time() * 1_000) - 120_000
    with pytest.raises(ccxt.InvalidNonce):
        late.fetch_balance()
    with pytest.raises(ccxt.BadRequest):
        bob.create_order(SYMBOL, "market", "buy", 1, 100, {"quoteOrderQty": 100})


def test_ed25519_keys(live: Live, tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    file = AccountFile(live.folder / "gateway")
    key = file.add_key("alice", [Scope.READ], public_key=private.public_key().public_bytes_raw())
    file.close()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    signing = exchange(ccxt.binance, live, "alice", apiKey=key.id, secret=pem)
    assert "BTC" in until(lambda: signing.fetch_balance(), "a balance")
    with pytest.raises(ccxt.AuthenticationError):
        signing.create_order(SYMBOL, "limit", "buy", 1, 60)


def test_ccxt_pro(live: Live) -> None:
    async def run() -> None:
        alice, bob = exchange(ccxt.pro.binance, live, "alice"), exchange(ccxt.pro.binance, live, "bob")
        try:
            await asyncio.wait_for(watch(alice, bob), 3 * WITHIN_S)
        finally:
            await alice.close()
            await bob.close()

    asyncio.run(run())


async def watch(alice: Any, bob: Any) -> None:
    await alice.load_markets()
    assert (await alice.watch_order_book(SYMBOL))["bids"] == []
    seen: dict[str, Any] = {}

    async def follow(name: str, call: Any, done: Any) -> None:
        while not done(found := await call()):
            seen[name] = found
        seen[name] = found

    following = [
        follow("book", lambda: alice.watch_order_book(SYMBOL), lambda book: book["bids"] == [[70.0, 1.0]]),
        follow("own", lambda: alice.watch_my_trades(SYMBOL), lambda rows: rows[-1]["amount"] == 2),
        follow("orders", lambda: alice.watch_orders(SYMBOL), lambda rows: rows[-1]["filled"] == 2),
        follow("trades", lambda: alice.watch_trades(SYMBOL), lambda rows: rows[-1]["price"] == 70),
        follow("candles", lambda: alice.watch_ohlcv(SYMBOL, "1m"), lambda rows: rows[-1][4] == 70),
        follow("ticker", lambda: alice.watch_ticker(SYMBOL), lambda ticker: ticker["last"] == 70),
        follow("balance", lambda: alice.watch_balance(), lambda balance: "BTC" in balance),
    ]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in following]
        await listening(alice)
        order = await alice.create_order(SYMBOL, "limit", "buy", 3, 70)
        await bob.create_order(SYMBOL, "limit", "sell", 2, 70)
        await asyncio.wait(tasks, timeout=WITHIN_S)
        for task in tasks:
            task.cancel()
    assert set(seen) == {"book", "own", "orders", "trades", "candles", "ticker", "balance"}
    assert seen["own"][-1]["order"] == order["id"]
    assert (seen["orders"][-1]["id"], seen["orders"][-1]["status"]) == (order["id"], "open")
    assert seen["book"]["bids"] == [[70.0, 1.0]]
    assert seen["trades"][-1]["amount"] == 2
    assert seen["candles"][-1][4] == 70
    assert seen["ticker"]["last"] == 70
    placed = await alice.create_order_ws(SYMBOL, "limit", "buy", 1, 60)
    assert (placed["status"], placed["price"]) == ("open", 60)


async def listening(alice: Any) -> None:
    """Until the user stream is confirmed: what happens before is nobody's to tell."""
    while not any(  # noqa: ASYNC110 - of somebody else's program, which tells nobody
        "spot" in client.subscriptions and not any(name.startswith("authenticate") for name in client.futures)
        for url, client in alice.clients.items()
        if "ws-api" in url
    ):
        await asyncio.sleep(0.05)
