"""Several heights in flight: what a leader puts forward without waiting, what members vote for, and what they show."""

from typing import Any

import pytest

from gossipbook.consensus.committee import COMMIT, PREPARE
from gossipbook.consensus.events import MemberDown, MemberUp, Stopping
from gossipbook.consensus.messages import BlockBody, CastVote, FetchBlock, GiveUp, Propose, Status

from .kit import SYMBOL, Bench, buy, sell

NAMES = ("o1", "o2", "o3", "o4")
AUTHORS = ("alice", "bob", "carol", "dave")


def bench_of(me: str, depth: int = 3, **limits: int) -> Bench:
    """Four ops of four authors, and blocks b1 to b4 of one each, every one the parent of the next."""
    bench = Bench(me, rules_version=5, limits={"max_blocks_in_flight": depth, **limits})
    parent = ""
    for number, (name, author) in enumerate(zip(NAMES, AUTHORS, strict=True), 1):
        bench.op(name, author, buy(1, 90 + number) if number % 2 else sell(1, 110 + number))
        bench.block(f"b{number}", [name], parent=parent, time_ms=number)
        parent = f"b{number}"
    return bench


def said(bench: Bench, kind: int) -> list[tuple[int, int]]:
    """Term and height of each of the member's votes of a kind, in order."""
    cast = dict.fromkeys(m.vote for m in bench.sent if isinstance(m, CastVote) and m.vote.seat == bench.seat)
    return [(vote.term, vote.height) for vote in cast if vote.kind == kind]


def heights(bench: Bench) -> list[tuple[int, int]]:
    """Term and height of each proposal that left."""
    return [(m.term, m.height) for m in bench.sent if isinstance(m, Propose)]


def certify(bench: Bench, seats: str = "bcd") -> None:
    """The others' votes for the leader's oldest block in flight."""
    (block,) = [b for b in bench.replica.member.chain.held() if b.height == bench.replica.fin + 1]
    bench.blocks["own"] = block
    bench.prepare("own", block.created_term, seats)
    bench.commit("own", block.created_term, seats)


# -- rule 1 -------------------------------------------------------------------------------------------------


def test_a_leader_goes_on_without_waiting_up_to_the_depth() -> None:
    bench = bench_of("a")
    for name in NAMES:
        bench.hold(name)
    assert heights(bench) == [(0, 1), (0, 2), (0, 3)]
    assert said(bench, PREPARE) == [(0, 1), (0, 2), (0, 3)]
    certify(bench)
    assert bench.replica.fin == 1
    assert heights(bench)[3:] == [(0, 4)]


def test_with_a_depth_of_one_it_waits() -> None:
    bench = bench_of("a", depth=1)
    for name in NAMES:
        bench.hold(name)
    assert heights(bench) == [(0, 1)]
    certify(bench)
    assert heights(bench) == [(0, 1), (0, 2)]


def test_no_op_is_proposed_twice() -> None:
    bench = bench_of("a")
    for name in NAMES[:3]:
        bench.hold(name)
    bench.advance(100)
    named = [op_id for block in bench.replica.member.chain.held() for op_id in block.op_ids]
    assert sorted(named) == sorted(bench.ops[name].id for name in NAMES[:3])


def test_what_is_in_flight_is_bounded_by_a_full_block() -> None:
    bench = bench_of("a", depth=8, max_block_ops=2)
    bench.op("p2", "alice", buy(2, 80))
    for name in (*NAMES, "p2"):
        bench.hold(name)
    assert heights(bench) == [(0, 1), (0, 2), (0, 3)], "one each, and then there is as much as in a full one"
    full = bench_of("a", max_block_ops=2)
    full.hold(*NAMES)
    assert heights(full) == [(0, 1), (0, 2)][: len(heights(full))]
    assert [len(block.op_ids) for block in full.replica.member.chain.held()] == [2, 2]


def test_proposals_are_spread_over_the_time_that_one_takes() -> None:
    """While members are slow, what comes meanwhile shares a block."""
    bench = bench_of("a", depth=2)
    bench.hold("o1")
    bench.advance(800)
    certify(bench)
    bench.hold("o2")
    bench.hold("o3")
    assert heights(bench) == [(0, 1), (0, 2)], "the first in flight waits for nothing"
    bench.hold("o4")
    bench.advance(399)
    assert heights(bench) == [(0, 1), (0, 2)]
    bench.advance(1)
    assert heights(bench) == [(0, 1), (0, 2), (0, 3)]
    assert [len(block.op_ids) for block in bench.replica.member.chain.held()] == [1, 2]


def test_a_first_proposal_waits_for_the_disk_and_others_do_not() -> None:
    bench = bench_of("a")
    effects = bench.hold("o1") + bench.hold("o2")
    waits = [effect.at_once for effect in effects if isinstance(getattr(effect, "message", None), Propose)]
    assert waits == [False, False], "until somebody has voted for the first it may not have left"
    bench.blocks["own"] = next(b for b in bench.replica.member.chain.held() if b.height == 1)
    bench.prepare("own", 0, "bc")
    effects = bench.hold("o3")
    assert [effect.at_once for effect in effects if isinstance(getattr(effect, "message", None), Propose)] == [True]


@pytest.mark.parametrize("proposed", [False, True])
def test_a_leader_that_comes_back_gives_up_a_term_in_which_it_may_have_proposed(proposed: bool) -> None:
    bench = bench_of("a")
    if proposed:
        bench.hold("o1")
    before = len(heights(bench))
    bench.restart()
    bench.hold("o2")
    assert bool(bench.replica.member.ballot.timed_out) is proposed
    assert len(heights(bench)) == before + (not proposed)


def test_alone_it_goes_on() -> None:
    bench = Bench("a", 1, "crash", rules_version=5)
    bench.op("o1", "alice", buy(1))
    bench.op("o2", "bob", sell(1, 110))
    bench.hold("o1")
    bench.restart()
    bench.hold("o2")
    assert bench.replica.fin == 2


def test_a_locked_block_is_proposed_again_as_it_is_and_children_follow() -> None:
    """Not height by height from below: its ancestors come along with it."""
    bench = bench_of("b")
    bench.hold(*NAMES)
    for name in ("b1", "b2"):
        bench.deliver("a", bench.proposal(name, 0))
    bench.proof(bench.term_change(0, {"a": {}, "c": {"lock": "0:b2"}, "d": {}}), "c")
    assert heights(bench)[:2] == [(1, 2), (1, 3)]
    again = next(m for m in bench.sent if isinstance(m, Propose))
    assert again.block == bench.blocks["b2"].raw


def test_it_fetches_what_a_locked_block_rests_on() -> None:
    bench = bench_of("b")
    bench.hold(*NAMES)
    bench.proof(bench.term_change(0, {"a": {}, "c": {"lock": "0:b2"}, "d": {}}), "c")
    assert heights(bench) == []
    for name in ("b2", "b1"):
        assert bench.blocks[name].id in [m.block_id for m in bench.sent if isinstance(m, FetchBlock)]
        bench.deliver("c", BlockBody(SYMBOL, 0, bench.blocks[name].raw))
    assert heights(bench)[0] == (1, 2)


# -- rule 2 -------------------------------------------------------------------------------------------------


def test_members_prepare_ahead_and_in_order() -> None:
    bench = bench_of("b")
    bench.hold(*NAMES)
    bench.deliver("a", bench.proposal("b2", 0))
    assert said(bench, PREPARE) == []
    bench.deliver("a", bench.proposal("b1", 0))
    assert said(bench, PREPARE) == [(0, 1), (0, 2)]
    bench.deliver("a", bench.proposal("b4", 0))
    bench.deliver("a", bench.proposal("b3", 0))
    assert said(bench, PREPARE) == [(0, 1), (0, 2), (0, 3)], "the fourth is beyond the depth"
    bench.prepare("b1", 0, "ac")
    bench.commit("b1", 0, "ac")
    assert said(bench, PREPARE)[3:] == [(0, 4)]


def test_votes_of_a_term_rise_along_one_chain() -> None:
    """The leader offers another block at a height below what was prepared, and a child of it."""
    bench = bench_of("b")
    bench.block("x1", ["o2"], time_ms=1)
    bench.block("x2", ["o1"], parent="x1", time_ms=2)
    bench.hold(*NAMES)
    bench.deliver("a", bench.proposal("b1", 0))
    bench.deliver("c", BlockBody(SYMBOL, 0, bench.blocks["x1"].raw))
    bench.replica.member.hold(bench.blocks["x1"])
    bench.deliver("a", bench.proposal("x2", 0))
    assert said(bench, PREPARE) == [(0, 1)]


def test_an_ancestor_that_was_not_prepared_passes_the_clock_itself() -> None:
    """Else a liar hides a block of the far future under a child one millisecond later."""
    bench = bench_of("b")
    tolerance_ms = bench.manifest.timing.clock_tolerance_ms
    bench.block("f1", ["o1"], time_ms=tolerance_ms + 500)
    bench.block("f2", ["o2"], parent="f1", time_ms=tolerance_ms + 501)
    bench.hold(*NAMES)
    bench.replica.member.hold(bench.blocks["f1"])
    bench.deliver("a", bench.proposal("f2", 0))
    assert said(bench, PREPARE) == []
    bench.advance(500)
    assert said(bench, PREPARE) == [(0, 2)]


def test_the_chain_below_a_vote_is_stored_with_it() -> None:
    bench = bench_of("b")
    bench.hold(*NAMES)
    bench.replica.member.hold(bench.blocks["b1"])
    bench.deliver("a", bench.proposal("b2", 0))
    assert said(bench, PREPARE) == [(0, 2)]
    bench.restart()
    assert {block.height for block in bench.replica.member.chain.held()} == {1, 2}


# -- rules 3 to 7 -------------------------------------------------------------------------------------------


def test_a_lock_commits_to_all_that_it_descends_from() -> None:
    bench = bench_of("b")
    bench.hold(*NAMES)
    for name in ("b1", "b2", "b3"):
        bench.deliver("a", bench.proposal(name, 0))
    bench.prepare("b3", 0, "ac")
    assert said(bench, COMMIT) == [(0, 1), (0, 2), (0, 3)]
    bench.commit("b2", 0, "ac")
    assert bench.replica.fin == 0
    bench.commit("b1", 0, "ac")
    assert bench.replica.fin == 2
    lock = bench.replica.member.ballot.lock
    assert lock is not None
    assert lock.height == 3, "what is final below does not clear it"


def test_a_timeout_shows_the_height_of_its_lock() -> None:
    bench = bench_of("b")
    bench.hold(*NAMES)
    for name in ("b1", "b2"):
        bench.deliver("a", bench.proposal(name, 0))
    bench.prepare("b2", 0, "ac")
    bench.advance(1_000)
    (timeout,) = {m.timeout for m in bench.sent if isinstance(m, GiveUp)}
    assert (timeout.fin, timeout.lock_term, timeout.lock_height) == (0, 0, 2)
    assert timeout.lock_id == bench.blocks["b2"].id


def test_whoever_has_something_final_of_a_later_term_asks_for_that_term_first() -> None:
    bench = bench_of("b")
    bench.hold(*NAMES)
    bench.deliver("c", BlockBody(SYMBOL, 0, bench.blocks["b1"].raw))
    bench.replica.member.hold(bench.blocks["b1"])
    bench.proof(bench.certificate(COMMIT, "b1", 2), "c")
    assert bench.replica.fin == 1
    bench.advance(5_000)
    assert not bench.replica.member.ballot.timed_out
    assert any(isinstance(message, Status) for message in bench.sent)


def test_a_lock_of_an_older_term_than_what_is_final_binds_nobody() -> None:
    """A liar shows an NC that a later term's finality outdated."""
    bench = bench_of("b")
    bench.hold(*NAMES)
    bench.block("x1", ["o2"], term=1)
    bench.block("x2", ["o1"], term=2, parent="x1")
    fc_later = {"fin": "x1"}
    tc = bench.term_change(1, {"a": {"lock": "0:b2"}, "c": fc_later, "d": {}})
    assert tc.base(bench.committee).block_id == bench.blocks["x1"].id
    earlier = bench.term_change(1, {"a": {"lock": "1:b2"}, "c": fc_later, "d": {}})
    assert earlier.base(bench.committee).block_id == bench.blocks["b2"].id, "one of no older term does"


# -- a lost link, and a clean end ---------------------------------------------------------------------------


def gives_up_ms(bench: Bench) -> int:
    """After how long from now the member gives up its term."""
    for ms in range(0, 20_000, 10):
        if bench.replica.member.ballot.timed_out:
            return ms
        bench.advance(10)
    raise AssertionError("never")


def test_a_leader_whose_link_is_gone_has_little_time() -> None:
    bench = bench_of("b")
    bench.hold("o1")
    bench.turn(MemberDown(bench.peer("a")))
    assert gives_up_ms(bench) <= bench.config.leader_gone_ms + 10


def test_a_link_that_comes_back_gives_it_no_more_time_than_it_had() -> None:
    bench = bench_of("b")
    bench.hold("o1")
    for _ in range(30):
        bench.turn(MemberDown(bench.peer("a")))
        bench.advance(20)
        bench.turn(MemberUp(bench.peer("a")))
        bench.advance(20)
    assert 300 < 1_200 + gives_up_ms(bench) <= 1_300 or bench.replica.member.ballot.timed_out


def test_links_do_not_make_terms_race() -> None:
    """After a term change the next one is no sooner than the backoff says, whatever links do."""
    bench = bench_of("c")
    bench.hold("o1")
    bench.proof(bench.term_change(0, {"a": {}, "b": {}, "d": {}}), "d")
    bench.turn(MemberDown(bench.peer("b")))
    base_ms = bench.manifest.timing.timeout_base_ms
    assert gives_up_ms(bench) >= 2 * base_ms


@pytest.mark.parametrize("changed_before_ms", [0, 5_000])
def test_others_follow_a_leader_that_gives_up_its_own_term(changed_before_ms: int) -> None:
    bench = bench_of("c")
    bench.proof(bench.term_change(0, {"a": {}, "b": {}, "d": {}}), "d")
    bench.advance(changed_before_ms)
    bench.deliver("b", bench.timeout(1, "b"))
    assert bench.replica.member.ballot.timed_out is (changed_before_ms > 0), "but not so soon that terms would race"


@pytest.mark.parametrize(("me", "hands_over"), [("a", True), ("b", False)])
def test_a_leader_that_stops_hands_over(me: str, hands_over: bool) -> None:
    bench = bench_of(me)
    effects: list[Any] = bench.turn(Stopping())
    assert any(isinstance(getattr(effect, "message", None), GiveUp) for effect in effects) is hands_over
