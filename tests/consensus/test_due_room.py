"""Ops that a member's TIMEOUT names: asked of the signer alone, and let into a full pool as far as its room goes."""

import pytest

from gossipbook.consensus import due_room
from gossipbook.consensus.catchup import WANTED_CAP
from gossipbook.consensus.due_room import DueRoom
from gossipbook.consensus.events import Message
from gossipbook.consensus.messages import DUE_IDS_CAP, Fetch, GiveUp
from gossipbook.effects import CoreEffect, Send
from gossipbook.ids import digest
from gossipbook.manifest import COMMITTEE_CAP

from .kit import SYMBOL, Bench, buy


def ids(salt: str, count: int) -> tuple[bytes, ...]:
    return tuple(digest(salt.encode(), number.to_bytes(4, "big")) for number in range(count))


def asked(effects: list[CoreEffect]) -> list[tuple[bytes, int]]:
    return [(e.to[0], len(e.message.ids)) for e in effects if isinstance(e, Send) and isinstance(e.message, Fetch)]


def give_up(bench: Bench, seat: str, due: tuple[bytes, ...], term: int = 0) -> GiveUp:
    return GiveUp(SYMBOL, 0, bench.timeout(term, seat).timeout, None, None, due)


def test_only_the_signer_is_asked_for_what_a_timeout_names() -> None:
    bench = Bench("c")
    bench.turn(Message(bench.peer("b"), give_up(bench, "a", ids("passed on", 5))))
    bench.turn(Message(b"somebody".ljust(20, b"-"), give_up(bench, "a", ids("passed on", 5))))
    assert asked(bench.advance(60_000)) == []
    bench.deliver("a", give_up(bench, "a", ids("own", 5)))
    found = asked(bench.advance(60_000))
    assert found
    assert set(found) == {(bench.peer("a"), 5)}


def test_another_terms_timeout_names_nothing() -> None:
    bench = Bench("c")
    bench.deliver("a", give_up(bench, "a", ids("later", 5), term=3))
    assert asked(bench.advance(60_000)) == []


def test_what_one_seat_names_takes_no_room_from_blocks_or_others() -> None:
    bench = Bench("c")
    catch_up = bench.replica.member.catch_up
    block_needs = list(ids("block", 400))
    catch_up.want(block_needs, bench.peer("d"))
    for seat in range(COMMITTEE_CAP):
        for time in range(3):
            catch_up.want_due(list(ids(f"{seat} {time}", 4 * DUE_IDS_CAP)), bench.peer("a"), seat)
    wanted = [id_ for effect in catch_up.grace_over(bench.now()) for id_ in effect.message.ids]  # type: ignore[union-attr]
    assert set(block_needs) <= set(wanted)
    assert len(catch_up._wishes) == 400 + COMMITTEE_CAP * DUE_IDS_CAP <= WANTED_CAP


@pytest.mark.parametrize("cap", ["ops", "bytes"])
def test_a_seat_has_its_own_room_and_gets_it_back(cap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench("c")
    ops = [bench.op(f"o{n}", f"author {n}", buy(1)) for n in range(6)]
    if cap == "ops":
        monkeypatch.setattr(due_room, "DUE_OPS_PER_SEAT_CAP", 3)
    else:
        monkeypatch.setattr(due_room, "DUE_BYTES_PER_SEAT_CAP", 3 * ops[0].size)
    room, pool = DueRoom(), {op.id: op for op in ops}
    assert [room.take(1, op, pool) for op in ops] == [True] * 3 + [False] * 3
    assert room.take(2, ops[0], pool), "another seat's room is its own"
    del pool[ops[0].id]
    assert room.take(1, ops[3], pool)
    assert not room.take(1, ops[4], pool)


def test_what_a_timeout_names_enters_a_pool_that_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gossipbook.crdt.pool_room.POOL_OPS_CAP", 2)
    bench = Bench("c")
    for number in range(8):
        bench.op(f"junk {number}", f"junk {number}", buy(1))
        bench.hold(f"junk {number}")
    wanted = bench.op("wanted", "alice", buy(1))
    bench.hold("wanted")
    assert wanted.id not in bench.op_set.bodies
    bench.deliver("a", give_up(bench, "a", (wanted.id,)))
    bench.advance(50)
    bench.hold("wanted")
    assert wanted.id in bench.op_set.bodies
