"""What goes into a block, and in which order: the leader's choice, and what is not his to choose."""

import random
from itertools import pairwise

import pytest
from crdt.kit import Replicated, chain, key, op, signed
from hypothesis import given, settings
from hypothesis import strategies as st

from gossipbook.consensus.canonical import canonical_order
from gossipbook.consensus.selection import Ages, due_ids, first_come, is_passed_over, select, unjustly_omitted
from gossipbook.crdt.budget import within_limits
from gossipbook.crdt.command_code import CLASS_CANCELS, CLASS_POST_ONLY, CLASS_REST
from gossipbook.crdt.op import Evidence, Op
from gossipbook.ids import digest
from gossipbook.limits import Limits
from gossipbook.matching.commands import Cancel, PlaceFlags

from .kit import buy, network, sell

NAMES = ["alice", "bob", "carol", "dave"]
CHAINS = {name: chain(name, 4) for name in NAMES}
PARENT = digest(b"parent")
FRESH = Ages(0, 0, 5_000, 1)
EVIDENCE = [Evidence(*sorted((op(n, 0), op(n, 0, None, 300)), key=lambda o: o.id)) for n in ("eve", "mal")]


def mixed(name: str) -> list[Op]:
    """A cancel, a post-only place, a taker, and a cancel after it."""
    ops: list[Op] = []
    for commands in ([Cancel(9)], [buy(1)._replace(flags=PlaceFlags.POST_ONLY)], [sell(2)], [Cancel(1)]):
        ops.append(signed(name, len(ops), ops[-1] if ops else None, *commands))
    return ops


MIXED = {name: mixed(name) for name in NAMES}
some_items = st.tuples(*(st.integers(0, 4) for _ in NAMES)).map(
    lambda lengths: [o for name, n in zip(NAMES, lengths, strict=True) for o in MIXED[name][:n]]
)


@given(some_items, st.randoms(use_true_random=False), st.integers(0, 2))
@settings(max_examples=300, deadline=None)
def test_the_order_is_a_function_of_the_set(items: list, rng: random.Random, guilty: int) -> None:
    items = [*items, *EVIDENCE[:guilty]]
    shuffled = list(items)
    rng.shuffle(shuffled)
    ordered = canonical_order(PARENT, shuffled)
    assert ordered == canonical_order(PARENT, items)
    assert sorted(i.id for i in ordered) == sorted(i.id for i in items)
    assert all(isinstance(i, Evidence) for i in ordered[:guilty])
    ops = ordered[guilty:]
    effective: dict[bytes, int] = {}
    classes = []
    for o in ops:
        effective[o.author] = max(effective.get(o.author, 0), o.priority_class)
        classes.append(effective[o.author])
    assert classes == sorted(classes), "cancels, then post-only, then the rest"
    for author in {o.author for o in ops}:
        seqs = [o.seq for o in ops if o.author == author]
        assert seqs == sorted(seqs), "an author's ops stay in sequence"


def test_makers_cancel_before_takers_take() -> None:
    cancel = signed("maker", 0, None, Cancel(1))
    for i in range(20):
        taker = signed(f"taker {i}", 0, None, sell(1))
        assert canonical_order(digest(b"p", bytes([i])), [taker, cancel])[0] is cancel
    assert [CLASS_CANCELS, CLASS_POST_ONLY, CLASS_REST] == [0, 1, 2]


def test_rounds_take_one_op_of_each_author() -> None:
    items = [o for ops in CHAINS.values() for o in ops]
    ordered = canonical_order(PARENT, items)
    for round_number in range(4):
        part = ordered[4 * round_number : 4 * round_number + 4]
        assert {o.author for o in part} == {key(name) for name in NAMES}
        assert {o.seq for o in part} == {round_number}
    firsts = {canonical_order(digest(b"p", bytes([i])), items)[0].author for i in range(40)}
    assert len(firsts) == len(NAMES), "the parent decides who is first"


def test_an_ops_id_does_not_move_its_rank() -> None:
    others = [CHAINS[name][0] for name in NAMES[1:]]
    places = {
        [o.author for o in canonical_order(PARENT, [op("alice", 0, None, price), *others])].index(key("alice"))
        for price in range(100, 130)
    }
    assert len(places) == 1


# -- what goes in -----------------------------------------------------------------------------------------


def held(*ops: Op | Evidence) -> Replicated:
    r = Replicated()
    r.offer(*ops)
    return r


def test_a_small_pool_goes_in_whole() -> None:
    items = [o for ops in CHAINS.values() for o in ops]
    r = held(*items, *EVIDENCE)
    chosen = select(r.set, r.certified, Limits(), FRESH)
    assert {i.id for i in chosen} == {i.id for i in [*items, *EVIDENCE]}
    assert r.certified.refusal(canonical_order(PARENT, chosen), 1) is None


@pytest.mark.parametrize("cap", [1, 3, 4, 5, 7, 8, 16])
def test_a_full_block_is_fair(cap: int) -> None:
    r = held(*(o for ops in CHAINS.values() for o in ops))
    limits = Limits(max_block_ops=cap)
    chosen = select(r.set, r.certified, limits, FRESH)
    assert len(chosen) <= cap
    assert len(chosen) == cap or cap % 4
    counts = [sum(i.author == key(name) for i in chosen) for name in NAMES]
    assert max(counts) - min(counts) <= 1
    assert within_limits(chosen, limits, 1)
    assert r.certified.refusal(canonical_order(PARENT, chosen), 1) is None
    assert unjustly_omitted(chosen, r.set, r.certified, limits, Ages(10**6, 0, 5_000, 1), is_full=False) is None


def test_whoever_waits_longest_is_first() -> None:
    r = Replicated()
    for at, name in enumerate(["dave", "bob", "alice", "carol"]):
        r.set.insert(CHAINS[name][0], 100 * at)
    chosen = select(r.set, r.certified, Limits(max_block_ops=2), FRESH)
    assert [i.author for i in chosen] == [key("dave"), key("bob")]


@pytest.mark.parametrize(
    "limits",
    [
        Limits(max_block_ops=3),
        Limits(max_block_commands=3),
        Limits(max_block_bytes=3 * CHAINS["alice"][0].size + 10),
    ],
    ids=["ops", "commands", "bytes"],
)
def test_every_limit_of_a_block_is_held(limits: Limits) -> None:
    r = held(*(o for ops in CHAINS.values() for o in ops))
    chosen = select(r.set, r.certified, limits, FRESH)
    assert len(chosen) == 3
    assert within_limits(chosen, limits, 1)
    assert not within_limits([*chosen, CHAINS["dave"][3]], limits, 1)


def test_newcomers_beyond_the_author_table_wait() -> None:
    r = Replicated(network(limits={"max_authors_per_pair": 2})[0])
    r.certify(CHAINS["alice"][0])
    r.offer(CHAINS["alice"][1], CHAINS["bob"][0], CHAINS["carol"][0])
    chosen = select(r.set, r.certified, Limits(max_authors_per_pair=2), FRESH)
    assert len({i.author for i in chosen}) == 2
    assert r.certified.refusal(canonical_order(PARENT, chosen), 1) is None


def test_due_only_after_the_inclusion_age() -> None:
    r = held(CHAINS["alice"][0], CHAINS["bob"][0])
    block = [CHAINS["bob"][0]]
    assert unjustly_omitted(block, r.set, r.certified, Limits(), Ages(5_000, 0, 5_000, 1), is_full=False) is None
    assert (
        unjustly_omitted(block, r.set, r.certified, Limits(), Ages(5_001, 0, 5_000, 1), is_full=False)
        == CHAINS["alice"][0]
    )
    assert unjustly_omitted(block, r.set, r.certified, Limits(), Ages(5_001, 1, 5_000, 1), is_full=False) is None, (
        "counted from the term's start"
    )


def test_due_ids_name_each_authors_next_first() -> None:
    r = held(*(o for ops in CHAINS.values() for o in ops), EVIDENCE[0])
    ids = due_ids(r.set, 100)
    assert len(ids) == 17
    seqs = {o.id: o.seq for ops in CHAINS.values() for o in ops} | {EVIDENCE[0].id: 0}
    assert all(seqs[a] <= seqs[b] for a, b in pairwise(ids))
    assert len(due_ids(r.set, 3)) == 3


def test_what_presses_goes_first_and_takes_turns() -> None:
    r = Replicated()
    for name, at in (("alice", 0), ("bob", 100)):
        for item in CHAINS[name]:
            r.set.insert(item, at)
    for item in (*CHAINS["carol"], *CHAINS["dave"]):
        r.set.insert(item, 2_000)
    ages = Ages(3_000, 0, 5_000, 1)
    chosen = select(r.set, r.certified, Limits(max_block_ops=6), ages)
    assert [sum(i.author == key(name) for i in chosen) for name in NAMES] == [3, 3, 0, 0]


def test_an_age_counts_from_when_an_op_and_all_before_it_are_held() -> None:
    r = Replicated()
    first, second, third = CHAINS["alice"][:3]
    r.set.insert(first, 0)
    r.set.insert(third, 1)
    r.set.insert(second, 1_000)
    assert r.set.logs[key("alice")].since_ms == [0, 1_000, 1_000]
    r.certify(first)
    assert r.set.logs[key("alice")].since_ms == [1_000, 1_000], "not from when the one before it was included"
    block = [second]
    assert unjustly_omitted(block, r.set, r.certified, Limits(), Ages(6_001, 0, 5_000, 1), is_full=False) == third


@pytest.mark.parametrize(("came_ms", "excused"), [(0, True), (1_250, True), (1_251, False), (5_000, False)])
def test_what_came_later_takes_no_room_from_what_is_due(came_ms: int, excused: bool) -> None:
    """A lying leader and four keys with an op of the largest size kept out whatever was due, for ever."""
    r, limits = Replicated(), Limits(max_block_ops=2)
    r.set.insert(CHAINS["alice"][0], 0)
    for name in ("bob", "carol"):
        r.set.insert(CHAINS[name][0], came_ms)
    block = [CHAINS["bob"][0], CHAINS["carol"][0]]
    judged = [
        unjustly_omitted(block, r.set, r.certified, limits, Ages(now, 0, 5_000, 1), is_full=full)
        for now, full in ((5_001, False), (5_001, True), (6_251, False), (6_251, True))
    ]
    assert judged == [None if excused else CHAINS["alice"][0]] * 4


def test_a_block_whose_work_is_done_leaves_out_what_is_due_only_for_what_waited() -> None:
    r = Replicated()
    r.set.insert(CHAINS["alice"][0], 0)
    r.set.insert(CHAINS["bob"][0], 100)
    ages, block = Ages(5_001, 0, 5_000, 1), [CHAINS["bob"][0]]
    assert unjustly_omitted(block, r.set, r.certified, Limits(), ages, is_full=True) is None
    assert unjustly_omitted(block, r.set, r.certified, Limits(), ages, is_full=False) == CHAINS["alice"][0]


def test_a_leader_need_not_go_on_after_the_round_in_which_something_does_not_fit() -> None:
    """It was deposed for second ops that would still have fitted, by five authors with large ones."""
    r, limits = Replicated(), Limits(max_block_commands=3)
    large = signed("carol", 0, None, *(buy(n) for n in range(1, 4)))
    for item in (*CHAINS["alice"][:2], CHAINS["bob"][0]):
        r.set.insert(item, 0)
    r.set.insert(large, 10)
    ages = Ages(6_000, 0, 5_000, 1)
    chosen = select(r.set, r.certified, limits, ages)
    assert large not in chosen
    assert len(chosen) == 2
    assert unjustly_omitted(chosen, r.set, r.certified, limits, ages, is_full=False) is None
    rest = [CHAINS["bob"][0]]
    assert unjustly_omitted(rest, r.set, r.certified, limits, ages, is_full=False) == CHAINS["alice"][0]


def later(author: str, *since_ms: int) -> list[tuple[Op, int]]:
    return list(zip(CHAINS[author], since_ms, strict=False))


@pytest.mark.parametrize(
    ("done", "omitted", "excused"),
    [
        (later("alice", 0), later("bob", 100), True),
        (later("alice", 100), later("bob", 0), True),  # Members see it otherwise.
        (later("alice", 1_300), later("bob", 0), False),
        (later("alice", 0, 0, 0), later("bob", 100), True),
        (
            later("alice", 3_000),
            later("bob", 0, 0)[1:],
            True,
        ),  # Bob's second waits for long, but so does alice's first.
        (later("alice", 4_000), later("bob", 0, 0)[1:], False),
        (later("alice", 0, 3_000), later("bob", 0), False),
    ],
)
def test_where_there_is_not_work_for_all_who_came_first_goes_first(
    done: list[tuple[Op, int]], omitted: list[tuple[Op, int]], excused: bool
) -> None:
    """Cancels go first in a block: who sent enough of them kept out whatever else was due, for ever."""
    r = Replicated()
    block = [item for item, _ in done]
    bob = CHAINS["bob"][: CHAINS["bob"].index(omitted[0][0]) + 1]
    for item, since_ms in sorted([*done, *((item, omitted[0][1]) for item in bob)], key=lambda each: each[1]):
        r.set.insert(item, since_ms)
    block += bob[:-1]
    ages = Ages(6_300, 0, 5_000, 1)
    for full, too_much in ((True, False), (False, True), (False, False)):
        found = unjustly_omitted(
            block,
            r.set,
            r.certified,
            Limits(),
            ages,
            is_full=full,
            is_too_much=lambda item: too_much,  # noqa: B023
        )
        assert found == (None if excused and (full or too_much) else bob[-1])


def test_the_order_in_which_a_leader_takes_what_there_is_not_work_for() -> None:
    r = Replicated()
    for author, ages_ms in (("alice", (0, 100, 2_900)), ("bob", (50, 60)), ("carol", (2_000,))):
        for item, since_ms in later(author, *ages_ms):
            r.set.insert(item, since_ms)
    alice, bob, carol = (CHAINS[name] for name in ("alice", "bob", "carol"))
    ages = Ages(5_000, 0, 5_000, 1)
    items = [item for chained in (carol[:1], bob[:2], alice[:3]) for item in chained]
    turn = first_come(items, r.set, r.certified, ages)
    assert turn == [alice[0], bob[0], bob[1], alice[1], carol[0], alice[2]]
    assert is_passed_over([alice[0]], [carol[0]], r.set, r.certified, ages)
    assert not is_passed_over([carol[0]], [alice[0], bob[1]], r.set, r.certified, ages)
    assert not is_passed_over([alice[2]], [carol[0]], r.set, r.certified, ages)


def test_evidence_goes_first_and_more_of_it_ends_no_round() -> None:
    """An accomplice's evidence, which did not fit, excused for ever all but the first op of each author."""
    r, limits = Replicated(), Limits()
    forks = [
        Evidence(*sorted((signed(name, 1, None, buy(1)), signed(name, 1, None, buy(2))), key=lambda op: op.id))
        for name in ("eve", "mallory")
    ]
    r.certify(signed("eve", 0, None, buy(1)), signed("mallory", 0, None, buy(1)))
    large = [signed(name, 0, None, *(buy(n) for n in range(1, 257))) for name in ("carol", "dave")]
    for item in (*CHAINS["alice"][:2], *large):
        r.set.insert(item, 0)
    for each in forks:
        assert r.set.add_evidence(each, 10)
    tight = Limits(max_block_bytes=2 * (limits.max_op_bytes + 64) + 8_000)
    ages = Ages(6_000, 0, 5_000, 1)
    chosen = select(r.set, r.certified, tight, ages)
    assert chosen[0] in forks
    assert set(CHAINS["alice"][:2]) <= set(chosen)
    assert unjustly_omitted(chosen, r.set, r.certified, tight, ages, is_full=False) is None
    for left_out in (chosen[0], CHAINS["alice"][1]):
        rest = [item for item in chosen if item is not left_out]
        assert unjustly_omitted(rest, r.set, r.certified, tight, ages, is_full=False) is not None


ROOMS = (
    Limits(max_block_ops=3),
    Limits(max_block_ops=6),
    Limits(max_block_bytes=5 * CHAINS["alice"][0].size),
    Limits(max_block_commands=7),
)


def with_large_ops(rng: random.Random) -> dict[str, list[Op]]:
    """Chains of a few authors with ops of all sizes."""
    chains: dict[str, list[Op]] = {}
    for name in NAMES:
        ops = chains[name] = []
        for _ in range(rng.randint(0, 5)):
            commands = [buy(n + 1) for n in range(rng.choice((1, 1, 1, 2, 3)))]
            ops.append(signed(name, len(ops), ops[-1] if ops else None, *commands))
    return chains


@pytest.mark.parametrize("seed", range(60))
def test_what_a_leader_has_no_room_for_no_voter_demands(seed: int) -> None:
    """Neither by the clock of a voter, who has held everything for up to a tenth of the age more or less, or sees it
    a moment later; nor when blocks took ops of some authors before."""
    rng = random.Random(seed)
    for limits in ROOMS:
        chains, served = with_large_ops(rng), rng.sample(NAMES, 2)
        came = {item.id: rng.randint(0, 9_000) for ops in chains.values() for item in ops}
        pools = [Replicated() for _ in range(4)]
        for pool in pools:
            seen = [(came[item.id] + rng.randint(-250, 250), item) for ops in chains.values() for item in ops]
            for at_ms, item in sorted(seen, key=lambda each: each[0]):
                pool.set.insert(item, at_ms)
            for name in served:
                if len(chains[name]) > 1:
                    pool.certify(chains[name][0])
                    pool.set.logs[key(name)].served_ms = 8_000 + rng.randint(-100, 100)
        leader, *voters = pools
        chosen = select(leader.set, leader.certified, limits, Ages(9_500, 0, 5_000, 1_100))
        for voter in voters:
            ages = Ages(9_500 + rng.randint(0, 300), 0, 5_000, 1_100)
            assert unjustly_omitted(chosen, voter.set, voter.certified, limits, ages, is_full=False) is None


def test_whom_a_block_served_waits_for_the_next_turn() -> None:
    """With the oldest of a stock of ops the same author was the first in each block, and others in none."""
    r = Replicated()
    for item in CHAINS["alice"]:
        r.set.insert(item, 0)
    r.set.insert(CHAINS["bob"][0], 2_000)
    stock, bob = CHAINS["alice"][1:], CHAINS["bob"][0]
    r.certify(CHAINS["alice"][0])
    for at_ms, is_before, excused in ((6_999, True, True), (7_001, False, True), (8_251, False, False)):
        r.set.logs[key("alice")].served_ms = at_ms
        ages = Ages(at_ms + 100, 0, 5_000, 1_100)
        order = first_come([bob, stock[0]], r.set, r.certified, ages)
        assert order == ([stock[0], bob] if is_before else [bob, stock[0]])
        found = unjustly_omitted([stock[0]], r.set, r.certified, Limits(), ages, is_full=True)
        assert (found is None) is excused


def test_what_a_fork_cut_off_takes_room_as_before() -> None:
    """Two forks a voter were enough to have it refuse an honest leader's block."""
    r, limits = Replicated(), Limits(max_block_ops=1)
    r.certify(CHAINS["alice"][0])
    r.set.insert(CHAINS["alice"][1], 0)
    r.set.insert(CHAINS["bob"][0], 100)
    block, ages = [CHAINS["alice"][1]], Ages(5_500, 0, 5_000, 1_100)
    assert unjustly_omitted(block, r.set, r.certified, limits, ages, is_full=False) is None
    r.set.insert(op("alice", 1, CHAINS["alice"][0], 300), 5_400)
    assert r.set.logs[key("alice")].forked
    assert unjustly_omitted(block, r.set, r.certified, limits, ages, is_full=False) is None


def test_what_came_just_now_takes_no_room_from_somebodys_second() -> None:
    r, limits = Replicated(), Limits(max_block_ops=2)
    for item, came_ms in ((CHAINS["alice"][0], 0), (CHAINS["alice"][1], 0), (CHAINS["carol"][0], 3_900)):
        r.set.insert(item, came_ms)
    block = [CHAINS["alice"][0], CHAINS["carol"][0]]
    for now_ms, omitted in ((5_100, CHAINS["alice"][1]), (5_151, None)):
        ages = Ages(now_ms, 0, 5_000, 1)
        assert unjustly_omitted(block, r.set, r.certified, limits, ages, is_full=False) == omitted
