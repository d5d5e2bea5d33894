"""The kinds of entry in the undo log of one speculative block.

The commonest changes, an order that joined the back of its level's queue and one that left it, are logged as the order
itself: it rests in the first case and does not in the second. All others are small tuples ``(kind, …)``. The log is
undone in reverse: every structure is then met in exactly the shape it had just after the change, so each undo is local.
:meth:`Book.undo_to` is the reader.
"""

from typing import Any, Final, TypeAlias

UndoEntry: TypeAlias = Any

OPEN: Final = 0
"""(order, open lots before): a partial fill, reduction or decrement of what it shows."""
ORDER: Final = 1
"""(order, price, total, open, number before): changed while in no queue, or its total in place."""
HIDDEN: Final = 2
"""(order, hidden lots before)."""
INDEXED: Final = 3
"""(order,): a waiting order became open."""
UNINDEXED: Final = 4
"""(order,): a waiting order is open no more."""
SORTED_ADDED: Final = 5
"""(sorted list, item)."""
SORTED_REMOVED: Final = 6
"""(sorted list, item)."""
MAPPED: Final = 7
"""(dict, key, value before or None)."""
LINED_UP: Final = 8
"""(order,): joined the line of triggered orders."""
RUN: Final = 9
"""(order,): left the front of the line."""
PLACE: Final = 10
"""(order, place before): where a stop order is."""
TOLD: Final = 12
"""(order, filled lots before, number of its last event before): what the next event says of an order's past."""
TIDIED: Final = 11
"""(line before): cancelled orders were thrown out of it."""
