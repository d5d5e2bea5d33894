"""What certified ops come to: refusals, void ops, freezing, and taking a block back exactly."""

import random

import pytest
from consensus.kit import SYMBOL, buy, network, sell

from gossipbook.crdt.interpretation import NEW_AUTHOR, Interpretation
from gossipbook.crdt.merkle import chain_events_digest, merkle_root
from gossipbook.crdt.op import Evidence
from gossipbook.ids import ZERO_DIGEST
from gossipbook.matching.commands import Amend, Cancel, Lease
from gossipbook.matching.events import ACCEPTED, CANCELLED, FROZEN, REJECTED, RejectReason

from .kit import Replicated, chain, key, op, signed

ALICE, BOB, EVE = chain("alice", 4), chain("bob", 2), chain("eve", 2)
FORK = op("eve", 0, None, 150)
EVIDENCE = Evidence(*sorted((EVE[0], FORK), key=lambda o: o.id))


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([], None),
        ([ALICE[0], ALICE[1], BOB[0]], None),
        ([ALICE[1]], "does not follow"),
        ([ALICE[1], ALICE[0]], "does not follow"),
        ([ALICE[0], ALICE[0]], "does not follow"),
        ([EVE[0], op("eve", 1, FORK)], "does not follow"),
        ([EVIDENCE], None),
        ([EVIDENCE, EVE[0]], "frozen"),
        ([EVIDENCE, EVIDENCE], "frozen"),
        ([EVE[0], EVIDENCE, EVE[1]], "frozen"),
    ],
)
def test_refusals(items: list, reason: str | None) -> None:
    refused = Replicated().certified.refusal(items, 1)
    assert (refused is None) == (reason is None)
    assert reason is None or reason in str(refused)


def test_refusals_on_top_of_a_certified_state() -> None:
    r = Replicated()
    r.certify(ALICE[0], EVIDENCE)
    assert r.certified.refusal([ALICE[0]], 1) is not None
    assert r.certified.refusal([ALICE[1]], 1) is None
    assert "frozen" in str(r.certified.refusal([EVE[0]], 1))
    assert "frozen" in str(r.certified.refusal([EVIDENCE], 1))
    assert r.certified.author(key("nobody")) == NEW_AUTHOR


def test_admission_and_the_author_table() -> None:
    r = Replicated(network(admission=(key("alice"),))[0])
    assert "admitted" in str(r.certified.refusal([BOB[0]], 1))
    r = Replicated(network(limits={"max_authors_per_pair": 2})[0])
    assert r.certified.refusal([ALICE[0], BOB[0]], 1) is None
    assert r.certified.refusal([ALICE[0], BOB[0], EVIDENCE], 1) == "author-table-full"
    r.certify(ALICE[0], BOB[0])
    assert r.certified.refusal([EVE[0]], 1) == "author-table-full"
    assert r.certified.newcomers_allowed == 0


def test_evidence_against_a_stranger_takes_no_place_in_the_author_table() -> None:
    """Where authors are admitted by a list, keys made up by anybody may not fill the table with frozen entries."""
    r = Replicated(network(admission=(key("alice"),))[0])
    assert not r.set.add_evidence(EVIDENCE, 0)
    assert r.certified.refusal([EVIDENCE], 1) is not None


def test_expiry_is_by_block_time_and_never_stands_in_the_authors_way() -> None:
    """At its very expiry an op still counts; after it places are void, cancels still run."""
    for time_ms, kind in ((5_000, ACCEPTED), (5_001, REJECTED)):
        r = Replicated()
        first = signed("alice", 0, None, buy(1), expiry_ms=5_000)
        execution = r.certified.execute(time_ms, [first])
        assert execution.events[0][0] == kind
        assert kind == ACCEPTED or execution.events[0][-1] == RejectReason.OP_EXPIRED
        r.certified.commit()
        assert r.certified.author(key("alice")).next_seq == 1
    r = Replicated()
    resting = signed("alice", 0, None, buy(1))
    r.certify(resting)
    late = signed("alice", 1, resting, Cancel(1), buy(2), expiry_ms=1)
    execution = r.certified.execute(9_000, [late])
    assert [event[0] for event in execution.events] == [CANCELLED, REJECTED]


def test_a_void_reduction_still_runs() -> None:
    r = Replicated()
    resting = signed("alice", 0, None, buy(1, qty=5), sell(2, price=200))
    r.certify(resting)
    late = signed("alice", 1, resting, Amend(1, 0, 2), Amend(2, 0, 9), expiry_ms=1)
    execution = r.certified.execute(9_000, [late])
    assert execution.events[0][0] != REJECTED
    assert execution.events[1][0] == REJECTED


def test_freezing_cancels_what_rests() -> None:
    r = Replicated()
    r.certify(EVE[0])
    execution = r.certified.execute(2_000, [EVIDENCE])
    assert [event[0] for event in execution.events] == [FROZEN, CANCELLED]
    r.certified.commit()
    assert r.certified.author(key("eve")).frozen
    assert r.certified.author(key("eve")).next_seq == 1
    assert r.certified.engine.depth(1, 5) == []


def test_rollback_is_exact() -> None:
    rng = random.Random(7)
    r = Replicated()
    heads: dict[str, list] = {name: [] for name in ("alice", "bob", "carol")}
    for _ in range(60):
        items = []
        for name, ops in heads.items():
            number = len(ops) + 1
            command = rng.choice([buy(number, rng.randint(95, 105)), sell(number, rng.randint(95, 105))])
            extra = rng.choice([Cancel(max(1, number - 1)), Amend(max(1, number - 1), 0, 2)])
            items.append(signed(name, len(ops), ops[-1] if ops else None, command, extra))
        root = r.certified.root()
        r.certified.execute(r.time_ms + 1, items)
        r.certified.rollback()
        assert r.certified.root() == root
        first = r.certified.execute(r.time_ms + 1, items)
        r.certified.rollback()
        again = r.certified.execute(r.time_ms + 1, items)
        assert again == first
        r.certified.rollback()
        r.certify(*items)
        assert r.certified.root() != root
        for name, item in zip(heads, items, strict=True):
            heads[name].append(item)
    r.certified.rollback()  # nothing to take back


def test_the_root_covers_every_part_of_the_state() -> None:
    def root(*blocks: list) -> bytes:
        r = Replicated()
        for block in blocks:
            r.certify(*block)
        return r.certified.root()

    roots = [root(), root([ALICE[0]]), root([BOB[0]]), root([ALICE[0], BOB[0]]), root([BOB[0], ALICE[0]])]
    roots += [root([ALICE[0]], [BOB[0]]), root([EVIDENCE]), root([ALICE[0]], [EVIDENCE])]
    assert len(set(roots)) == len(roots)


# -- merkle -----------------------------------------------------------------------------------------------


def test_merkle_roots() -> None:
    assert merkle_root([]) == ZERO_DIGEST
    seen = {merkle_root([(1, i) for i in range(n)]) for n in range(20)}
    assert len(seen) == 20
    assert merkle_root([(1,), (2,)]) != merkle_root([(2,), (1,)])
    assert merkle_root([(1,), (2,), (3,)]) != merkle_root([(1,), (2,), (3,), (3,)])


def test_a_node_is_no_leaf() -> None:
    """An inner node's bytes given as a leaf make another root."""
    two = merkle_root([b"a", b"b"])
    assert merkle_root([two]) != two


def test_the_events_digest_chains() -> None:
    one = chain_events_digest(ZERO_DIGEST, [(1,)])
    assert one != merkle_root([(1,)])
    assert chain_events_digest(one, []) not in (one, chain_events_digest(ZERO_DIGEST, []))


@pytest.mark.parametrize("rolled_back", [False, True])
def test_what_was_executed_and_taken_back_leaves_no_trace(rolled_back: bool) -> None:
    """An account that had never placed an order went with a block that was rolled back, and its lease ended unseen."""
    certified = Interpretation(network(rules_version=3)[0], SYMBOL)
    lease = [signed("alice", 0, None, Lease(10), expiry_ms=1_000)]
    lease.append(signed("alice", 1, lease[0], Lease(10)))
    bob = [op("bob", 0, None, 50, 1_000)]
    bob.append(op("bob", 1, bob[0], 51))
    for time_ms, items in ((100, [lease[0], bob[0]]), (200, [bob[1]])):
        if rolled_back and time_ms == 200:
            certified.execute(105, [lease[1]])
            certified.rollback()
        execution = certified.execute(time_ms, items)
        certified.commit()
    assert key("alice") in execution.bare
    assert list(certified.stays.bare) == [key("alice")]
