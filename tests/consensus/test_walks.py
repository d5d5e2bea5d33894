"""Random walks of three real replicas and a liar: whatever is delivered, lost, repeated or restarted, they agree.

The liar signs anything: two proposals, votes for all blocks, TIMEOUTs that hide its lock. Mutants of the rules that
random walks can find are planted to show that these walks would find them.
"""

import random
from typing import Any

import pytest

from gossipbook.consensus.certificate import TermChange
from gossipbook.consensus.committee import COMMIT, PREPARE
from gossipbook.consensus.messages import CastVote, GiveUp, Proof, Propose

from .kit import SEATS, SYMBOL, Bench, audit, buy, sell
from .test_mutants import MUTANTS


class Walk:
    """One schedule, drawn from one seed."""

    def __init__(self, seed: int, liar: str) -> None:
        self.rng = random.Random(seed)
        self.liar = liar
        self.benches = {seat: Bench(seat) for seat in SEATS[:4].replace(liar, "")}
        self.pool: list[tuple[str, Any]] = []
        self.read = dict.fromkeys(self.benches, 0)
        for bench in self.benches.values():
            bench.op("o1", "alice", buy(1))
            bench.op("o2", "bob", sell(1, 101))
            bench.block("b1", ["o1"])
            bench.block("b2", ["o2"])
            bench.hold("o1", "o2")
        self.gather()

    def gather(self) -> None:
        """Everything that was sent is in the pool, for anybody, at any time, as often as the walk likes."""
        for seat, bench in self.benches.items():
            fresh = bench.sent[self.read[seat] :]
            self.read[seat] = len(bench.sent)
            self.pool += [(seat, m) for m in fresh if isinstance(m, CastVote | GiveUp | Proof | Propose)]

    def signer(self) -> Bench:
        """Any bench holds all keys; this one also knows every block that an honest member does."""
        bench = next(iter(self.benches.values()))
        for other in self.benches.values():
            for block in other.replica.member.chain.held():
                if block.id not in {b.id for b in bench.blocks.values()}:
                    bench.blocks[f"fresh {len(bench.blocks)}"] = block
        return bench

    def lie(self) -> None:
        signer, rng = self.signer(), self.rng
        term = rng.randint(0, max(b.replica.member.ballot.term for b in self.benches.values()))
        name = rng.choice(list(signer.blocks))
        match rng.randrange(4):
            case 0 | 1:
                kind = rng.choice([PREPARE, COMMIT])
                message: Any = CastVote(SYMBOL, 0, signer.vote(kind, name, term, self.liar))
            case 2:
                message = signer.timeout(term, self.liar)
            case _:
                if signer.committee.leader(term) != SEATS.index(self.liar):
                    return
                proofs = [m.certificate for _, m in self.pool if isinstance(m, Proof)]
                tc = next((p for p in proofs if isinstance(p, TermChange) and p.term == term - 1), None)
                message = signer.proposal(name, term, tc=tc)
        self.pool.append((self.liar, message))

    def step(self) -> None:
        rng = self.rng
        seat = rng.choice(list(self.benches))
        bench = self.benches[seat]
        match rng.randrange(20):
            case 0:
                bench.advance(1_100)
            case 1 if not bench.replica.member.halted:
                bench.restart()
                bench.hold("o1", "o2")
            case 2 | 3 | 4 | 5:
                self.lie()
            case _ if self.pool:
                recent = self.pool[-24:] if rng.random() < 0.8 else self.pool
                sender, message = rng.choice(recent)
                if sender != seat:
                    bench.deliver(sender, message)
        self.gather()

    def wrong(self) -> list[str]:
        found = [line for bench in self.benches.values() for line in audit(bench)]
        heights: dict[int, set[bytes]] = {}
        for bench in self.benches.values():
            for height, block_id in enumerate(dict.fromkeys(bench.finalized), 1):
                heights.setdefault(height, set()).add(block_id)
        found += [f"two final blocks at height {h}" for h, ids in heights.items() if len(ids) > 1]
        return found


def walk(seed: int, steps: int = 200) -> Walk:
    made = Walk(seed, "abcd"[seed % 4])
    for _ in range(steps):
        made.step()
    return made


@pytest.mark.parametrize("part", range(4))
def test_members_agree(part: int) -> None:
    finals = terms = 0
    for seed in range(part * 100, part * 100 + 60):
        made = walk(seed)
        assert made.wrong() == [], seed
        finals += sum(bool(b.finalized) for b in made.benches.values())
        terms += max(b.replica.member.ballot.term for b in made.benches.values())
    assert finals > 5, "walks that finalize nothing show nothing"
    assert terms > 5, "walks without a term change show little"


FOUND_AT_RANDOM = (
    "COMMIT after TIMEOUT",
    "timed_out lost on restart",
    "lock left out of TIMEOUT",
    "PREPARE lost on restart",
)


@pytest.mark.parametrize("name", FOUND_AT_RANDOM)
def test_walks_find_mutants(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[name][0](monkeypatch)

    def caught(seed: int) -> bool:
        try:
            return bool(walk(seed).wrong())
        except AssertionError:
            return True  # An assertion of the core itself.

    assert any(caught(seed) for seed in range(200))


def test_the_liar_really_lies() -> None:
    made = walk(4)
    kinds = {type(m) for sender, m in made.pool if sender == made.liar}
    assert CastVote in kinds
    assert GiveUp in kinds
