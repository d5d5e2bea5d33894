"""The kinds of entry in the undo log of one speculative block.

Entries are small tuples ``(kind, …)``, undone in reverse: every structure is then met in exactly the
shape it had just after the change, so each undo is local. :meth:`Book.undo` is the reader.
"""

from typing import Any, TypeAlias

UndoEntry: TypeAlias = tuple[Any, ...]

OPEN = 0
"""(order, level, open lots before): a partial fill, reduction or decrement."""
POPPED = 1
"""(order, level, open lots before): left the front of its queue."""
BURIED = 2
"""(order, level, open lots before): became a tombstone inside its queue."""
SWEPT = 3
"""(order, level): a tombstone was dropped from the front."""
RESTED = 4
"""(order, level): joined the back of the queue."""
LEVEL_ADDED = 5
"""(ladder, level)."""
LEVEL_REMOVED = 6
"""(ladder, level): with whatever tombstones it held."""
COMPACTED = 7
"""(level, queue before): the tombstones were thrown out."""
TOTAL = 8
"""(order, total lots before)."""
LAST_ID = 9
"""(author, last client id before; 0 for none)."""
