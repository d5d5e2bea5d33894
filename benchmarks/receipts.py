"""Receipts: their size, what it takes to verify one, in this process and as a command; the cost of the archive.

    python benchmarks/receipts.py

The order rests and is filled a part at a time, each part in a block of its own among ``OTHERS`` orders of others.
No peer is involved, as none is when a receipt is verified.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from gossipbook.matching.commands import Side
from gossipbook.receipt.verifying import verify_receipt
from gossipbook.storage.archive import ArchivedBlock, EventArchive
from tests.receipt.kit import MANIFEST, SYMBOL, Author, Chain

FILLS = (1, 10, 100)
OTHERS = 100  # orders of others in each block
ROUNDS = 200
STARTS = 15
ARCHIVED_BLOCKS, ARCHIVED_OPS = 20, 300


def receipt_with(fills: int) -> bytes:
    """An order that rests, and is filled in as many blocks as given."""
    chain, maker, taker = Chain(), Author("maker"), Author("taker")
    others = [Author(f"other{number}") for number in range(OTHERS)]
    chain.add(maker.sign(maker.place(Side.SELL, 100, 2 * fills)))
    for _ in range(fills):
        around = [other.sign(other.place(Side.BUY, 50, 1)) for other in others]
        chain.add(taker.sign(taker.place(Side.BUY, 100, 2)), *around)
    return chain.receipt(maker.key, 1)


def in_process_ms(raw: bytes) -> tuple[float, float]:
    """Median and slowest of many verifications."""
    times = []
    for _ in range(ROUNDS):
        start_s = time.perf_counter()
        verify_receipt(raw, MANIFEST.chain_id)
        times.append(1_000 * (time.perf_counter() - start_s))
    return statistics.median(times), max(times)


def as_command_ms(file: Path) -> tuple[float, float]:
    """Median and slowest of many runs of ``gossipbook receipt verify``, interpreter start and all."""
    binary, chain = [sys.executable, "-m", "gossipbook"], MANIFEST.chain_id.hex()
    times = []
    for _ in range(STARTS):
        start_s = time.perf_counter()
        subprocess.run([*binary, "receipt", "verify", str(file), "--chain-id", chain], check=True, capture_output=True)
        times.append(1_000 * (time.perf_counter() - start_s))
    return statistics.median(times), max(times)


def archive_cost() -> tuple[float, float]:
    """Microseconds and bytes on disk an event, for blocks of three hundred ops of four orders each."""
    chain = Chain()
    authors = [Author(f"author{number}") for number in range(ARCHIVED_OPS)]
    for _ in range(ARCHIVED_BLOCKS):
        ops = []
        for number, author in enumerate(authors):
            side = Side.BUY if number % 2 else Side.SELL
            ops.append(author.sign(*(author.place(side, 95 + number % 11, 3) for _ in range(4))))
        chain.add(*ops)
    blocks = [ArchivedBlock(SYMBOL, e.block.height, e.block.time_ms, e.events, e.items) for e in chain.blocks]
    events = sum(len(block.events) for block in blocks)
    with tempfile.TemporaryDirectory() as folder, closing(EventArchive(Path(folder), MANIFEST.chain_id)) as archive:
        start_s = time.perf_counter()
        for block in blocks:
            archive.add([block])
        taken_s = time.perf_counter() - start_s
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
    return 1e6 * taken_s / events, size / events


def main() -> None:
    print("fills  blocks   bytes  in process: median  slowest  as a command: median  slowest")
    with tempfile.TemporaryDirectory() as folder:
        for fills in FILLS:
            raw = receipt_with(fills)
            file = Path(folder) / f"{fills}.receipt"
            file.write_bytes(raw)
            process, command = in_process_ms(raw), as_command_ms(file)
            print(f"{fills:5} {fills + 1:7} {len(raw):7,} {process[0]:16.2f} ms {process[1]:5.2f} ms "
                  f"{command[0]:18.0f} ms {command[1]:5.0f} ms")  # fmt: skip
    taken_us, size = archive_cost()
    print(f"the archive of events: {taken_us:.1f} µs and {size:.0f} bytes on disk an event")


if __name__ == "__main__":
    main()
