"""Ctrl-C for commands that go on until it comes: an event to wait for, instead of an exception."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def interrupted() -> AsyncIterator[trio.Event]:
    """An event that Ctrl-C sets, for the length of the block."""
    stopped = trio.Event()
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_wait_for_signal, signals, stopped)
            yield stopped
            nursery.cancel_scope.cancel()


async def _wait_for_signal(signals: AsyncIterator[int], stopped: trio.Event) -> None:
    async for _ in signals:
        stopped.set()  # And not a cancellation: the link then has time to say goodbye.
        return
