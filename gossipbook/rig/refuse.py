"""Refuse scenarios that ask for what real processes cannot be given, by name and with the reason.

``[budget]`` and ``signatures`` are the simulator's own: they say what its run may cost, and real peers always sign for
real. ``expect.observers`` is an allowance that nothing here can use up.
"""

import os

from gossipbook.scenario.parts import ADVERSARIES, FaultPart
from gossipbook.scenario.scenario import Scenario

PEERS_CAP = 16  # processes of about 60 MiB, all on this machine's cores
OPS_PER_S_CAP = 500  # beyond that the authors, who share one process, would be late; a guess

REAL_KINDS = ("partition", "loss", "delay", "bandwidth", "pause", "crash", "rolling-restart")
"""The kinds of fault that real processes can be given."""

ONLY_SIMULATED = {
    "duplicate": "TCP delivers every byte once",
    "reorder": "TCP delivers bytes in order",
    "torn-write": "what a killed process has written, the kernel keeps; half a write needs the simulator's disk",
    "disk": "nothing stands between a process and its disk",
    "clock": "all processes read this machine's clock",
    "final-to-one": "the proxy does not look into what it carries",
    **dict.fromkeys(ADVERSARIES, "the peer binary is honest"),
}
"""Why each of the other kinds cannot be."""


def refusals(scenario: Scenario) -> list[str]:
    """Return one line for each fault or setting that real peers cannot be given; none if the scenario can be run."""
    lines = []
    for number, fault in enumerate(scenario.faults, 1):
        reason = _fault_refusal(fault, scenario)
        if reason:
            lines.append(f"[[fault]] {number} ({fault.kind}) {reason}")
    return _setting_refusals(scenario) + lines


def _fault_refusal(fault: FaultPart, scenario: Scenario) -> str:
    if fault.kind not in REAL_KINDS:
        return ONLY_SIMULATED.get(fault.kind, "is not known to real peers")
    if fault.who.startswith("home of"):
        return f'who = "{fault.who}": real authors bring each op to whichever peer answers'
    if fault.when != "at once":
        return f'when = "{fault.when}": from outside nobody sees what a peer has prepared'
    if fault.kind == "loss" and fault.share >= 1:
        return "share: a connection of which everything is lost is a partition; say that"
    if fault.at_s >= scenario.workload.seconds:
        return f"at_s: the heal is at {scenario.workload.seconds:g} s, before it would strike"
    return ""


def _setting_refusals(scenario: Scenario) -> list[str]:
    network, workload = scenario.network, scenario.workload
    rules = [
        (network.peers <= PEERS_CAP, f"[network] peers: at most {PEERS_CAP} processes on one machine"),
        (not network.duplicate, f"[network] duplicate: {ONLY_SIMULATED['duplicate']}"),
        (not network.reorder, f"[network] reorder: {ONLY_SIMULATED['reorder']}"),
        (network.loss < 1, "[network] loss: below 1, or no peer ever reaches another"),
        (not network.clock_skew_ms, f"[network] clock_skew_ms: {ONLY_SIMULATED['clock']}"),
        (not network.links, "[network] links: a peer process dials whom it needs, and always the whole committee"),
        (network.views == "full", "[network] views: peers that never hear of each other need the DHT, which is off"),
        (not scenario.wardens, "[[warden]]: the manifest that real peers are given names none"),
        (not workload.leases, "[workload] leases: what ends after the last order would come between the exports"),
        (not workload.loyal, "[workload] loyal: real authors bring each op to whichever peer answers"),
        (workload.flow == "agents", "[workload] flow: real peers are given the agents' orders only"),
        (workload.ops_per_s <= OPS_PER_S_CAP, f"[workload] ops_per_s: at most {OPS_PER_S_CAP} in real time"),
        (os.name == "posix", "processes can be paused on POSIX systems only"),
    ]
    return [line for good, line in rules if not good]
