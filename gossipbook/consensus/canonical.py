"""The canonical order of a block's ops. A leader chooses what goes in, not in which order it runs.

Evidence first, by author. Then ops by class: 0 = cancels and reductions only, 1 = those plus post-only places, 2 =
the rest; an op's effective class is the maximum over its author's ops up to it in the block, so an author's
ops stay in sequence. Within a class, round robin: round i takes one op of each author, authors ranked by
H(parent id ‖ author ‖ i). Makers thus get their cancels in before takers of the same block, and grinding an
op's id gains nothing. What remains open: an author with many keys, or a leader who varies the block's time
(and so the next parent id), can still move a rank.
"""

import hashlib
from collections.abc import Iterable, Sequence

from gossipbook.crdt.interpretation import Item
from gossipbook.crdt.op import Evidence, Op
from gossipbook.ids import BlockId, PublicKey

CLASSES = 3


def canonical_order(parent: BlockId, items: Iterable[Item]) -> list[Item]:
    """The one order in which a block on ``parent`` may carry these items."""
    evidence: list[Evidence] = []
    by_author: dict[PublicKey, list[Op]] = {}
    for item in items:
        if isinstance(item, Evidence):
            evidence.append(item)
        else:
            by_author.setdefault(item.author, []).append(item)
    classes: list[dict[PublicKey, list[Op]]] = [{} for _ in range(CLASSES)]
    for author, ops in by_author.items():
        effective = 0
        for op in sorted(ops, key=lambda op: op.seq):
            effective = max(effective, op.priority_class)
            classes[effective].setdefault(author, []).append(op)
    ordered: list[Item] = sorted(evidence, key=lambda item: item.author)
    for members in classes:
        ordered += _round_robin(parent, members)
    return ordered


def _round_robin(parent: BlockId, members: dict[PublicKey, list[Op]]) -> Sequence[Op]:
    taken: list[Op] = []
    round_number = 0
    while members:
        taken += [members[author][round_number] for author in _ranked(parent, members, round_number)]
        round_number += 1
        members = {author: ops for author, ops in members.items() if len(ops) > round_number}
    return taken


def _ranked(parent: BlockId, authors: Iterable[PublicKey], round_number: int) -> list[PublicKey]:
    tail = round_number.to_bytes(4, "big")
    return sorted(authors, key=lambda author: hashlib.sha256(parent + author + tail).digest())
