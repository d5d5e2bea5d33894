"""The thread that runs trio for programs that do not, what is open in it, and the calls of other threads."""

import atexit
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Generic, TypeVar

import trio

from gossipbook.errors import GossipbookError, LinkClosed, ungrouped

T = TypeVar("T")

STOP_S = 5.0
"""How long the end of the program waits for what was left open; a peer syncs its journal in less."""

CLOSED = "the client, peer or feed was closed"


class Call(Generic[T]):
    """Work for the portal's thread, and how it ended. ``on_end`` is called there, once, and must not wait."""

    def __init__(self, portal: "Portal", work: Callable[[], Awaitable[T]], on_end: Callable[[], None]) -> None:
        self.ended = False
        self._portal = portal
        self._work = work
        self._on_end = on_end
        self._scope = trio.CancelScope()
        self._values: list[T] = []
        self._error: BaseException | None = None

    async def run(self) -> None:
        """Do the work, in the portal's thread. Leaves the call open if somebody else than its caller cancelled it."""
        try:
            with ungrouped(), self._scope:
                self._values.append(await self._work())
        except BaseException as error:
            self._error = _besides_cancellation(error)
            if self._error is None:
                raise
        self._finish()

    def fail(self, error: GossipbookError) -> None:
        """End the call without its work, or after that was cut short. In the portal's thread."""
        self._error = error
        self._finish()

    def _finish(self) -> None:
        if not self.ended:
            self.ended = True
            self._on_end()

    def cancel(self) -> None:
        """Cancel the work, from any thread; its end is still to be waited for."""
        with suppress(LinkClosed):  # A portal that has ended has ended its calls.
            self._portal.soon(self._scope.cancel)

    def result(self) -> T:
        """What the work returned, after its end; raises what it raised."""
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # Its traceback leads back to this frame.
        return self._values.pop()


class Calls:
    """The calls that are under way in one place. All of it happens in the portal's thread.

    Those that begin while the place is closing wait for its end with the others, since only then the reason is known.
    """

    def __init__(self) -> None:
        self._under_way: dict[Call[Any], None] = {}
        self._nursery: trio.Nursery | None = None
        self._reason: LinkClosed | None = None

    @property
    def nursery(self) -> trio.Nursery:
        """Where they run.

        Raises:
            LinkClosed: the place is closed.
        """
        if self._nursery is None:
            raise LinkClosed(CLOSED)
        return self._nursery

    async def run(self, closing: trio.Event, opened: Callable[[], None]) -> None:
        """Take calls until told to close, then cancel them."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            opened()
            try:
                await closing.wait()
            finally:
                self._nursery = None
            nursery.cancel_scope.cancel()

    def begin(self, call: Call[Any]) -> None:
        """Begin a call, or fail it if there is nobody left to answer."""
        if self._reason is not None:
            call.fail(_like(self._reason))
            return
        self._under_way[call] = None
        if self._nursery is not None:
            self._nursery.start_soon(self._serve, call)

    async def _serve(self, call: Call[Any]) -> None:
        await call.run()
        self._under_way.pop(call, None)

    def end(self, reason: LinkClosed) -> None:
        """Tell everybody who waits, and whoever comes later, why there is no answer.

        Not at the end of the program, when all who wait are daemon threads: what one says then, it says while the
        interpreter goes down, which may end in an abort.
        """
        self._reason = reason
        while self._under_way and not _ends.is_set():
            call, _ = self._under_way.popitem()
            call.fail(_like(reason))


def _like(reason: LinkClosed) -> LinkClosed:
    """Return an error of its own for each caller, who may raise it with a traceback of its own."""
    error = LinkClosed(str(reason))
    error.__cause__ = reason.__cause__
    return error


class Portal:
    """A daemon thread that runs trio until the program ends."""

    def __init__(self) -> None:
        self.process_id = os.getpid()
        self.calls = Calls()
        self.sessions: dict[Session[Any], None] = {}
        self._token: trio.lowlevel.TrioToken | None = None
        self._closing = trio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gossipbook", daemon=True)
        self._thread.start()
        self._ready.wait()

    @property
    def ended(self) -> bool:
        """Whether nothing can be opened in it, also because it is the parent process's."""
        return self.process_id != os.getpid() or not self._thread.is_alive()

    @property
    def is_here(self) -> bool:
        """Whether the calling thread is the portal's."""
        return threading.current_thread() is self._thread

    def soon(self, step: Callable[..., object], *arguments: object) -> None:
        """Have the portal's thread take a step that does not wait.

        Raises:
            LinkClosed: the thread has ended.
        """
        if self.process_id != os.getpid():
            raise LinkClosed("it was opened by the parent process; open another one in this process")
        try:
            if self._token is None:
                raise trio.RunFinishedError
            self._token.run_sync_soon(step, *arguments)
        except trio.RunFinishedError:
            raise LinkClosed("the thread that runs trio for this program has ended") from None

    def start(self, call: Call[Any]) -> None:
        """Have a call's work done that belongs to no session.

        Raises:
            LinkClosed: the thread has ended.
        """
        self.soon(self.calls.begin, call)

    def stop(self) -> None:
        """Close everything that is open, and end the thread; gives up after :data:`STOP_S` seconds."""
        with suppress(LinkClosed):
            self.soon(self._closing.set)
            self._thread.join(STOP_S)

    def _run(self) -> None:
        try:
            trio.run(self._main)
        finally:
            self._ready.set()
            for calls in (self.calls, *(session.calls for session in self.sessions)):
                calls.end(LinkClosed("the thread that runs trio for this program has ended"))

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        await self.calls.run(self._closing, self._ready.set)


class Session(Generic[T]):
    """A context manager of the trio face, entered in the portal's thread, and the calls that are under way on it.

    ``parent`` is the session that it is part of and ends with, such as a book feed's client.
    """

    def __init__(
        self,
        portal: Portal,
        make: Callable[[], AbstractAsyncContextManager[T, bool | None]],
        parent: "Session[Any] | None" = None,
    ) -> None:
        self.portal = portal
        self.calls = Calls()
        self._make = make
        self._parent = parent
        self._values: list[T] = []
        self._error: BaseException | None = None
        self._scope = trio.CancelScope()
        self._opened, self._closing, self._ended = trio.Event(), trio.Event(), trio.Event()

    @property
    def value(self) -> T:
        """What entering gave."""
        return self._values[0]

    def start(self, call: Call[Any]) -> None:
        """Have a call's work done, from any thread; it fails if the session ends first.

        Raises:
            LinkClosed: the portal has ended.
        """
        self.portal.soon(self.calls.begin, call)

    def leave(self) -> None:
        """Exit the context manager if it was entered, from any thread, without waiting for that."""
        with suppress(LinkClosed):
            self.portal.soon(self._closing.set)

    async def open(self) -> None:
        """Enter the context manager, in the portal's thread. Raises what that raises."""
        place = self._parent.calls if self._parent else self.portal.calls
        place.nursery.start_soon(self._hold)
        try:
            await self._opened.wait()
        except trio.Cancelled:
            self._scope.cancel()
            with trio.CancelScope(shield=True):
                await self._ended.wait()
            raise
        if self._error is not None:
            raise self._error

    async def close(self) -> None:
        """Exit the context manager, in the portal's thread.

        Raises what exiting raises, or what broke the session down before.
        """
        self._closing.set()
        await self._ended.wait()
        if self._error is not None:
            raise self._error

    async def _hold(self) -> None:
        self.portal.sessions[self] = None
        try:
            with ungrouped(), self._scope:
                async with self._make() as value:
                    self._values.append(value)
                    await self.calls.run(self._closing, self._opened.set)
        except BaseException as error:
            self._error = _besides_cancellation(error)  # Raised to whoever opens or closes.
            if self._error is None:
                raise
        finally:
            del self.portal.sessions[self]
            reason = LinkClosed(
                f"the client or peer broke down: {self._error}"
                if self._error
                else "the client, peer or feed was closed"
            )
            reason.__cause__ = self._error
            self.calls.end(reason)
            self._opened.set()
            self._ended.set()


def _besides_cancellation(error: BaseException) -> BaseException | None:
    """Return an error without what only says that tasks were cancelled; None if nothing else is in it."""
    left: BaseException | None = error
    if isinstance(error, BaseExceptionGroup):
        left = error.split(trio.Cancelled)[1]
    while isinstance(left, BaseExceptionGroup) and len(left.exceptions) == 1:
        left = left.exceptions[0]
    return None if isinstance(left, trio.Cancelled) else left


_portal: Portal | None = None
_starting = threading.Lock()
_ends = threading.Event()
"""The program ends: all threads have ended but daemons."""


def the_portal() -> Portal:
    """Return the portal of this process, which is started if there is none."""
    global _portal
    with _starting:
        if _portal is None or _portal.ended:
            if _portal is None:
                atexit.register(_stop)
            _portal = Portal()
        return _portal


def _stop() -> None:
    _ends.set()
    if _portal is not None and _portal.process_id == os.getpid():
        _portal.stop()
