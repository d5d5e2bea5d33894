"""What a leader puts into a fresh block, and what a voter demands that it put in.

The leader goes round the authors, the one longest waiting first, one op each a round, until the block is full: first
with what has waited for long, and then, if there is room, with the rest. A voter holds it to that (:class:`Ages`): an
op that has waited for longer than the inclusion age may be missing only from a block that has no room beside what has
waited too, and then only if no author has two ops more in it than the op's.

Where there is not work for all that there is room for, the leader takes what came first, everybody's first op before
anybody's second of what is nearly due, and as much as a block can do whole; a voter excuses nothing else.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from gossipbook.crdt.author_log import AuthorLog
from gossipbook.crdt.budget import Budget
from gossipbook.crdt.interpretation import Interpretation, Item
from gossipbook.crdt.op import Evidence, Op
from gossipbook.crdt.op_set import OpSet
from gossipbook.crdt.pool_room import POOL_OPS_CAP
from gossipbook.ids import OpId, PublicKey
from gossipbook.limits import Limits

LEADERS_PART, VOTERS_PART = 8, 4
"""Where there is not work for all, when each came decides, to within such parts of the inclusion age."""


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

    def came_later(self, one_ms: int, other_ms: int, *, by: int) -> bool:
        """Whether one came later than another, by more than one in so many parts of the inclusion age."""
        one_ms, other_ms = (max(ms, self.term_started_ms) for ms in (one_ms, other_ms))
        return one_ms > other_ms + self.inclusion_age_ms // by

    def _age(self, since_ms: int) -> int:
        return self.timer_ms - max(since_ms, self.term_started_ms)


class _Row:
    """One author's items on their way into a block."""

    __slots__ = ("author", "is_new", "items", "log", "needs_place", "taken")

    def __init__(self, author: PublicKey, log: AuthorLog, certified: Interpretation) -> None:
        self.author, self.log = author, log
        self.is_new, self.needs_place = author not in certified.authors, certified.needs_place(author)
        self.items = log.next_items()
        self.taken = 0

    def has_more(self, ages: Ages, *, pressing: bool) -> bool:
        if self.taken == len(self.items):
            return False
        return not pressing or ages.is_pressing(self.log.held_since_ms(self.taken))


def select(ops: OpSet, certified: Interpretation, limits: Limits, ages: Ages) -> list[Item]:
    """The items of a fresh block, in no particular order: those that press first, then the others.

    In each round evidence goes first, and those in the table before newcomers.
    """
    budget, places = Budget(limits, certified.rules), certified.newcomers_allowed
    chosen: list[Item] = []
    rows = [_Row(author, log, certified) for author, log in ops.eligible(ages.block_ms)]
    rows.sort(key=lambda row: (row.log.evidence is None, row.is_new, row.log.held_since_ms(0), row.author))
    for pressing in (True, False):
        turn = [row for row in rows if row.has_more(ages, pressing=pressing)]
        while turn:
            full = False
            for row in turn:
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

    ``is_last_chance``: its author may leave the table if it is not done.
    """

    item: Item
    place: int
    since_ms: int
    is_last_chance: bool = False

    @staticmethod
    def of(item: Item, ops: OpSet, certified: Interpretation, ages: Ages) -> "_Wait | None":
        """None if it and all before it are not held here."""
        log = ops.logs.get(item.author)
        if log is None:
            return None
        if isinstance(item, Evidence):
            return None if log.evidence is None else _Wait(item, 0, log.evidence_since_ms)
        place = log.place_of(item)
        if place is None:
            return None
        is_last_chance = place == 0 and certified.may_leave(item.author, ages.block_ms)
        return _Wait(item, place, log.since_ms[place], is_last_chance)

    def turn(self, ages: Ages) -> tuple[bool, bool, int, int, PublicKey, int]:
        """Sorts what waits in the order in which it is done where there is not work for all."""
        nearly_due = ages.is_nearly_due(self.since_ms)
        place = self.place if nearly_due else 0
        return not self.is_last_chance, not nearly_due, place, self.since_ms, self.item.author, self.place

    def may_precede(self, other: "_Wait", ages: Ages) -> bool:
        """Whether a voter lets this be done where there is no work for the other.

        It came no later, or is of an author of whom less is done, and waits for almost as long as anything may; or its
        author may leave else. A leader is stricter, since voters see some of it otherwise.
        """
        if self.is_last_chance or not ages.came_later(self.since_ms, other.since_ms, by=VOTERS_PART):
            return True
        return ages.is_pressing(self.since_ms) and self.place < other.place


def first_come(items: Iterable[Item], ops: OpSet, certified: Interpretation, ages: Ages) -> list[Item]:
    """Items that are held, first those that are nearly due: everybody's first, then everybody's second, by age."""
    waits = [wait for item in items if (wait := _Wait.of(item, ops, certified, ages)) is not None]
    return [wait.item for wait in sorted(waits, key=lambda wait: wait.turn(ages))]


def is_passed_over(
    left_out: Sequence[Item], taken: Sequence[Item], ops: OpSet, certified: Interpretation, ages: Ages
) -> bool:
    """Whether a block does without something that presses, and not without what may not precede it."""
    oldest_ms: dict[int, int] = {}  # of what presses and is left out, by its place
    for item in left_out:
        wait = _Wait.of(item, ops, certified, ages)
        if wait is not None and ages.is_pressing(wait.since_ms):
            oldest_ms[wait.place] = min(wait.since_ms, oldest_ms.get(wait.place, wait.since_ms))
    places = sorted(oldest_ms)
    up_to = list(accumulate((oldest_ms[place] for place in places), min))
    for item in taken:
        done = _Wait.of(item, ops, certified, ages)
        if done is None or done.is_last_chance:
            continue
        # What is nearly due may precede what is behind more of its author's.
        count = bisect_right(places, done.place) if ages.is_nearly_due(done.since_ms) else len(places)
        if count and ages.came_later(done.since_ms, up_to[count - 1], by=LEADERS_PART):
            return True
    return False


class _Shown:
    """What a fresh block has in it, as a voter sees it: of the room that is taken only what is settled here counts."""

    def __init__(
        self, items: Sequence[Item], ops: OpSet, certified: Interpretation, limits: Limits, ages: Ages
    ) -> None:
        self._ops, self._certified, self._ages = ops, certified, ages
        self._named = {item.id for item in items}
        self.budget, self.evidence = Budget(limits, certified.rules), Budget(limits, certified.rules)
        self._newcomers: set[PublicKey] = set()
        self.per_author: dict[PublicKey, int] = {}
        self._waits = [_Wait.of(item, ops, certified, ages) for item in items]
        for item, wait in zip(items, self._waits, strict=True):
            self.per_author[item.author] = self.per_author.get(item.author, 0) + 1
            if wait is None or not ages.is_settled(wait.since_ms):
                continue
            self.budget.take(item)
            if isinstance(item, Evidence):
                self.evidence.take(item)
            if certified.needs_place(item.author):
                self._newcomers.add(item.author)

    def may_precede(self, wait: _Wait) -> bool:
        """Whether all of the block may be done where there is no work for something."""
        ages = self._ages
        return all(
            done is not None
            and (done.is_last_chance or ages.is_settled(done.since_ms))
            and done.may_precede(wait, ages)
            for done in self._waits
        )

    def are_too_many_new(self) -> bool:
        """Whether more newcomers wait than there are places, so that who was cut off may have had another's."""
        certified, ages = self._certified, self._ages
        waiting = [
            author
            for author, log in self._ops.eligible(ages.block_ms)
            if certified.needs_place(author) and ages.is_settled(log.held_since_ms(0))
        ]
        return len(waiting) > certified.newcomers_allowed

    def fits(self, item: Item) -> bool:
        """Whether there is room for an item. Evidence goes first, so that nothing but evidence takes its room."""
        return (self.evidence if isinstance(item, Evidence) else self.budget).fits(item)

    def has_place_for(self, author: PublicKey) -> bool:
        """Whether there is a place for an author beside the newcomers in the block."""
        certified = self._certified
        return not certified.needs_place(author) or len(self._newcomers - {author}) < certified.newcomers_allowed

    def left_out(self) -> list[_Wait]:
        """Of each author the first item that is not in the block; those first whose turn it is."""
        ages = self._ages
        logs = (log for _, log in self._ops.eligible(ages.block_ms))
        missing = (next((item for item in log.next_items() if item.id not in self._named), None) for log in logs)
        waits = (_Wait.of(item, self._ops, self._certified, ages) for item in missing if item is not None)
        return sorted((wait for wait in waits if wait is not None), key=lambda wait: wait.turn(ages))


def unjustly_omitted(
    items: Sequence[Item],
    ops: OpSet,
    certified: Interpretation,
    limits: Limits,
    ages: Ages,
    *,
    is_full: bool,
    is_too_much: Callable[[Item], bool] = lambda item: False,
) -> Item | None:
    """A due item that a fresh block of these items has no excuse to leave out.

    There is room for what is due beside what is settled; and nobody has two items more in the block than an author of
    whom a due one is left out for want of room. But a leader goes round the authors until something does not fit.

    There is work for what is due, unless the block has done all that it may (``is_full``), or with the item it could
    not do all of it (``is_too_much``), or of what is next in turn; and then all that it did may precede the item. Of
    what is left out for that, the first in turn that is due decides for all.
    """
    shown = _Shown(items, ops, certified, limits, ages)
    left_out = shown.left_out()
    too_large = [
        wait.place
        for wait in left_out
        if ages.is_settled(wait.since_ms)
        and shown.has_place_for(wait.item.author)
        and not isinstance(wait.item, Evidence)
        and not shown.fits(wait.item)
    ]
    last_round = min(too_large, default=POOL_OPS_CAP)
    most = max(shown.per_author.values(), default=0)
    next_in_turn: _Wait | None = None
    for wait in left_out:
        item = wait.item
        if wait.place > last_round or not shown.has_place_for(item.author) or not ages.is_settled(wait.since_ms):
            continue
        if not shown.fits(item):
            if ages.is_due(wait.since_ms) and most >= shown.per_author.get(item.author, 0) + 2:
                return item
            continue
        next_in_turn = next_in_turn or wait
        is_excused = is_full and certified.needs_place(item.author) and shown.are_too_many_new()
        if ages.is_due(wait.since_ms) and not is_excused:
            no_work = is_full or is_too_much(item) or (next_in_turn is not wait and is_too_much(next_in_turn.item))
            return None if no_work and shown.may_precede(wait) else item
    return None


def given_up(left: Collection[PublicKey], ops: OpSet, ages: Ages) -> Op | None:
    """An op that is settled here, and that no block can take any more if its author leaves with this one.

    There was room for it, for nobody leaves with a block that has none. So no member votes for such a block.
    """
    for author in left:
        log = ops.logs.get(author)
        if log is not None and log.main and not log.forked and ages.is_settled_in_any_term(log.since_ms[0]):
            return log.main[0]
    return None


def due_ids(ops: OpSet, cap: int) -> tuple[OpId, ...]:
    """Ids of eligible ops, each author's next first, then each author's second, and so on."""
    rows = [log.next_items() for _, log in ops.eligible()]
    ids: list[OpId] = []
    place = 0
    while rows and len(ids) < cap:
        ids += [row[place].id for row in rows]
        place += 1
        rows = [row for row in rows if len(row) > place]
    return tuple(ids[:cap])
