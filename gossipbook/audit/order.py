"""The canonical order of a block's ops, from the rule: a leader chooses what goes in, not in which order it runs."""

import hashlib
from collections.abc import Sequence

from gossipbook.audit.records import Evidence, Item, Op


def canonical_order(parent: bytes, items: Sequence[Item]) -> list[Item]:
    """Evidence by author; then each op by (effective class, round, rank of its author in that round).

    An op's effective class is the highest of its author's ops up to it in the block; its round counts the author's
    ops of that class before it; the rank is SHA-256(parent ‖ author ‖ round as u32).
    """
    placed: list[tuple[int, int, bytes, Item]] = [
        (-1, 0, item.author, item) for item in items if type(item) is Evidence
    ]
    highest: dict[bytes, int] = {}
    rounds: dict[tuple[bytes, int], int] = {}
    for op in sorted((item for item in items if isinstance(item, Op)), key=lambda op: op.seq):
        effective = highest[op.author] = max(highest.get(op.author, 0), op.priority)
        number = rounds.get((op.author, effective), 0)
        rounds[op.author, effective] = number + 1
        rank = hashlib.sha256(parent + op.author + number.to_bytes(4, "big")).digest()
        placed.append((effective, number, rank, op))
    placed.sort(key=lambda entry: entry[:3])
    return [item for _, _, _, item in placed]
