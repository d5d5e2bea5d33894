"""A block's work is bounded: the leader ends it there, and nobody prepares one with more."""

from typing import Any

import pytest

from gossipbook.consensus.block import decode_block
from gossipbook.consensus.messages import CastVote, GiveUp, Propose
from gossipbook.consensus.selection import Ages
from gossipbook.crdt.inserted import Inserted
from gossipbook.crdt.interpretation import Interpretation
from gossipbook.crdt.op import GENESIS_PREV, sign_op
from gossipbook.crdt.op_set import OpSet
from gossipbook.matching.commands import Place

from .kit import START_MS, SYMBOL, Bench, buy, identity, network

TIGHT = {"max_block_work": 3}


def bench_of(seat: str, **limits: int) -> Bench:
    return Bench(seat, rules_version=3, limits={**TIGHT, **limits})


def two_ops(bench: Bench) -> None:
    """Each does three units of work, which is all that a block may do."""
    for name, author in (("o1", "alice"), ("o2", "bob")):
        bench.op(name, author, *(buy(n, 100 + n) for n in (1, 2, 3)))
    bench.hold("o1", "o2")


def blocks_of(messages: list[Any]) -> list[int]:
    return [len(decode_block(message.block).op_ids) for message in messages if isinstance(message, Propose)]


def test_a_leader_ends_its_block_where_the_work_ends() -> None:
    bench = bench_of("a")
    two_ops(bench)
    assert blocks_of(bench.sent) == [1]


def test_a_leader_takes_both_where_there_is_work_for_both() -> None:
    bench = bench_of("a", max_block_work=4)
    two_ops(bench)
    assert blocks_of(bench.sent) == [2], "the second begins while there is some left, and runs whole"


def test_nobody_prepares_a_block_with_more_ops_than_there_is_work_for() -> None:
    bench = bench_of("b")
    two_ops(bench)
    bench.block("b1", ["o1", "o2"])
    bench.sent.clear()
    bench.deliver("a", bench.proposal("b1", 0))
    assert not [message for message in bench.sent if isinstance(message, CastVote)]
    assert [message for message in bench.sent if isinstance(message, GiveUp)]


def test_what_lapses_may_fill_a_block_without_any_op() -> None:
    manifest, _ = network(rules_version=3, limits=TIGHT)
    certified = Interpretation(manifest, SYMBOL)
    who, head = identity("alice"), GENESIS_PREV
    for seq in range(3):
        places = [Place(3 * seq + n, 1, 1, 100, 1, 2, 0, 1, START_MS + 500) for n in (1, 2, 3)]
        op = sign_op(who, manifest.chain_id, SYMBOL, seq, head, places, START_MS + 9_000 if seq == 0 else 0)
        assert certified.refusal([op], START_MS + seq) is None
        certified.execute(START_MS + seq, [op])
        certified.commit()
        head = op.id
    assert not certified.may_be_empty(START_MS + 500)
    late = sign_op(who, manifest.chain_id, SYMBOL, 3, head, [buy(99)])
    for block in range(4):
        assert certified.may_be_empty(START_MS + 600 + block) == (block < 3)
        execution = certified.execute(START_MS + 600 + block, [late])
        assert (execution.ran, len(execution.events)) == ((0, 3) if block < 3 else (1, 1))
        certified.commit()


@pytest.mark.parametrize(("came_ms", "voted"), [(0, True), (2_500, False)])
def test_a_blocks_time_is_judged_by_when_it_came(came_ms: int, voted: bool) -> None:
    """Not by when its ops were here at last."""
    bench = Bench("b", rules_version=3)
    bench.op("o1", "alice", buy(1))
    bench.block("b1", ["o1"])
    bench.advance(came_ms)
    bench.deliver("a", bench.proposal("b1", 0))
    bench.advance(2_500 - came_ms)
    bench.sent.clear()
    bench.hold("o1")
    assert any(isinstance(message, CastVote) for message in bench.sent) == voted


def test_ages_are_those_of_the_term() -> None:
    ages = Ages(timer_ms=10_000, term_started_ms=6_000, inclusion_age_ms=5_000, block_ms=1)
    assert not ages.is_due(0)
    assert ages.is_pressing(0)
    assert Ages(11_001, 6_000, 5_000, 1).is_due(0)


def test_a_leader_tells_the_time_to_whose_first_op_came_too_late() -> None:
    bench = Bench("a", rules_version=3)
    bench.op("o1", "alice", buy(1), expiry_ms=START_MS - 1)
    bench.hold("o1")
    assert blocks_of(bench.sent) == [0]


def test_an_op_that_was_taken_needs_no_block_to_say_that_it_is_past() -> None:
    manifest, _ = network(rules_version=3)
    certified = Interpretation(manifest, SYMBOL)
    pool = OpSet(certified, manifest.limits)
    pool.wall_ms = START_MS
    first, other = (
        sign_op(identity(name), manifest.chain_id, SYMBOL, 0, GENESIS_PREV, [buy(1)], START_MS + expiry_ms)
        for name, expiry_ms in (("alice", 10), ("bob", 2_000))
    )
    for op in (first, other):
        assert pool.insert(op, 0)[0] is Inserted.ACCEPTED
    certified.execute(START_MS, [first])
    certified.commit()
    pool.wall_ms = START_MS + 1_999
    assert not pool.awaits_time(certified, pool.block_ms)
    pool.wall_ms = START_MS + 2_001
    assert pool.awaits_time(certified, pool.block_ms)


@pytest.mark.parametrize(("rules", "after_ms", "valid"), [(3, 999, False), (3, 1_000, True), (2, 9_000, False)])
def test_a_block_without_ops_tells_the_time_at_most_once_a_second(rules: int, after_ms: int, valid: bool) -> None:
    manifest, _ = network(rules_version=rules)
    certified = Interpretation(manifest, SYMBOL)
    op = sign_op(identity("alice"), manifest.chain_id, SYMBOL, 0, GENESIS_PREV, [buy(1)], START_MS + 9_000)
    certified.execute(START_MS, [op])
    certified.commit()
    assert certified.may_be_empty(START_MS + after_ms) == valid
