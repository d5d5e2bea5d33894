"""What a leader puts into a fresh block, and what a voter demands that it put in.

The leader goes round the authors, the one longest waiting first, one op each a round, until the block is full: first
with what has waited for long, and then, if there is room, with the rest. A voter holds it to that (:class:`Ages`): an
op that has waited for longer than the inclusion age may be missing only from a block that has no room beside what has
waited too, and then only if no author has two ops more in it than the op's.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gossipbook.consensus.canonical import canonical_order
from gossipbook.crdt.author_log import AuthorLog
from gossipbook.crdt.budget import Budget
from gossipbook.crdt.interpretation import Interpretation, Item
from gossipbook.crdt.op import Evidence, Op
from gossipbook.crdt.op_set import OpSet
from gossipbook.crdt.pool_room import POOL_OPS_CAP
from gossipbook.ids import BlockId, OpId, PublicKey
from gossipbook.limits import Limits


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

    def is_settled(self, since_ms: int) -> bool:
        return self._age(since_ms) > self.inclusion_age_ms // 4

    def is_settled_in_any_term(self, since_ms: int) -> bool:
        """As :meth:`is_settled`, but that a term began does not matter."""
        return self.timer_ms - since_ms > self.inclusion_age_ms // 4

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

    def has_more(self, ages: Ages, staying: Collection[PublicKey], *, pressing: bool) -> bool:
        if self.taken == len(self.items):
            return False
        if not pressing or (self.taken == 0 and self.author in staying):
            return True
        return ages.is_pressing(self.log.held_since_ms(self.taken))


def select(
    ops: OpSet,
    certified: Interpretation,
    limits: Limits,
    ages: Ages,
    *,
    only_pressing: bool = False,
    staying: Collection[PublicKey] = (),
) -> list[Item]:
    """The items of a fresh block, in no particular order: those that press first, then the others.

    In each round evidence goes first, and those in the table before newcomers. ``only_pressing`` leaves out the others,
    but for the first of each author in ``staying``.
    """
    budget, places = Budget(limits, certified.rules), certified.newcomers_allowed
    chosen: list[Item] = []
    rows = [_Row(author, log, certified) for author, log in ops.eligible(ages.block_ms)]
    rows.sort(key=lambda row: (row.log.evidence is None, row.is_new, row.log.held_since_ms(0), row.author))
    for pressing in (True,) if only_pressing else (True, False):
        turn = [row for row in rows if row.has_more(ages, staying, pressing=pressing)]
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
            turn = [row for row in turn if row.has_more(ages, staying, pressing=pressing)]
    return chosen


def are_left_out(left_out: Sequence[Item], taken: Sequence[Item], ops: OpSet, ages: Ages) -> bool:
    """Whether a block that was full before some of its items did without pressing ones, and not without others."""
    pressing = {item.id for _, log in ops.eligible(ages.block_ms) for item in _pressing(log, ages)}
    return any(item.id in pressing for item in left_out) and any(item.id not in pressing for item in taken)


def _pressing(log: AuthorLog, ages: Ages) -> list[Item]:
    return [item for place, item in enumerate(log.next_items()) if ages.is_pressing(log.held_since_ms(place))]


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
        self.all_settled = True
        for item in items:
            self.per_author[item.author] = self.per_author.get(item.author, 0) + 1
            if not _is_settled(item, ops, ages):
                self.all_settled = False
                continue
            self.budget.take(item)
            if isinstance(item, Evidence):
                self.evidence.take(item)
            if certified.needs_place(item.author):
                self._newcomers.add(item.author)

    @property
    def are_too_many_new(self) -> bool:
        """Whether more newcomers wait than there are places, so that who was cut off may have had this one's."""
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

    def left_out(self) -> list[tuple[int, Item, int]]:
        """Of each author the first item that is not in the block: its place among theirs, and since when it waits."""
        found = []
        for _, log in self._ops.eligible(self._ages.block_ms):
            items = log.next_items()
            place = next((place for place, item in enumerate(items) if item.id not in self._named), len(items))
            if place < len(items):
                found.append((place, items[place], log.held_since_ms(place)))
        return found


def unjustly_omitted(
    items: Sequence[Item],
    ops: OpSet,
    certified: Interpretation,
    limits: Limits,
    ages: Ages,
    *,
    is_full: bool,
    parent: BlockId = b"",
) -> Item | None:
    """A due item that a fresh block of these items, on ``parent``, has no excuse to leave out.

    ``is_full``: it has done all the work that a block may do. There is room for what is due beside what is settled; and
    nobody has two items more in the block than an author of whom a due one is left out. But a leader goes round the
    authors until something does not fit, and what there is no work for is cut off at the end of the canonical order.
    """
    shown = _Shown(items, ops, certified, limits, ages)
    left_out = shown.left_out()
    too_large = [
        place
        for place, item, ms in left_out
        if ages.is_settled(ms)
        and shown.has_place_for(item.author)
        and not isinstance(item, Evidence)
        and not shown.fits(item)
    ]
    last_round = min(too_large, default=POOL_OPS_CAP)
    most = max(shown.per_author.values(), default=0)
    is_cut_off = is_full and shown.all_settled
    for place, item, since_ms in left_out:
        if not ages.is_due(since_ms) or place > last_round or not shown.has_place_for(item.author):
            continue
        if not is_cut_off and shown.fits(item):
            return item
        if most < shown.per_author.get(item.author, 0) + 2:
            continue
        if not is_cut_off:
            return item
        has_place = not certified.needs_place(item.author) or not shown.are_too_many_new
        if has_place and canonical_order(parent, [*items, item])[-1] is not item:
            return item
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


def _is_settled(item: Item, ops: OpSet, ages: Ages) -> bool:
    log = ops.logs.get(item.author)
    if log is None:
        return False
    if isinstance(item, Evidence):
        return log.evidence is not None and ages.is_settled(log.evidence_since_ms)
    place = log.place_of(item)
    return place is not None and ages.is_settled(log.since_ms[place])


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
