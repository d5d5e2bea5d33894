"""What the transcripts do not show: bugs that others had, bounds, and where blame may not fall."""

from dataclasses import replace

from gossipbook import cbor
from gossipbook.consensus.committee import COMMIT, PREPARE
from gossipbook.consensus.messages import (
    BlockBody,
    CastVote,
    Fetch,
    FinalizedBlock,
    GiveUp,
    OwnVotes,
    Proof,
    Propose,
    Status,
    Sync,
)
from gossipbook.consensus.records import VoteRecord, VoteState
from gossipbook.effects import Persist, Send, SetTimer
from gossipbook.ids import digest

from .kit import SYMBOL, Bench, audit, buy, identity, sell


def ready(me: str = "c", **parts: object) -> Bench:
    bench = Bench(me, **parts)
    bench.op("o1", "alice", buy(1))
    bench.op("o2", "bob", sell(1, 101))
    bench.block("b1", ["o1"])
    bench.block("b2", ["o2"])
    bench.hold("o1", "o2")
    return bench


def messages(bench: Bench, kind: type) -> list:
    return [m for m in bench.sent if isinstance(m, kind)]


# -- known bugs of others ---------------------------------------------------------------------------------


def test_own_timeout_is_tallied_again_after_a_restart() -> None:
    bench = ready()
    bench.advance(1_000)
    bench.restart()
    for seat in "ab":
        bench.deliver(seat, bench.timeout(0, seat))
    assert bench.replica.member.ballot.term == 1


def test_own_votes_are_tallied_again_after_a_restart() -> None:
    bench = ready()
    bench.deliver("a", bench.proposal("b1", 0))
    bench.restart()
    bench.prepare("b1", 0, "ab")
    assert bench.replica.member.ballot.lock is not None
    bench.restart()
    bench.commit("b1", 0, "ab")
    assert bench.finalized == [bench.blocks["b1"].id]


def test_a_term_is_durable_before_anything_is_signed_in_it() -> None:
    bench = ready()
    bench.block("b3", ["o2"], term=1)
    tc = bench.term_change(0, {"a": {}, "b": {}, "d": {}})
    effects = bench.deliver("b", bench.proposal("b3", 1, tc=tc))
    vote_at = next(i for i, e in enumerate(effects) if isinstance(e, Send) and isinstance(e.message, CastVote))
    durable = [e.record for e in effects[:vote_at] if isinstance(e, Persist) and isinstance(e.record, VoteRecord)]
    assert VoteState.decode(durable[-1].state).term == 1


def test_a_crash_between_any_two_effects_forgets_no_vote() -> None:
    """Whatever prefix of a turn's records was synced, nothing of that turn left before all of them were."""
    for turn_no in range(6):
        bench = ready()
        steps = [
            lambda b: b.deliver("a", b.proposal("b1", 0)),
            lambda b: b.prepare("b1", 0, "a"),
            lambda b: b.prepare("b1", 0, "b"),
            lambda b: b.advance(1_000),
            lambda b: b.deliver("a", b.timeout(0, "a")),
            lambda b: b.deliver("b", b.timeout(0, "b")),
        ]
        for number, step in enumerate(steps):
            before = list(bench.journal), list(bench.sent)
            step(bench)
            if number == turn_no:  # Crash with nothing of this turn synced: then nothing of it left either.
                bench.journal, bench.sent = before
                break
        bench.restart()
        bench.deliver("a", bench.proposal("b2", 0))
        bench.prepare("b2", 0, "abd")
        bench.advance(5_000)
        assert audit(bench) == [], turn_no


def test_a_recovering_member_joins_a_term_change() -> None:
    bench = ready()
    bench.restart()
    for seat in "ab":
        bench.deliver(seat, bench.timeout(0, seat))
    assert bench.replica.member.ballot.term == 1
    assert audit(bench) == []


def test_application_state_and_consensus_journal_move_together() -> None:
    """The final block's record comes before its events leave, and with the vote state that clears the lock."""
    bench = ready()
    bench.deliver("a", bench.proposal("b1", 0))
    bench.prepare("b1", 0, "ab")
    bench.commit("b1", 0, "ab")
    root = bench.certified.root()
    bench.restart()
    assert (bench.replica.fin, bench.certified.root()) == (1, root)
    assert bench.replica.member.ballot.lock is None


def test_replaying_a_chain_that_executes_otherwise_is_refused() -> None:
    bench = ready()
    lie = bench.block("bad", ["o1"], lie="events")
    assert not bench.replica.replay(lie, bench.certificate(COMMIT, "bad", 0), bench.contents["bad"])
    assert bench.replica.fin == 0


# -- liveness of one member -------------------------------------------------------------------------------


def test_a_proposal_that_comes_ahead_of_its_term_change_is_not_lost() -> None:
    """The TC comes beside the proposal of the next term, while the old term's proposal is still here."""
    bench = ready()
    bench.deliver("a", bench.proposal("b1", 0))
    bench.block("b3", ["o2"], term=1)
    tc = bench.term_change(0, {"a": {}, "b": {}, "d": {}})
    bench.deliver("b", bench.proposal("b3", 1, tc=tc))
    assert [v.term for v in bench.my_votes()] == [0, 1]


def test_a_lock_of_a_term_ahead_can_be_shown_in_a_timeout() -> None:
    """The NC of term 1 arrives, the TC of term 0 is lost: the TIMEOUT that shows it must be taken by others."""
    bench = ready()
    bench.proof(bench.certificate(PREPARE, "b1", 1), "a")
    bench.advance(2_000)
    mine = messages(bench, GiveUp)[0]
    other = ready("d")
    other.deliver("c", mine)
    assert not other.faults
    assert other.replica.member.certificates.timeouts.of_seat(2) is not None


def test_proposals_out_of_order_do_not_lose_the_earlier_one() -> None:
    """b3 at height 2 overtakes b1 at height 1: once b1's FC is here, b1 need not be fetched again."""
    bench = ready("b")
    bench.block("b3", ["o2"], parent="b1")
    bench.deliver("a", bench.proposal("b3", 0, fc=bench.certificate(COMMIT, "b1", 0)))
    bench.deliver("a", bench.proposal("b1", 0))
    assert bench.finalized == [bench.blocks["b1"].id]


def test_an_op_that_a_block_names_survives_its_authors_equivocation() -> None:
    """DESIGN 7: of a fork the two smallest ids are kept, plus any included or proposed one."""
    bench = Bench("c")
    forks = sorted((bench.op(f"f{i}", "eve", buy(1, 100 + i), seq=0) for i in range(3)), key=lambda op: op.id)
    names = {op.id: name for name, op in bench.ops.items()}
    largest = names[forks[2].id]
    bench.block("b1", [largest])
    bench.hold(largest)
    bench.deliver("a", bench.proposal("b1", 0))
    bench.hold(names[forks[0].id], names[forks[1].id])
    bench.prepare("b1", 0, "ab")
    bench.commit("b1", 0, "ab")
    assert bench.finalized == [bench.blocks["b1"].id]


def test_a_full_author_table_is_no_ground_to_time_out() -> None:
    """One place is left and two newcomers are due: the leader takes one, and that is a good block."""
    bench = ready(limits={"max_authors_per_pair": 1}, timing={"timeout_base_ms": 20_000})
    bench.advance(6_000)
    bench.block("b3", ["o1"])
    bench.deliver("a", bench.proposal("b3", 0))
    assert not messages(bench, GiveUp)
    assert len(messages(bench, CastVote)) == 1


# -- bounds, and lies that are not signed -----------------------------------------------------------------


def test_unsigned_due_ids_do_not_keep_an_idle_pair_busy() -> None:
    """Ids that nobody has, beside a genuine TIMEOUT: asking for them must come to an end (I10)."""
    bench = Bench("c")
    genuine = bench.timeout(0, "a")
    junk = tuple(digest(b"junk", bytes([i])) for i in range(64))
    bench.deliver("a", GiveUp(SYMBOL, 0, genuine.timeout, None, None, junk))
    bench.advance(120_000)
    count = len(messages(bench, Fetch))
    bench.advance(120_000)
    assert len(messages(bench, Fetch)) == count


def test_a_height_that_nobody_can_show_is_not_chased_for_ever() -> None:
    """One unsigned STATUS: an idle pair sends nothing in the end, and does not count as syncing (I9, I10)."""
    bench = Bench("c")
    bench.deliver("a", Status(SYMBOL, 0, 2**40, bytes(32), 0, bytes(32), True))
    bench.advance(300_000)
    count = len(messages(bench, Sync))
    bench.advance(300_000)
    assert len(messages(bench, Sync)) == count
    assert bench.replica.member.catch_up.heights.proven <= bench.replica.fin


def test_fault_counters_have_a_fixed_set_of_keys() -> None:
    """A reason may not be made of what the remote sent, or the table grows at its will (I8)."""
    bench = Bench("c")
    for version in range(200, 500):
        bench.deliver("a", BlockBody(SYMBOL, 0, cbor.encode([version, *[0] * 11])))
    assert len(bench.faults) <= 2


def test_junk_proposals_do_not_push_a_locked_block_out() -> None:
    """Each term's leader may get one junk block held; the locked one must stay (nobody else may have it)."""
    bench = ready("d")
    bench.deliver("a", bench.proposal("b1", 0))
    bench.prepare("b1", 0, "ab")
    assert bench.replica.member.ballot.lock is not None
    for term in range(1, 120):
        bench.block("junk", ["o2"], term=term)
        tc = bench.term_change(term - 1, {"a": {"lock": "0:b1"}, "b": {"lock": "0:b1"}, "c": {"lock": "0:b1"}})
        if bench.committee.leader(term) != bench.seat:
            message = bench.proposal("junk", term, tc=tc)
            bench.deliver("a", message)
    assert bench.replica.member.chain.block(bench.blocks["b1"].id) is not None


def test_a_second_answer_to_a_repeated_question_is_no_fault() -> None:
    """Two members were asked for a block in turn; both answer. Neither did wrong (I9)."""
    bench = ready()
    bench.proof(bench.certificate(PREPARE, "b1", 0), "a")
    bench.advance(700)
    for seat in "abd":
        bench.deliver(seat, BlockBody(SYMBOL, 0, bench.blocks["b1"].raw))
    assert not bench.faults


def test_forged_signatures_change_nothing_and_are_counted() -> None:
    bench = ready()
    good = bench.vote(PREPARE, "b1", 0, "a")
    forged = type(good)(good.kind, good.term, good.height, good.block_id, 1, good.signature)
    bench.deliver("b", CastVote(SYMBOL, 0, forged))
    p = bench.proposal("b1", 0)
    bench.deliver("a", Propose(p.pair, 0, p.term, p.height, p.block, None, None, bytes(64)))
    t = bench.timeout(0, "a", lock="0:b1")
    bench.deliver("a", GiveUp(SYMBOL, 0, t.timeout, None, None, ()))  # the lock without its NC
    short = bench.certificate(COMMIT, "b1", 0, "ab")
    bench.deliver("a", Proof(SYMBOL, 0, short))
    twice = type(short)(short.kind, 0, 1, short.block_id, (short.signers[0],) * 3)
    bench.deliver("a", Proof(SYMBOL, 0, twice))
    bench.deliver("a", FinalizedBlock(SYMBOL, 0, bench.blocks["b2"].raw, bench.certificate(COMMIT, "b1", 0), ()))
    assert sum(bench.faults.values()) == 6
    assert bench.my_votes() == []
    assert bench.finalized == []


def test_a_vote_counts_once_and_an_equivocating_one_counts_first() -> None:
    bench = ready()
    bench.deliver("a", bench.proposal("b1", 0))
    bench.prepare("b1", 0, "aaaa")
    assert bench.replica.member.ballot.lock is None
    bench.prepare("b2", 0, "a")
    bench.prepare("b1", 0, "b")
    assert bench.replica.member.ballot.lock is not None


def test_a_client_of_another_key_cannot_demote_a_member() -> None:
    bench = ready()
    bench.restart()
    bench.replica.member.settled = False
    foreign = bench.vote(PREPARE, "b2", 0, "a")
    mine = type(foreign)(foreign.kind, foreign.term, foreign.height, foreign.block_id, 2, foreign.signature)
    bench.deliver("a", OwnVotes(SYMBOL, 0, (foreign, mine), None))
    assert bench.replica.member.ballot.seat == 2


def test_a_follower_signs_nothing_and_follows() -> None:
    bench = ready(None)  # type: ignore[arg-type]
    bench.deliver("a", bench.proposal("b1", 0))
    for seat in "abd":
        bench.deliver(seat, bench.timeout(0, seat))
    assert bench.replica.member.ballot.term == 1
    bench.deliver("a", FinalizedBlock(SYMBOL, 0, bench.blocks["b1"].raw, bench.certificate(COMMIT, "b1", 0), ()))
    assert bench.replica.fin == 1
    assert not messages(bench, CastVote)
    assert not messages(bench, GiveUp)
    assert identity("follower").public_key not in [m.public_key for m in bench.committee.seats]


def test_a_demotion_is_remembered_across_a_restart() -> None:
    """DESIGN 8, rule 13: such a member is an observer in every epoch in which it was seated."""
    bench = ready()
    bench.restart()
    bench.replica.member.settled = False
    bench.deliver("a", OwnVotes(SYMBOL, 0, (bench.vote(PREPARE, "b2", 0, "c"),), None))
    assert bench.replica.member.ballot.seat is None
    bench.restart()
    bench.deliver("a", bench.proposal("b1", 0))
    assert bench.my_votes() == []


def test_expired_places_are_void_and_still_advance_their_author() -> None:
    bench = Bench("c")
    bench.op("o1", "alice", buy(1), expiry_ms=1)
    bench.block("b1", ["o1"])
    bench.hold("o1")
    bench.deliver("a", FinalizedBlock(SYMBOL, 0, bench.blocks["b1"].raw, bench.certificate(COMMIT, "b1", 0), ()))
    assert bench.replica.fin == 1
    assert bench.certified.author(identity("alice").public_key).next_seq == 1
    assert bench.certified.engine.depth(1, 5) == []


def test_an_early_proposal_arms_one_timer() -> None:
    """Whatever else arrives while it waits, at whatever rate (I8)."""
    bench = ready()
    bench.block("early", ["o1"], time_ms=2_900)
    bench.deliver("a", bench.proposal("early", 0))
    armed = 0
    for _ in range(50):
        effects = bench.deliver("d", Status(SYMBOL, 0, 0, bench.committee.genesis, 0, bytes(32), True))
        armed += sum(isinstance(effect, SetTimer) for effect in effects)
    assert armed == 0


def test_two_final_certificates_ahead_of_the_chain_freeze_it() -> None:
    """Both are of a height above the next: they contradict each other all the same."""
    bench = ready()
    bench.op("o3", "carol", buy(1, 90))
    bench.hold("o3")
    bench.block("x2", ["o2"], parent="b1")
    bench.block("y2", ["o3"], parent="b1")
    for name in ("x2", "y2"):
        final = FinalizedBlock(SYMBOL, 0, bench.blocks[name].raw, bench.certificate(COMMIT, name, 0), ())
        bench.deliver("a", final)
    bench.deliver("a", FinalizedBlock(SYMBOL, 0, bench.blocks["b1"].raw, bench.certificate(COMMIT, "b1", 0), ()))
    assert bench.replica.member.halted == "frozen"


# -- whose TC binds --------------------------------------------------------------------------------------


def in_term_1_by_a_locked_tc() -> Bench:
    """c knows a TC that is locked on b1; the leader of term 1 may know one that is not."""
    bench = Bench("c")
    bench.op("o1", "alice", buy(1))
    bench.op("o2", "bob", sell(1, 101))
    bench.block("b1", ["o1"])
    bench.hold("o1", "o2")
    bench.proof(bench.term_change(0, {"a": {"lock": "0:b1"}, "b": {}, "d": {}}), "a")
    assert bench.replica.member.ballot.term == 1
    bench.block("b3", ["o2"], term=1)
    return bench


def test_a_proposal_is_judged_by_the_tc_that_its_leader_shows() -> None:
    """Members enter a term by different TCs, each of them good; a follower's own must not veto an honest leader."""
    bench = in_term_1_by_a_locked_tc()
    bench.deliver("b", bench.proposal("b3", 1, tc=bench.term_change(0, {"b": {}, "c": {}, "d": {}})))
    assert [m.vote.block_id for m in bench.sent if isinstance(m, CastVote)] == [bench.blocks["b3"].id]


def test_a_proposal_against_the_tc_that_it_shows_is_not_looked_at() -> None:
    """Nor does it keep a better one of the same leader out."""
    bench = in_term_1_by_a_locked_tc()
    locked = bench.term_change(0, {"a": {"lock": "0:b1"}, "b": {}, "c": {}})
    bench.deliver("b", bench.proposal("b3", 1, tc=locked))
    assert [m for m in bench.sent if isinstance(m, CastVote)] == []
    bench.deliver("b", bench.proposal("b1", 1, tc=locked))
    assert [m.vote.block_id for m in bench.sent if isinstance(m, CastVote)] == [bench.blocks["b1"].id]


def test_a_forged_tc_on_a_proposal_is_blamed() -> None:
    bench = in_term_1_by_a_locked_tc()
    good = bench.term_change(0, {"b": {}, "c": {}, "d": {}})
    forged = replace(good, timeouts=(replace(good.timeouts[0], signature=bytes(64)), *good.timeouts[1:]))
    bench.deliver("b", bench.proposal("b3", 1, tc=forged))
    assert [m for m in bench.sent if isinstance(m, CastVote)] == []
    assert bench.faults["invalid certificate"] == 1
