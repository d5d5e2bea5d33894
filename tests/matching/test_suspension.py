"""A speculative block that is set aside leaves the book as it was before it, and comes back as if nothing had been."""

import pytest

from gossipbook import cbor
from gossipbook.audit.oracle import OracleBook
from gossipbook.matching import suspension
from gossipbook.matching.suspension import resume, suspend

from .chaos import ALL_ARENAS, Chaos
from .duel import execute_engine, execute_oracle

BLOCKS = 40


def pulse(name: str, seed: int) -> None:
    """Random blocks; each is set aside and put back twice, then undone exactly, then executed for good."""
    arena = ALL_ARENAS[name]
    chaos, oracle, engine = Chaos(seed, arena), OracleBook(*arena.rules), arena.rules.engine()
    for _ in range(BLOCKS):
        ops = chaos.block(oracle)
        execute_oracle(oracle, chaos.time_ms, ops)
        before = engine.digest()
        rows = cbor.encode([list(engine.open_orders(side)) for side in (1, 2)])
        events = execute_engine(engine, chaos.time_ms, ops)
        after = engine.digest()
        for _ in range(2):
            aside = suspend(engine)
            assert engine.digest() == before
            assert cbor.encode([list(engine.open_orders(side)) for side in (1, 2)]) == rows
            resume(engine, aside)
            assert engine.digest() == after
        engine.rollback()
        assert engine.digest() == before
        assert execute_engine(engine, chaos.time_ms, ops) == events
        engine.commit()
        assert engine.digest() == after


def pulse_all(seed: int) -> None:
    for name in ALL_ARENAS:
        pulse(name, seed)


@pytest.mark.parametrize("name", ALL_ARENAS)
def test_a_block_set_aside_and_put_back(name: str) -> None:
    pulse(name, 1)
    pulse(name, 2)


@pytest.mark.parametrize("kind", ["OPEN", "ORDER", "HIDDEN", "MAPPED", "PLACE"])
def test_an_entry_that_is_not_turned_round_is_noticed(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: one kind of change is undone and never brought back."""
    right = suspension._opposite

    def wrong(book, entry):  # type: ignore[no-untyped-def]
        known = type(entry) is tuple and entry[0] == getattr(suspension, kind)
        return entry if known else right(book, entry)

    monkeypatch.setattr(suspension, "_opposite", wrong)
    with pytest.raises((AssertionError, ValueError, KeyError)):
        pulse_all(3)
