"""The computed verdict: each peer's journal exported, each pair's chain re-executed against the oracle."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gossipbook.audit import Report
from gossipbook.audit.writer import write_export
from gossipbook.demo.faults import FaultReport
from gossipbook.demo.monitor import Monitor
from gossipbook.demo.network import DemoNetwork
from gossipbook.demo.traders import Floor, TradingCounts
from gossipbook.exits import VERDICTS
from gossipbook.manifest import Manifest
from gossipbook.storage.sqlite import all_blocks

WORKERS = 2


@dataclass(frozen=True, slots=True)
class DemoResult:
    """A demonstration's result: ``row`` is its JSON line, ``load`` says in words what it was measured under."""

    row: dict[str, Any]
    reasons: list[str]
    exit_code: int
    load: str


def export_all(network: DemoNetwork, folder: Path, progress: Callable[[int, int], None]) -> list[Path]:
    """Export every pair from every peer's journal, on all cores."""
    jobs = [
        (
            network.manifest.to_dict(),
            peer.folder / "data" / "journal.db",
            symbol,
            folder / f"{peer.name}.{symbol}.ndjson",
        )
        for peer in network.peers
        for symbol in network.manifest.symbols()
    ]
    with ProcessPoolExecutor(WORKERS) as pool:
        for done, _ in enumerate(pool.map(_export_one, jobs), 1):
            progress(done, len(jobs))
    return [job[3] for job in jobs]


def _export_one(job: tuple[dict[str, Any], Path, str, Path]) -> None:
    document, journal, symbol, target = job
    manifest = Manifest.from_dict(document)
    write_export(target, manifest, symbol, all_blocks(journal, symbol, manifest.epoch))


def judge(
    network: DemoNetwork,
    floor: Floor,
    monitor: Monitor,
    faults: FaultReport,
    report: Report,
    elapsed_s: float,
    tips: dict[tuple[str, int], str],
) -> DemoResult:
    """Put together what the auditor found, what was observed, and what was measured."""
    reasons = [*report.reasons, *faults.problems, *floor.failures, *_unextended(monitor, tips)]
    if floor.uncertified:
        reasons.append(f"{floor.uncertified} ops were never certified")
    if not report.digests_equal:
        reasons.append("the peers' chains differ")
    verdict = "invalid" if reasons or report.verdict == "invalid" else report.verdict
    tally = floor.tally
    trading_s = max(tally.last_certified_s - tally.first_submit_s, 1e-9)
    row = {
        "verdict": verdict,
        "peers": len(network.peers),
        "pairs": len(network.manifest.pairs),
        "certified_ops": report.certified_ops,
        "certified_commands": report.certified_commands,
        "fills": report.fills,
        "elapsed_s": round(elapsed_s, 2),
        "commands_per_s": round(report.certified_commands / trading_s, 1),
        "certify_ms": quantiles(tally),
        "takeovers": sum(monitor.top_terms.values()),
        "takeover_ms": None if faults.takeover_ms is None else round(faults.takeover_ms, 1),
        "digests_equal": report.digests_equal,
        "acked_ops_lost": report.acked_ops_lost,
        "double_fills": report.double_fills,
        "rejected_frames": _rejected_frames(monitor),
    }
    return DemoResult(row, reasons, VERDICTS[verdict], floor.load)


def _unextended(monitor: Monitor, tips: dict[tuple[str, int], str]) -> list[str]:
    """Finalized blocks that a peer once reported and that are not in the final chain at that height."""
    problems = []
    for (symbol, height), seen in monitor.seen.items():
        final = tips.get((symbol, height))
        if list(seen) != [final]:
            problems.append(f"{symbol}: a block seen as final at height {height} is not in the final chain")
    return problems[:10]


def quantiles(tally: TradingCounts) -> dict[str, float | None]:
    """Median and 99th percentile of the time from submit to certified, in ms."""
    values = sorted(tally.certify_ms)
    if not values:
        return {"p50": None, "p99": None}
    return {
        "p50": round(values[len(values) // 2], 1),
        "p99": round(values[min(len(values) - 1, len(values) * 99 // 100)], 1),
    }


def _rejected_frames(monitor: Monitor) -> int:
    """Frames that peers refused for what they held: forged, malformed or foreign."""
    count = 0
    for status in monitor.status.values():
        for reason, times in (status or {"rejected": {}})["rejected"].items():
            if any(word in reason for word in ("forged", "malformed", "invalid", "another network")):
                count += times
    return count
