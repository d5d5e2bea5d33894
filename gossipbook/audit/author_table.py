"""A pair's author table as the verifier keeps it: who may follow with which op, who leaves, and who comes back."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from gossipbook.audit.export import Event
from gossipbook.audit.oracle import OracleBook
from gossipbook.audit.records import LIFE, LIVES_SINCE, Evidence, Item, Op
from gossipbook.ids import SIGNATURE_BYTES, ZERO_DIGEST
from gossipbook.manifest import Manifest

LEAVES = 256  # authors with nothing open who leave in one block
DISPLACED_PART = 4  # of a block's work, that making authors leave may take


@dataclass(slots=True)
class Author:
    """What the chain says of an author. Times in ms of block time; ``bare_ms``: since when nothing is open, if so."""

    next_seq: int
    head: bytes
    frozen: bool = False
    idle_ms: int = 0
    bare_ms: int | None = None


class AuthorTable:
    """The table as of the last block."""

    def __init__(self, manifest: Manifest, oracle: OracleBook) -> None:
        self._limits, self._oracle = manifest.limits, oracle
        self._has_lives = manifest.rules_version >= LIVES_SINCE
        self._admission = None if manifest.admission is None else dict.fromkeys(manifest.admission)
        listed = (*manifest.wardens, *(manifest.admission or ()), *(m.public_key for m in manifest.matchers))
        self._listed = dict.fromkeys(listed if self._has_lives else ())  # who never leave, and take no place
        self._authors: dict[bytes, Author] = {}
        self._left: list[bytes] = []  # in the block that is being looked at
        self._taken = 0  # places, before that block

    @property
    def evidence_bytes(self) -> int:
        """What evidence takes of a block's bytes, whatever its size, by rules of version 3."""
        return 2 * (self._limits.max_op_bytes + SIGNATURE_BYTES)

    # -- may these ops come? ------------------------------------------------------------------------

    def seat(self, items: Sequence[Item], time_ms: int) -> Iterator[tuple[Item | None, str]]:
        """Follow a block's items; what is wrong with each that may not come, or with all of them (None)."""
        self._taken = sum(1 for key in self._authors if key not in self._listed)
        newcomers = 0
        for item in items:
            author = self._authors.get(item.author)
            fault = self._fault(item, author, time_ms)
            if fault:
                yield item, fault
            if author is None:
                newcomers += item.author not in self._listed
                author = self._authors[item.author] = Author(0, ZERO_DIGEST)
            if isinstance(item, Evidence):
                author.frozen = True
            elif not fault:
                author.next_seq, author.head = item.seq + 1, item.id
        if newcomers > max(self._limits.max_authors_per_pair - self._taken, 0):
            yield None, "more authors than the author table holds"
        if self._has_lives and newcomers > self._limits.max_newcomers_per_block:
            yield None, "more new authors than a block may let in"

    def _fault(self, item: Item, author: Author | None, time_ms: int) -> str:
        if author is not None and author.frozen:
            return "is of a frozen author"
        if self._admission is not None and item.author not in self._admission:
            return "is of an author who is not admitted"
        if isinstance(item, Evidence):
            return self._evidence_fault(item, author) if self._has_lives else ""
        if author is None and self._has_lives:
            return self._life_fault(item, time_ms)
        next_seq, head = (0, ZERO_DIGEST) if author is None else (author.next_seq, author.head)
        if (item.seq, item.prev) != (next_seq, head):
            return f"has seq {item.seq} and does not follow its author's last, seq {next_seq - 1}"
        return ""

    def _life_fault(self, op: Op, time_ms: int) -> str:
        if op.seq % LIFE or op.prev != ZERO_DIGEST:
            return f"has seq {op.seq}, which begins no life, and its author is not in the table"
        if not time_ms <= op.expiry_ms <= time_ms + self._limits.author_retention_ms:
            return "begins a life, but not in the time in which it may"
        return ""

    def _evidence_fault(self, item: Evidence, author: Author | None) -> str:
        if author is None:
            return "is evidence against an author who is not in the table"
        if item.first.seq // LIFE != author.next_seq // LIFE:
            return "is evidence of another life of its author"
        if any(len(op.signed) > self._limits.max_op_bytes for op in (item.first, item.second)):
            return "is evidence of ops above the op limits"
        return ""

    # -- coming and going ---------------------------------------------------------------------------

    def let_leave(self, items: Sequence[Item], time_ms: int) -> None:
        """Have those leave the oracle's book who do, at the end of a block; nobody if it had no room for more."""
        self._left = []
        if not self._has_lives or not self._has_room(items):
            return
        oracle, acting = self._oracle, {item.author for item in items}
        for author in self._leaving(time_ms, acting):
            if oracle.is_full():
                return
            oracle.leave(author)
            self._left.append(author)
        end = oracle.block_work + -(-self._limits.max_block_work // DISPLACED_PART)
        max_authors, max_orders = self._limits.max_authors_per_pair, self._limits.max_open_orders_per_pair
        orders_of = Counter(key for key, _ in oracle.open_orders)
        for idle_ms, key in sorted((author.idle_ms, key) for key, author in self._authors.items() if key not in acting):
            crowded = 4 * (self._taken - len(self._left)) > 3 * max_authors
            crowded_book = 4 * len(oracle.open_orders) > 3 * max_orders
            if not (crowded or crowded_book) or oracle.block_work >= end or oracle.is_full():
                return
            late = time_ms > idle_ms + self._limits.author_retention_ms
            if not late or key in self._left or key in self._listed:
                continue
            if crowded or orders_of[key] * max_authors > max_orders:  # more than its share of the book
                oracle.leave(key)
                self._left.append(key)

    def _has_room(self, items: Sequence[Item]) -> bool:
        """Whether a block of these items had room for one more, whichever it might be."""
        limits, evidence = self._limits, self.evidence_bytes
        size = sum(evidence if isinstance(item, Evidence) else item.size for item in items)
        commands = sum(0 if isinstance(item, Evidence) else len(item.commands) for item in items)
        return (
            len(items) < limits.max_block_ops
            and size + evidence <= limits.max_block_bytes
            and commands + limits.max_commands_per_op <= limits.max_block_commands
        )

    def close(self, items: Sequence[Item], events: Iterable[Event], time_ms: int) -> None:
        """Note what a block has changed."""
        for key in self._left:
            del self._authors[key]
        acting = {item.author for item in items}
        touched = acting | {field for event in events for field in event if type(field) is bytes}
        for key in touched:
            author = self._authors.get(key)
            if author is None:
                continue
            bare = not self._oracle.has_orders(key) if author.frozen else self._oracle.is_bare(key)
            if key in acting:
                author.idle_ms = time_ms
            if not bare:
                author.bare_ms = None
            elif key in acting or author.bare_ms is None:
                author.bare_ms = time_ms

    def _leaving(self, time_ms: int, acting: Collection[bytes]) -> list[bytes]:
        if not self._has_lives:
            return []
        retention_ms = self._limits.author_retention_ms
        late = [
            (author.bare_ms, key)
            for key, author in self._authors.items()
            if author.bare_ms is not None
            and time_ms > author.bare_ms + retention_ms
            and key not in acting
            and key not in self._listed
        ]
        return [key for _, key in sorted(late)[:LEAVES]]
