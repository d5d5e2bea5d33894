"""When faults are on, and what they draw from."""

from itertools import islice
from math import inf

import pytest

from gossipbook.scenario.parts import ADVERSARIES, FAULTS, FaultPart
from gossipbook.scenario.schedule import CutPhase, Restart, ScheduledFault, schedule


def one(kind: str, **keys: object) -> ScheduledFault:
    return ScheduledFault(FaultPart(kind, **keys), 0)  # type: ignore[arg-type]


def test_a_fault_has_its_times() -> None:
    fault = one("crash", at_s=2.5, for_s=1.5)
    assert (fault.begins_s, fault.lasts_s) == (2.5, 1.5)
    assert one("crash").lasts_s == inf


@pytest.mark.parametrize("kind", FAULTS)
def test_all_but_liars_end_at_the_heal(kind: str) -> None:
    assert one(kind).ends_at_heal == (kind not in ADVERSARIES)


def test_only_a_partition_waits_for_a_lock() -> None:
    assert one("partition", when="prepared").waits_for_lock
    assert not one("partition").waits_for_lock
    assert not one("pause", when="prepared").waits_for_lock


def test_a_partition_is_cut_once_or_flaps() -> None:
    assert list(one("partition").cut_phases()) == [CutPhase(True, inf)]
    flapping = islice(one("partition", flap_s=0.4).cut_phases(), 3)
    assert list(flapping) == [CutPhase(True, 0.4), CutPhase(False, 0.4), CutPhase(True, 0.4)]


def test_a_rolling_restart_takes_turns() -> None:
    assert one("rolling-restart", gap_s=0.6).restarts([3, 1]) == [Restart(3, 0.6, 0.6), Restart(1, 0.6, 0.6)]


def test_each_fault_draws_from_its_own_source() -> None:
    first, second = schedule([FaultPart("crash"), FaultPart("crash")])
    assert first.rng(7).random() == one("crash").rng(7).random()
    assert len({fault.rng(seed).random() for fault in (first, second) for seed in (7, 8)}) == 4
