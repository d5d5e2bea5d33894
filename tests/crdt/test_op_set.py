"""The op set: a set, whatever the order, duplication and batching of what arrives."""

from dataclasses import replace

import pytest
from consensus.kit import buy, network
from hypothesis import given, settings
from hypothesis import strategies as st

from gossipbook.crdt import parked, pool_room
from gossipbook.crdt.inserted import Inserted
from gossipbook.crdt.op import Evidence, Op, evidence_id
from gossipbook.matching.commands import Cancel

from .kit import MANIFEST, Replicated, chain, key, op, signed

# Three honest authors, one that forks at 1, one that forks at 0 and again later, and chains that hang in the air.
ALICE, BOB = chain("alice", 5), chain("bob", 3)
CAROL = chain("carol", 3)
EVE = chain("eve", 4)
EVE_FORK = [op("eve", 1, EVE[0], 200), op("eve", 1, EVE[0], 201), op("eve", 2, op("eve", 1, EVE[0], 200), 200)]
MAL = [op("mal", 0, None, price) for price in (1, 2, 3, 4)] + [op("mal", 1, op("mal", 0, None, 1), 9)]
DAN = [op("dan", 2, op("dan", 1, op("dan", 0)))]
POOL = [*ALICE, *BOB, *CAROL, *EVE, *EVE_FORK, *MAL, *DAN]


def fingerprint(r: Replicated) -> tuple:
    """All that is said about the set to others."""
    return (
        r.set.digest(),
        [(e.author, e.seq, e.head, e.forked) for e in r.set.frontier.between(b"")],
        sorted((author, [o.id for o in log.main]) for author, log in r.set.eligible()),
        sorted(r.set.evidence),
    )


@st.composite
def two_deliveries(draw: st.DrawFn) -> tuple[list, list]:
    some = draw(st.lists(st.sampled_from(POOL), unique_by=lambda o: o.id, max_size=len(POOL)))
    again = draw(st.lists(st.sampled_from(some), max_size=5)) if some else []
    return some, draw(st.permutations([*some, *again]))


@given(two_deliveries())
@settings(max_examples=2_000, deadline=None)
def test_any_order_and_duplication_gives_the_same_digest(deliveries: tuple[list, list]) -> None:
    first, second = Replicated(), Replicated()
    first.offer(*deliveries[0])
    second.offer(*deliveries[1])
    assert fingerprint(first) == fingerprint(second)


@st.composite
def with_blocks(draw: st.DrawFn) -> tuple[list, list]:
    """Two deliveries of the same ops, with the same blocks certified at different moments among them."""
    honest = [*ALICE, *BOB, *CAROL, *EVE[:2]]
    extra = draw(st.lists(st.sampled_from([*EVE_FORK, *MAL, *EVE[2:]]), unique_by=lambda o: o.id, max_size=6))
    blocks = [("block", [ALICE[0], BOB[0]]), ("block", [ALICE[1], ALICE[2], EVE[0]])]
    lines = []
    for _ in range(2):
        line: list = list(draw(st.permutations([*honest, *extra])))
        low = 0
        for block in blocks:
            low = draw(st.integers(low, len(line)))
            line.insert(low, block)
            low += 1
        lines.append(line)
    return lines[0], lines[1]


@given(with_blocks())
@settings(max_examples=1_000, deadline=None)
def test_blocks_may_come_before_or_after_the_ops_they_name(lines: tuple[list, list]) -> None:
    prints = []
    for line in lines:
        r = Replicated()
        for item in line:
            if isinstance(item, tuple):
                r.certify(*item[1])
            else:
                r.offer(item)
        prints.append(fingerprint(r))
    assert prints[0] == prints[1]


def test_an_op_that_does_not_follow_the_certified_head_means_the_same_early_or_late() -> None:
    """A stray op at next_seq, before and after the block that made it next."""
    stray = op("alice", 1, op("alice", 0, None, 55), 56)
    early, late = Replicated(), Replicated()
    early.offer(ALICE[0], stray)
    early.certify(ALICE[0])
    late.offer(ALICE[0])
    late.certify(ALICE[0])
    late.offer(stray)
    for r in (early, late):
        r.offer(ALICE[1])
    assert fingerprint(early) == fingerprint(late)


# -- outcomes ---------------------------------------------------------------------------------------------


def test_outcomes() -> None:
    r = Replicated()
    assert r.offer(ALICE[0], ALICE[0], ALICE[2], ALICE[1]) == [
        Inserted.ACCEPTED,
        Inserted.DUPLICATE,
        Inserted.PARKED,
        Inserted.ACCEPTED,
    ]
    assert r.set.insert(ALICE[4], 0) == (Inserted.PARKED, [])
    assert r.set.insert(ALICE[3], 0) == (Inserted.ACCEPTED, [ALICE[3], ALICE[4]])
    r.certify(*ALICE[:2])
    assert r.offer(ALICE[0], op("alice", 0, None, 77)) == [Inserted.STALE] * 2
    assert r.set.pending(key("alice")) == ALICE[2:]
    assert r.offer(op("bob", 0, ALICE[0])) == [Inserted.PARKED], "it may yet prove a fork"


def test_a_stale_op_is_not_in_the_digest() -> None:
    r = Replicated()
    r.certify(*ALICE[:2])
    before = r.set.digest()
    r.offer(*ALICE[:2])
    assert r.set.digest() == before
    assert len(r.set) == 0


def test_window_admission_and_size() -> None:
    manifest = network(limits={"author_window": 2, "max_op_bytes": 200}, admission=(key("alice"),))[0]
    r = Replicated(manifest)
    assert r.offer(ALICE[2]) == [Inserted.WINDOW]
    assert r.offer(BOB[0]) == [Inserted.NOT_ADMITTED]
    big = replace(ALICE[0], signed=bytes(201))
    assert r.offer(big) == [Inserted.TOO_LARGE]
    assert r.set.insert(ALICE[2], 0, solicited=True)[0] is Inserted.PARKED


def test_a_full_author_table_refuses_newcomers_and_keeps_the_certified() -> None:
    r = Replicated(network(limits={"max_authors_per_pair": 1})[0])
    r.certify(ALICE[0])
    assert r.offer(BOB[0]) == [Inserted.TABLE_FULL]
    assert r.offer(ALICE[1]) == [Inserted.ACCEPTED]
    assert r.certified.refusal([ALICE[1], BOB[0]], 1) == "author-table-full"


def test_full_pools_refuse_and_evict_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_room, "POOL_OPS_CAP", 6)
    r = Replicated()
    assert r.offer(*ALICE[:4])[-1] is Inserted.POOL_FULL, "newcomers fill half of it"
    assert r.set.pending(key("alice")) == ALICE[:3]
    r.certify(ALICE[0])
    assert r.offer(*ALICE[3:5]) == [Inserted.ACCEPTED] * 2, "those who are certified fill it whole"
    monkeypatch.setattr(pool_room, "POOL_AUTHORS_CAP", 2)
    monkeypatch.setattr(pool_room, "POOL_OPS_CAP", 100)
    assert r.offer(BOB[0], CAROL[0]) == [Inserted.ACCEPTED, Inserted.POOL_FULL] or r.offer(BOB[0]) == [
        Inserted.POOL_FULL
    ]
    monkeypatch.setattr(pool_room, "POOL_BYTES_CAP", r.set.bytes)
    assert r.offer(*chain("alice", 6)[5:]) == [Inserted.POOL_FULL]


def test_there_is_room_for_cancels_of_those_who_are_certified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_room, "POOL_OPS_CAP", 8)
    r = Replicated()
    r.certify(BOB[0])
    r.offer(*chain("dave", 4))
    assert r.offer(BOB[1], BOB[2]) == [Inserted.ACCEPTED] * 2
    frank = signed("frank", 0, None, Cancel(1))
    assert r.offer(frank) == [Inserted.POOL_FULL], "a newcomer has nothing to cancel"
    third = signed("bob", 3, BOB[2], Cancel(1))
    fourth = signed("bob", 4, third, Cancel(1))
    fifth = signed("bob", 5, fourth, Cancel(1))
    last = signed("bob", 6, fifth, Cancel(1))
    assert r.offer(third, fourth, fifth, last) == [*[Inserted.ACCEPTED] * 3, Inserted.POOL_FULL]
    assert r.offer(signed("bob", 6, fifth, buy(9))) == [Inserted.POOL_FULL]


# -- what no block can take yet -----------------------------------------------------------------------------


def junk(number: int, seq: int = 1) -> Op:
    """An op of a key of its own, whose predecessor nobody has."""
    return op(f"junk {number}", seq, op("nobody", seq - 1))


def test_ops_beyond_gaps_cost_no_room_that_others_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parked, "PARKED_CAP", 20)
    monkeypatch.setattr(pool_room, "POOL_OPS_CAP", 6)
    r = Replicated()
    assert set(r.offer(*(junk(n) for n in range(60)))) == {Inserted.PARKED}
    assert len(r.set.parked) == len(r.set.bodies) == len(r.set.logs) <= 20
    assert r.offer(*ALICE[:3]) == [Inserted.ACCEPTED] * 3
    assert r.set.bytes == sum(o.size for o in r.set.bodies.values())


def test_one_link_or_author_does_not_push_out_what_others_brought(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parked, "PARKED_CAP", 40)
    monkeypatch.setattr(parked, "PARKED_PER_AUTHOR_CAP", 3)
    r = Replicated()
    r.set.insert(ALICE[2], 0, link=b"honest")
    for number in range(100):
        r.set.insert(junk(number), 0, link=b"stranger")
    assert ALICE[2].id in r.set.bodies
    assert len(r.set.parked) == 11
    for each in chain("bob", 8)[1:]:
        r.set.insert(each, 0, link=b"honest")
    assert sorted(r.set.logs[key("bob")].by_seq) == [5, 6, 7], "the oldest go"
    assert r.set.insert(ALICE[0], 0)[0] is Inserted.ACCEPTED
    assert r.set.insert(ALICE[1], 0)[1] == [ALICE[1], ALICE[2]], "what waited goes on"
    assert ALICE[2].id not in r.set.parked


def test_what_waits_for_too_long_goes_with_all_that_was_kept_for_it() -> None:
    r = Replicated()
    r.set.insert(ALICE[0], 0)
    for number in range(5):
        r.set.insert(junk(number), 1_000 * number)
    r.set.insert(ALICE[3], 2_500)
    r.set.expire(parked.PARKED_MS + 2_000)
    assert len(r.set.parked) == 3
    r.set.expire(parked.PARKED_MS + 4_000)
    assert (len(r.set.parked), list(r.set.logs), r.set.parked.bytes) == (0, [key("alice")], 0)
    assert r.set.pending(key("alice")) == ALICE[:1]
    assert len(r.set) == 1


def test_what_a_block_names_is_kept_whatever_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parked, "PARKED_CAP", 4)
    r = Replicated()
    named = [junk(number) for number in range(10)]
    r.set.pin_also(each.id for each in named)
    for each in named:
        r.set.insert(each, 0, solicited=True)
    r.set.expire(10**9)
    assert all(each.id in r.set.bodies for each in named)
    r.set.pin([named[0].id], 0)
    assert list(r.set.bodies) == [named[0].id], "what no block names any more, and none could take, goes"


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 5), st.integers(0, 3), st.integers(0, 9)), max_size=80))
@settings(max_examples=200, deadline=None)
def test_the_budget_always_adds_up(steps: list[tuple[int, int, int, int]]) -> None:
    r = Replicated()
    now_ms = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parked, "PARKED_CAP", 16)
        patch.setattr(parked, "PARKED_PER_AUTHOR_CAP", 2)
        patch.setattr(parked, "PARKED_AUTHORS_CAP", 12)
        for number, seq, link, passed in steps:
            now_ms += passed * 5_000
            r.set.insert(junk(number, seq), now_ms, link=bytes([link]))
            r.set.expire(now_ms)
            held = [each for log in r.set.logs.values() for ops in log.by_seq.values() for each in ops.values()]
            assert sorted(each.id for each in held) == sorted(r.set.bodies)
            assert len(r.set.parked) == len(held) <= 16
            assert r.set.parked.bytes == r.set.bytes == sum(each.size for each in held)
            assert r.set.parked.authors == len(r.set.logs) <= 12


def test_evidence_keeps_to_the_pools_caps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are free, and so is evidence against them."""
    monkeypatch.setattr(pool_room, "POOL_OPS_CAP", 10)
    r = Replicated()
    for i in range(20):
        forks = sorted((op(f"mule {i}", 0), op(f"mule {i}", 0, None, 5)), key=lambda o: o.id)
        r.set.add_evidence(Evidence(*forks), 0)
    assert len(r.set) <= 10


def test_sizes_are_counted_back() -> None:
    r = Replicated()
    r.offer(*ALICE, *EVE, *EVE_FORK, *BOB)
    r.certify(*ALICE)
    r.certify(*BOB)
    evidence = next(iter(r.set.evidence.values()))
    r.certify(evidence)
    assert (len(r.set), r.set.bytes, r.set.logs, r.set.evidence) == (0, 0, {}, {})


# -- equivocation -----------------------------------------------------------------------------------------


def test_a_fork_ends_the_chain_and_is_evidence() -> None:
    r = Replicated()
    assert r.offer(*EVE, EVE_FORK[0])[-1] is Inserted.FORKED
    assert r.set.pending(key("eve")) == EVE[:1]
    evidence = r.set.evidence[evidence_id(key("eve"))]
    assert {evidence.first.id, evidence.second.id} == {EVE[1].id, EVE_FORK[0].id}
    assert next(r.set.frontier.between(b"")).forked


def test_the_two_smallest_of_a_fork_are_kept() -> None:
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        r = Replicated()
        r.offer(*(MAL[i] for i in order))
        assert sorted(r.set.bodies) == sorted(o.id for o in MAL[:4])[:2]


def test_all_of_a_fork_are_kept_when_blocks_name_them() -> None:
    r = Replicated()
    r.offer(*MAL[:4], solicited=True)
    assert len(r.set) == 4


def test_a_certified_sibling_takes_over() -> None:
    """The block took the op of the fork that this replica had not."""
    r = Replicated()
    other = [EVE[0], EVE_FORK[0], EVE_FORK[2]]
    r.offer(*EVE)
    r.certify(*other[:2])
    assert r.set.pending(key("eve")) == []
    assert r.offer(other[2])[0] in (Inserted.FORKED, Inserted.ACCEPTED)
    r2 = Replicated()
    r2.offer(other[2])
    r2.certify(*other[:2])
    assert r2.set.pending(key("eve")) == [other[2]]


def test_a_block_that_fills_a_gap_lets_the_rest_join() -> None:
    r = Replicated()
    r.offer(*ALICE[2:])
    assert r.set.pending(key("alice")) == []
    r.certify(*ALICE[:2])
    assert r.set.pending(key("alice")) == ALICE[2:]


def test_a_frozen_authors_ops_are_neither_kept_nor_work() -> None:
    r = Replicated()
    r.offer(*EVE, *EVE_FORK)
    evidence = next(iter(r.set.evidence.values()))
    assert next(r.set.eligible())[0] == key("eve")
    r.certify(evidence)
    assert not r.set.has_eligible()
    assert r.offer(EVE[0]) == [Inserted.FROZEN]
    assert not r.set.add_evidence(evidence, 0)


def test_evidence_alone_is_eligible_once() -> None:
    r = Replicated()
    evidence = Evidence(*sorted(MAL[:2], key=lambda o: o.id))
    assert r.set.add_evidence(evidence, 0)
    assert not r.set.add_evidence(evidence, 0)
    assert [author for author, _ in r.set.eligible()] == [key("mal")]
    items, missing = r.set.resolve([evidence.id, MAL[0].id, bytes(32)])
    assert items == [evidence]
    assert missing == [MAL[0].id, bytes(32)]


def test_in_main_means_all_ancestors_are_here() -> None:
    r = Replicated()
    r.offer(ALICE[0], ALICE[2], *EVE, EVE_FORK[0])
    assert [r.set.in_main(o) for o in (ALICE[0], ALICE[2], EVE[0], EVE[1], EVE[2])] == [
        True,
        False,
        True,
        False,
        False,
    ]


def test_client_ids_of_the_pool_are_what_the_sets_digest_is_made_of() -> None:
    """Two sets that differ in one op differ in digest."""
    a, b = Replicated(), Replicated()
    a.offer(*ALICE)
    b.offer(*ALICE[:4])
    assert a.set.digest() != b.set.digest()
    assert MANIFEST.limits.author_window > 5
    assert buy(1).client_id == 1
