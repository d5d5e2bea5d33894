"""The deterministic interpretation of a pair's certified ops: its book, its authors, its events.

Everything that depends on the book or on earlier blocks is decided here, and equally on every peer. Blocks are first
executed ahead, each on top of the one before: the certified state moves only on :meth:`Interpretation.commit`, which
takes the oldest of them, and :meth:`Interpretation.rollback` undoes the newest exactly.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from gossipbook import cbor
from gossipbook.crdt.budget import budget_of
from gossipbook.crdt.merkle import chain_events_digest
from gossipbook.crdt.op import Evidence
from gossipbook.crdt.pair_state import NEW_AUTHOR, AuthorState, Item, PairState, Terms, UnfitOps
from gossipbook.crdt.stays import STAYS_SINCE, SinceTable, Stays
from gossipbook.ids import ZERO_DIGEST, Digest, PublicKey, digest
from gossipbook.manifest import Manifest
from gossipbook.matching.engine import Engine
from gossipbook.matching.events import RawEvent
from gossipbook.matching.suspension import resume, suspend

__all__ = ["NEW_AUTHOR", "AuthorState", "Execution", "Interpretation", "Item", "Layer", "PairState", "UnfitOps"]

DISPLACED_SHARE = 4
"""Making authors leave may take one in so many parts of a block's work, so that ops go on meanwhile."""


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
    left: tuple[PublicKey, ...] = ()  # who left the table
    bare: tuple[PublicKey, ...] = ()  # who has nothing open any more, of those whom the block touched
    holding: tuple[PublicKey, ...] = ()  # and who has

    def note_stays(self, stays: Stays) -> None:
        """Have it known since when those whom the block touched have done nothing, and have nothing open."""
        for author in self.left:
            stays.left(author)
        for author in sorted(self.authors):
            stays.acted(author, self.time_ms)
        for author in self.bare:
            stays.settle(author, self.time_ms, bare=True)
        for author in self.holding:
            stays.settle(author, self.time_ms, bare=False)


class _LayeredAuthors:
    """An author table with what a block changes in it."""

    def __init__(self, below: PairState, execution: Execution) -> None:
        self._below = below.authors
        self._changed: dict[PublicKey, AuthorState | None] = {**execution.authors, **dict.fromkeys(execution.left)}
        self._more = sum(1 for author in execution.authors if author not in self._below) - len(execution.left)

    def rebase(self, below: PairState) -> None:
        self._below = below.authors

    def __contains__(self, author: object, /) -> bool:
        if author in self._changed:
            return self._changed[author] is not None
        return author in self._below

    def __len__(self) -> int:
        return len(self._below) + self._more

    def get(self, author: PublicKey, /) -> AuthorState | None:
        return self._changed[author] if author in self._changed else self._below.get(author)


class Layer(PairState):
    """The state after a block that was executed ahead."""

    def __init__(self, terms: Terms, below: PairState, execution: Execution, engine: Engine) -> None:
        super().__init__(terms)
        self.execution = execution
        self.authors: _LayeredAuthors = _LayeredAuthors(below, execution)
        self._below = below
        self._stays: Stays | None = None
        self.time_ms, self.events_digest = execution.time_ms, execution.events_digest
        self.seated = below.seated + sum(map(below.needs_place, execution.authors)) - len(execution.left)
        self.open_orders = engine.book.open_count
        self.next_expiry_ms, self.next_lease_ms = engine.next_expiry_ms(), engine.next_lease_ms()
        self.left_over = engine.has_left_over()

    @property
    def stays(self) -> Stays:  # type: ignore[override]  # made once somebody asks
        if self._stays is None:
            self._stays = self._below.stays.with_block_on_top()
            if self.rules >= STAYS_SINCE:
                self.execution.note_stays(self._stays)
        return self._stays

    def rebase(self, below: PairState) -> None:
        """The block under it is part of the certified state now."""
        self._below = below
        self.authors.rebase(below)

    def forget_stays(self) -> None:
        """Something under it was rebased."""
        self._stays = None


class Interpretation(PairState):
    """One pair's certified state, and the blocks that were executed on top of it."""

    def __init__(self, manifest: Manifest, symbol: str) -> None:
        super().__init__(Terms(manifest))
        self.engine = Engine(manifest.pair(symbol), manifest.limits, manifest.wardens, manifest.rules_version)
        self.authors: dict[PublicKey, AuthorState] = {}
        self.stays = Stays(manifest.limits.author_retention_ms, self.terms.listed, SinceTable(), SinceTable())
        self.time_ms = 0  # the last block's
        self.events_digest = ZERO_DIGEST
        self.seated = self.open_orders = self.next_expiry_ms = self.next_lease_ms = 0
        self.left_over = False
        self.layers: list[Layer] = []  # after each block that was executed ahead, the oldest first
        self._aside = False  # they are set aside while somebody reads

    @property
    def newest(self) -> PairState:
        """The state after all blocks that were executed."""
        return self.layers[-1] if self.layers else self

    def execute(self, time_ms: int, items: Sequence[Item]) -> Execution:
        """Run a block's ops, in the order given, on top of the newest state, until it is full.

        That state's ``refusal`` must be None.
        """
        assert not self._aside
        engine, below = self.engine, self.newest
        authors: dict[PublicKey, AuthorState] = {}
        engine.begin_block(time_ms)
        ran = 0
        for item in items:
            if engine.is_full:
                break
            ran += 1
            if isinstance(item, Evidence):
                engine.freeze(item.author)
                authors[item.author] = below.author(item.author)._replace(frozen=True)
            else:
                engine.run(item.author, item.commands, 0 < item.expiry_ms < time_ms, item.seq)
                authors[item.author] = AuthorState(item.seq + 1, item.id)
        is_full = engine.is_full
        written = engine.end_block()
        left = self._let_leave(below, time_ms, items)  # which is written there, too
        events = tuple(written)
        digest_after = chain_events_digest(below.events_digest, events)
        bare, holding = self._who_is_bare(below, authors, left)
        execution = Execution(
            time_ms, ran, is_full, events, digest_after, authors, tuple(left), tuple(bare), tuple(holding)
        )
        self.layers.append(Layer(self.terms, below, execution, engine))
        return execution

    def _let_leave(self, below: PairState, time_ms: int, items: Sequence[Item]) -> list[PublicKey]:
        """Let those leave who long have had nothing open, and while it is crowded those who long did nothing.

        Nobody leaves with a block that has no room for another op: theirs may be what was left out.
        """
        limits = self.terms.limits
        if self.rules < STAYS_SINCE or not budget_of(items, limits, self.rules).fits_any():
            return []
        engine, acting = self.engine, {item.author for item in items}
        left: dict[PublicKey, None] = {}
        for author in below.stays.leaving(time_ms, acting):
            if engine.is_full:
                return list(left)
            engine.leave(author)
            left[author] = None
        end = engine.event_number + -(-limits.max_block_work // DISPLACED_SHARE)
        for author in below.stays.long_idle(time_ms, acting):
            seated = below.seated - len(left)
            is_crowded = self.terms.are_crowded(seated, engine.book.open_count)
            if engine.is_full or engine.event_number >= end or not is_crowded:
                break
            if author not in left and (self.terms.is_table_crowded(seated) or self._has_more_than_a_share(author)):
                engine.leave(author)
                left[author] = None
        return list(left)

    def _has_more_than_a_share(self, author: PublicKey) -> bool:
        """Whether an author has more open orders than everybody could have at once."""
        limits = self.terms.limits
        return self.engine.orders_of(author) * limits.max_authors_per_pair > limits.max_open_orders_per_pair

    def _who_is_bare(
        self, below: PairState, changed: Mapping[PublicKey, AuthorState], left: Collection[PublicKey]
    ) -> tuple[list[PublicKey], list[PublicKey]]:
        """Of the authors whom the block touched, those who have nothing open now, and those who have; by key."""
        if self.rules < STAYS_SINCE:
            return [], []
        touched = {account.author for account in self.engine.book.emptied} | set(changed)
        bare: list[PublicKey] = []
        holding: list[PublicKey] = []
        for author in sorted(touched.difference(left)):
            frozen = changed[author].frozen if author in changed else below.author(author).frozen
            is_bare = not self.engine.orders_of(author) if frozen else self.engine.is_bare(author)
            (bare if is_bare else holding).append(author)
        return bare, holding

    def commit(self) -> Execution:
        """Make the oldest block part of the certified state."""
        assert not self._aside
        layer = self.layers.pop(0)
        execution = layer.execution
        self.engine.commit()
        self.authors.update(execution.authors)
        for author in execution.left:
            del self.authors[author]
        if self.rules >= STAYS_SINCE:
            execution.note_stays(self.stays)
        self.time_ms, self.events_digest = layer.time_ms, layer.events_digest
        self.seated, self.open_orders = layer.seated, layer.open_orders
        self.next_expiry_ms, self.next_lease_ms = layer.next_expiry_ms, layer.next_lease_ms
        self.left_over = layer.left_over
        if self.layers:
            self.layers[0].rebase(self)
        for above in self.layers:
            above.forget_stays()
        return execution

    def rollback(self) -> None:
        """Forget the newest block that was executed ahead, if there is one."""
        assert not self._aside
        if self.layers:
            self.layers.pop()
            self.engine.rollback()

    @contextmanager
    def without_speculation(self) -> Iterator["Interpretation"]:
        """For the length of the block, the certified state alone; what was executed ahead is set aside, not done again.

        To be read only, and not across anything that moves the state.
        """
        if not self.layers or self._aside:
            yield self
            return
        blocks = suspend(self.engine)
        self._aside = True
        try:
            yield self
        finally:
            self._aside = False
            resume(self.engine, blocks)

    def root(self) -> Digest:
        """Digest of the whole state: book with queue order, author table, band reference, counters, time."""
        authors = [[key, *self.authors[key]] for key in sorted(self.authors)]
        stays = self.stays.state() if self.rules >= STAYS_SINCE else []
        return digest(b"state", cbor.encode([self.engine.state(), authors, *stays, self.time_ms, self.events_digest]))
