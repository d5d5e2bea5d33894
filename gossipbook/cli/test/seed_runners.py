"""Where the seeds of a simulation run: in this process, in a pool of processes, or on a Dask cluster.

All three yield (job, outcome, wall seconds of that job) in any order and may be stopped at any time.
"""

import importlib
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from multiprocessing.queues import Queue
from typing import Any

from gossipbook.errors import ConfigError
from gossipbook.sim.run import Progress, SimulationResult, Watcher
from gossipbook.sim.seeds import Job, run_job

LOOK_S = 0.25
WAITING_EACH = 3  # jobs handed out ahead, for each process
DASK_AHEAD = 2_000

Results = Iterator[tuple[Job, SimulationResult, float]]

_progress: "Queue[Progress] | None" = None


def run_here(jobs: Sequence[Job], watcher: Watcher | None) -> Results:
    """One after another, with a look at each as it goes."""
    for job in jobs:
        yield job, *timed(job, watcher)


def run_in_pool(jobs: Sequence[Job], processes: int, watcher: Watcher | None) -> Results:
    """Several at once; the looks come from whichever process has one."""
    context = multiprocessing.get_context("spawn")
    looks: Queue[Progress] | None = context.Queue(64) if watcher is not None else None
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(looks,))
    left = iter(jobs)
    running: dict[Future[tuple[SimulationResult, float]], Job] = {}
    try:
        while True:
            for job in islice(left, processes * WAITING_EACH - len(running)):
                running[pool.submit(_work, job)] = job
            if not running:
                return
            done, _ = wait(running, timeout=LOOK_S, return_when=FIRST_COMPLETED)
            while looks is not None and watcher is not None and not looks.empty():
                watcher(looks.get())
            for future in done:
                yield running.pop(future), *future.result()
    finally:
        if looks is not None:
            looks.cancel_join_thread()
        pool.shutdown(wait=False, cancel_futures=True)


def run_on_dask(jobs: Sequence[Job], address: str) -> Results:
    """On a Dask cluster, whose workers need this version of the package.

    Raises:
        ConfigError: no Dask here, or no cluster there.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"--scheduler needs Dask; install it with: pip install 'gossipbook[dask]' ({error})"
        ) from None
    try:
        client = distributed.Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"no Dask scheduler answers at {address}: {error}") from None
    with client, client.as_current():
        left = iter(jobs)
        first = list(islice(left, DASK_AHEAD))
        names: dict[str, Job] = {}

        def submit(job: Job) -> Any:
            future = client.submit(timed, job, pure=False)
            names[future.key] = job
            return future

        coming = distributed.as_completed([submit(job) for job in first], with_results=False)
        for future in coming:
            yield names.pop(future.key), *future.result()
            for job in islice(left, 1):
                coming.add(submit(job))


def _begin(looks: "Queue[Progress] | None") -> None:
    global _progress
    _progress = looks


def _work(job: Job) -> tuple[SimulationResult, float]:
    return timed(job, None if _progress is None else _Seldom(_progress))


def timed(job: Job, watcher: Watcher | None = None) -> tuple[SimulationResult, float]:
    """Run one job; what came of it, and how long that took here, in seconds."""
    began = time.monotonic()
    outcome = run_job(job, watcher)
    return outcome, time.monotonic() - began


class _Seldom:
    """Passes a look on a few times a second, and none while nobody takes them."""

    def __init__(self, looks: "Queue[Progress]") -> None:
        self._looks = looks
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now >= self._next and not self._looks.full():
            self._next = now + LOOK_S
            self._looks.put(progress)
