"""gossipbook: a peer-to-peer order matching network.

Peers find each other through a Kademlia DHT, gossip signed order events over websockets, and each replicates
the book of every pair it follows. For each pair a deterministic leader matches, and a small committee certifies
what it did, so that no partition, crash or liar fills an order twice.

``open_peer`` runs a full peer inside a trio program; ``open_client`` talks to one that runs elsewhere.
:mod:`gossipbook.aio` has the same names for asyncio, :mod:`gossipbook.sync` for plain programs and notebooks.
"""

import importlib
from typing import TYPE_CHECKING, Any

from gossipbook import names

if TYPE_CHECKING:
    from gossipbook import aio as aio
    from gossipbook import sync as sync
    from gossipbook.embedded import EmbeddedPair, EmbeddedPeer, open_peer
    from gossipbook.names import *  # noqa: F403 - a name added there is public here too
    from gossipbook.trade.book_feed import BookFeed
    from gossipbook.trade.client import Client
    from gossipbook.trade.client_pair import ClientPair
    from gossipbook.trade.opening import open_client
    from gossipbook.trade.pair_calls import PlacedOrder
    from gossipbook.trade.submission import Submission

    __version__: str
    """The installed version."""

_HOMES = {
    "embedded": ("EmbeddedPair", "EmbeddedPeer", "open_peer"),
    "trade.book_feed": ("BookFeed",),
    "trade.client": ("Client",),
    "trade.client_pair": ("ClientPair",),
    "trade.opening": ("open_client",),
    "trade.pair_calls": ("PlacedOrder",),
    "trade.submission": ("Submission",),
}

__all__ = [
    "BookFeed",
    "Client",
    "ClientPair",
    "EmbeddedPair",
    "EmbeddedPeer",
    "PlacedOrder",
    "Submission",
    "aio",
    "open_client",
    "open_peer",
    "sync",
]
__all__ += names.__all__


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that a pure core can be imported without the network."""
    if name == "__version__":
        from importlib.metadata import version

        return version("gossipbook")
    if name in ("aio", "sync"):
        return importlib.import_module(f"gossipbook.{name}")
    value = names.find(name, _HOMES) or names.find(name)
    if value is None:
        raise AttributeError(f"module 'gossipbook' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
