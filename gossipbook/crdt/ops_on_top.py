"""What blocks may take of a pool on top of a state that is executed ahead, and not certified yet.

What the blocks under it took counts as included, though the pool keeps it until it is final. Whoever began a life
there goes on with it; whoever left or was frozen there has nothing more to give until that is certified.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from gossipbook.crdt.author_log import AuthorLog
from gossipbook.crdt.op import GENESIS_PREV
from gossipbook.crdt.op_set import OpSet
from gossipbook.crdt.pair_state import PairState
from gossipbook.ids import PublicKey

_NOTHING = AuthorLog()


class Logs(Protocol):
    """Authors' logs, to be read."""

    def get(self, author: PublicKey, /) -> AuthorLog | None: ...


class Pool(Protocol):
    """What there is to make blocks of, on top of some state."""

    @property
    def logs(self) -> Logs: ...

    def eligible(self, time_ms: int | None = None) -> Iterator[tuple[PublicKey, AuthorLog]]:
        """Authors with something that a block of a time may take, by default one of now."""


class OpsOnTop:
    """A pool as it is on top of ``state``. Good until the pool or what is executed changes."""

    def __init__(self, ops: OpSet, state: PairState, timer_ms: int) -> None:
        self._ops, self._state, self._timer_ms = ops, state, timer_ms
        self._seen: dict[PublicKey, AuthorLog] = {}

    @property
    def logs(self) -> "OpsOnTop":
        return self

    @property
    def block_ms(self) -> int:
        """The time that a block would have which was made now."""
        return max(self._ops.wall_ms, self._state.time_ms + 1)

    def get(self, author: PublicKey, /) -> AuthorLog | None:
        """What there is of an author; None if the pool has nothing of theirs."""
        log = self._ops.logs.get(author)
        if log is None:
            return None
        seen = self._seen.get(author)
        if seen is None:
            seen = self._seen[author] = self._on_top(author, log)
        return seen

    def eligible(self, time_ms: int | None = None) -> Iterator[tuple[PublicKey, AuthorLog]]:
        """Authors with something that a block of a time may take, by default one of now: ops, or evidence."""
        state = self._state
        time_ms = self.block_ms if time_ms is None else time_ms
        for author in self._ops.with_something():
            log = self.get(author)
            if log is None or not (log.main or log.evidence is not None):
                continue
            if author not in state.authors:
                if not state.newcomers_allowed and state.needs_place(author):
                    continue
                if log.evidence is None and not state.may_begin(log.main[0], time_ms):
                    continue
            yield author, log

    def _on_top(self, author: PublicKey, log: AuthorLog) -> AuthorLog:
        state, main = self._state, log.main
        there = state.author(author)
        if there.frozen:
            return _NOTHING
        evidence = log.evidence if log.evidence is not None and state.takes_evidence(log.evidence) else None
        if author in state.authors:
            taken = there.next_seq - main[0].seq if main else 0
            before = GENESIS_PREV
            if main:
                before = main[0].prev if taken == 0 else main[taken - 1].id if 0 < taken <= len(main) else b""
            follows = before == there.head
        else:
            taken, follows = 0, self._ops.is_of_newcomer(author)
        if follows and not taken and evidence is log.evidence:
            return log
        if not follows:
            return replace(log, main=[], since_ms=[], evidence=evidence, served_ms=self._timer_ms)
        return replace(
            log, main=main[taken:], since_ms=log.since_ms[taken:], evidence=evidence, served_ms=self._timer_ms
        )
