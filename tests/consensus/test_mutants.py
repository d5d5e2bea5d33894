"""Every weakening of the voting rules that is known to violate agreement is caught.

Each mutant is planted and led down one trace, which the real core passes: under the mutant a member signs what
contradicts an earlier signature of its own, or two members finalize different blocks of one height.
"""

from collections.abc import Callable
from typing import Any

import pytest

from gossipbook.consensus import proposing as replica_module
from gossipbook.consensus.ballot import Ballot
from gossipbook.consensus.certificate import TermChange, Timeout
from gossipbook.consensus.committee import PREPARE
from gossipbook.consensus.messages import CastVote
from gossipbook.consensus.records import VoteState
from gossipbook.ids import ZERO_DIGEST
from gossipbook.manifest import Quorum

from .kit import Bench, audit, buy, sell

Plant = Callable[[pytest.MonkeyPatch], None]


def ready(me: str = "c") -> Bench:
    """Two ops held, and a block of each that the leader of term 0 might propose."""
    bench = Bench(me)
    bench.op("o1", "alice", buy(1))
    bench.op("o2", "bob", sell(1, 101))
    bench.block("b1", ["o1"])
    bench.block("b2", ["o2"])
    bench.hold("o1", "o2")
    return bench


def prepared_blocks(bench: Bench) -> list[bytes]:
    return [m.vote.block_id for m in bench.sent if isinstance(m, CastVote) and m.vote.kind == PREPARE]


# -- traces: each returns what went wrong ---------------------------------------------------------------


def late_lock() -> list[str]:
    """The lock comes after the TIMEOUT."""
    bench = ready()
    bench.deliver("a", bench.proposal("b1", 0))
    bench.advance(1_000)
    bench.prepare("b1", 0, "ab")
    return audit(bench)


def restart_after_timeout() -> list[str]:
    bench = ready()
    bench.advance(1_000)
    bench.restart()
    bench.deliver("a", bench.proposal("b1", 0))
    bench.prepare("b1", 0, "ab")
    return audit(bench)


def timeout_after_commit() -> list[str]:
    bench = ready()
    bench.deliver("a", bench.proposal("b1", 0))
    bench.prepare("b1", 0, "ab")
    bench.advance(1_000)
    return audit(bench)


def restart_after_commit() -> list[str]:
    bench = ready()
    bench.deliver("a", bench.proposal("b1", 0))
    bench.prepare("b1", 0, "ab")
    bench.restart()
    bench.advance(2_000)
    return audit(bench)


def timeout_after_finality() -> list[str]:
    bench = ready()
    bench.deliver("a", bench.proposal("b1", 0))
    bench.prepare("b1", 0, "ab")
    bench.commit("b1", 0, "ab")
    assert bench.finalized == [bench.blocks["b1"].id]
    bench.advance(2_000)  # o2 is work
    return audit(bench)


def leader_ignores_the_lock() -> list[str]:
    """The TC binds the leader to b1; it proposes another block."""
    bench = ready()
    bench.block("b3", ["o2"], term=1)
    tc = bench.term_change(0, {"a": {"lock": "0:b1"}, "b": {}, "d": {}})
    bench.deliver("b", bench.proposal("b3", 1, tc=tc))
    return ["a PREPARE against the TC's lock"] if bench.blocks["b3"].id in prepared_blocks(bench) else []


def leader_takes_the_lower_lock() -> list[str]:
    """Two locks in the TC; the one of the higher term may be final somewhere."""
    bench = ready("d")
    tc = bench.term_change(1, {"a": {"lock": "0:b1"}, "b": {"lock": "1:b2"}, "c": {}})
    bench.deliver("c", bench.proposal("b1", 2, tc=tc))
    return ["a PREPARE for the lower lock"] if bench.blocks["b1"].id in prepared_blocks(bench) else []


def old_term_lock() -> list[str]:
    bench = ready()
    bench.deliver("a", bench.proposal("b1", 0))
    bench.proof(bench.term_change(0, {"a": {}, "b": {}, "d": {}}), "b")
    bench.proof(bench.certificate(PREPARE, "b1", 0), "a")
    return audit(bench)


def restart_after_prepare() -> list[str]:
    """An equivocating leader offers another block after the restart."""
    bench = ready()
    bench.deliver("a", bench.proposal("b1", 0))
    bench.restart()
    bench.deliver("a", bench.proposal("b2", 0))
    return audit(bench)


def two_members_of_a_split() -> list[str]:
    """a proposes b1 to b and b2 to c, and votes for both."""
    final = []
    for me, block in (("b", "b1"), ("c", "b2")):
        bench = ready(me)
        bench.deliver("a", bench.proposal(block, 0))
        bench.prepare(block, 0, "a")
        bench.commit(block, 0, "a")
        final += bench.finalized
    return ["two final blocks at one height"] if len(set(final)) > 1 else []


# -- mutants --------------------------------------------------------------------------------------------


def commit_after_timeout(patch: pytest.MonkeyPatch) -> None:
    honest = Ballot.may_commit

    def may_commit(self: Ballot, height: int) -> bool:
        was, self.state.timed_out = self.state.timed_out, False
        verdict = honest(self, height)
        self.state.timed_out = was
        return verdict

    patch.setattr(Ballot, "may_commit", may_commit)


def forgets(part: str, blank: Any) -> Plant:
    """What a journal that does not keep one part of the vote state leads to."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        honest = VoteState.decode

        def decode(raw: bytes) -> VoteState:
            state = honest(raw)
            setattr(state, part, blank)
            if part == "timed_out":
                state.timeout = None
            return state

        patch.setattr(VoteState, "decode", staticmethod(decode))
        patch.setattr(Bench, "check_durable", lambda self: None)

    return plant


def hides_in_timeout(lock: bool, fin: bool) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        honest = Ballot.time_out

        def time_out(self: Ballot, at: int, fin_id: bytes, fc: Any) -> None:
            kept = self.state.lock
            if lock:
                self.state.lock = None
            if fin:
                at, fin_id, fc = 0, self.committee.genesis, None
            honest(self, at, fin_id, fc)
            self.state.lock = kept

        patch.setattr(Ballot, "time_out", time_out)

    return plant


def no_tc_check(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(replica_module, "unbound", lambda block, term, tc, committee: None)


def commit_on_old_lock(patch: pytest.MonkeyPatch) -> None:
    def may_commit(self: Ballot, height: int) -> bool:
        done = self.state.committed
        return not self.timed_out and self.lock is not None and (not done or done[-1].term != self.term)

    patch.setattr(Ballot, "may_commit", may_commit)


def any_lock(patch: pytest.MonkeyPatch) -> None:
    def first_lock(self: TermChange, committee: Any) -> Timeout | None:
        return next((t for t in self.timeouts if t.lock_term is not None), None)

    patch.setattr(TermChange, "high_lock", first_lock)


def small_quorum(patch: pytest.MonkeyPatch) -> None:
    honest = Quorum.of

    def of(n: int, fault_model: str) -> Quorum:
        whole = honest(n, fault_model)
        return Quorum(whole.n, whole.f, whole.q - 1)

    patch.setattr(Quorum, "of", staticmethod(of))


MUTANTS: dict[str, tuple[Plant, Callable[[], list[str]]]] = {
    "COMMIT after TIMEOUT": (commit_after_timeout, late_lock),
    "timed_out lost on restart": (forgets("timed_out", False), restart_after_timeout),
    "lock left out of TIMEOUT": (hides_in_timeout(lock=True, fin=False), timeout_after_commit),
    "followers skip the TC check": (no_tc_check, leader_ignores_the_lock),
    "COMMIT on an old-term lock": (commit_on_old_lock, old_term_lock),
    "fin left out of TIMEOUT": (hides_in_timeout(lock=False, fin=True), timeout_after_finality),
    "lock lost on restart": (forgets("lock", None), restart_after_commit),
    "PREPARE lost on restart": (forgets("prepared", ()), restart_after_prepare),
    "any lock instead of the highest-term one": (any_lock, leader_takes_the_lower_lock),
    "quorum one too small": (small_quorum, two_members_of_a_split),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_real_core_passes(name: str) -> None:
    _, trace = MUTANTS[name]
    assert trace() == []


@pytest.mark.parametrize("name", MUTANTS)
def test_the_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, trace = MUTANTS[name]
    plant(monkeypatch)
    assert trace() != []


# -- all the way to two final certificates ---------------------------------------------------------------


def hidden_lock_to_two_finals() -> set[bytes]:
    """b1 becomes final at a alone; b, c and the liar d change the term; what do b and c finalize then?"""
    benches = {seat: ready(seat) for seat in "bc"}
    for bench in benches.values():
        bench.deliver("a", bench.proposal("b1", 0))
    for seat in "bc":
        benches[seat].prepare("b1", 0, "ad")
        benches[seat].prepare("b1", 0, "bc".replace(seat, ""))
    final = set()
    if all(any(isinstance(m, CastVote) and m.vote.kind != PREPARE for m in benches[s].sent) for s in "bc"):
        final.add(benches["b"].blocks["b1"].id)  # COMMITs of b, c and d together: final for whoever has all three
    for seat in "bc":
        benches[seat].restart()
        benches[seat].hold("o1", "o2")
        benches[seat].advance(1_000)
    b, c = benches["b"], benches["c"]
    liar = b.timeout(0, "d")
    sent = {s: [m for m in benches[s].sent if type(m).__name__ == "GiveUp"][-1] for s in "bc"}
    for bench, other in ((b, sent["c"]), (c, sent["b"])):
        bench.deliver("d", liar)
        bench.deliver("a", other)
    (proposal,) = [m for m in b.sent if type(m).__name__ == "Propose"]
    c.deliver("b", proposal)
    for kind in (1, 2):
        for bench, source in ((c, b), (b, c)):
            for m in [m for m in source.sent if isinstance(m, CastVote) and (m.vote.kind, m.vote.term) == (kind, 1)]:
                bench.deliver("b", m)
        named = next(m.vote.block_id for m in b.sent if isinstance(m, CastVote) and m.vote.term == 1)
        for bench in (b, c):
            fresh = bench.replica.member.chain.block(named)
            if fresh is not None:
                bench.blocks["named"] = fresh
                bench.deliver("d", CastVote("GOLD/USD", 0, bench.vote(kind, "named", 1, "d")))
    return final | set(b.finalized) | set(c.finalized)


def test_the_locked_block_is_the_only_one_that_can_become_final() -> None:
    assert len(hidden_lock_to_two_finals()) == 1


@pytest.mark.parametrize("name", ["lock left out of TIMEOUT", "lock lost on restart"])
def test_a_hidden_lock_leads_to_two_final_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[name][0](monkeypatch)
    assert len(hidden_lock_to_two_finals()) == 2


def test_the_blank_id_of_no_lock_is_no_block() -> None:
    bench = ready()
    bench.advance(1_000)
    (timeout,) = [vote for vote in bench.my_votes() if isinstance(vote, Timeout)]
    assert (timeout.lock_term, timeout.lock_id) == (None, ZERO_DIGEST)
