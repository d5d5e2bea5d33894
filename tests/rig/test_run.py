"""Real peers and a partition, end to end; and what becomes of a run's verdict when its evidence is meddled with."""

import copy
import json
import os
import time
from dataclasses import replace

import pytest
import trio

from gossipbook.rig import RealProgress
from gossipbook.rig.judge import judge
from gossipbook.rig.peer_clients import Sample
from gossipbook.rig.run import observe, run_real
from gossipbook.scenario.parts import FaultPart, NetworkPart, WorkloadPart
from gossipbook.scenario.scenario import Scenario

ENOUGH_S = 120
ISOLATED_LEADER = Scenario(
    "isolated-leader",
    NetworkPart(),
    WorkloadPart(seconds=6.0, ops_per_s=10.0),
    (FaultPart("partition", at_s=1.5, for_s=3.0, shape="isolate", who="leader"),),
)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    """One run, and all that was told of its progress."""
    told: list[RealProgress] = []

    async def run():
        with trio.fail_after(ENOUGH_S):
            return await observe(ISOLATED_LEADER, 1, folder=tmp_path_factory.mktemp("run"), progress=told.append)

    seen = trio.run(run)
    stages = list(dict.fromkeys(progress.stage for progress in told))
    in_order = ("starting", "trading", "healing", "stopping", "judging")
    assert stages == [stage for stage in in_order if stage in stages], "one that is soon over may go untold"
    assert {"starting", "trading"} <= set(stages)
    assert any(progress.active for progress in told)
    assert told[-1].ops_submitted > 20
    return seen


@pytest.fixture
def meddled(evidence, tmp_path):
    """A copy of the evidence, the files too."""
    other = copy.copy(evidence)
    other.exports = []
    for path in evidence.exports:
        (tmp_path / path.name).write_text(path.read_text())
        other.exports.append(tmp_path / path.name)
    other.acks = tmp_path / "acks.ndjson"
    other.acks.write_text(evidence.acks.read_text())
    other.counts, other.final = copy.copy(evidence.counts), copy.deepcopy(evidence.final)
    return other


def test_real_peers_outlive_an_isolated_leader(evidence):
    result = judge(evidence)
    assert result.verdict == "valid", result.reasons
    assert result.reasons == ()
    assert sorted(result.checks) == ["I1", "I10", "I2", "I3", "I4", "I5", "I7", "I9"]
    assert all(result.checks.values()), result.checks
    assert evidence.minority_checks >= 1, "the isolated leader was looked at"
    assert result.ops_submitted == result.ops_acked == result.ops_certified == result.checks["I3"]
    assert result.fills
    assert result.term_changes >= 1
    assert any("cut p" in line for line in result.log)


def test_a_tampered_export_is_invalid(meddled):
    lines = meddled.exports[0].read_text().splitlines()
    at, block = next((i, row) for i, line in enumerate(lines) if (row := json.loads(line)).get("events"))
    block["events"][-1][-1] = 77
    lines[at] = json.dumps(block, separators=(",", ":"))
    meddled.exports[0].write_text("\n".join(lines) + "\n")
    result = judge(meddled)
    assert result.verdict == "invalid"
    assert any("events differ from what the rules give" in reason for reason in result.reasons), result.reasons


def test_a_certificate_with_a_wrong_signature_is_invalid(meddled):
    lines = meddled.exports[2].read_text().splitlines()
    block = json.loads(lines[-1])
    seat, signature = block["certificate"]["signers"][0]
    block["certificate"]["signers"][0] = [seat, signature[:-2] + ("00" if signature[-2:] != "00" else "01")]
    lines[-1] = json.dumps(block, separators=(",", ":"))
    meddled.exports[2].write_text("\n".join(lines) + "\n")
    result = judge(meddled)
    assert result.verdict == "invalid"
    assert any(meddled.exports[2].name in reason for reason in result.reasons), result.reasons


def test_a_peer_whose_chain_ends_early_is_invalid(meddled):
    lines = meddled.exports[1].read_text().splitlines()
    meddled.exports[1].write_text("\n".join(lines[:-1]) + "\n")
    result = judge(meddled)
    assert (result.verdict, result.reasons) == ("invalid", ("I4: the peers' chains do not end in the same block",))


def test_an_ack_for_what_is_nowhere_is_invalid(meddled):
    row = {"pair": meddled.manifest.symbols()[0], "op_id": "ab" * 32, "level": "durable", "height": 0}
    with meddled.acks.open("a") as file:
        file.write(json.dumps(row) + "\n")
    result = judge(meddled)
    assert result.verdict == "invalid"
    assert any("is lost" in reason for reason in result.reasons)


def test_a_block_that_was_final_and_is_gone_is_invalid(meddled):
    meddled.samples = [*meddled.samples, Sample("p2", meddled.manifest.symbols()[0], 3, "cd" * 32)]
    result = judge(meddled)
    assert result.verdict == "invalid"
    assert [reason[:2] for reason in result.reasons] == ["I5"]


def test_peers_that_end_apart_are_invalid(meddled):
    meddled.final["p1"]["pairs"][0]["events_digest"] = "ef" * 32
    meddled.final["p3"]["pairs"][0]["pending_ops"] = 2
    result = judge(meddled)
    assert result.verdict == "invalid"
    assert any(reason.startswith("I4: p1 and") or " differ in " in reason for reason in result.reasons)
    assert any(reason.startswith("I10: p3 still has 2") for reason in result.reasons)
    del meddled.final["p2"]
    assert any("only 3 of 4 peers" in reason for reason in judge(meddled).reasons)


def test_ops_that_were_never_certified_are_invalid(meddled):
    meddled.counts.certified -= 1
    result = judge(meddled)
    assert result.verdict == "invalid"
    assert any(reason.startswith("I10: 1 ops") for reason in result.reasons)


def test_what_was_seen_on_the_way_is_invalid(meddled):
    meddled.problems = ["I10: p0 certified block 9"]
    assert judge(meddled).reasons == ("I10: p0 certified block 9",)


@pytest.mark.parametrize("expected", [{"fills": 100_000}, {"term_changes": 50}])
def test_too_little_is_unknown(meddled, expected):
    expect = replace(meddled.scenario.expect, **expected)
    meddled.scenario = replace(meddled.scenario, expect=expect)
    result = judge(meddled)
    assert result.verdict == "unknown"
    assert len(result.reasons) == 1


async def test_a_cancelled_run_leaves_no_process_behind(tmp_path):
    pids, trading = [], trio.Event()

    def progress(now):
        if now.stage == "trading" and not pids:
            pids.extend(int(path.read_text()) for path in tmp_path.glob("run/p*/LOCK"))
            trading.set()

    paused = replace(ISOLATED_LEADER, faults=(FaultPart("pause", at_s=0.0, who="2 members"),))
    with trio.fail_after(ENOUGH_S):
        async with trio.open_nursery() as nursery:

            async def run():
                await run_real(paused, 1, folder=tmp_path / "run", progress=progress)

            nursery.start_soon(run)
            await trading.wait()
            nursery.cancel_scope.cancel()
    assert len(pids) == 4
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_run_with_nothing_to_do_is_unknown_and_takes_no_longer_than_it_has_to(tmp_path):
    quiet = Scenario("quiet", workload=WorkloadPart(seconds=0.5, ops_per_s=0.0))
    began_s = time.monotonic()
    with trio.fail_after(ENOUGH_S):
        result = await run_real(quiet, 1, folder=tmp_path / "run", progress=lambda _: None)
    assert (result.verdict, result.ops_submitted, result.fills) == ("unknown", 0, 0)
    assert result.wall_s <= time.monotonic() - began_s
