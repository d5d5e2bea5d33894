"""Make the verdict on a run with real peers, from what they exported and what was observed.

What each count of :attr:`RealResult.checks` counts:

===  =================================================================================================
I1   fills held by the auditor against what both orders had open, one block a height in all exports
I2   commands executed anew by the auditor's engine, every order's lots adding up after each block
I3   acked ops looked for in the certified chain
I4   final words of peers on a pair compared with one another: tip, events digest, nothing pending
I5   blocks that some peer said to be final during the run, looked for in the final chain
I7   certificates checked against the committee that the manifest fixes
I9   signatures of ops and of votes verified
I10  peers on a side without a quorum found to have certified nothing new; ops certified after the heal
===  =================================================================================================
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gossipbook.audit import Report, Verdict, verify_exports
from gossipbook.audit.writer import write_export
from gossipbook.manifest import Manifest
from gossipbook.rig.peer_clients import Sample
from gossipbook.rig.traders import OpCounts
from gossipbook.scenario.scenario import Scenario
from gossipbook.storage.sqlite import all_blocks

REASONS_CAP = 50


@dataclass(frozen=True, slots=True)
class RealResult:
    """The result of a run. ``verdict`` is valid, unknown or invalid; ``log`` says when which fault hit whom."""

    verdict: str
    reasons: tuple[str, ...]
    checks: dict[str, int]
    fills: int
    term_changes: int
    ops_submitted: int
    ops_acked: int
    ops_certified: int
    wall_s: float
    heal_s: float = 0.0
    log: tuple[str, ...] = ()


@dataclass
class RunEvidence:
    """What a verdict is made from. ``problems`` were seen during the run, each with its invariant in front."""

    scenario: Scenario
    manifest: Manifest
    exports: list[Path]
    acks: Path
    chain: dict[tuple[str, int], str]  # block ids (hex) of the longest journal, by pair and height
    votes: int = 0  # in the certificates of all exports
    samples: Sequence[Sample] = ()
    final: dict[str, dict[str, Any]] = field(default_factory=dict)  # the last status of each peer, by name
    problems: list[str] = field(default_factory=list)
    minority_checks: int = 0
    counts: OpCounts = field(default_factory=OpCounts)
    term_changes: int = 0
    wall_s: float = 0.0
    heal_s: float = 0.0
    log: tuple[str, ...] = ()


def export_chains(folder: Path, manifest: Manifest, names: Sequence[str]) -> tuple[list[Path], int]:
    """Export every pair's chain from each journal; return the files and the number of votes in their certificates."""
    exports, votes = [], 0
    for name in names:
        journal = folder / name / "data" / "journal.db"
        for number, symbol in enumerate(manifest.symbols()):
            exports.append(folder / f"{name}.pair{number}.ndjson")
            write_export(exports[-1], manifest, symbol, all_blocks(journal, symbol, manifest.epoch))
            votes += sum(len(block.fc.signers) for block in all_blocks(journal, symbol, manifest.epoch))
    return exports, votes


def judge(evidence: RunEvidence) -> RealResult:
    """Audit the exports, compare what was observed with them, and return the verdict.

    Raises:
        VerifyError: an export cannot be read.
    """
    report = verify_exports(evidence.exports, evidence.acks, evidence.manifest)
    # What was seen on the way comes first: a peer that died explains a great many ops that are not there.
    reasons = [*evidence.problems, *evidence.counts.refused, *_unequal(evidence, report), *_unextended(evidence)]
    left = evidence.counts.submitted - evidence.counts.certified
    if left:
        reasons.append(f"I10: {left} ops were not certified within {evidence.scenario.expect.heal_s:g} s of the heal")
    reasons += report.reasons
    short = _shown_too_little(evidence, report)
    verdict = Verdict.INVALID if reasons else Verdict.UNKNOWN if short else Verdict.VALID
    counts = evidence.counts
    return RealResult(
        verdict=str(verdict),
        reasons=tuple((reasons or short)[:REASONS_CAP]),
        checks=_checks(evidence, report),
        fills=report.fills,
        term_changes=evidence.term_changes,
        ops_submitted=counts.submitted,
        ops_acked=counts.acked,
        ops_certified=counts.certified,
        wall_s=round(evidence.wall_s, 2),
        heal_s=round(evidence.heal_s, 2),
        log=evidence.log,
    )


def _checks(evidence: RunEvidence, report: Report) -> dict[str, int]:
    copies = len(evidence.exports) // len(evidence.manifest.pairs) if report.digests_equal else 1
    return {
        "I1": report.fills,
        "I2": report.certified_commands,
        "I3": report.acked_ops,
        "I4": len(evidence.final) * len(evidence.manifest.pairs),
        "I5": len(evidence.samples),
        "I7": report.blocks * copies,
        "I9": report.certified_ops + (evidence.votes if report.digests_equal else 0),
        "I10": evidence.minority_checks + evidence.counts.certified,
    }


def _unequal(evidence: RunEvidence, report: Report) -> list[str]:
    """Return the breaches of I4: after the heal all peers are at the same block and digest, with nothing pending."""
    reasons = [] if report.digests_equal else ["I4: the peers' chains do not end in the same block"]
    if len(evidence.final) != evidence.scenario.network.peers:
        reasons.append(f"I4: only {len(evidence.final)} of {evidence.scenario.network.peers} peers answer at the end")
    said: dict[str, dict[tuple[int, str, str], str]] = {}
    for name, status in evidence.final.items():
        for row in status["pairs"]:
            said.setdefault(row["symbol"], {})[row["height"], row["tip"], row["events_digest"]] = name
            if row["pending_ops"]:
                reasons.append(f"I10: {name} still has {row['pending_ops']} ops of {row['symbol']} pending")
    for symbol, words in said.items():
        if len(words) > 1:
            reasons.append(f"I4: {' and '.join(sorted(words.values()))} differ in {symbol} after the heal")
    return reasons


def _unextended(evidence: RunEvidence) -> list[str]:
    """Return the breaches of I5: a block that was final once is in the final chain."""
    return [
        f"I5: {sample.peer} said that block {sample.tip[:10]} was final at height {sample.height} of {sample.symbol}, "
        "and it is not in the final chain"
        for sample in evidence.samples
        if evidence.chain.get((sample.symbol, sample.height)) != sample.tip
    ]


def _shown_too_little(evidence: RunEvidence, report: Report) -> list[str]:
    """Return why a run in which nothing is wrong proves too little."""
    expect, reasons = evidence.scenario.expect, []
    if not report.blocks:
        reasons.append("nothing was certified")
    if report.fills < expect.fills:
        reasons.append(f"{report.fills} fills, expected {expect.fills}")
    if evidence.term_changes < evidence.scenario.term_changes_expected:
        wanted = evidence.scenario.term_changes_expected
        reasons.append(f"{evidence.term_changes} term changes, expected {wanted}")
    return reasons
