"""A contender with a deep book, in a process of its own; `worker.py` and callgrind drive it.

    python -m engines.deep CONTENDER SIZE COMMANDS SWITCH

runs under `valgrind --tool=callgrind --instr-atstart=no` and counts the instructions of COMMANDS commands only, first
near the best prices and then anywhere, each dumped by itself.
"""

import ctypes
import gc
import os
import sys
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from engines.churn import Churn, Step

CHUNK = 4_096


class DeepBook:
    def __init__(self, book: Any, size: int) -> None:
        self.book = book
        self.churn = Churn(size)

    def build(self) -> dict[str, float]:
        """Fill and wear the book; returns bytes of resident memory an order when fresh, and when worn."""
        size = self.churn.size
        before = resident_bytes()
        self._go(self.churn.build())
        fresh = resident_bytes()
        self._go(self.churn.wear())
        worn = resident_bytes()
        self.run(2_000, near=False)
        return {"fresh_bytes": (fresh - before) / size, "worn_bytes": (worn - before) / size}

    def _go(self, steps: Iterable[Step]) -> None:
        source = iter(steps)
        while chunk := list(islice(source, CHUNK)):
            self.book.run(self.book.prepare(chunk))
            self.book.forget()

    def run(self, count: int, *, near: bool) -> float:
        """CPU seconds of so many commands."""
        prepared = self.prepare(count, near=near)
        began = time.process_time()
        self.book.run(prepared)
        seconds = time.process_time() - began
        self.book.forget()
        return seconds

    def prepare(self, count: int, *, near: bool) -> Any:
        return self.book.prepare(list(self.churn.commands(count, near=near)))


def resident_bytes() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    from engines.worker import contender

    name, size, count, switch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), ctypes.CDLL(sys.argv[4])
    deep = DeepBook(contender(name)(), size)
    deep.build()
    gc.disable()  # A full collection inside the window of one size and not of another would be compared.
    for near in (True, False):
        prepared = deep.prepare(count, near=near)
        switch.start()
        deep.book.run(prepared)
        switch.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
