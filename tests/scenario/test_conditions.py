"""What faults do to wires, and how long messages take."""

import random

import pytest

from gossipbook.scenario.conditions import Delay, WireConditions
from gossipbook.scenario.parts import FaultPart, NetworkPart


@pytest.mark.parametrize("shape", ["fixed", "uniform", "normal", "heavy-tailed"])
def test_delays_keep_to_their_bounds(shape: str) -> None:
    low, high = 10_000, 60_000
    rng, delay = random.Random(3), Delay(shape, low, high)
    drawn = [delay.draw(rng) for _ in range(20_000)]
    mean = sum(drawn) / len(drawn)
    assert min(drawn) >= low
    assert abs(mean - (low + high) / 2) < 1_500
    if shape != "heavy-tailed":
        assert max(drawn) <= high
        return
    assert max(drawn) > low + 4 * (high - low), "a tail that nobody meets is none"
    assert max(drawn) <= low + 32 * (high - low) / 2 + 64, "cut off at 32 times the mean"
    late = sum(at > high for at in drawn) / len(drawn)
    assert 0.02 < late < 0.25


def test_a_delay_without_room() -> None:
    for shape in ("fixed", "uniform", "normal", "heavy-tailed"):
        assert Delay(shape, 5_000, 5_000).draw(random.Random(1)) in range(5_000, 5_064)


@pytest.mark.parametrize(
    ("fault", "conditions"),
    [
        (FaultPart("loss", share=0.3), WireConditions(loss=0.3)),
        (FaultPart("duplicate", share=0.2), WireConditions(duplicate=0.2)),
        (FaultPart("reorder", share=0.1), WireConditions(reorder=0.1)),
        (FaultPart("delay", delay_ms=(20.0, 90.5)), WireConditions(delay=Delay("uniform", 20_000, 90_500))),
        (FaultPart("bandwidth", kbit_s=64), WireConditions(kbit_s=64)),
    ],
)
def test_a_fault_changes_one_condition(fault: FaultPart, conditions: WireConditions) -> None:
    assert WireConditions.of(fault) == conditions


def test_a_network_has_its_usual_conditions() -> None:
    network = NetworkPart(delay="normal", delay_ms=(0.5, 2.0), loss=0.1, duplicate=0.2, reorder=0.3, kbit_s=9)
    assert WireConditions.usual(network) == WireConditions(0.1, 0.2, 0.3, Delay("normal", 500, 2_000), 9)
