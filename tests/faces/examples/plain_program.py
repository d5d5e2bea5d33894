"""A plain program that runs a development network of one, trades in it, and follows block and book."""

import threading

import gossipbook.sync


def main() -> None:
    with gossipbook.sync.open_peer(pairs=["BTC-USD"]) as peer:
        manifest: gossipbook.sync.Manifest = peer.manifest
        wallet: gossipbook.Wallet = peer.wallet()
        with gossipbook.sync.open_client(peer.addresses, manifest.chain_id) as client:
            following = threading.Thread(target=follow, args=(client,))
            following.start()
            pair: gossipbook.sync.ClientPair = client.pair("BTC-USD")
            order = pair.place(wallet, "buy", price="100.50", qty="3")
            done: gossipbook.Certified = order.certified(within_s=20)
            state = order.state()
            print(gossipbook.__version__, done.height, state and state["status"])
            try:
                pair.place(wallet, "buy", price_ticks=1)
            except gossipbook.BadNumber as error:
                print(error.parameter)
            with client.book_feed("BTC-USD") as feed:
                for update in feed:
                    level: gossipbook.Level | None = update.top.bid
                    print(level and level.lots)
                    break
        following.join()
        view: gossipbook.BookView = peer.pair("BTC-USD").book(levels=5)
        print([bid.price_ticks for bid in view.bids])


def follow(client: gossipbook.sync.Client) -> None:
    try:
        for block in client.blocks("BTC-USD"):
            for event in block.events:
                if isinstance(event, gossipbook.Fill):
                    print(event.qty_lots)
    except gossipbook.LinkClosed:
        pass  # The main thread is done.


main()
