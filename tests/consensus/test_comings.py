"""Authors who come and go, with strangers who mean to stop a pair by it: everybody agrees on whose turn it is."""

from collections.abc import Callable

import pytest

from gossipbook.client_messages import Ack
from gossipbook.consensus.messages import Bodies
from gossipbook.crdt.op import GENESIS_PREV, LIFE, Op, sign_op
from gossipbook.matching.commands import Cancel, CancelAll, Command
from gossipbook.peer.events import Received
from gossipbook.sim.clocks import START_WALL_MS

from .cluster import Author, Cluster, S
from .kit import SYMBOL, buy, identity

ATTACK_S = 30


class Comings:
    """Four members, a stranger linked to all of them, and an honest trader."""

    def __init__(self, **limits: int) -> None:
        self.cluster = Cluster(4, seed=3, followers=1, rules_version=3, limits=limits).start()
        self.honest = Author("honest", self.cluster.manifest)
        self.retention_ms = self.cluster.manifest.limits.author_retention_ms

    @property
    def now_ms(self) -> int:
        return START_WALL_MS + self.cluster.world.now_us // 1_000

    def op(
        self,
        name: str,
        command: Command,
        prev: Op | None = None,
        *more: Command,
        life: int = 0,
        expiry_ms: int | None = None,
    ) -> Op:
        """An author's next op, or the first of a life."""
        manifest = self.cluster.manifest
        seq, head = (life * LIFE, GENESIS_PREV) if prev is None else (prev.seq + 1, prev.id)
        if expiry_ms is None:
            expiry_ms = 0 if prev is not None else self.now_ms + self.retention_ms // 2
        return sign_op(identity(name), manifest.chain_id, SYMBOL, seq, head, [command, *more], expiry_ms)

    def give(self, make: Callable[[int], list[Op]]) -> None:
        """The stranger gives each seat what ``make`` says, all at one moment."""
        c = self.cluster
        for seat in range(4):
            c.world.push(0, c.ids[seat], Received(c.ids[4], Bodies(SYMBOL, tuple(make(seat)))))

    def trade(self, seconds: int, each_s: Callable[[int], None]) -> None:
        """Time passes, and the honest trader trades."""
        for second in range(seconds):
            each_s(second)
            for turn in range(10):
                op = self.honest.sign(buy(self.honest.next_client_id, 10))
                self.honest.next_client_id += 1
                self.cluster.submit(turn % 4, op)
                self.cluster.world.run(S // 10)

    def terms(self) -> list[int]:
        return [self.cluster.pair(seat).replica.member.ballot.term for seat in range(4)]


def test_who_could_leave_a_full_table_and_acts_keeps_the_place() -> None:
    """Leaders counted the place for a newcomer, and all refused their blocks, while the newcomer could wait."""
    c = Comings(author_retention_ms=10_000, max_authors_per_pair=2)
    cluster = c.cluster
    ann = c.op("ann", Cancel(1))
    cluster.submit(1, ann)
    c.trade(13, lambda second: None)
    assert len(cluster.pair(0).certified.authors) == 1, "ann has left"
    ann = c.op("ann", Cancel(1), life=1)
    cluster.submit(1, ann)
    c.trade(10, lambda second: None)
    cluster.world.run(2 * S)
    more, new = c.op("ann", Cancel(2), ann), c.op("new", Cancel(1))
    assert cluster.pair(0).certified.may_part(c.now_ms), "ann could leave"
    c.give(lambda seat: [more, new])
    cluster.world.run(2 * S)
    assert more.id in cluster.certified()
    assert new.id not in cluster.certified()
    before = cluster.fins()
    c.trade(12, lambda second: None)
    assert min(cluster.fins()) > max(before)
    assert new.id not in cluster.certified(), "it could be taken for half of the retention time"
    cluster.submit(1, last := c.op("new", Cancel(1), life=1))
    cluster.world.run(2 * S)
    assert last.id in cluster.certified(), "ann has left meanwhile"
    assert max(c.terms()) == 0
    cluster.check()


def test_an_op_that_waits_for_another_life_to_be_over_is_stored_when_it_is() -> None:
    """It joined its author's chain and was acked as durable, and no journal had it."""
    c = Comings(author_retention_ms=10_000)
    cluster, seat = c.cluster, 1
    before = c.honest.sign(buy(1))
    cluster.submit(0, before)
    cluster.world.run(S)
    cluster.cut([0, 2, 3], [1, 4])
    five = c.op("ann", buy(1), life=5)
    cluster.submit(seat, five)
    for number in range(12):
        cluster.submit(0, c.honest.sign(buy(2 + number, 10)))
        cluster.world.run(S)
    six = c.op("ann", buy(1), life=6)
    cluster.submit(seat, six)
    cluster.world.run(50)
    ops, journal = cluster.pair(seat).ops, cluster.world.hosts[cluster.ids[seat]].journal
    assert (ops.in_main(five), ops.in_main(six)) == (True, False)
    cluster.heal()
    assert cluster.world.run(20 * S, lambda: ops.in_main(six) or six.id in cluster.certified())
    cluster.submit(seat, six)
    cluster.world.run(1)
    levels = [event.level.name for event in cluster.diary.events if isinstance(event, Ack) and event.op_id == six.id]
    assert "DURABLE" in levels
    assert six.id in cluster.certified() or any(item.id == six.id for item in journal.load()[SYMBOL].pending)
    cluster.world.crash(cluster.ids[seat])
    cluster.world.start(cluster.ids[seat])
    cluster.world.run(5 * S)
    assert six.id in cluster.certified()


def test_members_that_were_given_other_lives_of_one_author_agree_on_what_is_due() -> None:
    """Four lives that cannot begin yet hid from a leader the one that can, and was due for everybody else."""
    c = Comings()

    def each_s(second: int) -> None:
        if second % 6 == 0:
            name, leader = f"key {second}", c.cluster.pair(0).committee.leader(max(c.terms()))
            late_ms = c.now_ms + c.retention_ms + 50_000
            early = [c.op(name, buy(1), life=life, expiry_ms=late_ms) for life in (5, 6, 7, 8)]
            good = c.op(name, buy(1), life=1)
            c.give(lambda seat: early if seat == leader else [good])

    c.trade(ATTACK_S, each_s)
    assert max(c.terms()) == 0
    authors = c.cluster.pair(0).certified.authors
    assert all(identity(f"key {second}").public_key in authors for second in range(0, ATTACK_S, 6))
    c.cluster.check()


@pytest.mark.parametrize("keys", [1, 3])
def test_who_may_be_in_a_block_is_judged_by_its_time(keys: int) -> None:
    """First ops that could be taken between a proposal and its judging, by the voters' clocks, were due at once."""
    c = Comings()
    delays = c.cluster.wires.rng
    c.cluster.wires.arrivals = lambda a, b, size, now_us: (now_us + delays.randint(30_000, 60_000),)  # type: ignore[method-assign]
    inclusion_ms = c.cluster.manifest.timing.inclusion_age_ms

    def each_s(second: int) -> None:
        if second % 6 == 0:
            after_ms = [inclusion_ms + 900 + 10 * number for number in range(keys)]
            ops = [c.op(f"{second} {ms}", buy(1), expiry_ms=c.now_ms + ms + c.retention_ms) for ms in after_ms]
            c.give(lambda seat: ops)

    c.trade(ATTACK_S, each_s)
    assert max(c.terms()) == 0
    assert len(c.cluster.pair(0).certified.authors) > keys
    c.cluster.check()


def test_who_is_cut_off_by_a_blocks_work_does_not_act_in_it() -> None:
    """A leader executed what it did not name: who was cut off stayed for it, and left for everybody else, for ever."""
    c = Comings(author_retention_ms=10_000, max_block_work=64, max_op_work=64, max_open_orders_per_author=60)
    cluster = c.cluster
    full = [c.op(name, buy(1), None, *(buy(number, 10 + number) for number in range(2, 51))) for name in ("ann", "bob")]
    for op in full:
        cluster.submit(1, op)
    cluster.world.run(S)
    quiet = c.op("quiet", Cancel(1))
    cluster.submit(1, quiet)
    cluster.world.run(S + c.retention_ms)
    last = c.op("quiet", buy(5, 50), quiet)
    c.give(lambda seat: [c.op(name, CancelAll(), op) for name, op in zip(("ann", "bob"), full, strict=True)] + [last])
    cluster.world.run(3 * S)
    assert last.id in cluster.certified(), "there was no room for it at first, and nobody leaves with such a block"
    cluster.submit(0, new := c.op("new", buy(1)))
    cluster.world.run(2 * S)
    assert new.id in cluster.certified()
    assert max(c.terms()) == 0
    cluster.check()
