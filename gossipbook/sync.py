"""gossipbook for plain programs and notebooks: the names and types of :mod:`gossipbook`, without ``await``.

Example::

    with gossipbook.sync.open_client("ws://127.0.0.1:7400", chain_id) as client:
        wallet = gossipbook.sync.Wallet.open("trader.key", client.chain_id)
        pair = client.pair("BTC-USD")
        order = pair.place(wallet, "buy", price_ticks=10_050, qty_lots=5)
        print(order.certified(within_s=10))

What is awaited under trio waits here, ``for`` and ``with`` are plain ones. The network runs in a thread of its own,
also between two calls. Several threads may use a client or a peer at one time.

Ctrl-C cancels the call that the main thread waits for and raises ``KeyboardInterrupt`` there. An order that was
signed by then goes on being sent: ``wallet.uncertified(symbol)`` tells. In a notebook, keep a client open across
cells with ``stack = contextlib.ExitStack()`` and ``client = stack.enter_context(open_client(...))``, and end with
``stack.close()``. What is still open when the program ends is closed then.
"""

from typing import TYPE_CHECKING, Any

from gossipbook import names
from gossipbook.faces.sync_client import BookFeed, Client, ClientPair, PlacedOrder, Submission, open_client

if TYPE_CHECKING:
    from gossipbook.faces.sync_peer import EmbeddedPair, EmbeddedPeer, open_peer
    from gossipbook.names import *  # noqa: F403 - a name added there is public here too

_HOMES = {"faces.sync_peer": ("EmbeddedPair", "EmbeddedPeer", "open_peer")}

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
        raise AttributeError(f"module 'gossipbook.sync' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
