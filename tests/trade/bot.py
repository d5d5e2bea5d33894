"""A trading program: places orders with a key file, and says each op once the call that placed it has returned.

Usage: bot.py KEY NETWORK PAIR ORDERS AT-ONCE ADDRESS…; without end if ORDERS is 0.
Says ``done`` when all are certified.
"""

import sys
from pathlib import Path

import trio

import gossipbook
from gossipbook.cli.output import read_manifest


async def trade(key: Path, network: Path, symbol: str, orders: int, at_once: int, addresses: list[str]) -> None:
    manifest = read_manifest(network)
    wallet = gossipbook.Wallet.open(key, manifest.chain_id)
    left = iter(range(orders)) if orders else iter(int, 1)
    placed = []

    async def place(pair: gossipbook.ClientPair) -> None:
        for _ in left:
            order = await pair.place(wallet, "sell", price_ticks=1_000, qty_lots=1, within_s=60)
            print(order.submission.op.id.hex(), flush=True)
            if orders:
                placed.append(order)

    async with gossipbook.open_client(addresses, manifest=manifest) as client:
        pair = await client.pair(symbol)
        async with trio.open_nursery() as nursery:
            for _ in range(at_once):
                nursery.start_soon(place, pair)
        for order in placed:
            await order.certified(within_s=60)
    wallet.close()
    print("done", flush=True)


if __name__ == "__main__":
    key, network, symbol, orders, at_once, *addresses = sys.argv[1:]
    trio.run(trade, Path(key), Path(network), symbol, int(orders), int(at_once), addresses)
