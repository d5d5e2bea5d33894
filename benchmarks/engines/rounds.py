"""Contenders in processes of their own, asked in turn: round by round, so that all meet the same noise."""

import json
import os
import select
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engines.install import Unavailable

REPLY_S = 600


class Contender:
    """A running worker. ``label`` names it in tables; ``language`` is what its hot path is written in.

    Raises:
        Unavailable: when the worker ends, or says nothing for ten minutes, with its last words.
    """

    def __init__(
        self,
        label: str,
        worker: str,
        python: Path,
        *,
        language: str = "python",
        note: str = "",
        path: tuple[Path, ...] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        self.label, self.language, self.note = label, language, note
        benchmarks = Path(__file__).parents[1]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the process)
        self._process = subprocess.Popen(
            [str(python), "-m", "engines.worker", worker],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=benchmarks,
            env=environment_for(path) | (environment or {}),
        )
        hello = self._reply()
        self.python: str = hello["python"]
        self.compiled: bool = hello["file"].endswith(".so")

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Unavailable(self._last_words()) from None
        return self._reply()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _reply(self) -> dict[str, Any]:
        """One line; the worker writes it whole and then waits."""
        assert self._process.stdout
        received = b""
        until = time.monotonic() + REPLY_S
        while not received.endswith(b"\n"):
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                self.end()
                raise Unavailable(f"no answer in {REPLY_S} s")
            chunk = os.read(self._process.stdout.fileno(), 65_536)
            if not chunk:
                raise Unavailable(self._last_words())
            received += chunk
        reply: dict[str, Any] = json.loads(received)
        return reply

    def _last_words(self) -> str:
        self.end()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return said[-1] if said else f"ended with {self._process.returncode}"


def environment_for(path: tuple[Path, ...]) -> dict[str, str]:
    """The same hashes in every process, and nothing found but what is named."""
    names = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return kept | {"PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(map(str, path))}


def interleave(
    keys: list[Any], rounds: int, measure: Callable[[Any], float]
) -> tuple[dict[Any, list[float]], dict[Any, str]]:
    """CPU seconds of each key in each round, and what was lost on the way, with the reason.

    Every round starts with another key, and every second one goes backwards.
    """
    seconds: dict[Any, list[float]] = {key: [] for key in keys}
    lost: dict[Any, str] = {}
    for number in range(rounds):
        start = number % len(keys)
        order = keys[start:] + keys[:start]
        for key in order if number % 2 == 0 else reversed(order):
            if key in lost:
                continue
            try:
                seconds[key].append(measure(key))
            except Unavailable as reason:
                lost[key] = str(reason)
                del seconds[key]
    return seconds, lost


def ratio(of: list[float], to: list[float]) -> float:
    """How many times as fast ``of`` is as ``to``: the median over rounds."""
    return statistics.median(there / here for here, there in zip(of, to, strict=True))
