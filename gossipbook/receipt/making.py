"""Making a receipt out of finalized blocks and their events, wherever those come from."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from gossipbook.consensus.block import Block
from gossipbook.consensus.certificate import Certificate
from gossipbook.crdt.op import Evidence, Op
from gossipbook.errors import VerifyError
from gossipbook.ids import ZERO_DIGEST, Digest, PublicKey, short
from gossipbook.manifest import Manifest
from gossipbook.matching.events import RawEvent
from gossipbook.receipt.format import (
    RECEIPT_BLOCKS_CAP,
    RECEIPT_BYTES_CAP,
    SHOWN_EVENTS_CAP,
    WHOLE_EVENTS_CAP,
    BlockPart,
    Receipt,
)
from gossipbook.receipt.order import answered_seq, concerns, entering, entry
from gossipbook.receipt.tree import Tree, leaf

Item: TypeAlias = Op | Evidence


@dataclass(frozen=True, slots=True)
class Executed:
    """A finalized block, all that it led to, and the events digest before it."""

    block: Block
    fc: Certificate
    items: Sequence[Item]
    events: Sequence[RawEvent]
    digest_before: Digest
    _tree: list[Tree] = field(default_factory=list, compare=False, repr=False)

    def tree(self) -> Tree:
        """The tree of the events; made when it is first asked for, which takes longer than all else in a receipt."""
        if not self._tree:
            self._tree.append(Tree([leaf(event) for event in self.events]))
        return self._tree[0]


class NoReceipt(VerifyError):
    """There is nothing to prove, or more than a receipt holds; the text says which."""


def make_receipt(manifest: Manifest, author: PublicKey, client_id: int, blocks: Iterable[Executed]) -> bytes:
    """The receipt of an order. ``blocks`` ascend and hold all in which it had an event; others do no harm.

    If its author used the id in several lives, it is the order of the last one.

    Raises:
        NoReceipt: no block has its op, or there is more than a receipt holds.
    """
    op: Op | None = None
    parts: list[BlockPart] = []
    are_too_many = False
    for executed in blocks:
        entered = entering_op(executed, author, client_id)
        if entered is not None:
            op, parts, are_too_many = entered, [], False
        if op is None or not any(concerns(event, author, client_id) for event in executed.events):
            continue
        if len(parts) == RECEIPT_BLOCKS_CAP:
            are_too_many = True
        else:
            parts.append(_part(manifest, executed, author, client_id))
    if op is None:
        raise NoReceipt(f"no certified op of {short(author)}… enters order {client_id}")
    if are_too_many:
        raise NoReceipt(f"the order has events in more than {RECEIPT_BLOCKS_CAP} blocks; export the chain instead")
    raw = Receipt(manifest.canonical(), client_id, op.signed, op.signature, tuple(parts)).encode()
    if len(raw) > RECEIPT_BYTES_CAP:
        raise NoReceipt(f"the receipt would be larger than {RECEIPT_BYTES_CAP} bytes; export the chain instead")
    return raw


def entering_op(executed: Executed, author: PublicKey, client_id: int) -> Op | None:
    """The op of a block that enters an order, under an id that was not used before; None if there is none."""
    answer = entry(executed.events, author, client_id)
    if answer is None:
        return None
    seq = answered_seq(answer)
    for item in executed.items:
        if isinstance(item, Op) and item.author == author and seq in (None, item.seq) and entering(item, client_id):
            return item
    return None


def _part(manifest: Manifest, executed: Executed, author: PublicKey, client_id: int) -> BlockPart:
    events = [tuple(event) for event in executed.events]
    places = set(range(len(events)))
    if len(events) > WHOLE_EVENTS_CAP:
        places = {at for at, event in enumerate(events) if concerns(event, author, client_id)}
        places |= {0, len(events) - 1}
    if len(places) > SHOWN_EVENTS_CAP:
        raise NoReceipt(f"the order has more than {SHOWN_EVENTS_CAP} events in block {executed.block.height}")
    siblings = [] if len(places) == len(events) else executed.tree().prune(places)
    return BlockPart(
        executed.block.raw,
        executed.fc.term,
        executed.fc.signers[: manifest.quorum.q],
        executed.digest_before,
        tuple(events[at] for at in sorted(places)),
        tuple(siblings),
    )


def chained(
    blocks: Iterable[tuple[Block, Certificate, Sequence[Item], Sequence[RawEvent]]],
) -> Iterator[Executed]:
    """Blocks from height 1 on, each with the events digest that the one before it left."""
    before = ZERO_DIGEST
    for block, fc, items, events in blocks:
        yield Executed(block, fc, items, events, before)
        before = block.events_digest
