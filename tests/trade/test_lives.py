"""An author who leaves the table and comes back: nothing old counts again, and nobody honest is stuck or frozen."""

from typing import Any

import pytest
from consensus.kit import START_MS, SYMBOL, buy, identity

from gossipbook.client_messages import Ack, AckLevel, AskAuthor, AuthorWord
from gossipbook.crdt.inserted import Inserted
from gossipbook.crdt.op import GENESIS_PREV, LIFE, Op, life_of, sign_op
from gossipbook.effects import Emit, Send
from gossipbook.matching.commands import Cancel
from gossipbook.trade.author_events import Acked, BlockSeen, LinkUp, MembersWanted, OpLost, Sign, Signed, WordHeard
from gossipbook.trade.lives import MINUTE_MS
from gossipbook.trade.op_chain import StoredChain

from .bench import ME, AuthorBench

RETENTION_MS = 3_600_000
NOW_LIFE = START_MS // MINUTE_MS


def bench_of(stored: StoredChain | None = None) -> AuthorBench:
    return AuthorBench(stored, rules_version=3)


def link(bench: AuthorBench, name: str, seat: int | None = None, *, own: bool = False) -> None:
    key = bench.committee.key(seat) if seat is not None else identity(name).public_key
    bench.turn(LinkUp(name.encode(), key, own))


def sign(bench: AuthorBench, *commands: Any, expiry_ms: int = 0) -> Op:
    bench.requests += 1
    make = (lambda _: list(commands)) if commands else (lambda client_id: [buy(client_id)])
    effects = bench.turn(Sign(bench.requests, SYMBOL, make, expiry_ms))
    (op,) = [e.event.op for e in effects if isinstance(e, Emit) and isinstance(e.event, Signed)]
    bench.ops[f"op {bench.requests}"] = op
    return op


def show(bench: AuthorBench, height: int) -> list[object]:
    block = bench.checked(bench.proven(height))
    assert block is not None
    assert not isinstance(block, str)
    return [effect.event for effect in bench.turn(BlockSeen(block)) if isinstance(effect, Emit)]


def unaware(height: int) -> AuthorWord:
    return AuthorWord(SYMBOL, ME.public_key, height, True, 0, 0, None, b"", None, None, (), False)


def in_the_table(bench: AuthorBench) -> Op:
    """An author with nothing open: an order, and its cancel."""
    bench.perform(bench.core.open(SYMBOL, bench.now()))
    link(bench, "a", 0)
    bench.turn(WordHeard(b"a", bench.word()))
    op = sign(bench)
    show(bench, bench.certify(op))
    last = sign(bench, Cancel(1))
    show(bench, bench.certify(last))
    return last


def of_somebody(bench: AuthorBench, name: str, now_ms: int) -> Op:
    """Somebody else's first op, for there to be a block."""
    chain_id = bench.manifest.chain_id
    return sign_op(identity(name), chain_id, SYMBOL, 0, GENESIS_PREV, [buy(1)], START_MS + now_ms + 1_000)


def test_the_first_op_of_a_life_expires_and_others_need_not() -> None:
    bench = bench_of()
    last = in_the_table(bench)
    first = bench.ops["op 1"]
    assert (first.seq, first.expiry_ms) == (0, START_MS + RETENTION_MS // 2)
    assert (last.seq, last.prev, last.expiry_ms) == (1, first.id, 0)


@pytest.mark.parametrize(("wanted_ms", "gets_ms"), [(60_000, 60_000), (RETENTION_MS, RETENTION_MS // 2)])
def test_a_first_op_that_is_to_expire_does_so_in_time(wanted_ms: int, gets_ms: int) -> None:
    bench = bench_of()
    bench.perform(bench.core.open(SYMBOL, bench.now()))
    link(bench, "a", 0)
    bench.turn(WordHeard(b"a", bench.word()))
    assert sign(bench, expiry_ms=START_MS + wanted_ms).expiry_ms == START_MS + gets_ms


def test_a_block_says_that_a_life_is_over_and_the_next_op_begins_one() -> None:
    bench = bench_of()
    in_the_table(bench)
    waiting = sign(bench)
    bench.timer_ms = RETENTION_MS + 10_000
    height = bench.certify(of_somebody(bench, "zoe", bench.timer_ms), at_ms=bench.timer_ms)
    assert OpLost(waiting.id) in show(bench, height), "nobody can take it any more"
    assert ME.public_key not in bench.state.authors
    back = sign(bench)
    assert (life_of(back.seq), back.seq % LIFE, back.prev) == (
        (START_MS + bench.timer_ms) // MINUTE_MS,
        0,
        GENESIS_PREV,
    )
    show(bench, bench.certify(back, at_ms=bench.timer_ms + 1))
    assert bench.state.authors[ME.public_key].next_seq == back.seq + 1
    after = sign(bench)
    assert (after.seq, after.prev, after.expiry_ms) == (back.seq + 1, back.id, 0)


def test_what_was_signed_in_an_old_life_can_never_come_again() -> None:
    bench = bench_of()
    last = in_the_table(bench)
    old = [bench.ops["op 1"], last]
    now_ms = RETENTION_MS + 10_000
    bench.certify(of_somebody(bench, "zoe", now_ms), at_ms=now_ms)
    assert ME.public_key not in bench.state.authors
    for at_ms in (now_ms + 1, 2 * now_ms, 100 * now_ms):
        for ops in ([old[0]], [old[1]], old):
            assert bench.state.refusal(ops, START_MS + at_ms) is not None


def test_members_more_than_there_may_be_liars_say_that_a_life_is_over() -> None:
    bench = bench_of()
    in_the_table(bench)
    now_ms = bench.timer_ms = RETENTION_MS + 10_000
    height = bench.certify(of_somebody(bench, "zoe", now_ms), at_ms=now_ms)
    bench.boot()  # A program that was not there when it was certified.
    effects = bench.perform(bench.core.open(SYMBOL, bench.now()))
    link(bench, "a", 0)
    effects += bench.turn(WordHeard(b"a", unaware(height)))
    assert any(isinstance(e, Emit) and isinstance(e.event, MembersWanted) for e in effects)
    assert sign(bench).seq == 2, "one alone is not believed"
    link(bench, "b", 1)
    for _ in range(100):
        for effect in bench.advance(100):
            if isinstance(effect, Send) and isinstance(effect.message, AskAuthor):
                bench.turn(WordHeard(effect.to[0], unaware(height)))
    assert sign(bench).seq % LIFE == 0


def test_the_own_peer_is_believed_at_once() -> None:
    bench = bench_of()
    in_the_table(bench)
    now_ms = bench.timer_ms = RETENTION_MS + 10_000
    height = bench.certify(of_somebody(bench, "zoe", now_ms), at_ms=now_ms)
    bench.boot()
    bench.perform(bench.core.open(SYMBOL, bench.now()))
    link(bench, "own", own=True)
    bench.turn(WordHeard(b"own", unaware(height)))
    assert sign(bench).seq % LIFE == 0


def test_who_is_behind_cannot_say_that_a_life_is_over() -> None:
    bench = bench_of()
    in_the_table(bench)
    bench.boot()
    bench.perform(bench.core.open(SYMBOL, bench.now()))
    link(bench, "own", own=True)
    bench.turn(WordHeard(b"own", unaware(1)))
    bench.turn(WordHeard(b"own", bench.word()))
    assert sign(bench).seq == 2


def test_a_life_that_could_not_begin_in_time_is_given_up_for_another() -> None:
    bench = bench_of()
    bench.perform(bench.core.open(SYMBOL, bench.now()))
    link(bench, "own", own=True)
    bench.turn(WordHeard(b"own", bench.word()))
    first, second = sign(bench), sign(bench)
    now_ms = bench.timer_ms = RETENTION_MS
    height = bench.certify(of_somebody(bench, "zoe", now_ms), at_ms=now_ms)
    show(bench, height)
    effects = bench.turn(WordHeard(b"own", unaware(height)))
    lost = {e.event.op_id for e in effects if isinstance(e, Emit) and isinstance(e.event, OpLost)}
    assert lost == {first.id, second.id}
    again = sign(bench)
    assert life_of(again.seq) > 0
    assert bench.state.refusal([again], START_MS + now_ms + 1) is None


def test_a_lost_wallet_of_a_key_that_nobody_knows_begins_no_life_that_there_was() -> None:
    bench = bench_of(StoredChain(known=False))
    bench.perform(bench.core.open(SYMBOL, bench.now()))
    for seat, name in enumerate("abc"):
        link(bench, name, seat)
    for name in "abc":
        bench.turn(WordHeard(name.encode(), bench.word()))
    assert life_of(sign(bench).seq) == NOW_LIFE


def test_no_return_is_a_fork() -> None:
    """Whatever an author's own program believes of its life, it never signs two ops with one number."""
    bench = bench_of()
    in_the_table(bench)
    numbers = [op.seq for op in bench.ops.values()]
    for wrong in range(3):
        bench.boot()
        bench.perform(bench.core.open(SYMBOL, bench.now()))
        link(bench, "own", own=True)
        bench.turn(WordHeard(b"own", unaware(50)))  # It has been told a lie.
        numbers += [sign(bench).seq for _ in range(3)]
        bench.timer_ms += MINUTE_MS * (wrong + 1)
    assert len(set(numbers)) == len(numbers)


def refuse(bench: AuthorBench, name: str, op: Op) -> list[object]:
    ack = Ack(SYMBOL, op.id, AckLevel.REFUSED, 0, Inserted.LIFE_OVER.value)
    return [effect.event for effect in bench.turn(Acked(name.encode(), ack)) if isinstance(effect, Emit)]


def begins_a_life_that_is_refused(bench: AuthorBench) -> tuple[Op, Op]:
    """A first op that peers will find past, and one that follows it."""
    bench.perform(bench.core.open(SYMBOL, bench.now()))
    for seat in range(3):
        link(bench, f"member {seat}", seat)
        bench.turn(WordHeard(f"member {seat}".encode(), unaware(5)))
    return sign(bench, expiry_ms=START_MS + 50), sign(bench)


def test_more_members_than_may_lie_say_that_a_first_op_is_past() -> None:
    bench = bench_of()
    first, second = begins_a_life_that_is_refused(bench)
    told = refuse(bench, "member 0", first) + refuse(bench, "member 0", first)
    assert OpLost(first.id) not in told, "one member may lie, however often"
    assert {OpLost(first.id), OpLost(second.id)} <= set(refuse(bench, "member 1", first))
    again = sign(bench)
    assert (again.seq, again.prev) == (NOW_LIFE * LIFE, GENESIS_PREV)


def test_the_own_peer_says_that_a_first_op_is_past() -> None:
    bench = bench_of()
    first, second = begins_a_life_that_is_refused(bench)
    link(bench, "own", own=True)
    assert {OpLost(first.id), OpLost(second.id)} <= set(refuse(bench, "own", first))


def test_only_the_first_op_of_the_life_can_be_past() -> None:
    bench = bench_of()
    first, second = begins_a_life_that_is_refused(bench)
    link(bench, "own", own=True)
    assert OpLost(second.id) not in refuse(bench, "own", second)
    show(bench, bench.certify(first))
    assert OpLost(second.id) not in refuse(bench, "own", first)
