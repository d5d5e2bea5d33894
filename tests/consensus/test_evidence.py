"""Evidence from strangers: it stops no pair, races no terms, and is the same everywhere."""

from collections.abc import Callable

import pytest

from gossipbook.client_messages import Ack
from gossipbook.consensus.messages import Bodies
from gossipbook.consensus.selection import Ages, select
from gossipbook.crdt.budget import Budget, within_limits
from gossipbook.crdt.interpretation import Interpretation, UnfitOps
from gossipbook.crdt.op import GENESIS_PREV, LIFE, Evidence, Op, evidence_id, sign_op
from gossipbook.crdt.op_set import OpSet
from gossipbook.crdt.parked import PARKED_MS
from gossipbook.identity import Identity
from gossipbook.manifest import Manifest
from gossipbook.matching.commands import Command, OrderType, PlaceSpecial, Side, TimeInForce
from gossipbook.peer.events import Received
from gossipbook.sim.clocks import START_WALL_MS

from .cluster import Author, Cluster, S
from .kit import SYMBOL, Bench, buy, identity, network

BIG = 2**62
RETENTION_MS = 10_000
LARGE, SMALL = 232, 1  # commands of a fork; the large ones come near the limit of an op


def large_commands(count: int, salt: int) -> list[Command]:
    """Places whose every number takes as many bytes as a number can."""
    return [
        PlaceSpecial(
            BIG + salt * 1_000 + number, Side.BUY, OrderType.LIMIT, BIG, BIG, TimeInForce.GTD, 0, 1, BIG, BIG, BIG, BIG
        )
        for number in range(count)
    ]


def evidence(manifest: Manifest, who: Identity, count: int, *, seq: int = 0, prev: bytes = GENESIS_PREV) -> Evidence:
    """Two forks of so many commands each."""
    forks = [sign_op(who, manifest.chain_id, SYMBOL, seq, prev, large_commands(count, salt)) for salt in (1, 2)]
    return Evidence(*sorted(forks, key=lambda op: op.id))


class Attack:
    """Four members of rules version 3, a stranger linked to all of them, and an honest trader."""

    def __init__(self) -> None:
        self.cluster = Cluster(4, seed=3, followers=1, rules_version=3).start()
        self.manifest = self.cluster.manifest
        self.stranger = self.cluster.ids[4]
        self.honest = Author("honest", self.manifest)

    def send(self, make: Callable[[int], list[Evidence | Op]]) -> None:
        """The stranger gives each member what ``make`` says, all at one moment."""
        for seat in range(4):
            raw = Bodies(SYMBOL, tuple(make(seat)))
            self.cluster.world.push(0, self.cluster.ids[seat], Received(self.stranger, raw))

    def certify(self, author: Author, within_s: float) -> bool:
        op = author.sign(buy(author.next_client_id))
        author.next_client_id += 1
        before = len(self.cluster.diary.events)
        self.cluster.submit(1, op)
        self.cluster.world.run(int(within_s * S))
        acks = [event for event in self.cluster.diary.events[before:] if isinstance(event, Ack)]
        return any(ack.op_id == op.id and ack.level.name == "CERTIFIED" for ack in acks)

    def terms(self) -> list[int]:
        return [self.cluster.pair(seat).replica.member.ballot.term for seat in range(4)]


def test_members_that_hold_different_evidence_agree_on_what_fits_a_block() -> None:
    """An outsider with four keys stopped a pair for good: each member measured a block by the forks that it held."""
    attack = Attack()
    liars = [Author(f"liar {number}", attack.manifest) for number in range(4)]
    assert all(attack.certify(liar, 2) for liar in liars), "they are in the table"
    names = sorted(liars, key=lambda liar: liar.identity.public_key)

    def forks(seat: int) -> list[Evidence | Op]:
        return [
            evidence(attack.manifest, liar.identity, LARGE if number != seat else SMALL, seq=1, prev=liar.ops[-1].id)
            for number, liar in enumerate(names)
        ]

    attack.send(forks)
    assert attack.certify(attack.honest, 2)
    attack.cluster.world.run(10 * S)
    assert attack.certify(attack.honest, 2)
    authors = attack.cluster.pair(0).replica.member.certified.authors
    assert all(authors[liar.identity.public_key].frozen for liar in liars)
    assert max(attack.terms()) <= 2
    attack.cluster.check()


def test_keys_that_were_never_certified_get_no_place_by_their_forks() -> None:
    attack = Attack()
    assert attack.certify(attack.honest, 2)
    attack.send(lambda seat: [evidence(attack.manifest, identity(f"liar {n}"), SMALL) for n in range(50)])
    attack.cluster.world.run(5 * S)
    assert attack.certify(attack.honest, 2)
    assert len(attack.cluster.pair(0).replica.member.certified.authors) == 1
    assert max(attack.terms()) == 0


@pytest.mark.parametrize("rules", [1, 2, 3])
@pytest.mark.parametrize("seq", [0, 1])
def test_evidence_is_due_from_when_it_came(rules: int, seq: int) -> None:
    """It counted as due for ever, so that a follower who got it just before a proposal gave up the term."""
    bench = Bench("b", rules_version=rules)
    bench.advance(10_000)
    bench.op("e0", "eve", buy(1))
    bench.block("b0", ["e0"])
    bench.hold("e0")
    bench.deliver("a", bench.proposal("b0", 0))
    bench.commit("b0", 0, "acd")
    assert bench.replica.fin == 1
    bench.advance(bench.manifest.timing.inclusion_age_ms + 1_000)
    bench.op("o1", "alice", buy(1))
    bench.hold("o1")
    bench.block("b1", ["o1"], parent="b0")
    who, prev = identity("eve" if rules == 3 else "mal"), bench.ops["e0"].id
    bench.ops["forks"] = evidence(bench.manifest, who, SMALL, seq=seq + 1, prev=prev)
    bench.hold("forks")
    bench.sent.clear()
    bench.deliver("a", bench.proposal("b1", 0))
    assert [type(message).__name__ for message in bench.sent] == ["CastVote"]


@pytest.mark.parametrize("rules", [1, 2, 3])
def test_the_same_evidence_is_kept_whatever_came_first(rules: int) -> None:
    manifest, _ = network(rules_version=rules)
    who = identity("eve")
    certified = Interpretation(manifest, SYMBOL)
    certified.execute(1, [sign_op(who, manifest.chain_id, SYMBOL, 0, GENESIS_PREV, [buy(1)], 1)])
    certified.commit()
    some = [evidence(manifest, who, count, seq=seq, prev=bytes([count]) * 32) for count in (1, 2) for seq in (3, 1, 2)]
    kept = set()
    for order in (some, some[::-1], some[2:] + some[:2]):
        ops = OpSet(certified, manifest.limits)
        assert [ops.add_evidence(each, 0) for each in order] == [True, *[False] * 5]
        (held,) = ops.evidence.values()
        kept.add((held.first.id, held.second.id))
    forks = sorted(op.id for each in some for op in (each.first, each.second) if op.seq == 1)
    assert kept == {(forks[0], forks[1])}


def test_evidence_of_ops_that_no_network_takes_is_not_kept() -> None:
    manifest, _ = network(rules_version=3)
    ops = OpSet(Interpretation(manifest, SYMBOL), manifest.limits)
    oversize = evidence(manifest, identity("eve"), 256)
    assert len(oversize.first.signed) > manifest.limits.max_op_bytes
    for solicited in (False, True):
        assert not ops.add_evidence(oversize, 0, solicited=solicited)
    assert ops.logs == {}


def test_a_block_is_charged_for_evidence_whatever_its_size() -> None:
    manifest, _ = network(rules_version=3)
    limits = manifest.limits
    large, small = (evidence(manifest, identity("eve"), count) for count in (LARGE, SMALL))
    for item in (large, small):
        budget = Budget(limits, 3)
        budget.take(item)
        assert budget.bytes == 2 * (limits.max_op_bytes + 64) >= large.size
        assert within_limits([item], limits, 3)
    old = Budget(limits, 2)
    old.take(small)
    assert old.bytes == small.size


def test_the_rules_that_a_block_is_judged_by_are_those_that_it_is_made_by() -> None:
    manifest, _ = network(rules_version=3)
    certified = Interpretation(manifest, SYMBOL)
    ops = OpSet(certified, manifest.limits)
    stranger = evidence(manifest, identity("eve"), SMALL)
    assert not ops.add_evidence(stranger, 5)
    assert ops.logs == {}
    assert select(ops, certified, manifest.limits, Ages(9, 0, 5_000, 1)) == []
    assert list(ops.eligible()) == []
    assert certified.refusal([stranger], 1) is UnfitOps.UNKNOWN_AUTHOR
    first = sign_op(identity("eve"), manifest.chain_id, SYMBOL, 0, GENESIS_PREV, [buy(1)])
    certified.execute(1, [first])
    certified.commit()
    assert ops.add_evidence(stranger, 5)
    assert certified.refusal([stranger], 1) is None
    assert select(ops, certified, manifest.limits, Ages(9, 0, 5_000, 1)) == [stranger]
    ((_, log),) = ops.eligible()
    assert (log.next_items(), log.held_since_ms(0)) == ((stranger,), 5)


# -- lives --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lives", [(0, 1, 2), (0, 5, 5)], ids=["other lives", "the same life again"])
def test_who_comes_back_can_be_frozen_again(lives: tuple[int, ...]) -> None:
    """Evidence had one id an author: of one frozen in two lives a journal kept one body, and laggards got the other.

    And what froze a life froze another of the same number, under the same id: no peer could start from its journal.
    """
    cluster = Cluster(4, seed=3, followers=2, rules_version=3, limits={"author_retention_ms": RETENTION_MS})
    late = cluster.ids[5]
    for peer in cluster.ids[:5]:
        cluster.world.start(peer)
    cluster.world.run(2 * S)
    manifest, world = cluster.manifest, cluster.world
    liar, honest = identity("liar"), identity("honest")

    def say(who: Identity, life: int, seq: int, prev: bytes, *, price: int = 90, seats: tuple[int, ...] = (1,)) -> Op:
        expiry_ms = 0 if seq else START_WALL_MS + world.now_us // 1_000 + RETENTION_MS // 2
        op = sign_op(who, manifest.chain_id, SYMBOL, life * LIFE + seq, prev, [buy(seq + 1, price)], expiry_ms)
        for seat in seats:
            cluster.submit(seat, op)
        return op

    trades = 0
    head = GENESIS_PREV
    for life in lives:
        first = say(liar, life, 0, GENESIS_PREV)
        world.run(3 * S)
        assert first.id in cluster.certified()
        for seat in range(2):
            say(liar, life, 1, first.id, price=91 + seat, seats=(seat,))
        for _ in range(2 + 2 * RETENTION_MS // S):
            head = say(honest, 0, trades, head).id
            trades += 1
            world.run(S)
    chain = world.hosts[cluster.ids[0]].journal.load()[SYMBOL].chain
    named = [op_id for block, _, _ in chain for op_id in block.op_ids]
    assert named.count(evidence_id(liar.public_key, 5)) == lives.count(5)
    assert {evidence_id(liar.public_key, life) for life in lives} <= set(named)
    for seat in (0, 4):
        world.crash(cluster.ids[seat])
        world.start(cluster.ids[seat])
    world.start(late)
    head = say(honest, 0, trades, head).id
    assert world.run(60 * S, cluster.idle)
    assert head in cluster.certified()
    assert len({cluster.pair(seat).certified.root() for seat in range(6)}) == 1
    assert not any(cluster.pair(seat).replica.member.halted for seat in range(6))
    pools = [cluster.pair(seat).ops for seat in range(6)]
    assert all(len(pool.parked) == len(pool.bodies) for pool in pools), "what the journals still have of old lives"
    world.run(PARKED_MS + 5 * S)
    assert not any(pool.logs or pool.bodies for pool in pools)
    cluster.check()


# -- terms --------------------------------------------------------------------------------------------


def test_terms_do_not_race_whatever_leaders_propose() -> None:
    """A leader's bad block is given up at once, but not again within a round's length."""
    bench = Bench("b")
    base = bench.manifest.timing.timeout_base_ms
    bench.op("o1", "alice", buy(1))
    bench.hold("o1")
    bench.block("b0", ["o1"], lie="events")
    bench.deliver("a", bench.proposal("b0", 0))
    assert bench.replica.member.ballot.timed_out, "the first at once"
    tc = bench.term_change(0, {seat: {} for seat in "bcd"})
    bench.proof(tc, "c")
    assert bench.replica.member.ballot.term == 1
    tc1 = bench.term_change(1, {seat: {} for seat in "acd"})
    bench.proof(tc1, "c")
    assert bench.replica.member.ballot.term == 2
    bench.block("b2", ["o1"], term=2, lie="events")
    bench.deliver("c", bench.proposal("b2", 2, tc=tc1))
    assert not bench.replica.member.ballot.timed_out, "this one not before its time"
    bench.advance(base * 4 - 1)
    assert not bench.replica.member.ballot.timed_out
    bench.advance(1)
    assert bench.replica.member.ballot.timed_out, "the round timer gives it up, with the backoff of two failed terms"
