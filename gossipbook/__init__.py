"""gossipbook: a peer-to-peer order matching network.

Peers find each other through a Kademlia DHT, gossip signed order events over websockets, and each replicates
the book of every pair it follows. For each pair a deterministic leader matches, and a small committee certifies
what it did, so that no partition, crash or liar fills an order twice.

``open_peer`` runs a full peer inside a trio program; ``open_client`` talks to one that runs elsewhere.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gossipbook.books.changes import OrderChange
    from gossipbook.books.follower import BookUpdate
    from gossipbook.books.levels import L1, Level, LevelChange
    from gossipbook.crdt.view import BookView, LevelView
    from gossipbook.embedded import EmbeddedPair, EmbeddedPeer, open_peer
    from gossipbook.errors import (
        ConfigError,
        GossipbookError,
        HandshakeError,
        KeyFileError,
        LinkClosed,
        ManifestError,
        SubmitRefused,
        VerifyError,
        WalletError,
    )
    from gossipbook.identity import Identity
    from gossipbook.manifest import Manifest, Matcher, Pair
    from gossipbook.matching.events import (
        Accepted,
        Amended,
        Cancelled,
        Event,
        Expired,
        Fill,
        Frozen,
        Grouped,
        Leased,
        LeaseEnded,
        PairStateSet,
        Rejected,
        Sliced,
        StopAccepted,
        Triggered,
        Uncrossed,
    )
    from gossipbook.peer.orders import OrderState
    from gossipbook.storage.keys import create_key, load_key
    from gossipbook.trade.block_stream import CertifiedBlock, Lagged
    from gossipbook.trade.book_feed import BookDiverged, BookFeed
    from gossipbook.trade.client import Client
    from gossipbook.trade.client_pair import ClientPair
    from gossipbook.trade.numbers import BadNumber
    from gossipbook.trade.opening import open_client
    from gossipbook.trade.outcome import Certified, NotSigned, OutcomeUnknown, Proof
    from gossipbook.trade.pair_calls import PlacedOrder
    from gossipbook.trade.peer_link import NoAnswer, QueryFailed
    from gossipbook.trade.submission import Submission
    from gossipbook.trade.tickets import BadOrder, LaterRules, Ticket
    from gossipbook.trade.wallet import Wallet

_HOMES = {
    "books.changes": ("OrderChange",),
    "books.follower": ("BookUpdate",),
    "books.levels": ("L1", "Level", "LevelChange"),
    "crdt.view": ("BookView", "LevelView"),
    "embedded": ("EmbeddedPair", "EmbeddedPeer", "open_peer"),
    "errors": (
        *("ConfigError", "GossipbookError", "HandshakeError", "KeyFileError", "LinkClosed", "ManifestError"),
        *("SubmitRefused", "VerifyError", "WalletError"),
    ),
    "identity": ("Identity",),
    "manifest": ("Manifest", "Matcher", "Pair"),
    "matching.events": (
        *("Accepted", "Amended", "Cancelled", "Event", "Expired", "Fill", "Frozen", "Grouped", "Leased"),
        *("LeaseEnded", "PairStateSet", "Rejected", "Sliced", "StopAccepted", "Triggered", "Uncrossed"),
    ),
    "peer.orders": ("OrderState",),
    "storage.keys": ("create_key", "load_key"),
    "trade.block_stream": ("CertifiedBlock", "Lagged"),
    "trade.book_feed": ("BookDiverged", "BookFeed"),
    "trade.client": ("Client",),
    "trade.client_pair": ("ClientPair",),
    "trade.opening": ("open_client",),
    "trade.numbers": ("BadNumber",),
    "trade.outcome": ("Certified", "NotSigned", "OutcomeUnknown", "Proof"),
    "trade.pair_calls": ("PlacedOrder",),
    "trade.peer_link": ("NoAnswer", "QueryFailed"),
    "trade.submission": ("Submission",),
    "trade.tickets": ("BadOrder", "LaterRules", "Ticket"),
    "trade.wallet": ("Wallet",),
}

__all__ = [
    "L1",
    "Accepted",
    "Amended",
    "BadNumber",
    "BadOrder",
    "BookDiverged",
    "BookFeed",
    "BookUpdate",
    "BookView",
    "Cancelled",
    "Certified",
    "CertifiedBlock",
    "Client",
    "ClientPair",
    "ConfigError",
    "EmbeddedPair",
    "EmbeddedPeer",
    "Event",
    "Expired",
    "Fill",
    "Frozen",
    "GossipbookError",
    "Grouped",
    "HandshakeError",
    "Identity",
    "KeyFileError",
    "Lagged",
    "LaterRules",
    "LeaseEnded",
    "Leased",
    "Level",
    "LevelChange",
    "LevelView",
    "LinkClosed",
    "Manifest",
    "ManifestError",
    "Matcher",
    "NoAnswer",
    "NotSigned",
    "OrderChange",
    "OrderState",
    "OutcomeUnknown",
    "Pair",
    "PairStateSet",
    "PlacedOrder",
    "Proof",
    "QueryFailed",
    "Rejected",
    "Sliced",
    "StopAccepted",
    "Submission",
    "SubmitRefused",
    "Ticket",
    "Triggered",
    "Uncrossed",
    "VerifyError",
    "Wallet",
    "WalletError",
    "create_key",
    "load_key",
    "open_client",
    "open_peer",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that a pure core can be imported without the network."""
    if name == "__version__":
        from importlib.metadata import version

        return version("gossipbook")
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(importlib.import_module(f"gossipbook.{home}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'gossipbook' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
