"""What a command costs in a book of a thousand orders, and in one of a million: CPU, instructions, memory."""

import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from engines.install import ROOT, Unavailable, callgrind_switch, compiled_loop
from engines.race import (
    COMPILED,
    COMPILED_LINKED,
    COMPILED_LOOP,
    LINKED,
    LOOP,
    PRODUCT,
    Missing,
    start_ours,
)
from engines.rounds import Contender, environment_for, interleave

WORKERS = {
    PRODUCT: "product",
    COMPILED: "product",
    LOOP: "loop",
    LINKED: "linked-loop",
    COMPILED_LOOP: "compiled-loop",
    COMPILED_LINKED: "compiled-linked-loop",
}
COMPILED_FROM = {COMPILED_LOOP: "loop", COMPILED_LINKED: "linked_loop"}
COUNTED = 20_000  # commands under callgrind
WINDOW = 20_000  # commands by the clock, a round


def scale(sizes: list[int], rounds: int, missing: Missing) -> list[dict[str, Any]]:
    """Rows, one a contender and size. All books are held at once, each in its process, and measured in turn."""
    books: dict[tuple[str, int], Contender] = {}
    rows: list[dict[str, Any]] = []
    for size in sizes:
        for contender in start_ours(missing):
            print(f"{size:,} resting orders: {contender.label}", file=sys.stderr, flush=True)
            memory = contender.ask(build=size)
            books[contender.label, size] = contender
            rows.append({"engine": contender.label, "orders": size, **memory})
    try:
        seconds, lost = interleave(
            [(*book, near) for book in books for near in (True, False)],
            rounds,
            lambda key: books[key[:2]].ask(churn=WINDOW, near=key[2])["cpu_s"],
        )
    finally:
        for contender in books.values():
            contender.end()
    missing |= {f"{label}, {size:,} resting orders": reason for (label, size, _), reason in lost.items()}
    rows = [row for row in rows if all((row["engine"], row["orders"], near) in seconds for near in (True, False))]
    for row in rows:
        key = row["engine"], row["orders"]
        near, anywhere = (statistics.median(seconds[*key, near]) / WINDOW * 1e6 for near in (True, False))
        row |= {"cpu_us": near, "cpu_anywhere_us": anywhere}
        row["instructions"], row["instructions_anywhere"] = _counted(*key, missing)
    return rows


def _counted(label: str, size: int, missing: Missing) -> tuple[float | None, float | None]:
    if "instructions" in missing:
        return None, None
    print(f"{size:,} resting orders: {label}, instructions", file=sys.stderr, flush=True)
    try:
        return count_instructions(label, size)
    except Unavailable as reason:
        missing["instructions"] = str(reason)
        return None, None


def count_instructions(label: str, size: int) -> tuple[float, float]:
    """Instructions a command, near and anywhere, by callgrind, which sees nothing of what filled the book.

    Raises:
        Unavailable: without valgrind, or with its last words.
    """
    switch = callgrind_switch()
    worker = WORKERS[label]
    path: tuple[Path, ...] = (ROOT,)
    if label in COMPILED_FROM:
        path = (compiled_loop(COMPILED_FROM[label]),)
    pure = {"GOSSIPBOOK_PURE": "1"} if label == PRODUCT else {}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                *("valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/out"),
                *(sys.executable, "-m", "engines.deep", worker, str(size), str(COUNTED), str(switch)),
            ],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[1],
            env=environment_for(path) | pure,
        )
        dumps = [path.read_text() for path in (Path(folder, "out.1"), Path(folder, "out.2")) if path.exists()]
    counted = [re.search(r"^totals: (\d+)", dump, re.MULTILINE) for dump in dumps]
    match counted:
        case [re.Match() as near, re.Match() as anywhere] if done.returncode == 0:
            return int(near[1]) / COUNTED, int(anywhere[1]) / COUNTED
    raise Unavailable(f"callgrind: {(done.stderr.strip().splitlines() or ['nothing said'])[-1]}")
