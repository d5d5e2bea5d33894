"""What a leader puts into a fresh block, and what a voter demands that it put in.

The leader goes round the authors, the one longest waiting first, one op each a round, until the block is full: first
with what has waited for long, and then, if there is room, with the rest. A voter holds it to that (:class:`Ages`): an
op that has waited for longer than the inclusion age may be missing only from a block that has no room beside what has
waited too, and then only if no author has two ops more in it than the op's.

Where there is not work for all that there is room for, the leader takes what came first, everybody's first op before
anybody's second of what is nearly due, and as much as a block can do whole; a voter excuses nothing else.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate

from gossipbook.crdt.author_log import NEVER_MS, AuthorLog
from gossipbook.crdt.budget import Budget, budget_of
from gossipbook.crdt.op import Evidence, Op
from gossipbook.crdt.ops_on_top import Pool
from gossipbook.crdt.pair_state import Item, PairState
from gossipbook.ids import OpId, PublicKey
from gossipbook.limits import Limits

LEADERS_PART, VOTERS_PART = 8, 4
"""Where there is not work for all, when each came decides, to within such parts of the inclusion age."""

JUDGED_CAP = 16
"""An author's items that a voter judges the leaving out of, those in the block included."""


@dataclass(frozen=True, slots=True)
class Ages:
    """How long ops have waited, at one moment: since they and all before them are held, or since the term began.

    An op that waits for longer than the inclusion age is *due*: no member votes for a block without it that had room.
    A leader is told so by no clock but its own. So it minds an op from half of that age on (it is *pressing*), and a
    voter counts as taking room only what it has held itself for a quarter (which is *settled*): whatever the leader of
    an honest block preferred to what is due, a voter has held for as long, unless it came a quarter of the age later.
    """

    timer_ms: int
    term_started_ms: int
    inclusion_age_ms: int
    block_ms: int  # the time of the block that is made or judged, by which all members agree on who may be in it

    def is_due(self, since_ms: int) -> bool:
        return self._age(since_ms) > self.inclusion_age_ms

    def is_pressing(self, since_ms: int) -> bool:
        return self._age(since_ms) > self.inclusion_age_ms // 2

    def is_nearly_due(self, since_ms: int) -> bool:
        return self._age(since_ms) > self.inclusion_age_ms - self.inclusion_age_ms // 4

    def is_settled(self, since_ms: int) -> bool:
        return self._age(since_ms) > self.inclusion_age_ms // 4

    def is_settled_in_any_term(self, since_ms: int) -> bool:
        """As :meth:`is_settled`, but that a term began does not matter."""
        return self.timer_ms - since_ms > self.inclusion_age_ms // 4

    def turn_ms(self, since_ms: int, served_ms: int) -> int:
        """Since when something waits for its turn: of whom a block has just taken an op, not for long.

        Else whoever has a stock of ops is the first again in each block, with the oldest of them.
        """
        return max(since_ms, served_ms - self.inclusion_age_ms)

    def latest_before_ms(self, turn_ms: int, *, by: int) -> int:
        """The latest turn that may go before another, later by up to one in so many parts of the inclusion age."""
        return max(turn_ms, self.term_started_ms) + self.inclusion_age_ms // by

    def came_later(self, one_ms: int, other_ms: int, *, by: int) -> bool:
        """Whether one's turn is later than another's, by more than one in so many parts of the inclusion age."""
        return max(one_ms, self.term_started_ms) > self.latest_before_ms(other_ms, by=by)

    def _age(self, since_ms: int) -> int:
        return self.timer_ms - max(since_ms, self.term_started_ms)


class _Row:
    """One author's items on their way into a block."""

    __slots__ = ("author", "is_new", "items", "log", "needs_place", "taken")

    def __init__(self, author: PublicKey, log: AuthorLog, state: PairState) -> None:
        self.author, self.log = author, log
        self.is_new, self.needs_place = author not in state.authors, state.needs_place(author)
        self.items = log.next_items()
        self.taken = 0

    def has_more(self, ages: Ages, *, pressing: bool) -> bool:
        if self.taken == len(self.items):
            return False
        return not pressing or ages.is_pressing(self.log.held_since_ms(self.taken))

    def turn(self, ages: Ages, *, pressing: bool) -> tuple[bool, bool, int, PublicKey]:
        """Sorts what is next of each author in a round."""
        turn_ms = ages.turn_ms(self.log.held_since_ms(self.taken), self.log.served_ms)
        return self.log.evidence is None, self.is_new and not pressing, turn_ms, self.author


def select(ops: Pool, state: PairState, limits: Limits, ages: Ages) -> list[Item]:
    """The items of a fresh block, in no particular order: those that press first, then the others.

    In each round evidence goes first, then who has waited longest; of what does not press newcomers' go last.
    """
    budget, places = Budget(limits, state.rules), state.newcomers_allowed
    chosen: list[Item] = []
    rows = [_Row(author, log, state) for author, log in ops.eligible(ages.block_ms)]
    for pressing in (True, False):
        turn = [row for row in rows if row.has_more(ages, pressing=pressing)]
        while turn:
            full = False
            for row in sorted(turn, key=partial(_Row.turn, ages=ages, pressing=pressing)):
                item = row.items[row.taken]
                is_second_evidence = isinstance(item, Evidence) and not budget.fits(item)
                if is_second_evidence or (row.needs_place and not places):
                    row.taken = len(row.items)
                elif not budget.fits(item):
                    full = True
                else:
                    places -= row.needs_place
                    row.needs_place = False
                    budget.take(item)
                    chosen.append(item)
                    row.taken += 1
            if full:
                return chosen  # A second op of anybody would go before somebody's first.
            turn = [row for row in turn if row.has_more(ages, pressing=pressing)]
    return chosen


@dataclass(frozen=True, slots=True)
class _Wait:
    """How long an item waits, and behind how many others of its author's.

    ``turn_ms`` is from when it waits for its turn. ``is_last_chance``: its author may leave the table if it is not
    done.
    """

    item: Item
    place: int
    since_ms: int
    turn_ms: int
    is_last_chance: bool = False

    @staticmethod
    def of(item: Item, ops: Pool, state: PairState, ages: Ages) -> "_Wait | None":
        """None if it and all before it were not held here."""
        log = ops.logs.get(item.author)
        if log is None:
            return None
        if isinstance(item, Evidence):
            since_ms = log.evidence_since_ms
            return None if log.evidence is None else _Wait(item, 0, since_ms, since_ms)
        place = log.place_of(item)
        if place is None:  # A fork may have cut it off since a leader took it.
            cut_ms = log.cut_since_ms.get(item.id)
            return None if cut_ms is None else _Wait(item, 0, cut_ms, ages.turn_ms(cut_ms, log.served_ms))
        is_last_chance = place == 0 and state.may_leave(item.author, ages.block_ms)
        since_ms = log.since_ms[place]
        return _Wait(item, place, since_ms, ages.turn_ms(since_ms, log.served_ms), is_last_chance)

    def turn(self, ages: Ages) -> tuple[bool, bool, int, int, PublicKey, int]:
        """Sorts what waits in the order in which it is done where there is not work for all."""
        nearly_due = ages.is_nearly_due(self.since_ms)
        place = self.place if nearly_due else 0
        return not self.is_last_chance, not nearly_due, place, self.turn_ms, self.item.author, self.place


def first_come(items: Iterable[Item], ops: Pool, state: PairState, ages: Ages) -> list[Item]:
    """Items that are held, first those that are nearly due: everybody's first, then everybody's second, by age."""
    waits = [wait for item in items if (wait := _Wait.of(item, ops, state, ages)) is not None]
    return [wait.item for wait in sorted(waits, key=lambda wait: wait.turn(ages))]


def is_passed_over(left_out: Sequence[Item], taken: Sequence[Item], ops: Pool, state: PairState, ages: Ages) -> bool:
    """Whether a block does without something that presses, and not without what may not precede it."""
    oldest_ms: dict[int, int] = {}  # of what presses and is left out, by its place
    for item in left_out:
        wait = _Wait.of(item, ops, state, ages)
        if wait is not None and ages.is_pressing(wait.since_ms):
            oldest_ms[wait.place] = min(wait.turn_ms, oldest_ms.get(wait.place, wait.turn_ms))
    places = sorted(oldest_ms)
    up_to = list(accumulate((oldest_ms[place] for place in places), min))
    for item in taken:
        done = _Wait.of(item, ops, state, ages)
        if done is None or done.is_last_chance:
            continue
        # What is nearly due may precede what is behind more of its author's.
        count = bisect_right(places, done.place) if ages.is_nearly_due(done.since_ms) else len(places)
        if count and ages.came_later(done.turn_ms, up_to[count - 1], by=LEADERS_PART):
            return True
    return False


class _Predecessors:
    """What of a block may be done before something of one place, as a voter sees it.

    An item may that waits for its turn since no later; or of whose author less is done, and which presses, or where it
    is a matter of room is settled; or whose author may leave else. A leader is stricter, since voters see some of it
    otherwise. Of the room that is taken only what is settled here counts.
    """

    def __init__(self, place: int, waits: Sequence[_Wait | None], state: PairState, limits: Limits, ages: Ages) -> None:
        self._ages = ages
        seen = [wait for wait in waits if wait is not None]
        by_turn = sorted(((self._turn_ms(wait, wait.place < place), wait) for wait in seen), key=lambda each: each[0])
        least = (self._turn_ms(wait, wait.place < place and ages.is_pressing(wait.since_ms)) for wait in seen)
        self._last_ms = max(least, default=NEVER_MS)
        self._all_are_seen = len(seen) == len(waits)
        self._turns_ms = [NEVER_MS]
        self._budgets, self._newcomers = [Budget(limits, state.rules)], [0]
        found: set[PublicKey] = set()
        for turn_ms, wait in by_turn:
            budget = replace(self._budgets[-1])
            if ages.is_settled(wait.since_ms):
                budget.take(wait.item)
                if state.needs_place(wait.item.author):
                    found.add(wait.item.author)
            elif not wait.is_last_chance:
                self._all_are_seen = False
            self._turns_ms.append(turn_ms)
            self._budgets.append(budget)
            self._newcomers.append(len(found))

    def _turn_ms(self, wait: _Wait, is_behind_less: bool) -> int:
        if is_behind_less or wait.is_last_chance or isinstance(wait.item, Evidence):
            return NEVER_MS
        return max(wait.turn_ms, self._ages.term_started_ms)

    def _count(self, turn_ms: int) -> int:
        """How many may be done before something with a turn; one more, for nothing."""
        return bisect_right(self._turns_ms, self._ages.latest_before_ms(turn_ms, by=VOTERS_PART))

    def are_all(self, turn_ms: int) -> bool:
        """Whether the whole block may, and was held here long enough to tell."""
        return self._all_are_seen and self._last_ms <= self._ages.latest_before_ms(turn_ms, by=VOTERS_PART)

    def budget(self, turn_ms: int) -> Budget:
        """The room that they take."""
        return self._budgets[self._count(turn_ms) - 1]

    def newcomers(self, turn_ms: int) -> int:
        """How many of their authors come in with the block."""
        return self._newcomers[self._count(turn_ms) - 1]


class _Shown:
    """What a fresh block has in it, and has not, as a voter sees it."""

    def __init__(self, items: Sequence[Item], ops: Pool, state: PairState, limits: Limits, ages: Ages) -> None:
        self._ops, self._state, self._limits, self._ages = ops, state, limits, ages
        self._named = {item.id for item in items}
        self._waits = [_Wait.of(item, ops, state, ages) for item in items]
        self._predecessors: dict[int, _Predecessors] = {}
        settled = (wait.item for wait in self._waits if wait is not None and ages.is_settled(wait.since_ms))
        self.evidence = budget_of((item for item in settled if isinstance(item, Evidence)), limits, state.rules)
        self.per_author = Counter(item.author for item in items)

    def _before(self, wait: _Wait) -> _Predecessors:
        found = self._predecessors.get(wait.place)
        if found is None:
            found = _Predecessors(wait.place, self._waits, self._state, self._limits, self._ages)
            self._predecessors[wait.place] = found
        return found

    def may_precede(self, wait: _Wait) -> bool:
        """Whether all of the block may be done where there is no work for something."""
        return self._before(wait).are_all(wait.turn_ms)

    def are_too_many_new(self) -> bool:
        """Whether more newcomers wait than there are places, so that who was cut off may have had another's."""
        state, ages = self._state, self._ages
        waiting = [
            author
            for author, log in self._ops.eligible(ages.block_ms)
            if state.needs_place(author) and ages.is_settled(log.held_since_ms(0))
        ]
        return len(waiting) > state.newcomers_allowed

    def fits(self, wait: _Wait) -> bool:
        """Whether there is room beside what may precede an item. Only evidence takes the room of evidence."""
        if isinstance(wait.item, Evidence):
            return self.evidence.fits(wait.item)
        return self._before(wait).budget(wait.turn_ms).fits(wait.item)

    def has_place_for(self, wait: _Wait) -> bool:
        """Whether there is a place for an author beside the newcomers in the block who may precede them."""
        author, state = wait.item.author, self._state
        if not state.needs_place(author) or author in self.per_author:
            return True
        return self._before(wait).newcomers(wait.turn_ms) < state.newcomers_allowed

    def left_out(self) -> list[_Wait]:
        """Of each author the first item that is not in the block; those first whose turn it is.

        Beyond some of an author's items nothing is looked at: by then the first of them will be in another block.
        """
        ages = self._ages
        logs = (log for _, log in self._ops.eligible(ages.block_ms))
        missing = (next((item for item in log.next_items() if item.id not in self._named), None) for log in logs)
        waits = (_Wait.of(item, self._ops, self._state, ages) for item in missing if item is not None)
        judged = (wait for wait in waits if wait is not None and wait.place < JUDGED_CAP)
        return sorted(judged, key=lambda wait: wait.turn(ages))


def unjustly_omitted(
    items: Sequence[Item],
    ops: Pool,
    state: PairState,
    limits: Limits,
    ages: Ages,
    *,
    is_full: bool,
    is_too_much: Callable[[Item], bool] = lambda item: False,
) -> Item | None:
    """A due item that a fresh block of these items has no excuse to leave out.

    There is room for what is due beside what is settled and may precede it; and nobody has two items more in the block
    than an author of whom a due one is left out for want of room. But a leader goes round the authors until something
    does not fit.

    There is work for what is due, unless the block has done all that it may (``is_full``), or with the item it could
    not do all of it (``is_too_much``), or of what is next in turn; and then all that it did may precede the item. Of
    what is left out for that, the first in turn that is due decides for all.
    """
    shown = _Shown(items, ops, state, limits, ages)
    left_out = shown.left_out()
    too_large = [
        wait.place
        for wait in left_out
        if ages.is_settled(wait.since_ms)
        and shown.has_place_for(wait)
        and not isinstance(wait.item, Evidence)
        and not shown.fits(wait)
    ]
    last_round = min(too_large, default=JUDGED_CAP)
    most = max(shown.per_author.values(), default=0)
    next_in_turn: _Wait | None = None
    for wait in left_out:
        item = wait.item
        if wait.place > last_round or not shown.has_place_for(wait) or not ages.is_settled(wait.since_ms):
            continue
        if not shown.fits(wait):
            if ages.is_due(wait.since_ms) and most >= shown.per_author[item.author] + 2:
                return item
            continue
        next_in_turn = next_in_turn or wait
        # Whoever was cut off may have had a newcomer's place.
        is_cut_off = is_full and state.needs_place(item.author) and shown.are_too_many_new()
        if ages.is_due(wait.since_ms) and not (is_cut_off and shown.may_precede(wait)):
            no_work = is_full or is_too_much(item) or (next_in_turn is not wait and is_too_much(next_in_turn.item))
            return None if no_work and shown.may_precede(wait) else item
    return None


def given_up(left: Collection[PublicKey], ops: Pool, ages: Ages) -> Op | None:
    """An op that is settled here, and that no block can take any more if its author leaves with this one.

    There was room for it, for nobody leaves with a block that has none. So no member votes for such a block.
    """
    for author in left:
        log = ops.logs.get(author)
        if log is not None and log.main and not log.forked and ages.is_settled_in_any_term(log.since_ms[0]):
            return log.main[0]
    return None


def due_ids(ops: Pool, cap: int) -> tuple[OpId, ...]:
    """Ids of eligible ops, each author's next first, then each author's second, and so on."""
    rows = [log.next_items() for _, log in ops.eligible()]
    ids: list[OpId] = []
    place = 0
    while rows and len(ids) < cap:
        ids += [row[place].id for row in rows]
        place += 1
        rows = [row for row in rows if len(row) > place]
    return tuple(ids[:cap])
