"""Repair of pending sets: exactly what is missing, and both sides end up equal."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gossipbook.crdt import anti_entropy
from gossipbook.crdt.anti_entropy import frontier_page, repair

from .kit import Replicated, chain, op
from .test_op_set import ALICE, BOB, CAROL, DAN, EVE, EVE_FORK, MAL

HONEST = [*ALICE, *BOB, *CAROL]


def exchange(a: Replicated, b: Replicated) -> int:
    """One exchange as a pair's composition does it: frontier, bodies, and the frontier back. Ops that were sent."""
    entries, until = frontier_page(a.set, b"")
    answer = repair(b.set, entries, b"", until)
    a.offer(*answer.evidence, *answer.ops)
    sent = len(answer.ops)
    if answer.behind:
        entries, until = frontier_page(b.set, b"")
        back = repair(a.set, entries, b"", until)
        b.offer(*back.evidence, *back.ops)
        sent += len(back.ops)
    return sent


def prefix_of_each(lengths: list[int]) -> list:
    return [*ALICE[: lengths[0]], *BOB[: lengths[1]], *CAROL[: lengths[2]]]


some_lengths = st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 3)).map(list)


@given(some_lengths, some_lengths)
@settings(max_examples=500, deadline=None)
def test_exactly_what_is_missing_is_sent(mine: list[int], theirs: list[int]) -> None:
    a, b = Replicated(), Replicated()
    a.offer(*prefix_of_each(mine))
    b.offer(*prefix_of_each(theirs))
    different = sum(abs(x - y) for x, y in zip(mine, theirs, strict=True))
    assert exchange(a, b) == different
    assert a.set.digest() == b.set.digest()
    assert exchange(a, b) == 0


@given(st.lists(st.sampled_from(HONEST)), st.lists(st.sampled_from(HONEST)))
@settings(max_examples=500, deadline=None)
def test_sets_with_gaps_become_equal(mine: list, theirs: list) -> None:
    """What hangs in the air is in neither frontier; what its owner can prove is sent."""
    a, b = Replicated(), Replicated()
    a.offer(*mine)
    b.offer(*theirs)
    for _ in range(8):  # Each round can close one gap on either side.
        exchange(a, b)
    assert a.set.digest() == b.set.digest()


@given(
    st.lists(st.sampled_from([*ALICE, *EVE, *EVE_FORK, *MAL, *DAN])),
    st.lists(st.sampled_from([*ALICE, *EVE, *EVE_FORK, *MAL, *DAN])),
)
@example(mine=[MAL[0], MAL[4]], theirs=[MAL[1]])
@settings(max_examples=500, deadline=None)
def test_sets_with_forks_become_equal(mine: list, theirs: list) -> None:
    a, b = Replicated(), Replicated()
    a.offer(*mine)
    b.offer(*theirs)
    for _ in range(6):
        exchange(a, b)
        exchange(b, a)
    assert a.set.digest() == b.set.digest()


def test_two_branches_of_one_length_show_each_other() -> None:
    a, b = Replicated(), Replicated()
    a.offer(*EVE[:2])
    b.offer(EVE[0], EVE_FORK[0])
    for _ in range(2):
        exchange(a, b)
    assert a.set.digest() == b.set.digest()
    assert a.set.evidence


def test_two_branches_of_different_length_show_each_other() -> None:
    """The longer one's owner sends what follows, which hangs in the air; it must show where they part, too."""
    a, b = Replicated(), Replicated()
    a.offer(*EVE[:3])
    b.offer(EVE[0], EVE_FORK[0])
    for _ in range(4):
        exchange(a, b)
        exchange(b, a)
    assert a.set.digest() == b.set.digest()


def test_two_forks_of_one_author_are_one_entry() -> None:
    """a knows a fork at 1, b one at 3; both call the author forked and must come to the same digest."""
    late = op("eve", 3, EVE[2], 300)
    a, b = Replicated(), Replicated()
    a.offer(*EVE[:2], EVE_FORK[0])
    b.offer(*EVE, late)
    for _ in range(4):
        exchange(a, b)
        exchange(b, a)
    assert a.set.digest() == b.set.digest()


def test_a_long_frontier_goes_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anti_entropy, "FRONTIER_ENTRIES_CAP", 2)
    a, b = Replicated(), Replicated()
    names = ["p", "q", "r", "s", "t"]
    b.offer(*(o for name in names for o in chain(name, 2)))
    a.offer(*(o for name in names for o in chain(name, 1)))
    after, pages, sent = b"", 0, 0
    while True:
        entries, until = frontier_page(a.set, after)
        answer = repair(b.set, entries, after, until)
        a.offer(*answer.ops)
        pages, sent = pages + 1, sent + len(answer.ops)
        if not until:
            break
        after = until
    assert (pages, sent) == (3, 5)
    assert a.set.digest() == b.set.digest()


def test_a_repair_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anti_entropy, "REPAIR_OPS_CAP", 4)
    a, b = Replicated(), Replicated()
    b.offer(*HONEST)
    rounds = 0
    while a.set.digest() != b.set.digest():
        assert exchange(a, b) <= 4
        rounds += 1
        assert rounds < 6


def test_a_repairs_evidence_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    forks = [[op(f"mule {i}", 0), op(f"mule {i}", 0, None, 5)] for i in range(20)]
    b = Replicated()
    b.offer(*(o for pair in forks for o in pair))
    monkeypatch.setattr(anti_entropy, "REPAIR_BYTES_CAP", 4 * forks[0][0].size)
    answer = repair(b.set, [], b"", b"")
    assert sum(e.size for e in answer.evidence) + sum(o.size for o in answer.ops) <= 6 * forks[0][0].size
