"""The ledger by itself: it needs no engine to see that books do not balance."""

import pytest

from gossipbook.audit.export import Event
from gossipbook.audit.ledger import Ledger
from gossipbook.limits import Limits
from gossipbook.manifest import Pair
from gossipbook.matching.commands import Cancel, Command, PairState, Place, SetState
from gossipbook.matching.engine import Engine

A, B, C, W = (bytes([n]) * 32 for n in (1, 2, 3, 4))
OPEN_STATE, AUCTION_STATE = int(PairState.OPEN), int(PairState.AUCTION)
START: list[Event] = [(1, 1, A, 1, 1, 100, 5), (1, 2, B, 1, 2, 99, 3)]  # A buys 5 at 100, B sells 3 at 99


def faults(*events: tuple[object, ...]) -> list[str]:
    ledger = Ledger()
    assert ledger.take(START) == []
    return ledger.take([(event[0], number, *event[1:]) for number, event in enumerate(events, 3)])


def test_what_is_in_order() -> None:
    fill = (3, 100, 2, A, 1, B, 1, 2)
    assert faults(fill, (4, B, 1, 1, 0, 3), (6, A, 1, 101, 4, 2), (6, A, 1, 101, 3, 1), (5, A, 1, 1), (7, A)) == []
    assert faults((2, A, 9, 1, 5), (1, A, 10, 1, 1, 1), (2, B, 1, 2, 11)) == []
    assert faults((4, A, 1, 2, 3, 4), (6, A, 1, 100, 7, 5)) == []  # a decrement counts in the total


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ((3, 100, 4, A, 1, B, 1, 2), "fills 4 lots, but has 3 open"),
        ((3, 100, 0, A, 1, B, 1, 2), "fills 0 lots"),
        ((3, 100, 1, A, 2, B, 1, 2), "fills 1 lots, but has 0 open"),
        ((3, 101, 1, A, 1, B, 1, 2), "beyond its limit 100"),
        ((3, 98, 1, A, 1, B, 1, 2), "beyond its limit 99"),
        ((3, 100, 1, A, 1, B, 1, 1), "not on the sides that trade"),
        ((3, 100, 1, A, 1, A, 1, 2), "of one author trade"),
        ((4, A, 1, 6, 0, 1), "loses 6 of 5 open lots"),
        ((4, A, 1, 5, 1, 1), "is said to keep 1"),
        ((4, C, 1, 5, 0, 1), "loses 5 of 0 open lots"),
        ((5, A, 1, 4), "is said to keep 0"),
        ((6, A, 1, 100, 9, 8), "does not add up"),
        ((6, A, 1, 100, 0, 0), "does not add up"),
        ((6, C, 1, 100, 9, 9), "is amended, but not open"),
        ((1, A, 1, 1, 100, 5), "is accepted again"),
        ((1, A, 2, 3, 100, 5), "has no side or no quantity"),
        ((1, A, 2, 1, 100, 0), "has no side or no quantity"),
    ],
)
def test_what_is_not(event: tuple[object, ...], reason: str) -> None:
    (fault,) = faults(event)
    assert reason in fault
    # After a fault the books of the others still balance, so that one mistake is told once.
    assert len(faults(event, (3, 100, 1, A, 1, B, 1, 2), (4, B, 1, 2, 0, 1))) == 1


# -- what came with rules version 2 ---------------------------------------------------------------------------

STOP = (15, C, 1, 1, 101, 103, 4)  # C buys 4 up to 103, once a trade is at 101 or above
ICEBERG = (1, C, 1, 2, 101, 9), (9, C, 1, 4, 5)  # C sells 9 at 101 and shows 4
AUCTION, OPENED = (10, C, 5), (10, C, 1)
BEST = (1, A, 2, 1, 102, 7)  # A buys 7 at 102


def test_what_is_in_order_in_version_2() -> None:
    reached = (1, B, 2, 2, 101, 1), (1, A, 2, 1, 101, 1), (3, 101, 1, B, 2, A, 2, 1)
    sold = (1, B, 3, 2, 102, 4), (8, C, 1, 103, 4), (3, 102, 4, B, 3, C, 1, 1)
    assert faults(STOP, *reached, *sold) == []
    assert faults(STOP, (6, C, 1, 102, 3, 3), *reached, (4, C, 1, 3, 0, 1)) == []
    assert faults(*ICEBERG, BEST, (3, 101, 4, C, 1, A, 2, 1), (9, C, 1, 4, 1), (3, 101, 3, C, 1, A, 2, 1)) == []
    assert faults(*ICEBERG, (6, C, 1, 101, 3, 3), BEST, (3, 101, 3, C, 1, A, 2, 1)) == []
    assert faults(*ICEBERG, (6, C, 1, 101, 10, 10), (9, C, 1, 4, 6), (4, C, 1, 10, 0, 1)) == []
    assert faults(AUCTION, OPENED, (11, 100, 3), (3, 100, 1, A, 1, B, 1, 2), (3, 100, 2, A, 1, B, 1, 2)) == []
    assert faults(AUCTION, OPENED, (4, A, 1, 5, 0, 4), (4, C, 9, 1, 0, 1))[0].startswith("event 6: order")
    assert faults((12, A, 900), (12, A, 0), (12, B, 900), (7, B)) == []
    assert faults((2, A, 9, 5, 5), (1, A, 9, 1, 100, 5))[0].endswith("is accepted again")


def test_groups() -> None:
    fill = (3, 100, 1, A, 1, B, 1, 2)
    for words in ([(A, B, 1)], [(A, B, 2)], [(A, B, 3), (A, B, 1)], [(A, B, 3), (A, b"", 0)], [(A, B, 3), (A, C, 1)]):
        assert faults(*[(14, *word) for word in words], fill) == []
    for words in ([(A, B, 3)], [(B, A, 3)], [(A, C, 3), (B, C, 3)], [(A, B, 3), (C, B, 0)], [(A, B, 3), (A, C, 2)]):
        (fault,) = faults(*[(14, *word) for word in words], fill)
        assert "of one group trade" in fault


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([STOP, (8, C, 1, 103, 4)], "no trade has reached its stop price"),
        ([STOP, (3, 100, 1, C, 1, B, 1, 2)], "fills 1 lots, but shows 0"),
        ([(15, C, 1, 1, 0, 103, 4)], "waits for no price"),
        ([STOP, (9, C, 1, 2, 2)], "is said to show 2 and hide 2"),
        ([*ICEBERG, BEST, (3, 101, 5, C, 1, A, 2, 1)], "fills 5 lots, but shows 4"),
        ([*ICEBERG, (9, C, 1, 4, 4)], "is said to show 4 and hide 4"),
        ([(9, A, 1, 0, 5)], "is said to show 0 and hide 5"),
        ([AUCTION, (3, 100, 1, A, 1, B, 1, 2)], "trade while the pair is not open"),
        ([(10, C, 2), (3, 100, 1, A, 1, B, 1, 2)], "trade while the pair is not open"),
        ([(10, C, 6)], "no state 6"),
        ([(11, 100, 3), (3, 100, 3, A, 1, B, 1, 2)], "an auction ends where none was ended"),
        ([AUCTION, (11, 100, 3)], "an auction ends where none was ended"),
        ([OPENED, (11, 100, 3), (3, 99, 3, A, 1, B, 1, 2)], "3 lots trade at 99 in an auction of 3 more at 100"),
        ([OPENED, (11, 100, 2), (3, 100, 3, A, 1, B, 1, 2)], "3 lots trade at 100 in an auction of 2 more at 100"),
        ([OPENED, (11, 100, 3), (3, 100, 2, A, 1, B, 1, 2)], "an auction ends with 1 lots left to trade"),
        ([OPENED, (11, 100, 3), (7, C)], "an auction ends with 3 lots left to trade"),
        ([OPENED, (11, 100, 0)], "with nothing to trade"),
        ([(13, A)], "ends, but has not run out"),
        ([(12, A, 900), (7, A), (13, A)], "ends, but has not run out"),
        ([(14, A, A, 3)], "cannot be grouped so"),
        ([(14, A, b"", 1)], "cannot be grouped so"),
        ([(14, A, B, 3), (14, B, C, 3)], "comes to be inside"),
        ([(14, A, B, 3), (14, C, A, 3)], "comes to be inside"),
        ([(14, A, B, 3), (14, A, B, 2)], "is said not to want it"),
    ],
)
def test_what_is_not_in_version_2(events: list[tuple[object, ...]], reason: str) -> None:
    (fault,) = faults(*events)
    assert reason in fault


def test_a_stop_is_triggered_once_and_in_an_open_pair() -> None:
    reached = (1, B, 2, 2, 101, 1), (1, A, 2, 1, 101, 1), (3, 101, 1, B, 2, A, 2, 1)
    assert "no trade has reached" in faults(STOP, *reached, (8, C, 1, 103, 4), (8, C, 1, 103, 4))[0]
    assert "with other lots" in faults(STOP, *reached, (8, C, 1, 103, 3))[0]
    assert "while the pair is not open" in faults(STOP, *reached, (10, A, 2), (8, C, 1, 103, 4))[0]
    assert "no trade has reached" in faults((15, C, 1, 2, 99, 90, 4), *reached, (8, C, 1, 90, 4))[0], "a seller's"


def test_leases_and_block_time() -> None:
    ledger = Ledger()
    assert ledger.take([(12, 1, A, 900)], 800) == []
    assert not ledger.due(900)
    assert ledger.due(901)
    assert ledger.take([], 900) == []
    assert ledger.take([(13, 2, A)], 900) == [f"event 2: the lease of {A.hex()[:8]} ends, but has not run out"]
    late = Ledger()
    late.take([(12, 1, A, 900)], 800)
    assert late.take([], 901) == [f"the lease of {A.hex()[:8]} has run out and was not ended"]
    assert late.take([(13, 2, A)], 901) == []
    assert not late.due(10**9)


def test_a_line_is_due_while_the_pair_is_open() -> None:
    ledger = Ledger()
    events = [*START, (15, 3, C, 1, 1, 100, 103, 4), (3, 4, 100, 1, A, 1, B, 1, 2)]
    assert ledger.take(events) == []
    assert (ledger.waiting(), ledger.line()) == ({}, {(C, 1): (1, 100, 103, 4)})
    assert ledger.due(0)
    ledger.take([(10, 5, A, 4)])
    assert not ledger.due(0)


def test_numbers_have_no_gaps() -> None:
    ledger = Ledger()
    assert ledger.take([(7, 2, A)]) == ["event 2 follows event 0"]
    assert ledger.take([(7, 2, A)]) == ["event 2 follows event 2"]


def test_a_rejected_place_uses_its_id_up() -> None:
    assert "is accepted again" in faults((2, A, 9, 1, 5), (1, A, 9, 1, 100, 5))[0]


@pytest.mark.parametrize(
    ("after", "void"),
    [(Cancel(1), False), (Place(1, 1, 1, 1, 1, 1), False), (Place(2, 1, 1, 1, 1, 1), True), (Cancel(1), True)],
)
def test_an_auction_that_goes_on_does_not_mind_what_follows_in_its_op(after: Command, void: bool) -> None:
    """What the same op asks for is refused, for whichever reason comes first."""
    limits = Limits(max_block_work=16)
    engine, ledger, time_ms = Engine(Pair("A"), limits, (W,), 3), Ledger(3, limits.max_block_work), 0

    def block(*ops: tuple[bytes, list[Command]]) -> list[Event]:
        nonlocal time_ms
        time_ms += 1
        engine.begin_block(time_ms)
        for author, commands in ops:
            engine.run(author, commands, void=void and after in commands)
        events = engine.end_block()
        engine.commit()
        assert ledger.take(events, time_ms) == []
        return events

    block((W, [SetState(AUCTION_STATE), Place(1, 1, 1, 1, 1, 1)]))
    for at in range(0, 32, 8):
        block((A, [Place(at + n, 1, 1, 100 + n, 1, 1) for n in range(1, 9)]))
        block((B, [Place(at + n, 2, 1, 50 + n, 1, 1) for n in range(1, 9)]))
    block((W, [SetState(OPEN_STATE), after]))
    traded = 0
    while engine.has_left_over():
        traded += sum(event[0] == 3 for event in block())
    assert traded
