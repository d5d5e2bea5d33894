"""Repair of the pending set between two replicas with equal certified state.

Upon a STATUS with my height and tip but another pending digest: at most once a heartbeat, with one peer, send
my frontier. Upon a frontier: send exactly the ops that it shows to be missing, in seq order, and, if it shows
ops that I miss, my own frontier back (once: a frontier marked as a reply is not answered with another).
The cost is near that of the missing bytes, for the certified chain needs one integer and pending chains one
entry an author.
"""

from dataclasses import dataclass
from itertools import islice

from gossipbook.crdt.author_log import FrontierEntry
from gossipbook.crdt.op import Evidence, Op
from gossipbook.crdt.op_set import OpSet

FRONTIER_ENTRIES_CAP = 128  # about 80 bytes each; a longer frontier goes in turns, by author
FRONTIER_READ_CAP = 192  # entries of one that is taken
REPAIR_OPS_CAP = 256
REPAIR_BYTES_CAP = 256 * 1_024


@dataclass(slots=True)
class Repair:
    """What to send to a replica whose frontier was read, and whether it holds something that we miss."""

    ops: list[Op]
    evidence: list[Evidence]
    behind: bool


def frontier_page(op_set: OpSet, after: bytes) -> tuple[list[FrontierEntry], bytes]:
    """A frontier's next entries above author ``after``, and where the page after it starts (empty: none).

    The author range that a page covers is (after, next]; the last page covers all above.
    """
    page = list(islice(op_set.frontier.between(after), FRONTIER_ENTRIES_CAP + 1))
    if len(page) <= FRONTIER_ENTRIES_CAP:
        return page, b""
    return page[:-1], page[-2].author


def repair(
    op_set: OpSet, theirs: list[FrontierEntry], after: bytes, until: bytes, held_since_ms: int | None = None
) -> Repair:
    """Compare a page of another replica's frontier with ours, over authors in (after, until]: the first of ours.

    ``held_since_ms`` (timer clock; None: no restriction): what came later is still on its way by gossip, and sending it
    here as well would double the traffic of a busy pair.
    """
    by_author = {entry.author: entry for entry in theirs}
    found = Repair([], [], False)
    size = 0
    ours = list(islice(op_set.frontier.between(after, until), FRONTIER_ENTRIES_CAP))
    if len(ours) == FRONTIER_ENTRIES_CAP:
        by_author = {author: entry for author, entry in by_author.items() if author <= ours[-1].author}
    for mine in ours:
        their = by_author.pop(mine.author, None)
        log = op_set.logs[mine.author]
        if their is not None and their.forked:
            found.behind = found.behind or not mine.forked
            continue
        if log.evidence is not None:
            if size + log.evidence.size <= REPAIR_BYTES_CAP:
                found.evidence.append(log.evidence)
                size += log.evidence.size
            continue
        first, last = (0 if their is None else their.seq), mine.seq
        if their is not None:
            found.behind = found.behind or their.seq > mine.seq
            if _diverges(log.main, their):
                first, last = 0, their.seq  # Two chains of one author: show all of ours, so that the fork shows.
                found.behind = True
        for op, since_ms in zip(log.main, log.since_ms, strict=True):
            if not first <= op.seq < last or (held_since_ms is not None and since_ms > held_since_ms):
                continue
            if len(found.ops) < REPAIR_OPS_CAP and size + op.size <= REPAIR_BYTES_CAP:
                found.ops.append(op)
                size += op.size
    found.behind = found.behind or bool(by_author)
    return found


def _diverges(main: list[Op], their: FrontierEntry) -> bool:
    """Whether our op at the place of their last one is another one."""
    place = their.seq - 1 - main[0].seq if main else -1
    return 0 <= place < len(main) and main[place].id != their.head
