"""Drawn sequences of everything that can happen to an author: no number is used twice, and every op is certified once.

The network is honest but for one member and a stranger, who say what they like. Between two effects of a turn the
program may die; what it recorded by then is what the next one finds.
"""

import os
import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from consensus.kit import SEATS, SYMBOL, buy, identity
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gossipbook.client_messages import Ack, AckLevel, AskAuthor, AskBlock, Submit
from gossipbook.crdt.op import Op
from gossipbook.effects import Effect, Emit, Persist, Send
from gossipbook.trade.author_events import (
    Acked,
    AuthorEvent,
    BlockSeen,
    ChainRecord,
    LinkDown,
    LinkUp,
    OpCertified,
    OpRecord,
    Reloaded,
    Sign,
    Signed,
    WordHeard,
)
from gossipbook.trade.blocks import CheckedBlock
from gossipbook.trade.op_chain import OpChain, StoredChain

from .bench import AuthorBench

HONEST, LIARS = "abc", "dx"
SETTLE_MS = 60_000
TURN_MS = 100


class Walk:
    """An author, what it ever recorded and sent, and the ops that the honest members hold."""

    def __init__(self) -> None:
        self.bench = AuthorBench()
        self.recorded: dict[bytes, Op] = {}
        self.sent: dict[int, set[bytes]] = {}
        self.held: dict[int, Op] = {}
        self.next_certified = 0
        self.under_way: list[tuple[bytes, object]] = []  # from the author to peers
        self.answers: list[AuthorEvent] = []  # from peers to the author
        self.signed: list[bytes] = []  # in this life of the program
        self.certified: list[bytes] = []  # told in this life
        self.dies_after: int | None = None
        self.start()

    # -- the program --------------------------------------------------------------------------------

    def start(self) -> None:
        self.answers, self.signed, self.certified = [], [], []
        self.bench.boot()
        self.perform(self.bench.core.open(SYMBOL, self.bench.now()))

    def turn(self, event: AuthorEvent) -> None:
        self.perform(self.bench.core.handle(event, self.bench.now()))

    def perform(self, effects: list[Effect]) -> None:
        """Perform effects in order; the program may die before the last of them."""
        dies = self.dies_after is not None
        for effect in effects[: self.dies_after]:
            self.bench.perform([effect])
            self.note(effect)
        self.dies_after = None
        if dies:
            self.start()

    def note(self, effect: Effect) -> None:
        if isinstance(effect, Persist) and isinstance(effect.record, OpRecord):
            self.recorded[effect.record.op.id] = effect.record.op
        elif isinstance(effect, Send):
            for link in effect.to:
                self.under_way.append((link, effect.message))
                if isinstance(effect.message, Submit):
                    op = effect.message.op
                    assert op.id in self.recorded, "sent before it was recorded"
                    self.sent.setdefault(op.seq, set()).add(op.id)
                    assert len(self.sent[op.seq]) == 1, f"two ops with number {op.seq}"
        elif isinstance(effect, Emit) and isinstance(effect.event, Signed):
            self.signed.append(effect.event.op.id)
        elif isinstance(effect, Emit) and isinstance(effect.event, OpCertified):
            op = effect.event.op
            assert op.id in self.bench.holders, "told as certified, and is not"
            assert op.id not in self.certified, "told twice"
            self.certified.append(op.id)

    def advance(self, ms: int) -> None:
        bench = self.bench
        until = bench.timer_ms + ms
        while bench._timers and bench._timers[0][0] <= until:
            bench.timer_ms, _, timer = bench._timers.pop(0)
            bench._timers.sort()
            self.turn(timer)
        bench.timer_ms = until

    # -- what happens -------------------------------------------------------------------------------

    def sign(self, _number: int) -> None:
        self.bench.requests += 1
        self.turn(Sign(self.bench.requests, SYMBOL, lambda first: [buy(first)], 0))

    def link_up(self, number: int) -> None:
        name = (HONEST + LIARS)[number % 5]
        key = self.bench.keys[SEATS.index(name)] if name in SEATS[:4] else identity(name)
        if name.encode() not in self.bench.core._state.links:
            self.turn(LinkUp(name.encode(), key.public_key, own=False))

    def link_down(self, number: int) -> None:
        name = (HONEST + LIARS)[number % 5].encode()
        if name in self.bench.core._state.links:
            self.under_way = [(link, message) for link, message in self.under_way if link != name]
            self.turn(LinkDown(name))

    def deliver(self, number: int) -> None:
        """One message reaches its peer, who answers; a liar does not, or lies."""
        if not self.under_way:
            return
        link, message = self.under_way.pop(number % len(self.under_way))
        if link.decode() in LIARS:
            return
        if isinstance(message, Submit):
            op = message.op
            self.held.setdefault(op.seq, op)
            assert self.held[op.seq].id == op.id
            height = self.bench.holders.get(op.id, 0)
            level = AckLevel.CERTIFIED if height else AckLevel.RELAYED
            self.answers.append(Acked(link, Ack(SYMBOL, op.id, level, height, "")))
        elif isinstance(message, AskAuthor):
            pending = [op for seq, op in sorted(self.held.items()) if seq >= max(message.from_seq, self.next_certified)]
            word = self.bench.word(*pending[:3], more=len(pending) > 3)
            claim = max([word.last_client_id, *(getattr(o.commands[0], "client_id", 0) for o in pending)])
            self.answers.append(WordHeard(link, replace(word, last_client_id=claim)))
        elif isinstance(message, AskBlock) and 0 < message.height <= len(self.bench.blocks):
            self.answers.append(self.block(message.height))

    def block(self, height: int) -> BlockSeen:
        checked = self.bench.checked(self.bench.proven(height))
        assert isinstance(checked, CheckedBlock)
        return BlockSeen(checked)

    def hear(self, number: int) -> None:
        """One answer reaches the author, if its link is still there."""
        if self.answers:
            self.turn(self.answers.pop(number % len(self.answers)))

    def certify(self, number: int) -> None:
        """The network finalizes a block of some ops that it holds; it may reach the author at once, later or never."""
        ops = []
        while self.next_certified in self.held and len(ops) <= number % 3:
            ops.append(self.held[self.next_certified])
            self.next_certified += 1
        if ops:
            for op in ops:
                self.bench.ops[op.id.hex()] = op
            height = self.bench.certify(*ops)
            if number % 2:
                self.answers.append(self.block(height))

    def lie(self, number: int) -> None:
        link = LIARS[number % 2].encode()
        bench = self.bench
        known = [*self.recorded.values()]
        nothing: dict[str, Any] = {"newest": None, "block": b"", "fc": None}
        truth = bench.word()
        words = [
            replace(truth, next_seq=2**40, last_client_id=2**40, height=2**40, **nothing),
            replace(truth, next_seq=0, last_client_id=0, height=0, **nothing),
            replace(truth, pending=tuple(known[:1]), more=True),
            replace(truth, pending=tuple(known[-1:])),
            truth if truth.fc is None else replace(truth, fc=replace(truth.fc, signers=truth.fc.signers[:1])),
        ]
        lies: list[AuthorEvent] = [WordHeard(link, word) for word in words]
        for op in known[-2:]:
            lies += [
                Acked(link, Ack(SYMBOL, op.id, AckLevel.CERTIFIED, 1 + number, "")),
                Acked(link, Ack(SYMBOL, op.id, AckLevel.REFUSED, 0, ("stale", "wrong-prev", "pool-full")[number % 3])),
            ]
        self.turn(lies[number % len(lies)])

    def another_program(self, number: int) -> None:
        """It signs with the same wallet, and dies before it sends anything; or sees first what is certified."""
        if not self.bench.stored.known or not self.bench.core._state.pairs[SYMBOL].settled:
            return  # It would have asked first, and not signed.
        chain = OpChain(self.bench.stored)
        if number % 2 and self.next_certified <= chain.next_seq:
            height, last_id = len(self.bench.blocks), chain.last_client_id
            record = ChainRecord(SYMBOL, chain.next_seq, chain.head, last_id, self.next_certified, height)
            self.bench.keep(record)
        else:
            op = self.bench.sign_elsewhere(chain.next_seq, chain.head, buy(chain.last_client_id + 1))
            self.bench.keep(OpRecord(op))
            self.recorded[op.id] = op
        self.turn(Reloaded(SYMBOL, self.bench.stored))

    def die(self, _number: int) -> None:
        self.start()

    def die_within(self, number: int) -> None:
        """The program dies within the next turn."""
        self.dies_after = number % 6

    def lose_the_wallet(self, _number: int) -> None:
        """What was sent, to whomever, has reached the members; what was not is gone, and nobody knows that it was."""
        self.under_way = []
        sent = {op_id for ids in self.sent.values() for op_id in ids}
        self.recorded = {op_id: op for op_id, op in self.recorded.items() if op_id in sent}
        self.held |= {op.seq: op for op in self.recorded.values()}
        self.bench.stored = StoredChain(known=False)
        self.start()

    def wait(self, number: int) -> None:
        self.advance(TURN_MS * (1 + number))

    # -- the end ------------------------------------------------------------------------------------

    def settle(self) -> None:
        """All honest members are linked, and nothing is lost any more."""
        self.dies_after = None
        for _ in range(SETTLE_MS // TURN_MS):
            for number in range(5):
                self.link_up(number)
            while self.under_way:
                self.deliver(0)
            while self.answers:
                self.hear(0)
            self.certify(3)
            self.advance(TURN_MS)
            core = self.bench.core
            waiting = core.chain(SYMBOL).waiting() or len(core._state.pairs[SYMBOL].unseen)
            quiet = not waiting and not self.under_way and not self.answers
            if quiet and core.hold(SYMBOL)[0] is None:
                break

    def check(self) -> None:
        hold, text = self.bench.core.hold(SYMBOL)
        assert hold is None, text
        assert self.bench.core.chain(SYMBOL).waiting() == []
        assert set(self.recorded) == set(self.bench.holders)
        assert self.next_certified == len(self.recorded) == self.bench.core.chain(SYMBOL).certified_seq
        pair = self.bench.core._state.pairs[SYMBOL]
        assert len(pair.sent_ms) == 0
        assert set(self.signed) <= set(self.certified), "what it did was never told"


WEIGHTS = {
    **dict.fromkeys(("deliver", "hear"), 8.0),
    "sign": 5.0,
    "certify": 3.0,
    "link_up": 3.0,
    "wait": 2.0,
    "lie": 1.0,
    "another_program": 0.6,
    "die_within": 0.6,
    "die": 0.5,
    "link_down": 0.4,
    "lose_the_wallet": 0.15,
}
"""For walks that are long enough for many ops to be under way: what ends a life is rare."""
DEEP_STEPS = 300
SEEDS = int(os.environ.get("GOSSIPBOOK_AUTHOR_WALKS", "400"))


def walked(steps: Iterable[tuple[str, int]]) -> None:
    walk = Walk()
    for name, number in steps:
        getattr(walk, name)(number)
    walk.settle()
    walk.sign(0)
    walk.settle()
    walk.check()


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(list(WEIGHTS)), st.integers(0, 11)), max_size=60))
def test_short_walks(steps: list[tuple[str, int]]) -> None:
    walked(steps)


@pytest.mark.parametrize("block", range(4))
def test_long_walks(block: int) -> None:
    for seed in range(block * SEEDS // 4, (block + 1) * SEEDS // 4):
        chance = random.Random(seed)
        names = chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=DEEP_STEPS)
        try:
            walked([(name, chance.randrange(12)) for name in names])
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error
