"""The deterministic interpretation of a pair's certified ops: its book, its authors, its events.

Everything that depends on the book or on earlier blocks is decided here, and equally on every peer. A
block is first executed speculatively; the certified author table moves only on :meth:`commit`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from gossipbook import cbor
from gossipbook.crdt.merkle import chain_events_digest
from gossipbook.crdt.op import GENESIS_PREV, Evidence, Op
from gossipbook.ids import ZERO_DIGEST, Digest, OpId, PublicKey, digest
from gossipbook.manifest import Manifest
from gossipbook.matching.engine import Engine
from gossipbook.matching.events import RawEvent
from gossipbook.matching.suspension import resume, suspend

Item: TypeAlias = Op | Evidence


class UnfitOps(StrEnum):
    """Why ops may not follow the certified ones."""

    FROZEN = "an op of a frozen author"
    NOT_ADMITTED = "an author who is not admitted"
    NOT_NEXT = "an op that does not follow its author's last"
    TABLE_FULL = "author-table-full"
    UNKNOWN_AUTHOR = "evidence against an author who is not in the table"


class AuthorState(NamedTuple):
    """What the chain says of an author: its next sequence number, its last op, whether it is frozen."""

    next_seq: int = 0
    head: OpId = GENESIS_PREV
    frozen: bool = False


NEW_AUTHOR = AuthorState()


@dataclass(frozen=True, slots=True)
class Execution:
    """The outcome of one speculative block.

    ``ran``: how many of its items ran before it was full; a block may not have more. ``is_full``: none more would have.
    """

    time_ms: int
    ran: int
    is_full: bool
    events: tuple[RawEvent, ...]
    events_digest: Digest
    authors: dict[PublicKey, AuthorState]  # those that the block changed, as it leaves them


class Interpretation:
    """One pair's certified state."""

    def __init__(self, manifest: Manifest, symbol: str) -> None:
        self.engine = Engine(manifest.pair(symbol), manifest.limits, manifest.wardens, manifest.rules_version)
        self.authors: dict[PublicKey, AuthorState] = {}
        self.time_ms = 0  # the last block's time
        self.events_digest: Digest = ZERO_DIGEST
        self.rules = manifest.rules_version
        self._admission = manifest.admission
        self._max_authors = manifest.limits.max_authors_per_pair
        self._next_expiry_ms = 0  # above which block time the next order lapses; 0 if none does
        self.next_lease_ms = 0  # until when the lease holds that ends next; 0 if there is none
        self._left_over = False
        self._speculative: Execution | None = None
        self._aside = False  # the speculative block is set aside while somebody reads

    def author(self, public_key: PublicKey) -> AuthorState:
        return self.authors.get(public_key, NEW_AUTHOR)

    def admitted(self, public_key: PublicKey) -> bool:
        return self._admission is None or public_key in self._admission

    def refusal(self, items: Sequence[Item]) -> UnfitOps | None:
        """Why these ops, in this order, may not follow the certified ones; None if they may."""
        overlay: dict[PublicKey, AuthorState] = {}
        newcomers = 0
        for item in items:
            author = item.author
            state = overlay.get(author) or self.author(author)
            if state.frozen:
                return UnfitOps.FROZEN
            if author not in self.authors and author not in overlay:
                newcomers += 1
            if not self.admitted(author):
                return UnfitOps.NOT_ADMITTED
            if isinstance(item, Evidence):
                if not self.takes_evidence(author):
                    return UnfitOps.UNKNOWN_AUTHOR
                overlay[author] = state._replace(frozen=True)
                continue
            if item.seq != state.next_seq or item.prev != state.head:
                return UnfitOps.NOT_NEXT
            overlay[author] = AuthorState(item.seq + 1, item.id)
        if newcomers and len(self.authors) + newcomers > self._max_authors:
            return UnfitOps.TABLE_FULL
        return None

    def takes_evidence(self, author: PublicKey) -> bool:
        """Whether a block may freeze an author: from rules version 3 on only one who is in the table.

        A throwaway key whose first op is forked gets no op certified anyhow, and should not take a place either.
        """
        return self.rules < 3 or author in self.authors

    @property
    def table_full(self) -> bool:
        """Whether the author table takes no newcomer any more."""
        return len(self.authors) >= self._max_authors

    def has_room_for(self, author: PublicKey, newcomers: int = 0) -> bool:
        """Whether an author is known, or ``newcomers`` and then it still fit the author table."""
        return author in self.authors or len(self.authors) + newcomers < self._max_authors

    def due(self, time_ms: int) -> bool:
        """Whether a block at this time has something to do without any op: a lease to end, or what was left over."""
        return self._left_over or 0 < self.next_lease_ms < time_ms

    def may_be_empty(self, time_ms: int) -> bool:
        """Whether a block at this time may be without ops.

        Where work is bounded, orders that lapse may fill it, so that no op fits; no block is needed for them alone.
        """
        return self.due(time_ms) or (self.rules >= 3 and 0 < self._next_expiry_ms < time_ms)

    def execute(self, time_ms: int, items: Sequence[Item]) -> Execution:
        """Run a block's ops, in the order given, on top of the certified state, until it is full.

        ``refusal`` must be None.
        """
        assert self._speculative is None
        engine = self.engine
        authors: dict[PublicKey, AuthorState] = {}
        engine.begin_block(time_ms)
        ran = 0
        for item in items:
            if engine.is_full:
                break
            ran += 1
            if isinstance(item, Evidence):
                engine.freeze(item.author)
                authors[item.author] = self.author(item.author)._replace(frozen=True)
            else:
                engine.run(item.author, item.commands, 0 < item.expiry_ms < time_ms)
                authors[item.author] = AuthorState(item.seq + 1, item.id)
        is_full = engine.is_full
        events = tuple(engine.end_block())
        digest_after = chain_events_digest(self.events_digest, events)
        self._speculative = Execution(time_ms, ran, is_full, events, digest_after, authors)
        return self._speculative

    def commit(self) -> Execution:
        """Make the speculative block part of the certified state."""
        execution = self._speculative
        assert execution is not None
        assert not self._aside
        self.engine.commit()
        self._next_expiry_ms = self.engine.next_expiry_ms()
        self.next_lease_ms = self.engine.next_lease_ms()
        self._left_over = self.engine.has_left_over()
        self.authors.update(execution.authors)
        self.time_ms = execution.time_ms
        self.events_digest = execution.events_digest
        self._speculative = None
        return execution

    def rollback(self) -> None:
        """Forget the speculative block, if there is one."""
        assert not self._aside
        if self._speculative is not None:
            self.engine.rollback()
            self._speculative = None

    @contextmanager
    def without_speculation(self) -> Iterator["Interpretation"]:
        """For the length of the block, the certified state alone; a speculative block is set aside, not executed again.

        To be read only, and not across anything that moves the state.
        """
        if self._speculative is None or self._aside:
            yield self
            return
        block = suspend(self.engine)
        self._aside = True
        try:
            yield self
        finally:
            self._aside = False
            resume(self.engine, block)

    def root(self) -> Digest:
        """Digest of the whole state: book with queue order, author table, band reference, counters, time."""
        authors = [[key, *self.authors[key]] for key in sorted(self.authors)]
        return digest(b"state", cbor.encode([self.engine.state(), authors, self.time_ms, self.events_digest]))
