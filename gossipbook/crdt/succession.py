"""Which op may follow which, on top of a pair's certified state: within an author's life, and from life to life."""

from gossipbook.crdt.author_log import AuthorLog
from gossipbook.crdt.interpretation import Interpretation
from gossipbook.crdt.op import GENESIS_PREV, Op, life_of
from gossipbook.crdt.stays import begins_life
from gossipbook.ids import OpId, PublicKey


class Succession:
    """Questions about authors' logs. It follows the certified state."""

    def __init__(self, certified: Interpretation) -> None:
        self._certified = certified

    def next_of(self, log: AuthorLog, author: PublicKey) -> tuple[int, OpId]:
        """The number of the op that follows the main chain, and the id that it names."""
        if log.main:
            return log.main[-1].seq + 1, log.main[-1].id
        if self._certified.is_newcomer(author):
            return log.first_life(self._certified.time_ms), GENESIS_PREV
        state = self._certified.author(author)
        return state.next_seq, state.head

    def comes_before(self, op: Op, log: AuthorLog) -> bool:
        """Whether an op begins a life that goes before the one that the main chain is of."""
        is_lower = not log.main or op.seq < log.main[0].seq
        return is_lower and begins_life(op) and self._certified.is_newcomer(op.author)

    def is_open_fork(self, op: Op, log: AuthorLog) -> bool:
        """Whether an op is part of a fork in a life that may begin yet."""
        return op.seq in log.forks and log.may_begin(life_of(op.seq)) and self._certified.is_newcomer(op.author)
