"""What ends alone, and what ends the peer.

A link, a question, a background task, a callback or a hint on disk may fail for what a stranger did, or for a fault of
this program: it ends by itself, counted and logged. Only a fault in the core or in the journal ends the peer, since
neither may go on from a state that nobody understands; that is :class:`~gossipbook.errors.PeerFault`.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import trio

from gossipbook.refusals import Refusals, Scope

log = logging.getLogger(__name__)

PAUSE_S = 5.0
"""Before a background task that failed runs again."""


class Guard:
    """Counts what failed, and says it: the first time of each kind with a traceback, then with a line."""

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals

    def failed(self, what: str, error: BaseException) -> None:
        """Note that something ended alone."""
        first = what not in self._refusals.of(Scope.FAULT)
        self._refusals.count(Scope.FAULT, what)
        log.error("%s met a fault and ended alone: %s", what, leaf(error), exc_info=error if first else None)

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Let nothing but a cancellation out of the block."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - counted and logged; it must not end the peer
            self.failed(what, error)
        except BaseExceptionGroup as group:
            faults, others = group.split(Exception)
            if faults is not None:
                self.failed(what, faults)
            if others is not None:
                raise others from None

    async def run(self, what: str, task: Callable[..., Awaitable[object]], *arguments: object) -> None:
        """Run a task whose failure ends it alone."""
        with self.alone(what):
            await task(*arguments)

    async def keep(
        self, what: str, task: Callable[..., Awaitable[object]], *arguments: object, pause_s: float = PAUSE_S
    ) -> None:
        """Run a background task until it returns; one that failed runs again after a pause."""
        returned = False
        while not returned:
            with self.alone(what):
                await task(*arguments)
                returned = True
            if not returned:
                await trio.sleep(pause_s)


def leaf(error: BaseException) -> str:
    """The first error inside the groups that nurseries make, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
