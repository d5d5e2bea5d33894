"""The wires: in order and whole by default, and as bad as they are made."""

import random

import pytest

from gossipbook.scenario.conditions import Delay, WireConditions
from gossipbook.sim.network import WIRE_QUEUE_US, Network, Weather, everywhere

A, B, C = b"a", b"b", b"c"
MANY = 4_000


def network(delay: Delay | None = None, **weather: object) -> Network:
    made = Network(random.Random(7), delay)
    if weather:
        made.weather.append(Weather(everywhere, WireConditions(**weather)))  # type: ignore[arg-type]
    return made


def test_by_default_all_arrives_once_and_in_order() -> None:
    wires, last = network(Delay("uniform", 1_000, 50_000)), 0
    for number in range(MANY):
        (at_us,) = wires.arrivals(A, B, 100, number * 10)
        assert last <= at_us
        assert number * 10 + 1_000 <= at_us
        last = at_us


def test_directions_do_not_wait_for_each_other() -> None:
    wires = network(Delay("fixed", 1_000, 1_000))
    wires.delay = Delay("fixed", 90_000, 90_000)
    assert wires.arrivals(A, B, 1, 0) == (90_000,)
    wires.delay = Delay("fixed", 1_000, 1_000)
    assert wires.arrivals(A, B, 1, 0) == (90_000,), "behind the one before it"
    assert wires.arrivals(B, A, 1, 0) == wires.arrivals(A, C, 1, 0) == (1_000,)


def test_a_cut_is_one_way() -> None:
    wires = network()
    wires.cut(A, B)
    assert (wires.is_cut(A, B), wires.is_cut(B, A)) == (True, False)
    assert wires.severed(A, B)
    assert wires.severed(B, A)
    assert not wires.severed(A, C)
    assert wires.arrivals(A, B, 1, 0) == ()
    assert len(wires.arrivals(B, A, 1, 0)) == 1
    assert wires.cut_losses == 1


def test_two_cuts_need_two_mends() -> None:
    wires = network()
    for _ in range(2):
        wires.cut(A, B)
    wires.mend(A, B)
    assert wires.is_cut(A, B)
    wires.mend(A, B)
    assert not wires.is_cut(A, B)
    assert len(wires.arrivals(A, B, 1, 0)) == 1
    with pytest.raises(KeyError):
        wires.mend(A, B)


@pytest.mark.parametrize("share", [0.02, 0.3, 1.0])
def test_loss(share: float) -> None:
    wires = network(loss=share)
    lost = sum(not wires.arrivals(A, B, 1, 0) for _ in range(MANY))
    assert lost == wires.dropped
    assert abs(lost / MANY - share) < 0.03


@pytest.mark.parametrize("share", [0.02, 0.3, 1.0])
def test_duplicates(share: float) -> None:
    wires = network(duplicate=share)
    counts = [len(wires.arrivals(A, B, 1, 0)) for _ in range(MANY)]
    assert set(counts) <= {1, 2}
    assert abs((sum(counts) - MANY) / MANY - share) < 0.03


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_reordering(share: float) -> None:
    """Who is late comes after others that left later; who is not keeps the order among its like."""
    wires = network(Delay("uniform", 1_000, 2_000), reorder=share)
    arrivals = [wires.arrivals(A, B, 1, number * 100)[0] for number in range(MANY)]
    overtaken = sum(arrivals[i] > min(arrivals[i + 1 : i + 60], default=2**63) for i in range(MANY))
    assert abs(overtaken / MANY - share) < 0.05
    prompt = [at for number, at in enumerate(arrivals) if at - number * 100 < 4_000]
    assert prompt == sorted(prompt)


def test_without_reordering_nobody_is_overtaken() -> None:
    wires = network(Delay("uniform", 1_000, 90_000), loss=0.1)
    arrivals = [at for number in range(MANY) for at in wires.arrivals(A, B, 1, number * 100)]
    assert arrivals == sorted(arrivals)


def test_a_thin_wire() -> None:
    """A thousand bytes a second take a second each thousand; what would wait too long is dropped."""
    wires = network(Delay("fixed", 0, 0), kbit_s=8)
    first, second, third = (wires.arrivals(A, B, 1_000, 0) for _ in range(3))
    assert (first, second, third) == ((1_000_000,), (2_000_000,), (3_000_000,))
    assert wires.arrivals(A, B, 1_000, 0) == ()
    assert wires.dropped == 1
    assert wires.arrivals(A, B, 1_000, 3_000_000 - WIRE_QUEUE_US) == (4_000_000,)
    assert wires.arrivals(B, A, 1_000, 0) == (1_000_000,), "each direction has its own"
    assert wires.arrivals(A, B, 500, 60_000_000) == (60_500_000,), "a wire that was idle is free"


def test_weather_hits_whom_it_hits() -> None:
    wires = Network(random.Random(1))
    wires.weather.append(Weather(lambda a, b: A in (a, b), WireConditions(loss=1.0)))
    assert wires.arrivals(A, B, 1, 0) == wires.arrivals(B, A, 1, 0) == ()
    assert len(wires.arrivals(B, C, 1, 0)) == 1


def test_weather_adds_up() -> None:
    wires = network(duplicate=1.0)
    wires.weather.append(Weather(everywhere, WireConditions(duplicate=1.0, delay=Delay("fixed", 70_000, 70_000))))
    assert wires.arrivals(A, B, 1, 0) == (70_000,) * 3


def test_the_same_seed_gives_the_same_weather() -> None:
    def story(seed: int) -> list[tuple[int, ...]]:
        wires = Network(random.Random(seed), Delay("heavy-tailed", 1_000, 9_000))
        wires.weather.append(Weather(everywhere, WireConditions(0.1, 0.1, 0.1)))
        return [wires.arrivals(A, B, 100, number * 500) for number in range(300)]

    assert story(1) == story(1) != story(2)
