"""What keeps a peer from being ready, in sentences."""

import shutil
from pathlib import Path
from typing import Final

from gossipbook.consensus.words import Halt
from gossipbook.net.clock_offset import clock_trouble, time_trouble
from gossipbook.net.runtime import Runtime
from gossipbook.peer.condition import PairCondition
from gossipbook.peer.pair_replica import PairReplica

DISK_LEAST_BYTES: Final = 256 * 2**20
"""With less a peer is not ready any more: its journal grows by as much in an hour of heavy trading."""


def troubles(runtime: Runtime) -> list[str]:
    """Why a running peer is not ready; none if it is."""
    found = [f"{pair.symbol}: {text}" for pair in runtime.peer.pairs.values() for text in _of_pair(runtime, pair)]
    timing = runtime.manifest.timing
    if text := clock_trouble(runtime.clock_offset_ms, timing):
        found.append(text)
    if runtime.archivist.trouble:
        found.append(runtime.archivist.trouble)
    folder = runtime.settings.folder
    if folder is not None and (free := free_bytes(folder)) < DISK_LEAST_BYTES:
        found.append(f"only {free // 2**20} MiB are free on the disk of {folder}")
    return found


def _of_pair(runtime: Runtime, pair: PairReplica) -> list[str]:
    condition, absent = pair.state()
    found = []
    match condition:
        case PairCondition.CERTIFYING:
            pass
        case PairCondition.NO_QUORUM:
            found.append(f"no quorum; absent: {', '.join(absent) or 'nobody, but too many do not vote'}")
        case PairCondition.SYNCING:
            found.append(f"catching up, at block {pair.replica.fin:,}")
        case _:
            found.append(f"stopped for good: {Halt(condition.value).value}")
    if pair.seat is not None and not pair.replica.voting and pair.replica.member.observer_reason:
        found.append(f"this member does not vote: {pair.replica.member.observer_reason}")
    if text := time_trouble(pair, runtime.manifest.timing):
        found.append(text)
    return found


def free_bytes(folder: Path) -> int:
    """What is free on the disk of a folder, for who is not root."""
    return shutil.disk_usage(folder).free
