"""gossipbook: a peer-to-peer order matching network.

Peers find each other through a Kademlia DHT, gossip signed order events over websockets, and each replicates
the book of every pair it follows. For each pair a deterministic leader matches, and a small committee certifies
what it did, so that no partition, crash or liar fills an order twice.

``open_peer`` runs a full peer inside a trio program; ``open_client`` talks to one that runs elsewhere.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gossipbook.embedded import CertifiedBlock, EmbeddedPair, EmbeddedPeer, Lagged, open_peer
    from gossipbook.errors import GossipbookError, SubmitRefused
    from gossipbook.identity import Identity
    from gossipbook.manifest import Manifest, Matcher, Pair
    from gossipbook.trade.client import Client, open_client
    from gossipbook.trade.pair_calls import PlacedOrder
    from gossipbook.trade.submission import Submission
    from gossipbook.trade.wallet import Wallet

__all__ = [
    "CertifiedBlock",
    "Client",
    "EmbeddedPair",
    "EmbeddedPeer",
    "GossipbookError",
    "Identity",
    "Lagged",
    "Manifest",
    "Matcher",
    "Pair",
    "PlacedOrder",
    "Submission",
    "SubmitRefused",
    "Wallet",
    "open_client",
    "open_peer",
]

_HOMES = {
    "gossipbook.trade.client": ("Client", "open_client"),
    "gossipbook.embedded": ("CertifiedBlock", "EmbeddedPair", "EmbeddedPeer", "Lagged", "open_peer"),
    "gossipbook.errors": ("GossipbookError", "SubmitRefused"),
    "gossipbook.identity": ("Identity",),
    "gossipbook.manifest": ("Manifest", "Matcher", "Pair"),
    "gossipbook.trade.wallet": ("Wallet",),
    "gossipbook.trade.submission": ("Submission",),
    "gossipbook.trade.pair_calls": ("PlacedOrder",),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that a pure core can be imported without the network."""
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(importlib.import_module(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'gossipbook' has no attribute {name!r}")
