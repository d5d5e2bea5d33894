"""Ops of a few authors, signed once, and op sets to offer them to."""

from functools import cache

from consensus.kit import SYMBOL, buy, identity, network

from gossipbook.crdt.inserted import Inserted
from gossipbook.crdt.interpretation import Interpretation, Item
from gossipbook.crdt.op import GENESIS_PREV, Evidence, Op, sign_op
from gossipbook.crdt.op_set import OpSet
from gossipbook.manifest import Manifest
from gossipbook.matching.commands import Command

MANIFEST, _ = network()


@cache
def op(author: str, seq: int, prev: Op | None = None, price: int = 100, expiry_ms: int = 0) -> Op:
    """One op; another price makes another op at the same place."""
    return signed(author, seq, prev, buy(seq + 1, price), expiry_ms=expiry_ms)


def signed(author: str, seq: int, prev: Op | None, *commands: Command, expiry_ms: int = 0) -> Op:
    head = GENESIS_PREV if prev is None else prev.id
    return sign_op(identity(author), MANIFEST.chain_id, SYMBOL, seq, head, commands, expiry_ms)


def chain(author: str, length: int, price: int = 100) -> list[Op]:
    ops: list[Op] = []
    for seq in range(length):
        ops.append(op(author, seq, ops[-1] if ops else None, price))
    return ops


def key(author: str) -> bytes:
    return identity(author).public_key


class Replicated:
    """An op set on its certified state."""

    def __init__(self, manifest: Manifest = MANIFEST) -> None:
        self.certified = Interpretation(manifest, SYMBOL)
        self.set = OpSet(self.certified, manifest.limits)
        self.time_ms = 1_000

    def offer(self, *items: Item, solicited: bool = False) -> list[Inserted]:
        outcomes = []
        for item in items:
            if isinstance(item, Evidence):
                self.set.add_evidence(item, 0)
            else:
                outcomes.append(self.set.insert(item, 0, solicited=solicited)[0])
        return outcomes

    def certify(self, *items: Item) -> None:
        """A block of these items became final."""
        assert self.certified.refusal(items, 1) is None
        self.time_ms += 1
        execution = self.certified.execute(self.time_ms, items)
        self.certified.commit()
        for author in execution.authors:
            self.set.advance(author, 0)
