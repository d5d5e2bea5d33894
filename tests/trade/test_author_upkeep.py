"""An author core keeps nothing that it needs no more, and no peer makes it wait for ever or pile up timers."""

from collections.abc import Sequence

from consensus.kit import SEATS, SYMBOL, buy

from gossipbook.client_messages import AskAuthor, Submit
from gossipbook.crdt.op import Op
from gossipbook.effects import Effect, Emit, Send
from gossipbook.trade.author_events import BlockSeen, FollowBlocks, LinkUp, Sign, Signed, WordHeard
from gossipbook.trade.blocks import CheckedBlock
from gossipbook.trade.op_chain import OpChain, StoredChain

from .bench import AuthorBench

PLENTY = 2_500


def link(bench: AuthorBench, name: str) -> list[Effect]:
    return bench.turn(LinkUp(name.encode(), bench.keys[SEATS.index(name)].public_key, own=False))


def linked(bench: AuthorBench) -> list[Effect]:
    """Two honest members are linked and have said what they know."""
    effects = bench.perform(bench.core.open(SYMBOL, bench.now()))
    for name in "ab":
        effects += link(bench, name)
    for name in "ab":
        effects += bench.turn(WordHeard(name.encode(), bench.word()))
    return effects


def sign(bench: AuthorBench) -> Op:
    bench.requests += 1
    effects = bench.turn(Sign(bench.requests, SYMBOL, lambda first: [buy(first)], 0))
    (op,) = (each.event.op for each in effects if isinstance(each, Emit) and isinstance(each.event, Signed))
    bench.ops[op.id.hex()] = op
    return op


def see(bench: AuthorBench, height: int) -> list[Effect]:
    checked = bench.checked(bench.proven(height))
    assert isinstance(checked, CheckedBlock)
    return bench.turn(BlockSeen(checked))


def submitted(effects: Sequence[Effect]) -> set[int]:
    return {each.message.op.seq for each in effects if isinstance(each, Send) and isinstance(each.message, Submit)}


def test_an_op_that_is_followed_again_after_it_was_certified_leaves_nothing_behind() -> None:
    bench = AuthorBench()
    linked(bench)
    for _ in range(20):
        op = sign(bench)
        height = bench.certify(op)
        see(bench, height)
        bench.turn(FollowBlocks(op))
        bench.advance(9_000)
        see(bench, height)
    pair = bench.core._state.pairs[SYMBOL]
    kept = [pair.sent_ms, list(pair.wanted.items()), list(pair.unseen.items()), pair.chain.ops, pair.chain.by_id]
    assert [len(each) for each in kept] == [0] * 5
    bench.advance(60_000)
    assert bench._timers == []


def test_more_than_peers_take_at_one_time_goes_out_as_the_rest_is_certified() -> None:
    """Not some at a time, each time that somebody lost patience."""
    chain = OpChain()
    bench = AuthorBench()
    ops = []
    for seq in range(PLENTY):
        op = bench.sign_elsewhere(seq, chain.head, buy(seq + 1))
        chain.extend(op)
        ops.append(op)
    bench.stored = StoredChain(chain.next_seq, chain.head, chain.last_client_id, 0, 0, tuple(ops))
    bench.boot()
    window = bench.manifest.limits.author_window
    sent = submitted(linked(bench))
    assert sent == set(range(window))
    for first in range(0, PLENTY, 500):
        sent |= submitted(see(bench, bench.certify(*ops[first : first + 500])))
        assert sent >= set(range(min(PLENTY, first + 500 + window)))
    assert bench.timer_ms == 0


def test_words_that_nobody_asked_for_put_off_no_question_and_set_no_timer() -> None:
    bench = AuthorBench(StoredChain(known=False))
    bench.perform(bench.core.open(SYMBOL, bench.now()))
    for name in "ab":
        link(bench, name)
        bench.turn(WordHeard(name.encode(), bench.word()))
    asked, most = 0, 0
    for _ in range(100):
        for effect in bench.advance(100):
            if isinstance(effect, Send) and isinstance(effect.message, AskAuthor):
                asked += effect.to == (b"a",)
                bench.turn(WordHeard(effect.to[0], bench.word()))
        bench.turn(WordHeard(b"b", bench.word()))
        most = max(most, len(bench._timers))
    assert asked >= 9, "whoever may know more is asked about once a second"
    assert most <= 2
