"""Statements, drop copies, trades and candles as traders ask for them, of an embedded peer and through a client."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import trio

import gossipbook
from gossipbook.receipt.verifying import verify_receipt
from gossipbook.trade.peer_link import QueryFailed

from .test_text_ids import doors


async def trade(pair: Any, maker: gossipbook.Wallet, taker: gossipbook.Wallet, count: int, price: int = 100) -> None:
    for _ in range(count):
        await (await pair.place(maker, "sell", price_ticks=price, qty_lots=2)).certified()
        await (await pair.place(taker, "buy", price_ticks=price, qty_lots=2)).certified()


async def collect(rows: AsyncIterator[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with aclosing(rows) as open_rows:  # type: ignore[type-var]
        async for row in open_rows:
            found.append(row)
            if len(found) == count:
                break
    return found


async def test_both_doors_tell_the_same(tmp_path: Path) -> None:
    async with doors(tmp_path) as (peer, here, there):
        alice, bob = peer.wallet(), peer.wallet()
        await trade(here, alice, bob, 3)
        await (await here.place(alice, "sell", price_ticks=120, qty_lots=9, text_id="high")).certified()
        key = alice.identity.public_key
        for asked in (
            lambda pair: pair.orders(key),
            lambda pair: pair.orders(key, only_open=True),
            lambda pair: pair.fills(key, after="h2", limit=1),
            lambda pair: pair.fills(key, before="h4"),
            lambda pair: pair.position(key),
            lambda pair: pair.position(key, at="h2"),
            lambda pair: pair.trades(limit=2),
            lambda pair: pair.candles("1d"),
            lambda pair: pair.find(key, "high"),
        ):
            assert await asked(here) == await asked(there)
        position = await there.position(key)
        assert (position["position_lots"], position["sold_quote"], position["open_orders"]) == (-6, 600, 1)
        assert (await there.position(key, at="h2"))["position_lots"] == -2
        day = (await there.candles("1d"))["candles"]
        assert sum(candle[5] for candle in day) == 6
        statement = await there._client.statement(bob.identity.public_key)  # type: ignore[attr-defined]
        assert statement == await peer.statement(bob.identity.public_key)
        assert [row["position_lots"] for row in statement["positions"]] == [6]
        with pytest.raises(QueryFailed, match="width: one of 1s"):
            await there.candles("2s")
        with pytest.raises(gossipbook.GossipbookError, match="after: expected an event's number"):
            await here.fills(key, after="then")
        with pytest.raises(gossipbook.BadNumber, match="limit"):
            await here.fills(key, limit=0)


async def test_what_a_statement_says_is_in_receipts(tmp_path: Path) -> None:
    async with doors(tmp_path) as (peer, here, there):
        alice, bob = peer.wallet(), peer.wallet()
        await trade(here, alice, bob, 2)
        key, lots = bob.identity.public_key, 0
        for row in (await there.orders(key))["orders"]:
            proven = verify_receipt(await there.receipt(key, row["client_id"]))
            assert proven.life.filled_lots == row["filled_lots"]
            lots += proven.life.filled_lots
        assert (await there.position(key))["position_lots"] == lots == 4


async def test_a_drop_copy_goes_on_where_it_was_left(tmp_path: Path) -> None:
    async with doors(tmp_path) as (peer, here, there):
        alice, bob = peer.wallet(), peer.wallet()
        key = alice.identity.public_key
        await trade(here, alice, bob, 3)
        first = await collect(there.executions(key), 2)
        rows: list[dict[str, Any]] = []
        async with trio.open_nursery() as nursery:

            async def follow() -> None:
                rows.extend(await collect(there.executions(key, after=first[-1]["number"]), 4))
                nursery.cancel_scope.cancel()

            nursery.start_soon(follow)
            await trade(here, alice, bob, 3)
            await trio.sleep_forever()
        everything = (await here.fills(key))["fills"]
        assert [*first, *rows] == everything
        assert [row["position_lots"] for row in everything] == [-2, -4, -6, -8, -10, -12]


async def test_a_drop_copy_of_one_who_trades_with_themselves(tmp_path: Path) -> None:
    async with doors(tmp_path) as (peer, here, there):
        wallet = peer.wallet()
        key = wallet.identity.public_key
        await (await here.place(wallet, "sell", price_ticks=100, qty_lots=2)).certified()
        done = await (await there.place(wallet, "buy", price_ticks=100, qty_lots=2, self_trade="allow")).certified()
        assert done.filled_lots == 2
        rows = await collect(there.executions(key), 2)
        assert [(row["is_maker"], row["position_lots"]) for row in rows] == [(True, -2), (False, 0)]


async def test_it_is_there_after_a_restart_and_in_pages(tmp_path: Path) -> None:
    keys = [tmp_path / name for name in ("alice.key", "bob.key")]
    for key_file in keys:
        gossipbook.create_key(key_file)
    async with doors(tmp_path) as (peer, here, _):
        await trade(here, *map(peer.wallet, keys), 3)
    async with doors(tmp_path) as (peer, here, there):
        alice, bob = map(peer.wallet, keys)
        await trade(there, alice, bob, 2, price=101)
        key = bob.identity.public_key
        numbers = [0]
        while page := (await there.fills(key, after=numbers[-1], limit=2))["fills"]:
            numbers += [row["number"] for row in page]
        assert numbers[1:] == [row["number"] for row in (await here.trades())["trades"]]
        assert len(numbers) == 1 + 5
