"""Three members with pools of their own, by rules that know lives: whatever an equivocator and time do, they agree.

Blocks are made by one from what it holds and judged by the others, who hold what is named; some are started again from
what they had stored. Each run is drawn from a seed.
"""

import random

import pytest
from consensus.kit import SYMBOL, identity, network

from crdt.kit import key
from gossipbook.consensus.canonical import canonical_order
from gossipbook.consensus.selection import Ages, select
from gossipbook.crdt.budget import within_limits
from gossipbook.crdt.interpretation import Interpretation, Item
from gossipbook.crdt.op import GENESIS_PREV, LIFE, Evidence, Op, life_of, sign_op
from gossipbook.crdt.op_set import OpSet
from gossipbook.crdt.parked import PARKED_MS
from gossipbook.matching.commands import Cancel

from .test_anti_entropy import exchange
from .test_forks import RETENTION_MS, Pool, proof

LIMITS = {
    "author_retention_ms": RETENTION_MS,
    "max_authors_per_pair": 4,
    "max_newcomers_per_block": 3,
    "author_window": 6,
}
MANIFEST, _ = network(rules_version=3, limits=LIMITS)
EQUIVOCATORS, HONEST = ("eve", "mal"), ("ann", "bob", "cat", "dan")
STEPS, SEEDS = 120, 40
PARENT = bytes(32)


class Member(Pool):
    """A pool that stores what it answers for, and can be started again from that."""

    def __init__(self) -> None:
        super().__init__(MANIFEST)
        self.chain: list[tuple[int, list[Item]]] = []
        self.stored: dict[bytes, Item] = {}

    def store(self, items: list[Op] | list[Item]) -> None:
        self.stored.update({item.id: item for item in items})

    def take(self, op: Op) -> None:
        self.store(self.set.insert(op, self.timer_ms, link=b"x")[1])

    def offer(self, *items: Item, solicited: bool = False) -> list:
        for item in items:
            if not isinstance(item, Evidence):
                self.take(item)
            elif self.set.add_evidence(item, self.timer_ms):
                self.store([item])
        return []

    def hold(self, items: list[Item]) -> list[Item]:
        """What a block names, which was asked for."""
        self.set.pin_also(item.id for item in items)
        for item in items:
            if isinstance(item, Evidence):
                self.set.add_evidence(item, self.timer_ms, solicited=True)
            else:
                self.store(self.set.insert(item, self.timer_ms, solicited=True)[1])
        held, missing = self.set.resolve([item.id for item in items])
        assert not missing
        return held

    def follow(self, items: list[Item], time_ms: int) -> None:
        execution = self.certified.execute(time_ms, items)
        self.certified.commit()
        self.store(items)
        for author in execution.authors:
            self.store(self.set.advance(author, self.timer_ms))
        self.set.pin([], self.timer_ms)
        self.set.drop_hopeless(execution.left, self.timer_ms)
        self.chain.append((time_ms, items))

    def end_turn(self) -> None:
        self.store(self.set.take_joined())
        main = [op for log in self.set.logs.values() for op in log.main]
        assert all(op.id in self.stored for op in main), "what is said to be held is stored"
        self.check()

    def start_again(self) -> None:
        wall_ms = self.set.wall_ms
        self.certified = Interpretation(MANIFEST, SYMBOL)
        self.set = OpSet(self.certified, MANIFEST.limits)
        for time_ms, items in self.chain:
            assert self.certified.refusal(items, time_ms) is None
            self.certified.execute(time_ms, items)
            self.certified.commit()
        final = {item.id for _, items in self.chain for item in items}
        pending = [item for item in self.stored.values() if item.id not in final]
        for item in sorted(pending, key=lambda i: (i.author, 2**63 if isinstance(i, Evidence) else i.seq, i.id)):
            if isinstance(item, Evidence):
                self.set.add_evidence(item, self.timer_ms, solicited=True)
            else:
                self.set.insert(item, self.timer_ms, solicited=True)
        self.set.wall_ms = wall_ms


class Run:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.members = [Member() for _ in range(3)]
        self.signed: list[Op] = []

    def sign(self) -> None:
        """A first op, or one that follows one of the life; of the honest never another with the same number."""
        rng, name = self.rng, self.rng.choice((*EQUIVOCATORS, *HONEST))
        life = rng.randint(0, 6)
        own = [op for op in self.signed if op.author == key(name) and life_of(op.seq) == life]
        salt = rng.randint(1, 3) if name in EQUIVOCATORS else 1
        if not own or (name in EQUIVOCATORS and rng.random() < 0.3):
            lasts_ms = rng.choice([1, 500, 3_000, 9_000, RETENTION_MS, RETENTION_MS + 3_000, RETENTION_MS + 50_000])
            seq, head, expiry_ms = life * LIFE, GENESIS_PREV, self.members[0].set.wall_ms + lasts_ms
        else:
            before = rng.choice(own) if name in EQUIVOCATORS else max(own, key=lambda op: op.seq)
            seq, head, expiry_ms = before.seq + 1, before.id, 0
        op = sign_op(identity(name), MANIFEST.chain_id, SYMBOL, seq, head, [Cancel(salt)], expiry_ms)
        self.signed.append(op)
        for member in self.members:
            if rng.random() < 0.6:
                member.take(op)

    def prove(self) -> None:
        op = self.rng.choice(self.signed)
        twins = [each for each in self.signed if (each.author, each.seq) == (op.author, op.seq) and each.id != op.id]
        if twins:
            self.rng.choice(self.members).offer(proof(op, self.rng.choice(twins)))

    def block(self) -> None:
        leader = self.rng.choice(self.members)
        time_ms = leader.set.block_ms
        chosen = select(leader.set, leader.certified, MANIFEST.limits, Ages(leader.timer_ms, 0, 5_000, time_ms))
        if not chosen and not leader.certified.may_be_empty(time_ms):
            return
        items = canonical_order(PARENT, chosen)
        for member in self.members:
            held = member.hold(items)
            assert member.certified.refusal(held, time_ms) is None
            assert within_limits(held, MANIFEST.limits, 3)
            member.follow(held, time_ms)
        assert len({member.certified.root() for member in self.members}) == 1

    def pass_time(self) -> None:
        ms = self.rng.choice([1, 100, 1_000, 2_500, 5_000, RETENTION_MS + 1, PARKED_MS // 2, PARKED_MS])
        for member in self.members:
            member.pass_time(ms)

    def step(self) -> None:
        drawn = self.rng.random()
        if drawn < 0.45 or not self.signed:
            self.sign()
        elif drawn < 0.52:
            self.prove()
        elif drawn < 0.62:
            exchange(*self.rng.sample(self.members, 2))
        elif drawn < 0.82:
            self.block()
        elif drawn < 0.94:
            self.pass_time()
        else:
            self.rng.choice(self.members).start_again()
        for member in self.members:
            member.end_turn()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_members_agree(seed: int) -> None:
    run = Run(seed)
    for _ in range(STEPS):
        run.step()
    for _ in range(8):
        for one in run.members:
            for other in run.members:
                if one is not other:
                    exchange(one, other)
        for member in run.members:
            member.end_turn()
    assert len({member.set.digest() for member in run.members}) == 1
    frozen = {author for author, state in run.members[0].certified.authors.items() if state.frozen}
    assert frozen <= {key(name) for name in EQUIVOCATORS}, "nobody honest"
