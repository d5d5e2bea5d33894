"""What others say of their heights leads to questions, and to nothing else."""

import pytest

from gossipbook.consensus.events import Message
from gossipbook.consensus.heights import MUTE_MS, Heights
from gossipbook.consensus.messages import Status, Sync
from gossipbook.effects import Send

from .kit import SYMBOL, Bench

MEMBERS = tuple(bytes([i]) * 20 for i in range(3))
STRANGERS = [bytes([100 + i]) * 20 for i in range(20)]


def test_members_are_asked_before_strangers() -> None:
    heights = Heights(MEMBERS)
    for stranger in STRANGERS:
        heights.says(stranger, 2**40)
    assert heights.whom_to_ask(5, 0, STRANGERS[3]) == STRANGERS[3]
    heights.says(MEMBERS[1], 6)
    assert heights.whom_to_ask(5, 0, STRANGERS[3]) == MEMBERS[1]
    assert heights.whom_to_ask(6, 0, STRANGERS[3]) == STRANGERS[3], "this member has no more than that"
    assert heights.proven == 0


def test_a_flood_of_strangers_does_not_push_out_what_members_said() -> None:
    heights = Heights(MEMBERS)
    heights.says(MEMBERS[0], 9)
    for number in range(1_000):
        heights.says(number.to_bytes(20, "big"), 2**40)
    assert heights.whom_to_ask(5, 0, None) == MEMBERS[0]


def test_who_does_not_answer_is_not_asked_for_a_while() -> None:
    heights = Heights(MEMBERS)
    for liar in (MEMBERS[0], STRANGERS[0]):
        heights.says(liar, 100)
        heights.mute(liar, 1_000)
        heights.says(liar, 100)
    assert heights.whom_to_ask(5, 1_001, STRANGERS[0]) is None
    heights.says(MEMBERS[1], 6)
    assert heights.whom_to_ask(5, 1_001, STRANGERS[0]) == MEMBERS[1]
    assert heights.whom_to_ask(6, 1_000 + MUTE_MS, None) == MEMBERS[0]


def test_who_is_mute_is_asked_again_if_there_are_blocks_and_nobody_else() -> None:
    heights = Heights(MEMBERS)
    heights.mute(STRANGERS[0], 1_000)
    heights.proves(STRANGERS[0], 7)
    assert heights.whom_to_ask(5, 1_001, None) == STRANGERS[0]
    assert heights.whom_to_ask(7, 1_001, None) is None


@pytest.mark.parametrize("liars", [1, 20])
def test_a_replica_is_kept_from_nobody_by_those_who_claim_much(liars: int) -> None:
    """Strangers claim a great height all the time; a member who has the blocks says so once a second."""
    bench = Bench("c")
    asked: list[bytes] = []
    names = [f"stranger {i}" for i in range(liars)]
    for _ in range(30):
        for name in (*names, "a"):
            height = 3 if name == "a" else 2**40
            status = Status(SYMBOL, 0, height, bytes(32), 0, bytes(32), True)
            sender = bench.peer("a") if name == "a" else name.encode().ljust(20, b"-")
            effects = bench.turn(Message(sender, status))
            asked += [e.to[0] for e in effects if isinstance(e, Send) and isinstance(e.message, Sync)]
        asked += [e.to[0] for e in bench.advance(1_000) if isinstance(e, Send) and isinstance(e.message, Sync)]
    assert asked.count(bench.peer("a")) >= 2
    assert bench.replica.member.catch_up.heights.proven == 0
