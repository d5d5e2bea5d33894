"""Merkle trees of which only some leaves are shown; the shape is that of :mod:`gossipbook.crdt.merkle`."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from gossipbook import cbor
from gossipbook.errors import VerifyError
from gossipbook.ids import Digest

Supply = Callable[[int, int], Digest]
"""The digest at (level, place) of a node under which nothing is shown. Level 0 are the leaves."""


def leaf(event: Sequence[object]) -> Digest:
    return hashlib.sha256(b"\0" + cbor.encode(event)).digest()


def climb(width: int, shown: Mapping[int, Digest], supply: Supply) -> Digest:
    """Return the root over ``width`` leaves, given some leaves by their place and the missing siblings."""
    nodes = dict(shown)
    level = 0
    while width > 1:
        above: dict[int, Digest] = {}
        for place in sorted(nodes):
            left = place & ~1
            if left // 2 in above:
                continue  # Its left neighbour was shown as well.
            if left + 1 == width:
                above[left // 2] = nodes[left]  # An odd last node moves up unchanged.
                continue
            pair = [nodes.get(at) or supply(level, at) for at in (left, left + 1)]
            above[left // 2] = hashlib.sha256(b"\1" + pair[0] + pair[1]).digest()
        nodes, width, level = above, (width + 1) // 2, level + 1
    return nodes[0]


class Tree:
    """A whole tree, out of which any leaves can be shown."""

    def __init__(self, leaves: Sequence[Digest]) -> None:
        self._levels = [list(leaves)]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            whole = len(below) // 2 * 2
            above = [hashlib.sha256(b"\1" + below[at] + below[at + 1]).digest() for at in range(0, whole, 2)]
            self._levels.append(above + below[whole:])

    def prune(self, shown: Iterable[int]) -> list[Digest]:
        """The siblings that recompute the root from the leaves at these places."""
        leaves = self._levels[0]
        siblings: list[Digest] = []

        def supply(level: int, place: int) -> Digest:
            siblings.append(self._levels[level][place])
            return siblings[-1]

        climb(len(leaves), {place: leaves[place] for place in shown}, supply)
        return siblings


def recompute(width: int, shown: Mapping[int, Digest], siblings: Sequence[Digest]) -> Digest:
    """The root that shown leaves and siblings lead to.

    Raises:
        VerifyError: there are more or fewer siblings than that takes.
    """
    left = iter(siblings)

    def supply(level: int, place: int) -> Digest:
        sibling = next(left, None)
        if sibling is None:
            raise VerifyError("the path of its events is too short")
        return sibling

    root = climb(width, shown, supply)
    if next(left, None) is not None:
        raise VerifyError("the path of its events is too long")
    return root
