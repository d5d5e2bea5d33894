"""Who leaves the author table, and when: never while an op of theirs waits that the block had room for."""

import pytest

from gossipbook.client_messages import AckLevel
from gossipbook.consensus.block import decode_block, make_block
from gossipbook.consensus.messages import CastVote, GiveUp, Propose
from gossipbook.consensus.selection import Ages, select, unjustly_omitted
from gossipbook.crdt.interpretation import Interpretation, UnfitOps
from gossipbook.crdt.op import GENESIS_PREV, LIFE, Op, sign_op
from gossipbook.crdt.op_set import OpSet
from gossipbook.manifest import Manifest
from gossipbook.matching.commands import Cancel, CancelAll, Command
from gossipbook.matching.events import CANCELLED

from .cluster import Cluster, S
from .kit import START_MS, SYMBOL, Bench, buy, identity, network

RETENTION_MS = 20_000


class Table:
    """A pair's certified state, and authors who act on it."""

    def __init__(self, *, wardens: tuple[str, ...] = (), **limits: int) -> None:
        keys = tuple(identity(name).public_key for name in wardens)
        self.manifest, _ = network(
            rules_version=3, wardens=keys, limits={"author_retention_ms": RETENTION_MS, **limits}
        )
        self.certified = Interpretation(self.manifest, SYMBOL)
        self.last: dict[str, Op] = {}
        self.now_ms = START_MS

    def op(self, name: str, *commands: Command) -> Op:
        op = next_op(self.manifest, self.certified, name, self.last.get(name), self.now_ms, *commands)
        self.last[name] = op
        return op

    def block(self, *ops: Op) -> set[str]:
        """Who left with a block of these."""
        assert self.certified.refusal(ops, self.now_ms) is None
        execution = self.certified.execute(self.now_ms, ops)
        assert execution.ran == len(ops)
        self.certified.commit()
        self.events = execution.events
        self.now_ms += 1
        return {name for name in self.last if identity(name).public_key in execution.left}


def next_op(
    manifest: Manifest, certified: Interpretation, name: str, last: Op | None, now_ms: int, *what: Command
) -> Op:
    who = identity(name)
    begins = who.public_key not in certified.authors
    seq, prev = (0, GENESIS_PREV) if last is None else (last.seq + 1, last.id)
    if begins and last is not None:
        seq, prev = (last.seq // LIFE + 1) * LIFE, GENESIS_PREV
    expiry_ms = now_ms + RETENTION_MS // 2 if begins else 0
    return sign_op(who, manifest.chain_id, SYMBOL, seq, prev, what, expiry_ms)


@pytest.mark.parametrize(("commands", "room"), [(2, True), (3, False)])
def test_nobody_leaves_with_a_block_that_has_no_room_for_another_op(commands: int, room: bool) -> None:
    """What was left out for want of room may be theirs, and it was acked."""
    table = Table(max_block_commands=4, max_commands_per_op=2)
    table.block(table.op("quiet", Cancel(1)), table.op("busy", buy(1)))
    table.now_ms += RETENTION_MS + 1
    left = table.block(*(table.op("busy", buy(2 + n)) for n in range(commands)))
    assert left == ({"quiet"} if room else set())
    assert table.block() == (set() if room else {"quiet"})


def test_nobody_leaves_with_a_block_that_is_full_of_work() -> None:
    table = Table(max_block_work=4)
    table.block(table.op("quiet", Cancel(1)), table.op("busy", buy(1)))
    table.now_ms += RETENTION_MS + 1
    assert table.block(table.op("busy", *(buy(2 + n) for n in range(4)))) == set()
    assert table.block(table.op("busy", buy(9))) == {"quiet"}


def test_a_crowded_book_displaces_only_those_who_have_more_than_their_share() -> None:
    """A few hundred keys could have everybody's orders cancelled who did nothing for an hour."""
    table = Table(max_open_orders_per_pair=80, max_authors_per_pair=20)  # A share is four orders.
    table.block(table.op("small", *map(buy, range(1, 5))))
    table.block(table.op("large", *map(buy, range(1, 9))))
    for name in "abcdef":
        table.block(table.op(name, *map(buy, range(1, 9))))
    table.now_ms += RETENTION_MS + 1
    assert table.block() == set(), "the book is three quarters full, and not more"
    assert table.block(table.op("busy", buy(1))) == {"large"}
    assert sum(event[0] == CANCELLED for event in table.events) == 8
    assert table.certified.engine.orders_of(identity("small").public_key) == 4


def test_whom_the_manifest_lists_needs_no_place() -> None:
    """At a full table a warden who comes late could not halt the pair."""
    table = Table(wardens=("warden", "other"), max_authors_per_pair=1, max_newcomers_per_block=1)
    certified = table.certified
    pool = OpSet(certified, table.manifest.limits)
    pool.wall_ms = table.now_ms
    ops = [table.op(name, buy(1)) for name in ("warden", "ann", "other", "ben")]
    for op in ops:
        pool.insert(op, 0)
    ages = Ages(10_000, 0, 5_000, table.now_ms)
    chosen = select(pool, certified, table.manifest.limits, ages)
    listed = {identity(name).public_key for name in ("warden", "other")}
    assert len(chosen) == 3
    assert listed < {item.author for item in chosen}
    for op in ops[::2]:
        rest = [item for item in chosen if item is not op]
        assert unjustly_omitted(rest, pool, certified, table.manifest.limits, ages, is_full=False) is op
    table.block(*chosen)
    assert certified.places == 0
    table.now_ms += RETENTION_MS + 1
    late = table.op("late", buy(1))
    assert certified.refusal([late], table.now_ms) is UnfitOps.TABLE_FULL
    assert len(table.block()) == 1, "the others are listed, and displaced neither"
    assert table.block(table.op("warden", CancelAll())) == set()
    table.now_ms += RETENTION_MS + 1
    assert table.block() == set()


def test_a_place_that_becomes_free_is_taken_in_the_next_block() -> None:
    table = Table(max_authors_per_pair=1)
    table.block(table.op("ann", Cancel(1)))
    table.now_ms += RETENTION_MS + 1
    late = table.op("late", buy(1))
    assert table.certified.refusal([late], table.now_ms) is UnfitOps.TABLE_FULL
    assert table.certified.may_part(table.now_ms)
    assert table.block() == {"ann"}
    assert table.certified.refusal([late], table.now_ms) is None


def bench_of(seat: str, **limits: int) -> Bench:
    """A member in whose table quiet, ann and bob have done nothing for a while; ann and bob have eight orders each."""
    bench = Bench(
        seat,
        rules_version=3,
        timing={"inclusion_age_ms": 2_000},
        limits={"author_retention_ms": RETENTION_MS, **limits},
    )
    before_ms = START_MS - RETENTION_MS
    bench.timer_ms -= RETENTION_MS
    bench.op("q1", "quiet", Cancel(1))
    for name, author in (("a1", "ann"), ("b1", "bob")):
        bench.op(name, author, *map(buy, range(1, 9)))
    bench.timer_ms = 0
    for number, name in enumerate(("q1", "a1", "b1")):
        assert bench.certified.refusal([bench.ops[name]], before_ms + number) is None
        bench.certified.execute(before_ms + number, [bench.ops[name]])
        bench.certified.commit()
    bench.op("q2", "quiet", buy(1, 50))
    return bench


def test_a_leader_that_prefers_what_presses_keeps_whose_op_waits() -> None:
    """Of a block cut off by work it kept what pressed alone; there was room again, and so the others left."""
    bench = bench_of("a", max_block_work=8)
    bench.advance(1_500)
    pressing = bench.op("a2", "ann", buy(20, 30))
    bench.op("b2", "bob", CancelAll())
    bench.op_set.insert(pressing, 0)
    bench.hold("b2", "q2")
    (proposal,) = [message for message in bench.sent if isinstance(message, Propose)]
    assert bench.certified.layers[-1].execution.left == ()
    assert set(decode_block(proposal.block).op_ids) == {pressing.id, bench.ops["q2"].id}


@pytest.mark.parametrize(("held_ms", "voted"), [(400, True), (600, False)])
def test_nobody_votes_for_a_block_with_which_somebody_leaves_whose_op_waits(held_ms: int, voted: bool) -> None:
    bench = bench_of("b")
    bench.advance(100)
    bench.op("a2", "ann", buy(20, 30))
    bench.hold("a2", "q2")
    bench.advance(held_ms)
    bench.sent.clear()
    items = [bench.ops["a2"]]
    execution = bench.certified.execute(bench.now().wall_ms, items)
    assert execution.left == (identity("quiet").public_key,)
    bench.certified.rollback()
    bench.blocks["b"] = make_block(
        chain_id=bench.manifest.chain_id,
        epoch=0,
        pair=SYMBOL,
        height=1,
        parent=bench.committee.genesis,
        proposer=bench.committee.key(0),
        created_term=0,
        time_ms=execution.time_ms,
        op_ids=tuple(item.id for item in items),
        events_digest=execution.events_digest,
    )
    bench.deliver("a", bench.proposal("b", 0))
    assert any(isinstance(message, CastVote) for message in bench.sent) == voted
    assert any(isinstance(message, GiveUp) for message in bench.sent) != voted


def test_an_op_that_waits_through_an_outage_is_certified_after_it() -> None:
    """It was acked; the first block after the outage had no room for it, and its author left with that."""
    cluster = Cluster(4, rules_version=3, limits={"author_retention_ms": RETENTION_MS, "max_block_ops": 2}).start()
    ops: dict[str, Op] = {}

    def sign(name: str, *commands: Command) -> Op:
        now_ms = cluster.now().wall_ms
        ops[name] = next_op(cluster.manifest, cluster.pair(0).certified, name, ops.get(name), now_ms, *commands)
        return ops[name]

    for name in ("quiet", "ann", "bob", "cat"):
        cluster.submit(0, sign(name, Cancel(1) if name == "quiet" else buy(1)))
        cluster.world.run(S)
    cluster.world.run(RETENTION_MS - 8 * S)
    cluster.cut([0, 1], [2, 3])
    for name in ("ann", "bob", "cat", "quiet"):
        for seat in range(4):
            cluster.submit(seat, sign(name, buy(2)) if seat == 0 else ops[name])
    cluster.world.run(12 * S)
    cluster.heal()
    assert cluster.settle()
    assert {op.id for op in ops.values()} <= cluster.certified()
    cluster.check()


def test_a_newcomer_is_acked_once_the_table_has_a_place() -> None:
    """Nothing is acked that no block may ever take for want of room."""
    cluster = Cluster(
        4, rules_version=3, limits={"author_retention_ms": RETENTION_MS, "max_authors_per_pair": 2}
    ).start()

    def sign(name: str, command: Command) -> Op:
        return next_op(cluster.manifest, cluster.pair(0).certified, name, None, cluster.now().wall_ms, command)

    for name in ("ann", "bob"):
        cluster.submit(0, sign(name, buy(1)))
        cluster.world.run(S)
    cluster.world.run(RETENTION_MS - 5 * S)
    cluster.submit(0, late := sign("late", buy(1)))
    cluster.world.run(S)
    assert cluster.pair(0).ops.in_main(late)
    assert not any(late.id in cluster.acked(level) for level in (AckLevel.DURABLE, AckLevel.RELAYED))
    cluster.world.run(8 * S)
    assert late.id in cluster.certified()
    assert late.id in cluster.acked(AckLevel.CERTIFIED)
    cluster.check()


def test_whoever_may_leave_at_any_moment_is_acked_once_certified() -> None:
    """A relayed op could be lost if its author left with a block that a leader made before it came there."""
    cluster = Cluster(4, rules_version=3, limits={"author_retention_ms": RETENTION_MS}).start()

    def sign(last: Op | None) -> Op:
        now_ms = cluster.now().wall_ms
        return next_op(cluster.manifest, cluster.pair(0).certified, "ann", last, now_ms, Cancel(1))

    cluster.submit(0, first := sign(None))
    cluster.world.run(RETENTION_MS - S)
    assert first.id in cluster.acked(AckLevel.DURABLE)
    cluster.cut([0, 1], [2, 3])
    cluster.submit(0, second := sign(first))
    cluster.world.run(S // 2)
    assert cluster.pair(0).ops.in_main(second)
    assert second.id not in cluster.acked(AckLevel.DURABLE)
    cluster.heal()
    cluster.world.run(5 * S)
    assert second.id in cluster.acked(AckLevel.CERTIFIED)


@pytest.mark.parametrize("bare", [True, False])
def test_a_leader_that_is_down_keeps_nobody_out_of_a_full_table(bare: bool) -> None:
    """Places come with the block before, for which nobody's timer ran."""
    cluster = Cluster(
        4, rules_version=3, limits={"author_retention_ms": RETENTION_MS, "max_authors_per_pair": 2}
    ).start()

    def sign(name: str) -> Op:
        now_ms, what = cluster.now().wall_ms, Cancel(1) if bare else buy(1)
        return next_op(cluster.manifest, cluster.pair(1).certified, name, None, now_ms, what)

    for name in ("ann", "bob"):
        cluster.submit(1, sign(name))
        cluster.world.run(S)
    leader = cluster.pair(0).committee.leader(0)
    others = [seat for seat in range(4) if seat != leader]
    cluster.cut([leader], others)
    cluster.world.run(RETENTION_MS)
    cluster.submit(others[0], late := sign("late"))
    assert cluster.world.run(9 * S, lambda: late.id in cluster.certified())
    cluster.check()


@pytest.mark.parametrize(("came_ms", "excused"), [(4_000, False), (1_000, True)])
def test_a_newcomer_is_left_out_only_for_what_came_no_later(came_ms: int, excused: bool) -> None:
    """While more of them waited than there are places, a lying leader let nobody in."""
    table = Table(max_newcomers_per_block=1)
    table.block(table.op("known", buy(1)))
    pool = OpSet(table.certified, table.manifest.limits)
    pool.wall_ms = table.now_ms
    newcomer, other, known = (table.op(name, buy(1)) for name in ("ann", "ben", "known"))
    for op, at_ms in ((newcomer, 0), (other, 100), (known, came_ms)):
        pool.insert(op, at_ms)
    ages = Ages(5_500, 0, 5_000, table.now_ms)
    found = unjustly_omitted([known], pool, table.certified, table.manifest.limits, ages, is_full=True)
    assert found is (None if excused else newcomer)
