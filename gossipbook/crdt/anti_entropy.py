"""Repair of the pending set between two replicas with equal certified state.

Upon a STATUS with my height and tip but another pending digest: at most once a heartbeat, with one peer, send
my frontier. Upon a frontier: send exactly the ops that it shows to be missing, in seq order, and, if it shows
ops that I miss, my own frontier back (once: a frontier marked as a reply is not answered with another).
The cost is near that of the missing bytes, for the certified chain needs one integer and pending chains one
entry an author.
"""

from dataclasses import dataclass

from gossipbook.crdt.op import Evidence, Op
from gossipbook.crdt.op_set import FrontierEntry, OpSet
from gossipbook.ids import PublicKey

FRONTIER_ENTRIES_CAP = 1_024  # about 80 bytes each; a longer frontier goes in turns, by author
REPAIR_OPS_CAP = 1_024
REPAIR_BYTES_CAP = 512 * 1_024


@dataclass(frozen=True, slots=True)
class Repair:
    """What to send to a replica whose frontier was read, and whether it holds something that we miss."""

    ops: list[Op]
    evidence: list[Evidence]
    behind: bool


def frontier_page(op_set: OpSet, after: bytes) -> tuple[list[FrontierEntry], bytes]:
    """A frontier's next entries above author ``after``, and where the page after it starts (empty: none).

    The author range that a page covers is (after, next]; the last page covers all above.
    """
    entries = [entry for entry in op_set.frontier() if entry.author > after]
    if len(entries) <= FRONTIER_ENTRIES_CAP:
        return entries, b""
    page = entries[:FRONTIER_ENTRIES_CAP]
    return page, page[-1].author


def repair(
    op_set: OpSet, theirs: list[FrontierEntry], after: bytes, until: bytes, settled: dict[PublicKey, int] | None = None
) -> Repair:
    """Compare a page of another replica's frontier with ours, over authors in (after, until].

    ``settled``: each author's frontier seq at the last heartbeat (None: no restriction). What is newer is still on its way by gossip, and
    sending it here as well would double the traffic of a busy pair.
    """
    by_author = {entry.author: entry for entry in theirs}
    ops: list[Op] = []
    evidence: list[Evidence] = []
    behind = False
    size = 0
    for mine in op_set.frontier():
        if mine.author <= after or (until and mine.author > until):
            continue
        their = by_author.pop(mine.author, None)
        log = op_set.logs[mine.author]
        if log.evidence is not None and (their is None or not their.forked):
            evidence.append(log.evidence)
        old = mine.seq if settled is None else settled.get(mine.author, 0)
        missing = [op for op in log.main if op.seq < old and (their is None or op.seq >= their.seq)]
        for op in missing:
            if len(ops) >= REPAIR_OPS_CAP or size + op.size > REPAIR_BYTES_CAP:
                break
            ops.append(op)
            size += op.size
        if their is not None:
            behind = behind or their.seq > mine.seq or (their.forked and not mine.forked)
            if their.seq == mine.seq and their.head != mine.head and log.main:
                ops.append(log.main[-1])  # Two chains of one author: show ours, so that both see the fork.
                behind = True
    return Repair(ops, evidence, behind or bool(by_author))
