"""gossipbook for asyncio programs: the names and types of :mod:`gossipbook`, awaited under asyncio.

Example::

    async def main() -> None:
        async with gossipbook.aio.open_client("ws://127.0.0.1:7400", chain_id) as client:
            wallet = gossipbook.aio.Wallet.open("trader.key", client.chain_id)
            pair = await client.pair("BTC-USD")
            order = await pair.place(wallet, "buy", price_ticks=10_050, qty_lots=5)
            async with asyncio.timeout(5):
                print(await order.certified())

    asyncio.run(main())

What is awaited under trio is awaited here, and ``async for`` and ``async with`` are where they are there. The network
runs in a thread of its own, whatever the loop is doing. What is plain under trio (``peer.status()``, ``pair.book()``)
is plain here: it waits for that thread's next step, as a rule less than a millisecond.

Cancelling a task, by ``asyncio.timeout`` too, cancels its call and waits until that is done. An order that was signed
by then goes on being sent, as in the other faces: ``wallet.uncertified(symbol)`` tells. A client or peer may be used
from several loops in several threads at one time.
"""

from typing import TYPE_CHECKING, Any

from gossipbook import names
from gossipbook.faces.aio_client import BookFeed, Client, ClientPair, PlacedOrder, Submission, open_client

if TYPE_CHECKING:
    from gossipbook.faces.aio_peer import EmbeddedPair, EmbeddedPeer, open_peer
    from gossipbook.names import *  # noqa: F403 - a name added there is public here too

_HOMES = {"faces.aio_peer": ("EmbeddedPair", "EmbeddedPeer", "open_peer")}

__all__ = [
    "BookFeed",
    "Client",
    "ClientPair",
    "EmbeddedPair",
    "EmbeddedPeer",
    "PlacedOrder",
    "Submission",
    "open_client",
    "open_peer",
]
__all__ += names.__all__


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: a client needs nothing of what a peer needs."""
    value = names.find(name, _HOMES) or names.find(name)
    if value is None:
        raise AttributeError(f"module 'gossipbook.aio' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
