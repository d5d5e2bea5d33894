"""The ledger by itself: it needs no engine to see that books do not balance."""

import pytest

from gossipbook.audit.export import Event
from gossipbook.audit.ledger import Ledger

A, B, C = (bytes([n]) * 32 for n in (1, 2, 3))
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


def test_numbers_have_no_gaps() -> None:
    ledger = Ledger()
    assert ledger.take([(7, 2, A)]) == ["event 2 follows event 0"]
    assert ledger.take([(7, 2, A)]) == ["event 2 follows event 2"]


def test_a_rejected_place_uses_its_id_up() -> None:
    assert "is accepted again" in faults((2, A, 9, 1, 5), (1, A, 9, 1, 100, 5))[0]
