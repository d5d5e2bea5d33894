"""Every message's layout: ``[kind, field, …]`` in CBOR, in the field order of its class.

Kinds are part of the format and never reused. Golden vectors in ``tests/vectors`` pin the bytes of each.
"""

from typing import Any

from gossipbook import cbor
from gossipbook import client_messages as q
from gossipbook.consensus import messages as c
from gossipbook.consensus.block import BLOCK_BYTES_CAP
from gossipbook.crdt import messages as r
from gossipbook.crdt.anti_entropy import FRONTIER_READ_CAP
from gossipbook.errors import DecodeError, TooLarge
from gossipbook.gossip import messages as g
from gossipbook.ids import PUBLIC_KEY_BYTES
from gossipbook.wire import fields as f
from gossipbook.wire.framing import MESSAGE_BYTES_CAP
from gossipbook.wire.link_messages import Ping, Pong

PAYLOAD_CAP = 96 * 1024
ITEMS_CAP = 1_024
JSON_CAP = 110 * 1024

_IDS = f.digests(c.IDS_READ_CAP)

_PART_OF_BLOCK = (
    *(f.SYMBOL, f.uint(), f.uint(2**16 - 1), f.blob(BLOCK_BYTES_CAP), f.optional(f.CERTIFICATE), f.DIGEST),
    *(f.many(f.EVENT, 4_096), f.FLAG),
)
"""Of a block with its certificate and events, whether it is final or prepared."""

LAYOUTS: dict[type[Any], tuple[int, tuple[f.Field, ...]]] = {
    Ping: (1, (f.uint(),)),
    Pong: (2, (f.uint(),)),
    # gossip
    g.Subscribe: (10, (f.many(f.SYMBOL, g.TOPICS_CAP),)),
    g.Graft: (11, (f.SYMBOL,)),
    g.Prune: (12, (f.SYMBOL, f.uint(2**32 - 1))),
    g.IHave: (13, (f.SYMBOL, f.digests(g.IHAVE_IDS_READ_CAP))),
    g.IWant: (14, (f.digests(g.IHAVE_IDS_READ_CAP),)),
    g.Push: (15, (f.SYMBOL, f.blob(PAYLOAD_CAP))),
    g.Choke: (16, (f.SYMBOL, f.blob(PUBLIC_KEY_BYTES), f.FLAG)),
    g.Unchoke: (17, (f.SYMBOL, f.optional(f.blob(PUBLIC_KEY_BYTES)))),
    # consensus
    c.Propose: (
        20,
        (
            f.SYMBOL,
            f.EPOCH,
            f.uint(),
            f.uint(),
            f.blob(BLOCK_BYTES_CAP),
            f.optional(f.TERM_CHANGE),
            f.optional(f.CERTIFICATE),
            f.SIGNATURE,
        ),
    ),
    c.CastVote: (21, (f.SYMBOL, f.EPOCH, f.VOTE)),
    c.GiveUp: (
        22,
        (
            f.SYMBOL,
            f.EPOCH,
            f.TIMEOUT,
            f.optional(f.CERTIFICATE),
            f.optional(f.CERTIFICATE),
            _IDS,
        ),
    ),
    c.Proof: (23, (f.SYMBOL, f.EPOCH, f.PROOF)),
    c.Status: (24, (f.SYMBOL, f.EPOCH, f.uint(), f.DIGEST, f.uint(), f.DIGEST, f.FLAG)),
    c.Sync: (25, (f.SYMBOL, f.EPOCH, f.uint())),
    c.FinalizedBlock: (
        26,
        (f.SYMBOL, f.EPOCH, f.blob(BLOCK_BYTES_CAP), f.CERTIFICATE, f.many(f.ITEM, ITEMS_CAP)),
    ),
    c.Fetch: (27, (f.SYMBOL, _IDS)),
    c.Bodies: (28, (f.SYMBOL, f.many(f.ITEM, ITEMS_CAP))),
    c.FetchBlock: (29, (f.SYMBOL, f.EPOCH, f.DIGEST)),
    c.BlockBody: (30, (f.SYMBOL, f.EPOCH, f.blob(BLOCK_BYTES_CAP))),
    c.AskVotes: (31, (f.SYMBOL, f.EPOCH)),
    c.OwnVotes: (32, (f.SYMBOL, f.EPOCH, f.many(f.VOTE, 2), f.optional(f.TIMEOUT))),
    # pending ops
    r.Frontier: (40, (f.SYMBOL, f.blob(32), f.blob(32), f.many(f.ENTRY, FRONTIER_READ_CAP), f.FLAG)),
    r.AskHeld: (41, (f.SYMBOL, _IDS)),
    r.Held: (42, (f.SYMBOL, _IDS)),
    # clients
    q.Submit: (50, (f.OP,)),
    q.Ack: (51, (f.SYMBOL, f.DIGEST, f.LEVEL, f.uint(), f.text(64))),
    q.Watch: (52, (f.SYMBOL,)),
    q.PairEvents: (53, (f.SYMBOL, f.uint(), f.DIGEST, f.uint(), f.many(f.EVENT, 4_096), f.FLAG)),
    q.Query: (54, (f.uint(2**32 - 1), f.text(32), f.many(f.text(128), 8))),
    q.Answer: (55, (f.uint(2**32 - 1), f.FLAG, f.blob(JSON_CAP))),
    # what is told to clients with proof
    q.AskAuthor: (56, (f.SYMBOL, f.PUBLIC_KEY, f.uint())),
    q.AuthorWord: (
        57,
        (
            *(f.SYMBOL, f.PUBLIC_KEY, f.uint(), f.FLAG, f.uint(), f.uint(), f.optional(f.OP)),
            *(f.blob(BLOCK_BYTES_CAP), f.optional(f.CERTIFICATE), f.optional(f.EVIDENCE)),
            *(f.many(f.OP, q.PENDING_OPS_CAP), f.FLAG),
        ),
    ),
    q.WatchProven: (58, (f.SYMBOL,)),
    q.AskBlock: (59, (f.SYMBOL, f.uint())),
    q.ProvenBlock: (60, _PART_OF_BLOCK),
    q.PreparedPart: (61, _PART_OF_BLOCK),
    # books
    q.Follow: (70, (f.SYMBOL,)),
    q.Unfollow: (71, (f.SYMBOL,)),
    q.BookPart: (
        72,
        (
            *(f.SYMBOL, f.uint(), f.DIGEST, f.uint(), f.uint(), f.uint(), f.uint(255), f.uint()),
            *(f.many(f.EVENT, 1_024), f.FLAG),
        ),
    ),
    q.BookMark: (
        73,
        (f.SYMBOL, f.uint(), f.uint(), f.uint(), f.uint(2**32 - 1), f.optional(f.DIGEST), f.optional(f.DIGEST)),
    ),
    q.FeedEnded: (74, (f.SYMBOL, f.text(64))),
}

# The layouts as the two functions below walk them.
_BY_KIND = {
    kind: (cls, len(layout) + 1, tuple((field.read, name) for field, name in zip(layout, cls.__slots__, strict=True)))
    for cls, (kind, layout) in LAYOUTS.items()
}
_BY_CLASS = {
    cls: (kind, tuple((field.write, name) for field, name in zip(layout, cls.__slots__, strict=True)))
    for cls, (kind, layout) in LAYOUTS.items()
}
assert len(_BY_KIND) == len(LAYOUTS)


def encode_message(message: object) -> bytes:
    """One message's bytes, without its length prefix.

    Raises:
        TooLarge: no peer would take it. What it is made of may have come from a stranger.
    """
    kind, layout = _BY_CLASS[type(message)]
    raw = cbor.encode([kind, *[write(getattr(message, name)) for write, name in layout]])
    if len(raw) > MESSAGE_BYTES_CAP:
        raise TooLarge(f"a {type(message).__name__} of {len(raw)} bytes; the cap is {MESSAGE_BYTES_CAP}")
    return raw


def decode_message(raw: bytes) -> Any:
    """One message from its bytes.

    Raises:
        DecodeError: for anything else; never another exception.
    """
    if len(raw) > MESSAGE_BYTES_CAP:
        raise DecodeError(f"a message of {len(raw)} bytes; the cap is {MESSAGE_BYTES_CAP}")
    values = cbor.decode(raw)
    if type(values) is not list or not values or type(values[0]) is not int:
        raise DecodeError("a message is an array that starts with its kind")
    known = _BY_KIND.get(values[0])
    if known is None:
        raise DecodeError(f"message kind {values[0]} is not known")
    cls, length, layout = known
    if len(values) != length:
        raise DecodeError(f"{cls.__name__}: expected {length - 1} fields, not {len(values) - 1}")
    return cls(*[read(values[at], name) for at, (read, name) in enumerate(layout, 1)])
