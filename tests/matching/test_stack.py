"""Several speculative blocks at once: the newest is undone, the oldest kept, and all set aside, in any order."""

import random

import pytest

from gossipbook.audit.oracle import OracleBook
from gossipbook.matching import engine as engine_module
from gossipbook.matching.engine import Engine
from gossipbook.matching.suspension import resume, suspend

from .chaos import ALL_ARENAS, Chaos
from .duel import execute_engine, execute_oracle

DEPTH = 5
MOVES = 150


def state(engine: Engine) -> tuple[bytes, list[bytes]]:
    """All that counts, and who has an account, were it an empty one."""
    return engine.digest(), sorted(engine.book.accounts)


def walk(name: str, seed: int) -> int:
    """Random moves, each held to the oracle's book of the same blocks; how many blocks were undone."""
    arena = ALL_ARENAS[name]
    rng, chaos, engine = random.Random(seed), Chaos(seed, arena), arena.rules.engine()
    stack: list[OracleBook] = [OracleBook(*arena.rules)]  # the certified book, and one for each block on top of it
    digests = [state(engine)]
    undone = 0
    for _ in range(MOVES):
        depth = len(stack) - 1
        move = rng.random()
        if depth < DEPTH and (move < 0.5 or not depth):
            oracle = stack[-1].copy()
            ops = chaos.block(oracle)
            assert execute_engine(engine, chaos.time_ms, ops) == execute_oracle(oracle, chaos.time_ms, ops)
            stack.append(oracle)
            digests.append(state(engine))
        elif move < 0.75:
            engine.rollback()
            stack.pop()
            digests.pop()
            undone += 1
        elif move < 0.9:
            engine.commit()
            del stack[0], digests[0]
        else:
            aside = suspend(engine)
            assert engine.digest() == digests[0][0]
            assert len(aside) == depth
            resume(engine, aside)
        assert state(engine) == digests[-1]
    return undone


def walk_all() -> None:
    for name in ALL_ARENAS:
        walk(name, 1)


@pytest.mark.parametrize("name", ALL_ARENAS)
def test_any_moves_lead_to_the_same_book(name: str) -> None:
    assert walk(name, 1) > 5
    assert walk(name, 2) > 5


@pytest.mark.parametrize("forgotten", ["met", "made", "log"])
def test_an_undo_that_forgets_what_it_covered_is_noticed(forgotten: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: of a block that is the newest again a part of what undoes it is lost."""
    right = engine_module.uncover

    def wrong(book, covered):  # type: ignore[no-untyped-def]
        right(book, covered._replace(**{forgotten: []}))

    monkeypatch.setattr(engine_module, "uncover", wrong)
    with pytest.raises((AssertionError, ValueError, KeyError)):
        walk_all()
