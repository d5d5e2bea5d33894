"""A trio program that runs a development network of one, trades in it, and follows block and book."""

import trio

import gossipbook


async def main() -> None:
    async with gossipbook.open_peer(pairs=["BTC-USD"]) as peer:
        manifest: gossipbook.Manifest = peer.manifest
        wallet: gossipbook.Wallet = peer.wallet()
        async with gossipbook.open_client(peer.addresses, manifest.chain_id) as client, trio.open_nursery() as nursery:
            nursery.start_soon(follow, client)
            pair: gossipbook.ClientPair = await client.pair("BTC-USD")
            order = await pair.place(wallet, "buy", price="100.50", qty="3")
            done: gossipbook.Certified = await order.certified(within_s=20)
            state = await order.state()
            print(gossipbook.__version__, done.height, state and state["status"])
            try:
                await pair.place(wallet, "buy", price_ticks=1)
            except gossipbook.BadNumber as error:
                print(error.parameter)
            async with client.book_feed("BTC-USD") as feed:
                async for update in feed:
                    level: gossipbook.Level | None = update.top.bid
                    print(level and level.lots)
                    break
            nursery.cancel_scope.cancel()
        view: gossipbook.BookView = peer.pair("BTC-USD").book(levels=5)
        print([bid.price_ticks for bid in view.bids])


async def follow(client: gossipbook.Client) -> None:
    async for block in client.blocks("BTC-USD"):
        for event in block.events:
            if isinstance(event, gossipbook.Fill):
                print(event.qty_lots)


trio.run(main)
