"""Repair of the pending set between two replicas with equal certified state.

Upon a STATUS with my height and tip but another pending digest: at most once a heartbeat, with one peer, send
my frontier. Upon a frontier: send exactly the ops that it shows to be missing, in seq order, and, if it shows
ops that I miss, my own frontier back (once: a frontier marked as a reply is not answered with another).
The cost is near that of the missing bytes, for the certified chain needs one integer and pending chains one
entry an author.
"""

from dataclasses import dataclass, field
from itertools import islice

from gossipbook.crdt.author_log import AuthorLog, FrontierEntry
from gossipbook.crdt.interpretation import Item
from gossipbook.crdt.op import Evidence, Op, life_of
from gossipbook.crdt.op_set import OpSet

FRONTIER_ENTRIES_CAP = 128  # about 80 bytes each; a longer frontier goes in turns, by author
FRONTIER_READ_CAP = 192  # entries of one that is taken
REPAIR_OPS_CAP = 256
REPAIR_BYTES_CAP = 256 * 1_024
REPAIR_AUTHOR_SHARE = 4
"""An author gets one in so many parts of a repair before all others had theirs: some may not be taken, ever again."""


@dataclass(slots=True)
class Repair:
    """What to send to a replica whose frontier was read, and whether it holds something that we miss."""

    ops: list[Op] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    behind: bool = False
    bytes: int = 0

    def add(self, item: Item) -> None:
        """Send an item too, if there is room for it."""
        ops, evidence = self.ops, self.evidence
        if len(ops) + len(evidence) < REPAIR_OPS_CAP and self.bytes + item.size <= REPAIR_BYTES_CAP:
            self.bytes += item.size
            if isinstance(item, Evidence):
                evidence.append(item)
            else:
                ops.append(item)


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
    found = Repair()
    ours = list(islice(op_set.frontier.between(after, until), FRONTIER_ENTRIES_CAP))
    if len(ours) == FRONTIER_ENTRIES_CAP:
        by_author = {author: entry for author, entry in by_author.items() if author <= ours[-1].author}
    rows: list[list[Item]] = []
    for mine in ours:
        their = by_author.pop(mine.author, None)
        log = op_set.logs[mine.author]
        if their is not None and _goes_before(their, mine):
            found.behind = True
            continue
        if their is not None and life_of(their.seq) > life_of(mine.seq):
            their = None  # All of ours goes before what they have.
        first, last = (0 if their is None else their.seq), mine.seq
        found.behind = found.behind or first > last
        if mine.forked and (their is None or not their.forked or first > last):
            rows.append(_what_shows_fork(log))
            continue
        if their is not None and _diverges(log.main, their):
            first, last = 0, their.seq  # Two chains of one author: show all of ours, so that the fork shows.
            found.behind = True
        rows.append(
            [
                op
                for op, since_ms in zip(log.main, log.since_ms, strict=True)
                if first <= op.seq < last and (held_since_ms is None or since_ms <= held_since_ms)
            ]
        )
    found.behind = found.behind or bool(by_author)
    for item in _in_shares(rows):
        found.add(item)
    return found


def _in_shares(rows: list[list[Item]]) -> list[Item]:
    """Each author's items in their order, a share of all that a repair may have before anybody has more."""
    first: list[Item] = []
    more: list[Item] = []
    for items in rows:
        size = 0
        for number, item in enumerate(items):
            size += item.size
            fits = number < REPAIR_OPS_CAP // REPAIR_AUTHOR_SHARE and size <= REPAIR_BYTES_CAP // REPAIR_AUTHOR_SHARE
            (first if fits else more).append(item)
    return first + more


def _goes_before(their: FrontierEntry, mine: FrontierEntry) -> bool:
    """Whether nothing of ours counts where theirs is: an author's lowest life goes first, and ends where it forks."""
    if life_of(their.seq) != life_of(mine.seq):
        return life_of(their.seq) < life_of(mine.seq)
    return their.forked and not mine.forked


def _what_shows_fork(log: AuthorLog) -> list[Item]:
    """What shows that an author equivocates; of one who is in no table also where the life begins that forks."""
    proof = log.proof()
    assert proof is not None
    return [proof] if log.evidence is not None else [*log.main[:1], proof.first, proof.second]


def _diverges(main: list[Op], their: FrontierEntry) -> bool:
    """Whether our op at the place of their last one is another one."""
    place = their.seq - 1 - main[0].seq if main else -1
    return 0 <= place < len(main) and main[place].id != their.head
