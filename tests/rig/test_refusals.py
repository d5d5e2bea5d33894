"""What real peers cannot be given is said by name, all of it at once, before anything is started."""

from dataclasses import replace

import pytest

from gossipbook.errors import ScenarioError
from gossipbook.rig import refusals, run_real
from gossipbook.rig.refuse import ONLY_SIMULATED, REAL_KINDS
from gossipbook.scenario.parts import ADVERSARIES, FAULTS, FaultPart, NetworkPart, WardenPart, WorkloadPart
from gossipbook.scenario.scenario import Scenario


def scenario(*faults, workload=None, **network):
    return Scenario("s", NetworkPart(**network), workload or WorkloadPart(), faults)


def test_every_kind_of_fault_is_either_done_or_refused():
    assert sorted([*REAL_KINDS, *ONLY_SIMULATED]) == sorted(FAULTS)


def test_what_can_be_done_is_not_refused():
    assert refusals(scenario(*map(FaultPart, REAL_KINDS), loss=0.1, kbit_s=512, delay_ms=(5.0, 20.0))) == []


@pytest.mark.parametrize("kind", ONLY_SIMULATED)
def test_a_kind_that_only_the_simulator_has_is_refused_by_name(kind):
    (line,) = refusals(scenario(FaultPart("partition"), FaultPart(kind)))
    assert line.startswith(f"[[fault]] 2 ({kind}) ")
    assert ("honest" in line) == (kind in ADVERSARIES)


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (FaultPart("partition", when="prepared"), 'when = "prepared"'),
        (FaultPart("loss", share=1.0), "share"),
        (FaultPart("crash", at_s=10.0), "at_s"),
    ],
)
def test_a_setting_of_a_fault_is_refused_by_name(fault, word):
    (line,) = refusals(scenario(fault))
    assert word in line


@pytest.mark.parametrize(
    "network",
    [
        {"duplicate": 0.1},
        {"reorder": 0.1},
        {"loss": 1.0},
        {"clock_skew_ms": 10},
        {"links": 3},
        {"views": "divergent"},
        {"peers": 17},
    ],
)
def test_a_setting_of_the_network_is_refused_by_name(network):
    (line,) = refusals(scenario(**network))
    assert line.startswith(f"[network] {next(iter(network))}: ")


@pytest.mark.parametrize("workload", [{"flow": "orders.csv"}, {"ops_per_s": 501.0}])
def test_a_setting_of_the_workload_is_refused_by_name(workload):
    (line,) = refusals(scenario(workload=WorkloadPart(**workload)))
    assert line.startswith(f"[workload] {next(iter(workload))}: ")


async def test_a_run_says_all_that_it_refuses_and_starts_nothing(tmp_path):
    bad = scenario(FaultPart("disk"), FaultPart("twins"), reorder=0.5)
    with pytest.raises(ScenarioError, match=r"reorder: .*\(disk\) .*\(twins\) "):
        await run_real(bad, 1, folder=tmp_path / "run", progress=lambda _: None)
    assert not (tmp_path / "run").exists()


def test_what_only_simulated_authors_and_wardens_do_is_refused_by_name():
    asked = replace(scenario(workload=WorkloadPart(leases=True, loyal=True)), wardens=(WardenPart("open"),))
    lines = refusals(replace(asked, faults=(FaultPart("crash", who="home of maker 0"),)))
    assert [line.split(":")[0] for line in lines] == [
        "[[warden]]",
        "[workload] leases",
        "[workload] loyal",
        '[[fault]] 1 (crash) who = "home of maker 0"',
    ]
    assert refusals(scenario(workload=WorkloadPart(special=0.5))) == []
