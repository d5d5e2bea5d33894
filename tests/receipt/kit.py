"""Chains from nothing, receipts of them, and the means to forge both: here the test holds every member's key."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gossipbook.consensus.block import Block, make_block
from gossipbook.consensus.canonical import canonical_order
from gossipbook.consensus.certificate import Certificate
from gossipbook.consensus.committee import COMMIT, Committee
from gossipbook.crdt.interpretation import Interpretation
from gossipbook.crdt.merkle import chain_events_digest
from gossipbook.crdt.op import Op, sign_op
from gossipbook.crdt.stays import STAYS_SINCE, opening_expiry_ms
from gossipbook.identity import DOMAIN_VOTE, Identity
from gossipbook.ids import ZERO_DIGEST, digest
from gossipbook.manifest import Manifest, Matcher, Pair
from gossipbook.matching.commands import (
    Amend,
    AnyPlace,
    Cancel,
    Command,
    Place,
    PlaceNamed,
    SelfTrade,
    Side,
    TimeInForce,
)
from gossipbook.receipt.format import BlockPart, Receipt, decode_receipt
from gossipbook.receipt.making import Executed, make_receipt

START_MS = 1_700_000_000_000
SYMBOL = "BTC-USD"


def identity(name: str) -> Identity:
    return Identity(digest(b"test", name.encode()))


MEMBERS = {member.public_key: member for member in (identity(f"m{i}") for i in range(6))}


def make_manifest(name: str = "receipts", matchers: int = 4, **options: Any) -> Manifest:
    options.setdefault("rules_version", 3)
    seats = tuple(Matcher(f"m{i}", identity(f"m{i}").public_key, f"op{i}") for i in range(matchers))
    return Manifest(name, (Pair(SYMBOL), Pair("ETH-USD")), seats, 4, **options)


MANIFEST = make_manifest()


class Author:
    """Somebody who trades."""

    def __init__(self, name: str, manifest: Manifest = MANIFEST, symbol: str = SYMBOL) -> None:
        self.identity, self.manifest, self.symbol = identity(name), manifest, symbol
        self.key = self.identity.public_key
        self.seq, self.prev, self.client_id = 0, ZERO_DIGEST, 0

    def sign(self, *commands: Command) -> Op:
        begins = self.seq == 0 and self.manifest.rules_version >= STAYS_SINCE
        expiry_ms = opening_expiry_ms(START_MS, self.manifest.limits.author_retention_ms) if begins else 0
        op = sign_op(self.identity, self.manifest.chain_id, self.symbol, self.seq, self.prev, commands, expiry_ms)
        self.seq, self.prev = self.seq + 1, op.id
        return op

    def place(self, side: Side, price: int, lots: int, **more: Any) -> AnyPlace:
        self.client_id += 1
        if more.get("self_trade") == SelfTrade.ALLOW:
            return PlaceNamed(self.client_id, side, 1, price, lots, more.pop("tif", TimeInForce.GTC), **more)
        return Place(self.client_id, side, 1, price, lots, more.pop("tif", TimeInForce.GTC), **more)


def sign_votes(
    committee: Committee, block: Block, term: int, seats: Sequence[int] = (0, 1, 2), kind: int = COMMIT
) -> tuple[tuple[int, bytes], ...]:
    body = committee.vote_body(kind, term, block.height, block.id)
    return tuple((seat, MEMBERS[committee.key(seat)].sign(DOMAIN_VOTE, committee.chain_id, body)) for seat in seats)


class Chain:
    """One pair's chain; every seat signs whatever the test says."""

    def __init__(self, manifest: Manifest = MANIFEST, symbol: str = SYMBOL) -> None:
        self.manifest, self.symbol = manifest, symbol
        self.committee = Committee.of(manifest, manifest.chain_id, symbol)
        self.certified = Interpretation(manifest, symbol)
        self.blocks: list[Executed] = []
        self._passed_ms = 0

    def pass_time(self, ms: int) -> None:
        """Let the next block be so much later."""
        self._passed_ms += ms

    def add(self, *ops: Op, term: int = 0) -> Executed:
        """The next block, of these ops in canonical order, certified by all four."""
        parent = self.blocks[-1].block.id if self.blocks else self.committee.genesis
        before = self.blocks[-1].block.events_digest if self.blocks else ZERO_DIGEST
        items = canonical_order(parent, ops)
        execution = self.certified.execute(START_MS + self._passed_ms + 10 * len(self.blocks), items)
        self.certified.commit()
        block = self.make_block(parent=parent, items=items, time_ms=execution.time_ms, term=term,
                                height=len(self.blocks) + 1, events_digest=execution.events_digest)  # fmt: skip
        fc = Certificate(COMMIT, term, block.height, block.id, sign_votes(self.committee, block, term, range(4)))
        self.blocks.append(Executed(block, fc, items, execution.events, before))
        return self.blocks[-1]

    def make_block(self, *, items: Sequence[Any], term: int = 0, **fields: Any) -> Block:
        defaults = {"chain_id": self.manifest.chain_id, "epoch": 0, "pair": self.symbol, "created_term": term}
        proposer = self.committee.key(self.committee.leader(term))
        named = {"op_ids": tuple(item.id for item in items), "proposer": proposer}
        return make_block(**{**defaults, **named, **fields})

    def receipt(self, author: bytes, client_id: int) -> bytes:
        return make_receipt(self.manifest, author, client_id, self.blocks)

    def reforge(self, part: BlockPart, block: Block, events: Sequence[Any] | None = None, **changes: Any) -> BlockPart:
        """A part with another block, which a quorum signs. ``events``: the block's, all of them, shown whole."""
        if events is not None:
            block = remake(block, events_digest=chain_events_digest(part.digest_before, events))
            changes |= {"events": tuple(events), "siblings": ()}
        term = changes.pop("term", max(part.term, block.created_term))
        votes = sign_votes(self.committee, block, term)
        return replace(part, raw=block.raw, term=term, **{"votes": votes, **changes})


def remake(block: Block, **changes: Any) -> Block:
    """A block that differs in some fields."""
    names = ("chain_id", "epoch", "pair", "height", "parent", "proposer", "created_term", "time_ms", "op_ids")
    fields = {name: getattr(block, name) for name in (*names, "events_digest")}
    return make_block(**{**fields, **changes})


@dataclass(frozen=True)
class Story:
    """Alice's order 1 over four blocks: accepted, filled in part, hit in a long block, amended, the rest cancelled."""

    chain: Chain
    alice: Author
    bob: Author

    @property
    def raw(self) -> bytes:
        return self.chain.receipt(self.alice.key, 1)

    @property
    def receipt(self) -> Receipt:
        return decode_receipt(self.raw)


def tell(manifest: Manifest = MANIFEST, lots: int = 20) -> Story:
    chain = Chain(manifest)
    alice, bob, carol = (Author(name, manifest) for name in ("alice", "bob", "carol"))
    chain.add(carol.sign(carol.place(Side.BUY, 50, 5)))
    chain.add(alice.sign(alice.place(Side.SELL, 100, lots)), carol.sign(carol.place(Side.BUY, 51, 5)))
    chain.add(bob.sign(bob.place(Side.BUY, 101, 4)))
    chain.add(carol.sign(carol.place(Side.BUY, 52, 5)))
    others = [Author(f"other{i}", manifest) for i in range(50)]
    takers = [other.sign(other.place(Side.BUY, 100 if i == 20 else 40 + i, 1)) for i, other in enumerate(others)]
    takers += [other.sign(other.place(Side.SELL, 200 + i, 1)) for i, other in enumerate(others)]
    chain.add(*takers)
    chain.add(alice.sign(Amend(1, 0, lots - 5)), bob.sign(bob.place(Side.BUY, 100, 2)))
    chain.add(alice.sign(Cancel(1)), term=1)
    return Story(chain, alice, bob)
