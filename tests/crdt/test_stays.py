"""Authors who leave the table and come back: nothing old counts again, and nobody honest is stuck or frozen."""

from dataclasses import dataclass, field

import pytest
from consensus.kit import SYMBOL, buy, identity, network
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt.kit import Replicated, key
from gossipbook.crdt.inserted import Inserted
from gossipbook.crdt.interpretation import Item
from gossipbook.crdt.op import GENESIS_PREV, LIFE, Evidence, Op, life_of, sign_op
from gossipbook.crdt.pool_room import OPENING_SLACK_MS
from gossipbook.crdt.stays import begins_life, opening_expiry_ms
from gossipbook.matching.commands import Cancel, Command

RETENTION_MS = 10_000
LIMITS = {"author_retention_ms": RETENTION_MS, "max_authors_per_pair": 8, "max_newcomers_per_block": 2}
MANIFEST, _ = network(rules_version=3, limits=LIMITS)


@dataclass
class Author:
    """An honest author, who knows of the chain what it was told last."""

    name: str
    life: int = 0
    ops: list[Op] = field(default_factory=list)  # of this life
    orders: int = 0

    def sign(self, now_ms: int) -> Op:
        seq = self.life * LIFE + len(self.ops)
        prev, expiry_ms = (self.ops[-1].id, 0) if self.ops else (GENESIS_PREV, opening_expiry_ms(now_ms, RETENTION_MS))
        command: Command = Cancel(self.orders)  # Every order is cancelled by the next op.
        if len(self.ops) % 2 == 0:
            self.orders += 1
            command = buy(self.orders)
        op = sign_op(identity(self.name), MANIFEST.chain_id, SYMBOL, seq, prev, [command], expiry_ms)
        self.ops.append(op)
        return op


class Pair(Replicated):
    """A pair with honest authors, and somebody who keeps all that was ever signed."""

    def __init__(self) -> None:
        super().__init__(MANIFEST)
        self.authors = [Author(name) for name in ("alice", "bob", "carol")]
        self.signed: list[Op] = []
        self.taken: list[bytes] = []

    def act(self, author: Author) -> None:
        op = author.sign(self.set.wall_ms)
        self.signed.append(op)
        self.set.insert(op, 0)

    def look(self, author: Author) -> None:
        """Tell an author what is certified; and to begin another life if this one is over, or cannot begin."""
        state = self.certified.author(key(author.name))
        there = key(author.name) in self.certified.authors
        gone = there and life_of(state.next_seq) != author.life
        if gone or (not there and author.ops and not self._can_begin(author)):
            author.life, author.ops, author.orders = author.life + 1, [], 0

    def _can_begin(self, author: Author) -> bool:
        first = author.ops[0]
        return first.id not in self.taken and first.expiry_ms >= self.certified.time_ms

    def block(self) -> None:
        """All that a block may take now; if that is nothing, it tells the time."""
        self.set.expire(0)
        items = [item for _, log in self.set.eligible() for item in log.next_items()]
        newcomers = {item.author for item in items} - set(self.certified.authors)
        late = sorted(newcomers)[self.certified.newcomers_allowed :]
        items = [item for item in items if item.author not in late]
        assert self.certified.refusal(items, self.set.block_ms) is None
        self.make(items)

    def lie(self, op: Op) -> None:
        """A leader who asks no pool, and names what everybody would vote for."""
        if self.certified.refusal([op], self.set.block_ms) is None:
            self.set.insert(op, 0, solicited=True)
            self.make([op])

    def make(self, items: list[Item]) -> None:
        self.certified.execute(self.set.block_ms, items)
        execution = self.certified.commit()
        self.taken += [item.id for item in items]
        for author in execution.authors:
            self.set.advance(author, 0)
        self.set.drop_hopeless(execution.left, 0)

    def pass_time(self, ms: int) -> None:
        self.set.wall_ms += ms


STEPS = st.one_of(
    st.tuples(st.just("act"), st.integers(0, 2)),
    st.tuples(st.just("look"), st.integers(0, 2)),
    st.tuples(st.just("replay"), st.integers(0, 10**6)),
    st.tuples(st.just("lie"), st.integers(0, 10**6)),
    st.tuples(st.just("block"), st.just(0)),
    st.tuples(st.just("time"), st.sampled_from([1, 900, RETENTION_MS // 2, RETENTION_MS, 3 * RETENTION_MS])),
)


def run(steps: list[tuple[str, int]]) -> Pair:
    pair = Pair()
    pair.pass_time(1_700_000_000_000)
    for step, number in steps:
        match step:
            case "act":
                pair.act(pair.authors[number])
            case "look":
                pair.look(pair.authors[number])
            case "replay" if pair.signed:
                pair.set.insert(pair.signed[number % len(pair.signed)], 0)
            case "lie" if pair.signed:
                pair.lie(pair.signed[number % len(pair.signed)])
            case "block":
                pair.block()
            case "time":
                pair.pass_time(number)
    return pair


@given(st.lists(STEPS, max_size=60))
@settings(max_examples=300, deadline=None)
def test_nothing_old_counts_again_and_nobody_is_stuck(steps: list[tuple[str, int]]) -> None:
    pair = run(steps)
    for _ in range(2):
        for op in pair.signed:
            pair.lie(op)
        for _ in range(2):  # Whose first op came too late is known after these.
            pair.block()
            pair.pass_time(1)
        for author in pair.authors:
            pair.look(author)
            pair.act(author)
            if len(author.ops) % 2:
                pair.act(author)
        for op in pair.signed:
            pair.set.insert(op, 0)
        pair.block()
        pair.pass_time(1)
        pair.block()  # As many newcomers as there are places for in a block come with each.
        assert all(author.ops[-1].id in pair.taken for author in pair.authors)
        pair.pass_time(4 * RETENTION_MS)
        pair.block()
        assert not pair.certified.authors, "whoever has nothing open leaves"
    assert len(set(pair.taken)) == len(pair.taken), "no op counts twice"
    assert not any(state.frozen for state in pair.certified.authors.values())


def test_a_return_and_its_replay() -> None:
    """The steps of the property above by hand, so that each is known to happen."""
    pair = run([("act", 0), ("act", 0), ("block", 0), ("time", 3 * RETENTION_MS), ("block", 0)])
    alice, first_life = pair.authors[0], list(pair.signed)
    assert pair.taken == [op.id for op in first_life]
    assert not pair.certified.authors
    assert [pair.set.insert(op, 0)[0] for op in first_life] == [Inserted.LIFE_OVER, Inserted.PARKED]
    pair.look(alice)
    pair.act(alice)
    assert life_of(alice.ops[0].seq) == 1
    pair.block()
    assert pair.taken[-1] == alice.ops[0].id
    old = sign_op(identity("alice"), MANIFEST.chain_id, SYMBOL, 0, GENESIS_PREV, [buy(9)], 1)
    for op in first_life:
        pair.lie(op)
    assert pair.taken[-1] == alice.ops[0].id
    assert not pair.certified.takes_evidence(Evidence(*sorted((first_life[0], old), key=lambda op: op.id)))


def opening(name: str, expiry_ms: int) -> Op:
    return sign_op(identity(name), MANIFEST.chain_id, SYMBOL, 0, GENESIS_PREV, [buy(1)], expiry_ms)


@pytest.mark.parametrize("named", [True, False])
def test_a_first_op_that_is_past_stays_as_long_as_a_block_names_it(named: bool) -> None:
    pair = Replicated(MANIFEST)
    pair.set.wall_ms = 1_000
    op = opening("alice", 2_000)
    assert begins_life(op)
    assert pair.offer(op) == [Inserted.ACCEPTED]
    pair.set.pin([op.id] if named else [], 0)
    pair.set.wall_ms = 2_001
    assert pair.set.awaits_time(pair.certified, pair.set.block_ms)
    pair.set.wall_ms += OPENING_SLACK_MS
    pair.set.expire(0)
    assert (op.id in pair.set.bodies) is named
    pair.set.pin([], 0)
    pair.set.expire(0)
    assert not pair.set.bodies
    assert not pair.set.awaits_time(pair.certified, pair.set.block_ms)


def test_a_first_op_that_a_block_took_is_no_opening_any_more() -> None:
    pair = Replicated(MANIFEST)
    pair.set.wall_ms = 1_000
    op = opening("alice", 2_000)
    pair.offer(op)
    pair.set.pin([op.id], 0)
    pair.set.wall_ms = OPENING_SLACK_MS + 3_000
    pair.set.expire(0)
    pair.certify(op)
    pair.set.pin([], 0)
    pair.set.expire(0)
    assert not pair.set.awaits_time(pair.certified, pair.set.block_ms)
    assert not pair.set.bodies
