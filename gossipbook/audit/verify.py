"""``verify_exports``: from file names to a verdict."""

import os
from collections.abc import Callable, Sequence

from gossipbook.audit.acks import check_acks
from gossipbook.audit.chain import Chain
from gossipbook.audit.export import ExportFile, Header, read_header
from gossipbook.audit.fields import Defect
from gossipbook.audit.pair_check import PairCheck, Reader
from gossipbook.audit.report import Report, Tip
from gossipbook.audit.seats import Seats
from gossipbook.audit.signatures import Verdicts
from gossipbook.errors import VerifyError
from gossipbook.manifest import Manifest

MAX_EXPORTS = 512  # files open at one time

FilePath = str | os.PathLike[str]
Progress = Callable[[int, int], None]
"""Told (bytes read, bytes in all) now and then."""


def verify_exports(
    paths: Sequence[FilePath],
    acks: FilePath | None = None,
    manifest: Manifest | None = None,
    progress: Progress | None = None,
) -> Report:
    """Check exports of one network against the rules and against one another; the package docstring lists how.

    ``acks`` names a file of acks that the chains must honour. ``manifest`` is the network's as the caller knows it;
    without it the exports are held to the manifest that they carry.

    Raises:
        VerifyError: if a file cannot be read. Whatever is in it gives a verdict.
    """
    if not 1 <= len(paths) <= MAX_EXPORTS:
        raise VerifyError(f"give 1 to {MAX_EXPORTS} exports, not {len(paths)}")
    report = Report(exports=len(paths))
    files: list[ExportFile] = []
    try:
        files.extend(ExportFile(path) for path in paths)
        chains = _check_files(files, manifest, report, progress)
        if acks is not None:
            check_acks(acks, chains, report)
    finally:
        for file in files:
            file.close()
    report.judge()
    return report


def _check_files(
    files: list[ExportFile], manifest: Manifest | None, report: Report, progress: Progress | None
) -> dict[str, Chain]:
    by_pair: dict[str, list[Reader]] = {}
    for file in files:
        header = _sound_header(file, manifest, report)
        if header is not None:
            manifest = manifest or header.manifest
            by_pair.setdefault(header.pair, []).append(Reader(file))
    report.digests_equal = sum(map(len, by_pair.values())) == len(files)
    if manifest is None:
        return {}
    report.network, report.chain_id, report.pairs = manifest.name, manifest.digest.hex(), sorted(by_pair)
    bytes_in_all = sum(file.size for file in files)

    def tick() -> None:
        if progress is not None:
            progress(sum(file.bytes_read for file in files), bytes_in_all)

    chains: dict[str, Chain] = {}
    with Verdicts() as verdicts:
        for symbol in report.pairs:
            check = PairCheck(manifest, Seats.of(manifest, symbol), by_pair[symbol], verdicts, report.add)
            check.run(tick)
            chains[symbol] = check.chain
            _count(check, report)
    tick()
    return chains


def _sound_header(file: ExportFile, manifest: Manifest | None, report: Report) -> Header | None:
    """A file's header; None, and the reason told, if the file is not to be read on."""
    raw = file.next_line()
    try:
        if raw is None:
            raise Defect("the file is empty")
        header = read_header(raw)
        if manifest is not None and header.chain_id != manifest.digest:
            raise Defect(f"an export of another network, of chain {header.chain_id.hex()[:10]}")
    except Defect as defect:
        report.add(f"{file.where(1, raw or b'')}: {defect}")
        return None
    return header


def _count(check: PairCheck, report: Report) -> None:
    symbol, chain = check.seats.symbol, check.chain
    report.blocks += chain.height
    report.certified_ops += chain.ops
    report.certified_commands += chain.commands
    report.fills += chain.ledger.fills
    report.fills_per_pair[symbol] = chain.ledger.fills
    report.double_fills += len(chain.ledger.overfilled)
    report.tips[symbol] = Tip(chain.height, chain.tip.hex())
    report.digests_equal = report.digests_equal and check.agreed()
