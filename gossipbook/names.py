"""The public names that are the same in all faces: events, errors, values, manifests, wallets and keys.

They are imported when they are first used, so that a pure core can be imported without the network.
"""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gossipbook.accounts.order_state import OrderState
    from gossipbook.books.changes import OrderChange
    from gossipbook.books.follower import BookUpdate, FeedRefused
    from gossipbook.books.l3 import BookError, L3Book
    from gossipbook.books.levels import L1, Level, LevelChange
    from gossipbook.client_messages import AckLevel
    from gossipbook.crdt.op import Op
    from gossipbook.crdt.view import BookView, LevelView
    from gossipbook.errors import (
        ConfigError,
        FolderLocked,
        GossipbookError,
        HandshakeError,
        JournalError,
        JournalFull,
        KeyFileError,
        LinkClosed,
        ManifestError,
        NoAnswer,
        SubmitRefused,
        VerifyError,
        WalletError,
        WrongLoop,
    )
    from gossipbook.identity import Identity
    from gossipbook.manifest import Manifest, Matcher, Pair
    from gossipbook.matching.commands import Command, PairState, SelfTrade
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
        RejectReason,
        Sliced,
        StopAccepted,
        Triggered,
        Uncrossed,
    )
    from gossipbook.peer.condition import PairCondition
    from gossipbook.peer.config import PeerConfig
    from gossipbook.peer.pair_summary import AuthorStanding, PairStanding
    from gossipbook.storage.keys import create_key, load_key
    from gossipbook.trade.block_stream import CertifiedBlock, Lagged
    from gossipbook.trade.book_feed import BookDiverged
    from gossipbook.trade.numbers import BadNumber
    from gossipbook.trade.outcome import Certified, NothingToSign, NotSigned, OutcomeUnknown, ProofKind
    from gossipbook.trade.peer_link import QueryFailed
    from gossipbook.trade.text_ids import TextIdUsed
    from gossipbook.trade.tickets import BadOrder, LaterRules, Ticket
    from gossipbook.trade.wallet import Wallet

HOMES: Mapping[str, tuple[str, ...]] = {
    "books.changes": ("OrderChange",),
    "books.follower": ("BookUpdate", "FeedRefused"),
    "books.l3": ("BookError", "L3Book"),
    "books.levels": ("L1", "Level", "LevelChange"),
    "client_messages": ("AckLevel",),
    "crdt.op": ("Op",),
    "crdt.view": ("BookView", "LevelView"),
    "errors": (
        "ConfigError",
        "FolderLocked",
        "GossipbookError",
        "HandshakeError",
        "JournalError",
        "JournalFull",
        "KeyFileError",
        "LinkClosed",
        "ManifestError",
        "NoAnswer",
        "SubmitRefused",
        "VerifyError",
        "WalletError",
        "WrongLoop",
    ),
    "identity": ("Identity",),
    "manifest": ("Manifest", "Matcher", "Pair"),
    "matching.commands": ("Command", "PairState", "SelfTrade"),
    "matching.events": (
        "Accepted",
        "Amended",
        "Cancelled",
        "Event",
        "Expired",
        "Fill",
        "Frozen",
        "Grouped",
        "LeaseEnded",
        "Leased",
        "PairStateSet",
        "RejectReason",
        "Rejected",
        "Sliced",
        "StopAccepted",
        "Triggered",
        "Uncrossed",
    ),
    "peer.condition": ("PairCondition",),
    "peer.config": ("PeerConfig",),
    "accounts.order_state": ("OrderState",),
    "peer.pair_summary": ("AuthorStanding", "PairStanding"),
    "storage.keys": ("create_key", "load_key"),
    "trade.block_stream": ("CertifiedBlock", "Lagged"),
    "trade.book_feed": ("BookDiverged",),
    "trade.numbers": ("BadNumber",),
    "trade.outcome": ("Certified", "NotSigned", "NothingToSign", "OutcomeUnknown", "ProofKind"),
    "trade.peer_link": ("QueryFailed",),
    "trade.text_ids": ("TextIdUsed",),
    "trade.tickets": ("BadOrder", "LaterRules", "Ticket"),
    "trade.wallet": ("Wallet",),
}
"""Where each public name is."""

__all__ = [
    "L1",
    "Accepted",
    "AckLevel",
    "Amended",
    "AuthorStanding",
    "BadNumber",
    "BadOrder",
    "BookDiverged",
    "BookError",
    "BookUpdate",
    "BookView",
    "Cancelled",
    "Certified",
    "CertifiedBlock",
    "Command",
    "ConfigError",
    "Event",
    "Expired",
    "FeedRefused",
    "Fill",
    "FolderLocked",
    "Frozen",
    "GossipbookError",
    "Grouped",
    "HandshakeError",
    "Identity",
    "JournalError",
    "JournalFull",
    "KeyFileError",
    "L3Book",
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
    "NothingToSign",
    "Op",
    "OrderChange",
    "OrderState",
    "OutcomeUnknown",
    "Pair",
    "PairCondition",
    "PairStanding",
    "PairState",
    "PairStateSet",
    "PeerConfig",
    "ProofKind",
    "QueryFailed",
    "RejectReason",
    "Rejected",
    "SelfTrade",
    "Sliced",
    "StopAccepted",
    "SubmitRefused",
    "TextIdUsed",
    "Ticket",
    "Triggered",
    "Uncrossed",
    "VerifyError",
    "Wallet",
    "WalletError",
    "WrongLoop",
    "create_key",
    "load_key",
]


def find(name: str, homes: Mapping[str, tuple[str, ...]] = HOMES) -> Any:
    """Import what a public name stands for; None if there is no such name."""
    for home, names in homes.items():
        if name in names:
            return getattr(importlib.import_module(f"gossipbook.{home}"), name)
    return None
