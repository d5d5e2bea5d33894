"""Authors who are in no table and have something that a block may take: whether there is a place for them, and when."""

from collections.abc import Iterator, Mapping

from gossipbook.crdt.author_log import AuthorLog
from gossipbook.crdt.interpretation import Interpretation
from gossipbook.crdt.openings import Openings
from gossipbook.crdt.pair_state import PairState
from gossipbook.ids import PublicKey


class Newcomers:
    """Those of one pool, on top of the pair's certified state."""

    def __init__(self, certified: Interpretation) -> None:
        self._certified = certified
        self.authors: dict[PublicKey, None] = {}
        self.openings = Openings()

    def eligible(self, logs: Mapping[PublicKey, AuthorLog], time_ms: int) -> Iterator[tuple[PublicKey, AuthorLog]]:
        """Those whom a block of a time may let in, one by one."""
        certified = self._certified
        has_places = certified.newcomers_allowed > 0
        for author in self.authors:
            if not has_places and certified.needs_place(author):
                continue
            log = logs[author]
            if log.evidence is not None or certified.may_begin(log.main[0], time_ms):
                yield author, log

    def has_place_for(self, author: PublicKey, time_ms: int) -> bool:
        """Whether the table has a place for what an author signs now, whoever else comes first here and elsewhere.

        Others may hold newcomers who are not here: as many are allowed for, and a block of them. Who has done nothing
        for so long that they may leave with the next blocks has none until an op of theirs is certified.
        """
        certified = self._certified
        if certified.stays.is_long_idle(author, time_ms + certified.settling_ms):
            return False  # Whether the table is crowded then is not known.
        return not certified.needs_place(author) or 2 * len(self.authors) + certified.max_newcomers <= certified.places

    def await_place(self, state: PairState, time_ms: int) -> bool:
        """Whether all places are taken, and a block without ops on top of a state may have somebody leave."""
        if not self.authors or state.places or not state.may_tell_time(time_ms):
            return False
        return any(map(state.needs_place, self.authors)) and state.may_part(time_ms)

    def await_time(self, logs: Mapping[PublicKey, AuthorLog], state: PairState, time_ms: int) -> bool:
        """Whether they wait for a block whose time is all that it tells, and there may be one on top of a state.

        A first op may be past, and no block says so yet; or all places are taken, and somebody may leave.
        """
        if self.await_place(state, time_ms):
            return True
        if not self.authors or not state.may_tell_time(time_ms):
            return False
        past = self.openings.past(time_ms)
        return any(self._certified.is_newcomer(op.author) and op in logs[op.author].main[:1] for op in past)
