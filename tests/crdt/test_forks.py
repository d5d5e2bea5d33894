"""Forks of authors who come and go: what a pool holds of them adds up, converges, and goes away again."""

import pytest
from consensus.kit import SYMBOL, identity, network
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crdt.kit import Replicated, key
from gossipbook.crdt import anti_entropy, pool_room
from gossipbook.crdt.inserted import Inserted
from gossipbook.crdt.interpretation import Item
from gossipbook.crdt.op import GENESIS_PREV, LIFE, Evidence, Op, evidence_id, life_of, sign_op
from gossipbook.crdt.parked import PARKED_MS
from gossipbook.crdt.pool_room import OPENING_SLACK_MS
from gossipbook.manifest import Manifest
from gossipbook.matching.commands import Cancel

from .test_anti_entropy import exchange

RETENTION_MS = 10_000
LIMITS = {"author_retention_ms": RETENTION_MS, "max_authors_per_pair": 8, "max_newcomers_per_block": 8}
MANIFEST, _ = network(rules_version=3, limits=LIMITS)
START_MS = 1_700_000_000_000


def op(life: int, seq: int, prev: Op | None, price: int = 1, expiry_ms: int = 0, author: str = "eve") -> Op:
    head = GENESIS_PREV if prev is None else prev.id
    commands = [Cancel(price)]
    return sign_op(identity(author), MANIFEST.chain_id, SYMBOL, life * LIFE + seq, head, commands, expiry_ms)


def proof(a: Op, b: Op) -> Evidence:
    return Evidence(*sorted((a, b), key=lambda op: op.id))


class Pool(Replicated):
    """A pool by rules that know lives, with blocks made of what it holds."""

    def __init__(self, manifest: Manifest = MANIFEST) -> None:
        super().__init__(manifest)
        self.set.wall_ms = START_MS
        self.timer_ms = 0

    def pass_time(self, ms: int) -> None:
        self.set.wall_ms += ms
        self.timer_ms += ms
        self.set.expire(self.timer_ms)

    def block(self, items: list[Item] | None = None) -> None:
        if items is None:
            items = [item for _, log in self.set.eligible() for item in log.next_items()]
        assert self.certified.refusal(items, self.set.block_ms) is None
        execution = self.certified.execute(self.set.block_ms, items)
        self.certified.commit()
        self.set.pin([], 0)
        for author in execution.authors:
            self.set.advance(author, self.timer_ms)
        self.set.drop_hopeless(execution.left, self.timer_ms)

    def check(self) -> None:
        held = [each for log in self.set.logs.values() for ops in log.by_seq.values() for each in ops.values()]
        assert sorted(each.id for each in held) == sorted(self.set.bodies)
        assert len(self.set.parked) == sum(each.id in self.set.parked for each in held)
        assert self.set.bytes == sum(each.size for each in held)
        assert self.set.in_chains == sum(len(log.main) for log in self.set.logs.values())
        against = {log.evidence.id: log.evidence for log in self.set.logs.values() if log.evidence is not None}
        assert self.set.evidence == against
        assert all(map(self.certified.takes_evidence, against.values()))
        for author, log in self.set.logs.items():
            assert log.held == sum(map(len, log.by_seq.values()))
            assert log.held or log.evidence is not None
            assert list(log.forks) == [seq for seq in log.forks if len(log.by_seq[seq]) > 1]
            assert all(len(ops) == 1 or seq in log.forks for seq, ops in log.by_seq.items())
            assert not any(each.seq in log.forks for each in log.main)
            assert len(log.main) == len(log.since_ms)
            for before, each in zip(log.main, log.main[1:], strict=False):
                assert (each.seq, each.prev) == (before.seq + 1, before.id)
            if author in self.certified.authors:
                life = life_of(self.certified.author(author).next_seq)
                assert not log.main or life_of(log.main[0].seq) == life


def family(life: int, expiry_ms: int) -> list[Op]:
    """The ops of a life of an author who signs whatever they like."""
    first, other, false = (
        op(life, 0, None, 1, expiry_ms),
        op(life, 0, None, 2, expiry_ms + 500),
        op(life, 0, None, 3, 1),
    )
    second, twin = op(life, 1, first, 1), op(life, 1, first, 2)
    return [first, other, false, second, twin, op(life, 2, second, 1), op(life, 2, twin, 2), op(life, 2, twin, 3)]


FAMILIES = [each for life in (0, 1, 2) for each in family(life, START_MS + (life + 1) * 3_000)]
STEPS = st.one_of(
    st.tuples(st.just("op"), st.integers(0, len(FAMILIES) - 1)),
    st.tuples(st.just("named"), st.integers(0, len(FAMILIES) - 1)),
    st.tuples(st.just("pin"), st.integers(0, len(FAMILIES) - 1)),
    st.tuples(st.just("evidence"), st.integers(0, 10**6)),
    st.tuples(st.just("block"), st.just(0)),
    st.tuples(st.just("time"), st.sampled_from([1, 900, 3_000, RETENTION_MS, PARKED_MS, 2 * OPENING_SLACK_MS])),
)
PROOFS = [proof(a, b) for at, a in enumerate(FAMILIES) for b in FAMILIES[at + 1 :] if a.seq == b.seq and a.id != b.id]


@given(st.lists(STEPS, max_size=60))
@example([("op", 0), ("op", 1), ("time", PARKED_MS)])
@settings(max_examples=1_000, deadline=None)
def test_whatever_an_equivocator_sends_adds_up_and_goes(steps: list[tuple[str, int]]) -> None:
    pool = Pool()
    for step, number in steps:
        match step:
            case "op" | "named":
                pool.set.insert(FAMILIES[number], pool.timer_ms, solicited=step == "named")
            case "pin":
                pool.set.pin([FAMILIES[number].id], 0)
            case "evidence":
                pool.set.add_evidence(PROOFS[number % len(PROOFS)], pool.timer_ms, solicited=bool(number & 1))
            case "block":
                pool.block()
            case "time":
                pool.pass_time(number)
        pool.check()
    pool.set.pin([], 0)
    for _ in range(4):  # Whoever is in the table is frozen, or leaves; whoever is not is over.
        pool.pass_time(2 * OPENING_SLACK_MS)
        pool.block()
        pool.check()
    assert not pool.set.logs
    assert not pool.set.bodies
    assert not pool.set.evidence
    assert not pool.certified.authors


@given(st.lists(st.sampled_from(FAMILIES), max_size=20), st.lists(st.sampled_from(FAMILIES), max_size=20))
@settings(max_examples=500, deadline=None)
def test_pools_become_equal_whatever_forks_of_newcomers_they_hold(mine: list[Op], theirs: list[Op]) -> None:
    a, b = Pool(), Pool()
    a.offer(*mine)
    b.offer(*theirs)
    for _ in range(8):
        exchange(a, b)
        exchange(b, a)
    a.check()
    b.check()
    assert a.set.digest() == b.set.digest()


def test_forks_in_two_lives_end_no_peer() -> None:
    """Six ops of one throwaway key ended every peer that held them, when the first of them was past."""
    pool = Pool()
    five = op(5, 0, None, expiry_ms=START_MS + 1)
    six = op(6, 0, None, expiry_ms=START_MS + 5_000)
    pool.offer(five, op(5, 1, five, 1), op(5, 1, five, 2), six, op(6, 1, six, 1), op(6, 1, six, 2))
    pool.check()
    pool.pass_time(1_000)
    pool.block([])
    pool.check()
    assert pool.set.pending(key("eve")) == [six]
    assert not any(life_of(each.seq) == 5 for each in pool.set.bodies.values()), "a life goes whole"
    pool.block()
    assert key("eve") in pool.certified.authors
    assert [type(item) for _, log in pool.set.eligible() for item in log.next_items()] == [Evidence]
    pool.block()
    assert pool.certified.author(key("eve")).frozen


def test_a_forked_first_op_keeps_its_author_out_no_longer_than_its_life() -> None:
    pool = Pool()
    first, twin = op(5, 0, None, 1, START_MS + 1), op(5, 0, None, 2, START_MS + 2)
    assert pool.offer(first, twin) == [Inserted.ACCEPTED, Inserted.FORKED]
    assert not pool.set.has_eligible()
    later = op(6, 0, None, 1, START_MS + 5_000)
    pool.offer(later)
    pool.pass_time(1_000)
    pool.block([])
    assert pool.set.pending(key("eve")) == [later]
    assert not pool.set.logs[key("eve")].forked
    pool.check()


def test_a_fork_that_a_block_decided_is_evidence_at_once() -> None:
    """Whoever holds both first ops of a life proves it as soon as one of them is certified."""
    pool = Pool()
    first, twin = op(5, 0, None, 1, START_MS + 5_000), op(5, 0, None, 2, START_MS + 5_000)
    pool.offer(first, twin)
    pool.block([first])
    assert pool.set.evidence == {evidence_id(key("eve"), 5): proof(first, twin)}
    pool.check()


def test_evidence_names_its_life() -> None:
    proofs = [proof(op(life, 1, None, 1), op(life, 1, None, 2)) for life in (0, 5, 6)]
    assert proofs[0].id == evidence_id(key("eve"))
    assert len({each.id for each in proofs}) == 3


@pytest.mark.parametrize("held", [0, 5])
def test_evidence_of_another_life_hides_none_of_this_one(held: int) -> None:
    """A block that named an author's evidence resolved to that of an older life where there was some."""
    pool = Pool()
    first = op(6, 0, None, 1, START_MS + 5_000)
    old = proof(op(held, 1, None, 1), op(held, 1, None, 2))
    new = proof(op(6, 3, None, 1), op(6, 3, None, 2))
    assert not pool.set.add_evidence(old, 0)
    pool.block([first])
    assert not pool.set.add_evidence(old, 0)
    assert pool.set.add_evidence(new, 0)
    assert pool.set.resolve([new.id]) == ([new], [])
    assert pool.set.resolve([old.id]) == ([], [old.id])
    pool.block()
    assert pool.certified.author(key("eve")).frozen


def test_what_a_block_names_is_there_for_it_whatever_the_state_is_now() -> None:
    """A replica that catches up has the evidence of a block before it has the blocks below it."""
    pool = Pool()
    first = op(6, 0, None, 1, START_MS + 5_000)
    named = proof(op(6, 1, first, 1), op(6, 1, first, 2))
    pool.set.pin([first.id, named.id], 0)
    assert not pool.set.add_evidence(named, 0, solicited=True)
    assert pool.set.resolve([named.id]) == ([named], [])
    assert not pool.set.logs
    pool.set.pin([], 0)
    assert pool.set.resolve([named.id]) == ([], [named.id])


# -- room ------------------------------------------------------------------------------------------------


def test_forked_newcomers_hold_no_room_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """What followed a forked first op was neither parked nor to be taken, and kept all others out for an hour."""
    monkeypatch.setattr(pool_room, "POOL_OPS_CAP", 60)
    pool = Pool()
    for number in range(9):
        firsts = [op(5, 0, None, price, START_MS + RETENTION_MS, f"key {number}") for price in (1, 2)]
        ops = [firsts[0]]
        for seq in range(1, 20):
            ops.append(op(5, seq, ops[-1], author=f"key {number}"))
        pool.offer(*ops[1:], *firsts)
    pool.check()
    assert pool.offer(op(0, 0, None, 1, START_MS + RETENTION_MS, "honest")) == [Inserted.ACCEPTED]


def test_what_followed_a_life_that_was_put_off_is_parked() -> None:
    pool = Pool()
    later = [op(6, 0, None, 1, START_MS + 9_000)]
    later.append(op(6, 1, later[0]))
    pool.offer(*later)
    assert pool.set.pending(key("eve")) == later
    pool.offer(op(5, 0, None, 1, START_MS + 5_000))
    assert all(each.id in pool.set.parked for each in later)
    pool.check()


def test_the_lowest_life_goes_first_whatever_came_first() -> None:
    lives = [op(life, 0, None, 1, START_MS + 9_000) for life in range(7)]
    kept = []
    for order in (lives, lives[::-1], lives[3:] + lives[:3]):
        pool = Pool()
        pool.offer(*order)
        pool.check()
        kept.append((sorted(each.seq for each in pool.set.bodies.values()), pool.set.pending(key("eve"))))
    assert kept == [([each.seq for each in lives], lives[:1])] * 3


def test_a_fork_of_a_long_chain_ends_no_peer() -> None:
    """What it cut off was more than may be parked of one author, and the fork's other op was the first to go."""
    pool = Pool()
    ops = [op(5, 0, None, 1, START_MS + RETENTION_MS + 30_000)]
    while len(ops) < 300:
        ops.append(op(5, len(ops), ops[-1]))
    pool.offer(*ops)
    assert pool.set.pending(key("eve")) == ops
    assert pool.offer(op(5, 1, ops[0], 2)) == [Inserted.FORKED]
    pool.check()
    assert pool.set.pending(key("eve")) == ops[:1]


def test_what_a_block_names_stays_whatever_lives_come() -> None:
    pool = Pool()
    nine = op(9, 0, None, 1, START_MS + 5_000)
    pool.offer(nine)
    pool.set.pin([nine.id], 0)
    pool.offer(*(op(life, 0, None, 1, START_MS + RETENTION_MS + 30_000) for life in range(1, 8)))
    assert pool.set.resolve([nine.id]) == ([nine], [])
    pool.check()


def test_ops_that_begin_no_life_hide_none() -> None:
    pool = Pool()
    false = [op(life, 0, op(0, 0, None, price), price) for life in (1, 2, 3, 4) for price in (1, 2)]
    assert set(pool.offer(*false)) <= {Inserted.PARKED, Inserted.FORKED}
    good = op(5, 0, None, 1, START_MS + 5_000)
    assert pool.offer(good) == [Inserted.ACCEPTED]
    pool.pass_time(PARKED_MS)
    assert not any(each.id in pool.set.bodies for each in false)


def test_what_the_pool_lets_join_is_told_once() -> None:
    pool = Pool()
    five, six = op(5, 0, None, 1, START_MS + 1), op(6, 0, None, 1, START_MS + 5_000)
    pool.offer(five, six)
    assert pool.set.take_joined() == []
    pool.pass_time(1_000)
    pool.block([])
    assert pool.set.take_joined() == [six]
    assert pool.set.take_joined() == []


def test_what_a_block_names_does_not_expire() -> None:
    pool = Pool()
    waits = op(5, 1, op(5, 0, None), 1)
    assert pool.offer(waits) == [Inserted.PARKED]
    pool.set.pin([waits.id], 0)
    pool.pass_time(2 * PARKED_MS)
    assert pool.set.resolve([waits.id]) == ([waits], [])
    pool.set.pin([], pool.timer_ms)
    assert not pool.set.bodies


def test_nobody_fills_a_repair_with_what_the_other_will_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anti_entropy, "REPAIR_OPS_CAP", 8)
    b = Pool()
    names = sorted(("p", "q", "r", "s"), key=key)
    for name in names:
        ops = [op(0, 0, None, 1, START_MS + 5_000, name)]
        for seq in range(1, 8):
            ops.append(op(0, seq, ops[-1], author=name))
        b.offer(*ops)
    answer = anti_entropy.repair(b.set, [], b"", b"")
    assert len(answer.ops) == 8
    assert {each.author for each in answer.ops} == {key(name) for name in names}
