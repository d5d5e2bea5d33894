"""Weakenings of the rules of several heights in flight that take a long way to show: each is led down one trace.

The explorer finds the others (``tests/explorer/test_deep.py``).
"""

from collections.abc import Callable

import pytest

from gossipbook.consensus.committee import COMMIT, PREPARE
from gossipbook.consensus.messages import CastVote

from .deep_mutants import DEEP_MUTANTS
from .kit import Bench, buy


def ready(me: str = "d") -> Bench:
    """Term 0 has x at height 1 and y on top of it; z is a block of height 1 of term 1."""
    bench = Bench(me, rules_version=5, limits={"max_blocks_in_flight": 2})
    for name, author in (("o1", "alice"), ("o2", "bob"), ("o3", "carol"), ("o4", "dave")):
        bench.op(name, author, buy(1))
    bench.block("x", ["o1"])
    bench.block("y", ["o2"], parent="x", time_ms=1)
    bench.block("z", ["o3"], term=1)
    bench.hold("o1", "o2", "o3", "o4")
    return bench


def voted(bench: Bench, kind: int, term: int) -> set[str]:
    """The names of the blocks that the member voted for in a term."""
    names = {block.id: name for name, block in bench.blocks.items()}
    votes = [m.vote for m in bench.sent if isinstance(m, CastVote) and m.vote.seat == bench.seat]
    return {names[v.block_id] for v in votes if (v.kind, v.term) == (kind, term)}


# -- traces: each returns what went wrong -----------------------------------------------------------------


def outdated_lock() -> list[str]:
    """z is final in term 1, which outdates y's NC of term 0; a liar shows that NC, and the leader proposes y again."""
    bench = ready()
    bench.deliver("a", bench.proposal("x", 0))
    bench.deliver("a", bench.proposal("y", 0))
    tc = bench.term_change(1, {"a": {"lock": "0:y"}, "b": {"fin": "z"}, "c": {"fin": "z"}})
    bench.deliver("c", bench.proposal("y", 2, tc=tc))
    return ["a PREPARE beside a final block"] if voted(bench, PREPARE, 2) else []


def lower_lock_of_a_term() -> list[str]:
    """Two locks of term 0; y, of the higher one, may be final, so that its ancestor alone is too little."""
    bench = ready()
    bench.deliver("a", bench.proposal("x", 0))
    bench.deliver("a", bench.proposal("y", 0))
    tc = bench.term_change(0, {"a": {"lock": "0:x"}, "b": {"lock": "0:y"}, "c": {}})
    bench.deliver("b", bench.proposal("x", 1, tc=tc))
    return ["a PREPARE of an ancestor of L* alone"] if voted(bench, PREPARE, 1) else []


def beside_the_lock(fin: str) -> list[str]:
    """y is locked by one who shows nothing final; another block on top of x is proposed."""
    bench = ready()
    bench.block("w", ["o4"], parent="x", term=1, time_ms=1)
    bench.deliver("a", bench.proposal("x", 0))
    bench.deliver("a", bench.proposal("y", 0))
    tc = bench.term_change(0, {"a": {"fin": fin}, "b": {"lock": "0:y"}, "c": {}})
    bench.deliver("b", bench.proposal("w", 1, tc=tc))
    return ["a PREPARE against L*"] if voted(bench, PREPARE, 1) else []


def finality_below_the_lock() -> list[str]:
    """x becomes final below the lock on y; y was committed to."""
    bench = ready()
    bench.deliver("a", bench.proposal("x", 0))
    bench.deliver("a", bench.proposal("y", 0))
    bench.proof(bench.certificate(PREPARE, "y", 0), "a")
    assert voted(bench, COMMIT, 0) == {"x", "y"}
    bench.proof(bench.certificate(COMMIT, "x", 0), "a")
    assert bench.finalized == [bench.blocks["x"].id]
    bench.advance(2_000)
    (timeout,) = {m.timeout for m in bench.sent if type(m).__name__ == "GiveUp"}
    return [] if timeout.lock_id == bench.blocks["y"].id else ["a TIMEOUT that hides the lock of a COMMIT"]


TRACES: dict[str, Callable[[], list[str]]] = {
    "no test of the tip's term": outdated_lock,
    "locks compared by term, the lower height kept": lower_lock_of_a_term,
    "proposed again height by height": lower_lock_of_a_term,
    "L* only where fin = H*": lambda: beside_the_lock(fin="x"),
    "only H* + 1 bound by L*": lambda: beside_the_lock(fin=""),
    "any finalization clears the lock": finality_below_the_lock,
}


@pytest.mark.parametrize("name", TRACES)
def test_the_real_core_passes(name: str) -> None:
    assert TRACES[name]() == []


@pytest.mark.parametrize("name", TRACES)
def test_the_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    DEEP_MUTANTS[name](monkeypatch)
    assert TRACES[name]() != []
