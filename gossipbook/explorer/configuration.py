"""What is explored: which seat is faulty, how many terms and heights there are, and when to stop."""

from dataclasses import dataclass

SEATS = 4
FAULTY = 1


@dataclass(frozen=True, slots=True)
class Configuration:
    """The bounds of one exploration.

    ``liar`` is a seat; seat t leads term t. ``terms`` counts those in which votes are cast: no TC of the last one is
    delivered, and unless ``last_term_ends`` no timer fires in it. ``restarts`` is how many there may be in all, None
    any number. ``agreement_only`` looks for two final blocks and overlooks single votes that break a rule.
    ``depth_cap`` and ``states_cap`` end a search that would otherwise exhaust the space. Without ``symmetry`` states
    that differ in names alone are told apart.

    ``depth`` is how many heights may be in flight: 0 by the rules in which it is one always, 1 and more by those in
    which there may be several. By the latter ``merging`` takes states for one whose difference decides nothing
    (:mod:`merging`).
    """

    liar: int = 0
    terms: int = 2
    heights: int = 1
    last_term_ends: bool = True
    restarts: int | None = None
    agreement_only: bool = False
    depth_cap: int | None = None
    states_cap: int | None = None
    symmetry: bool = True
    depth: int = 0
    merging: bool = True

    def __post_init__(self) -> None:
        assert 0 <= self.liar < SEATS, self.liar
        assert 1 <= self.terms <= SEATS, self.terms
        assert 1 <= self.heights <= 2, self.heights
        assert 0 <= self.depth <= 4, self.depth

    @property
    def is_deep(self) -> bool:
        """Whether the rules are those that let several heights be in flight."""
        return self.depth > 0

    @property
    def merges(self) -> bool:
        """Whether states are merged, which rests on the laws on single votes."""
        return self.is_deep and self.merging and not self.agreement_only

    @property
    def honest(self) -> tuple[int, ...]:
        """The seats that run the real core."""
        return tuple(seat for seat in range(SEATS) if seat != self.liar)

    @property
    def interchangeable(self) -> int:
        """How many honest seats, the last ones, lead no explored term and so differ in name alone."""
        return sum(1 for seat in self.honest if seat >= self.terms) if self.symmetry else 0

    def describe(self) -> str:
        """Describe the bounds in one line."""
        restarts = "any restarts" if self.restarts is None else _count(self.restarts, "restart")
        timers = "" if self.last_term_ends else ", no timer in the last"
        capped = "" if self.states_cap is None else f", at most {self.states_cap:,} states"
        capped += "" if self.depth_cap is None else f", {self.depth_cap} steps"
        bounds = f"{_count(self.terms, 'term')} x {_count(self.heights, 'height')}"
        depth = f", {self.depth} in flight" if self.is_deep else ""
        return f"liar in seat {'abcd'[self.liar]}, {bounds}{depth}{timers}, {restarts}{capped}"


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}" + ("" if number == 1 else "s")


def quick(liar: int) -> tuple[Configuration, ...]:
    """Return spaces that are exhausted in under a minute and together take every type of action.

    Two are of the rules in which one height is in flight, and two of those in which there may be several.
    """
    return (
        Configuration(liar, terms=1),
        Configuration(liar, restarts=0, last_term_ends=False),
        Configuration(liar, terms=1, heights=2, depth=2),
        Configuration(liar, depth=1),
    )


def full(liar: int, states_cap: int) -> tuple[Configuration, ...]:
    """Return the quick spaces and larger ones: a restart in either term, three terms, two heights. Minutes each."""
    return (
        *quick(liar),
        Configuration(liar, restarts=0, states_cap=states_cap),
        Configuration(liar, restarts=1, last_term_ends=False, states_cap=states_cap),
        Configuration(liar, heights=2, restarts=0, last_term_ends=False, states_cap=states_cap),
        Configuration(liar, terms=3, restarts=0, last_term_ends=False, states_cap=states_cap),
        Configuration(liar, heights=2, restarts=0, last_term_ends=False, depth=2, states_cap=states_cap),
        Configuration(liar, terms=3, restarts=0, last_term_ends=False, depth=1, states_cap=states_cap),
    )
