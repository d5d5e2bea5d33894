"""Search all global states breadth first, so that the first violation found has a shortest path."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import TypeAlias

from gossipbook.explorer.configuration import SEATS, Configuration
from gossipbook.explorer.merging import Merging, Situation
from gossipbook.explorer.named_objects import NamedObjects
from gossipbook.explorer.pool import Pool, Pools
from gossipbook.explorer.table import Sent, StateTable
from gossipbook.explorer.vocabulary import KINDS, Action, Crash, TornTurn

STATE_BITS = 21  # local states a search may have; three of them fit one machine word
_MASK = (1 << STATE_BITS) - 1
PROGRESS_EVERY = 1 << 13

Places: TypeAlias = tuple[int, int, int]
Whole: TypeAlias = tuple[int, int, int, int]
"""A global state: three local ones, and the number of the certificates that are known beside (0: none)."""
Progress: TypeAlias = Callable[["Figures"], None]


@dataclass(slots=True)
class Figures:
    """How far a search has come. ``transitions`` are actions that changed a state; ``actions`` counts them by type."""

    states: int
    expanded: int
    local_states: int
    local_transitions: int
    depth: int
    actions: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS.values(), 0))

    @property
    def transitions(self) -> int:
        return sum(self.actions.values())


@dataclass(frozen=True, slots=True)
class Step:
    """One action on one seat, the messages that the seat sent upon it, and the law that this broke, if any."""

    seat: int
    action: Action
    said: Sent
    breach: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken law, and a shortest path to it."""

    breach: str
    path: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The result of a search. ``exhausted``: no state within the configuration was left out."""

    figures: Figures
    exhausted: bool
    finding: Finding | None

    @property
    def verdict(self) -> str:
        if self.finding is not None:
            return "invalid"
        return "valid" if self.exhausted else "unknown"


class Search:
    """One exploration of a configuration."""

    def __init__(self, configuration: Configuration, progress: Progress = lambda figures: None) -> None:
        self.configuration = configuration
        self.table = StateTable(configuration, NamedObjects(configuration))
        self._progress = progress
        self._pools = Pools(self.table)
        self._merging = Merging(self.table) if configuration.merges else None
        self._pool_of: dict[Places, Pool] = {}
        self._pool_in: dict[Situation, Pool] = {}
        self._moves: dict[int, _Moves] = {}
        honest, alike = configuration.honest, configuration.interchangeable
        self._pair, self._trio = alike == 2, alike == 3
        player = honest[len(honest) - alike] if alike else SEATS  # plays all that are interchangeable with it
        boots = [self.table.boot(min(seat, player)) for seat in honest]
        self._start: Whole = (boots[0], boots[1], boots[2], 0)
        self._depth = 0
        self._seen: set[int] = set()
        self._order = array("Q")
        self._known = array("L")
        self._parents = array("L")

    # -- searching ----------------------------------------------------------------------------------

    def run(self) -> SearchResult:
        """Search until the space is exhausted, a law is broken, or a cap of the configuration is reached."""
        start, breach = self._reached(self._start)
        self._seen.add(_packed(start))
        self._append(start, 0)
        finding = None if breach is None else Finding(breach, ())
        at, level_end = 0, 1
        states_cap, depth_cap = self.configuration.states_cap, self.configuration.depth_cap
        while finding is None and at < len(self._order):
            if at == level_end:
                self._depth += 1
                level_end = len(self._order)
            if self._depth == depth_cap or (states_cap is not None and len(self._order) >= states_cap):
                break
            finding = self._expand(at)
            at += 1
            if at % PROGRESS_EVERY == 0:
                self._progress(self._figures(at))
        return SearchResult(self._figures(at), at == len(self._order), finding)

    def _expand(self, at: int) -> Finding | None:
        """Take every action that is possible in one state."""
        whole = self._whole(at)
        pool = self.pool(whole)
        for place in range(3):
            moves = self._moves_of(whole[place], pool)
            if moves.breach is not None:
                return self._found(at, moves.breach, by_move=True)
            moves.uses += 1
            for after in moves.after:
                reached, breach = self._reached(_with(whole, place, after))
                packed = _packed(reached)
                if packed not in self._seen:
                    self._seen.add(packed)
                    self._append(reached, at)
                    if breach is None:
                        breach = self.pool(reached).breach
                    if breach is not None:
                        return self._found(len(self._order) - 1, breach)
        return None

    def _append(self, whole: Whole, parent: int) -> None:
        self._order.append(_packed(whole[:3]))
        self._known.append(whole[3])
        self._parents.append(parent)

    def _whole(self, at: int) -> Whole:
        packed = self._order[at]
        return packed >> 2 * STATE_BITS, packed >> STATE_BITS & _MASK, packed & _MASK, self._known[at]

    def _reached(self, whole: Whole) -> tuple[Whole, str | None]:
        """Return the state that represents all that count as this one, and the law broken by what it forgets."""
        if self._merging is None:
            return self.canonical(whole), None
        places, known, breach = self._merging.merge(whole[:3], whole[3])
        return self.canonical((*places, known)), breach

    def canonical(self, whole: Whole) -> Whole:
        """Return the state that represents all that differ from this one in names alone."""
        if not self.configuration.symmetry:
            return whole
        twins = self.table.twins
        a, b, c, known = whole
        x, y, z = twins[a], twins[b], twins[c]
        if self._pair:
            if b > c:
                b, c = c, b
            if y > z:
                y, z = z, y
        elif self._trio:
            a, b, c = sorted((a, b, c))
            x, y, z = sorted((x, y, z))
        other = 0 if self._merging is None else self._merging.twin(known)
        here, there = (a, b, c, known), (x, y, z, other)
        return here if here <= there else there

    def pool(self, whole: Whole) -> Pool:
        table, merging = self.table, self._merging
        a, b, c, known = whole
        if merging is not None:
            situation = merging.situation((a, b, c), known)
            pool = self._pool_in.get(situation)
            if pool is None:
                pool = self._pool_in[situation] = self._pools.of_merged(merging, situation)
            return pool
        sent = table.sent
        key = sent[a], sent[b], sent[c]
        pool = self._pool_of.get(key)
        if pool is None:
            sents = table.sents
            pool = self._pool_of[key] = self._pools.of([sents[key[0]], sents[key[1]], sents[key[2]]])
        return pool

    def _moves_of(self, state: int, pool: Pool) -> "_Moves":
        key = state << STATE_BITS | pool.number
        moves = self._moves.get(key)
        if moves is None:
            moves = self._moves[key] = _Moves()
            after: dict[int, None] = {}
            idle = self.table.idle(state)
            may_crash = self.table.action(Crash()) in pool.actions
            for action in pool.actions:
                if action in idle:
                    continue
                reached = self.table.move(state, action)
                if moves.breach is None:
                    moves.breach = self.table.breach(state, action)
                if reached != state:
                    self.table.twin(reached)
                    after[reached] = None
                    kind = KINDS[type(self.table.actions[action])]
                    moves.kinds[kind] = moves.kinds.get(kind, 0) + 1
                torn = self.table.torn(state, action) if may_crash else None
                if torn is not None:
                    self.table.twin(torn)
                    after[torn] = None
                    moves.kinds["restart"] = moves.kinds.get("restart", 0) + 1
            moves.after = tuple(after)
            assert len(self.table.keys) <= _MASK, "more local states than fit"
        return moves

    # -- reporting ----------------------------------------------------------------------------------

    def _figures(self, expanded: int) -> Figures:
        figures = Figures(len(self._order), expanded, len(self.table.keys), self.table.runs, self._depth)
        for moves in self._moves.values():
            for kind, count in moves.kinds.items():
                figures.actions[kind] += moves.uses * count
        return figures

    def orbits(self) -> int:
        """Return how many states the reached ones represent."""
        total = 0
        for at in range(len(self._order)):
            whole = self._whole(at)
            total += len({variant for one in (whole, self._twin(whole)) for variant in self._seatings(one)})
        return total

    def _twin(self, whole: Whole) -> Whole:
        twins = self.table.twins
        a, b, c, known = whole
        return twins[a], twins[b], twins[c], 0 if self._merging is None else self._merging.twin(known)

    def _seatings(self, whole: Whole) -> list[Whole]:
        a, b, c, known = whole
        if self._trio:
            return [(x, y, z, known) for x, y, z in permutations((a, b, c))]
        return [(a, b, c, known), (a, c, b, known)] if self._pair else [whole]

    def _found(self, at: int, breach: str, *, by_move: bool = False) -> Finding:
        """Retrace the path under one naming: each step leads to the next state on it."""
        path = [at]
        while path[-1]:
            path.append(self._parents[path[-1]])
        whole, steps = self._reached_as(self._start), []
        for index in reversed(path[:-1]):
            target = self._whole(index)
            whole, step = next(s for s in self._steps(whole) if self.canonical(s[0]) == target)
            steps.append(step)
        if by_move:
            steps.append(next(step for _, step in self._steps(whole) if step.breach is not None))
        return Finding(breach, tuple(steps))

    def _reached_as(self, whole: Whole) -> Whole:
        """Return a state without what decides nothing, under its own names."""
        if self._merging is None:
            return whole
        places, known, _ = self._merging.merge(whole[:3], whole[3])
        return (*places, known)

    def _steps(self, whole: Whole) -> Iterator[tuple[Whole, Step]]:
        """Yield everything that may happen in a state, with the state after it."""
        numbers = self.pool(whole).actions
        may_crash = self.table.action(Crash()) in numbers
        for number in numbers:
            action = self.table.actions[number]
            for place, seat in enumerate(self.configuration.honest):
                state = whole[place]
                after = self.table.move(state, number)
                self.table.twin(after)
                reached = self._reached_as(_with(whole, place, after))
                yield reached, Step(seat, action, self.table.said(state, number), self.table.breach(state, number))
                torn = self.table.torn(state, number) if may_crash else None
                if torn is not None:
                    self.table.twin(torn)
                    step = Step(seat, TornTurn(action), self.table.said_at_once(state, number), None)
                    yield self._reached_as(_with(whole, place, torn)), step


class _Moves:
    """The states that one local state can reach in one pool, how often that was needed, and the actions by type."""

    __slots__ = ("after", "breach", "kinds", "uses")

    def __init__(self) -> None:
        self.after: tuple[int, ...] = ()
        self.breach: str | None = None
        self.kinds: dict[str, int] = {}
        self.uses = 0


def _with(whole: Whole, place: int, after: int) -> Whole:
    a, b, c, known = whole
    return (after, b, c, known) if place == 0 else (a, after, c, known) if place == 1 else (a, b, after, known)


def _packed(numbers: Sequence[int]) -> int:
    packed = 0
    for number in numbers:
        packed = packed << STATE_BITS | number
    return packed
