"""Says which event loop runs in the calling thread, and refuses the wrong one with the name of the right face.

gossipbook has one implementation, on trio, and three faces: ``gossipbook`` for trio programs, ``gossipbook.aio`` for
asyncio and ``gossipbook.sync`` for plain programs and notebooks.
"""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import wraps
from types import TracebackType
from typing import Generic, NoReturn, ParamSpec, TypeVar

import trio

from gossipbook.errors import WrongLoop

P = ParamSpec("P")
T = TypeVar("T")

FACES = "use gossipbook in trio programs, gossipbook.aio in asyncio programs, gossipbook.sync in plain ones"


def running_loop() -> str:
    """Return ``trio`` or ``asyncio``, whichever runs in this thread at this moment; empty if neither does."""
    if trio.lowlevel.in_trio_run():
        return "trio"
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return ""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return ""
    return "asyncio"


def require_trio(name: str) -> None:
    """Check that trio runs here, before something of the trio face is used.

    Raises:
        WrongLoop: it does not.
    """
    if not trio.lowlevel.in_trio_run():
        where = "asyncio" if running_loop() else "no event loop"
        raise WrongLoop(f"{name} is for trio programs, and {where} runs here: {FACES}")


def require_asyncio(name: str) -> None:
    """Check that asyncio runs here, before something of the asyncio face is used.

    Raises:
        WrongLoop: it does not.
    """
    running = running_loop()
    if running != "asyncio":
        raise WrongLoop(f"{name} is for asyncio programs, and {running or 'no event loop'} runs here: {FACES}")


def require_no_loop(name: str) -> None:
    """Check that no event loop runs here which a waiting call of the plain face would hold up.

    A notebook's kernel runs each cell inside its own asyncio loop, and waits for the cell; that one is no matter.

    Raises:
        WrongLoop: there is one.
    """
    running = running_loop()
    if running == "trio" or (running == "asyncio" and not _is_notebook()):
        raise WrongLoop(f"{name} waits, and would hold up the {running} loop that runs here: {FACES}")


def _is_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None


def trio_context(
    opening: Callable[P, AsyncIterator[T]],
) -> Callable[P, AbstractAsyncContextManager[T, bool | None]]:
    """Make an async context manager of a generator, which names the faces when it is entered outside of trio."""
    make = asynccontextmanager(opening)

    @wraps(opening)
    def opened(*args: P.args, **kwargs: P.kwargs) -> AbstractAsyncContextManager[T, bool | None]:
        return _TrioContext(f"gossipbook.{opening.__name__}", make(*args, **kwargs))

    return opened


class _TrioContext(AbstractAsyncContextManager[T, bool | None], Generic[T]):
    """An async context manager that is entered under trio and nowhere else."""

    def __init__(self, name: str, manager: AbstractAsyncContextManager[T, bool | None]) -> None:
        self._name = name
        self._manager = manager

    async def __aenter__(self) -> T:
        require_trio(self._name)
        return await self._manager.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._manager.__aexit__(kind, error, trace)

    def __enter__(self) -> NoReturn:
        require_trio(self._name)
        raise WrongLoop(f"{self._name} is entered with `async with`")

    def __exit__(self, *_: object) -> None:
        """Never reached; ``with`` looks for it before it enters."""
