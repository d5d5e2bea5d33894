"""Verifying many signatures: each distinct one once, on threads, since libsodium lets go of the interpreter."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from gossipbook.identity import SignatureCheck, verify_signature

SLICE = 16  # checks a thread takes at a time: about 0.7 ms of work for a hop of 60 µs
MAX_THREADS = 8


class Verdicts:
    """Verdicts on the signatures of one chunk of lines. They are forgotten with the chunk: no op comes twice."""

    def __init__(self) -> None:
        threads = min(os.cpu_count() or 1, MAX_THREADS)
        self._pool = ThreadPoolExecutor(threads, "signatures") if threads > 1 else None
        self._known: dict[SignatureCheck, bool] = {}
        self.computed = 0

    def __enter__(self) -> "Verdicts":
        return self

    def __exit__(self, _a: type[BaseException] | None, _b: BaseException | None, _c: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def settle(self, checks: Iterable[SignatureCheck]) -> None:
        """Verify these and forget all others."""
        todo = list(dict.fromkeys(checks))
        slices = [todo[i : i + SLICE] for i in range(0, len(todo), SLICE)]
        found = map(_verify, slices) if self._pool is None or len(slices) < 2 else self._pool.map(_verify, slices)
        self._known = {
            check: good
            for part, goods in zip(slices, found, strict=True)
            for check, good in zip(part, goods, strict=True)
        }
        self.computed += len(todo)

    def good(self, check: SignatureCheck) -> bool:
        """The verdict on a signature that was settled."""
        return self._known[check]


def _verify(checks: list[SignatureCheck]) -> list[bool]:
    return [verify_signature(check) for check in checks]
