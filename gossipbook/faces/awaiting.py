"""Forwarders of the asyncio face: what is awaited in the trio face is awaited under asyncio.

When a call has ended, the caller's loop is told through ``call_soon_threadsafe``; nothing polls. A call belongs to the
loop that awaits it, so that several loops in several threads may use one client.
"""

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from types import GenericAlias, TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, get_args

from gossipbook.errors import LinkClosed
from gossipbook.faces.base import Face, Starter, leave_to, like, of
from gossipbook.faces.portal import Call, Portal, Session, the_portal
from gossipbook.loops import require_asyncio

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F")


async def wait_for(portal: Portal, start: Starter, work: Callable[[], Awaitable[T]]) -> T:
    """Have work done in the portal's thread, and wait for its end.

    Cancelling the asyncio task cancels the work and waits until that is done; doing so again lets go at once.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def settle() -> None:
        if not ended.done():
            ended.set_result(None)

    def on_end() -> None:
        with suppress(RuntimeError):  # The loop was closed: nobody waits any more.
            loop.call_soon_threadsafe(settle)

    call = Call(portal, work, on_end)
    start(call)
    try:
        await asyncio.shield(ended)
    except asyncio.CancelledError:
        call.cancel()
        await asyncio.shield(ended)
        raise
    finally:
        if not call.ended:  # Let go, or thrown away with its loop.
            call.cancel()
    return call.result()


async def ask(face: Face[Any], name: str, work: Callable[[], Awaitable[T]]) -> T:
    """Have work done in a face's session, and wait for it.

    Raises:
        WrongLoop: asyncio does not run in this thread.
    """
    require_asyncio(f"{type(face).__name__}.{name}")
    try:
        return await wait_for(face._session.portal, face._session.start, work)
    except LinkClosed as error:
        raise face._when_closed(error) from error.__cause__


def asked(method: Callable[Concatenate[Any, P], Awaitable[T]]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """Forward a coroutine method."""

    async def forward(face: Face[Any], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await ask(face, method.__name__, partial(of(face, method), *args, **kwargs))

    return like(forward, method)


def asked_as(
    method: Callable[Concatenate[Any, P], Awaitable[T]], make: Callable[[Session[Any], T], F]
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, F]]:
    """Forward a coroutine method whose result has a wrapper in this face."""
    get = asked(method)

    async def forward(face: Face[Any], /, *args: P.args, **kwargs: P.kwargs) -> F:
        return make(face._session, await get(face, *args, **kwargs))

    return like(forward, method, make)


def iterated(
    method: Callable[Concatenate[Any, P], AsyncIterator[T]],
) -> Callable[Concatenate[Any, P], AsyncGenerator[T, None]]:
    """Forward an async generator method of values that are not None."""

    async def forward(face: Face[Any], /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T, None]:
        source = of(face, method)(*args, **kwargs)
        try:
            while (item := await ask(face, method.__name__, partial(_next, source))) is not None:
                yield item
        finally:
            leave_to(face._session.portal, source.aclose)  # type: ignore[attr-defined]  # a generator's

    items = get_args(inspect.signature(method).return_annotation)
    return like(forward, method, GenericAlias(AsyncGenerator, (*items, None)))


async def _next(source: AsyncIterator[T]) -> T | None:
    return await anext(source, None)


class Opening(AbstractAsyncContextManager[F, None], Generic[T, F]):
    """Holds something of the trio face open for the length of an ``async with`` block."""

    def __init__(
        self,
        name: str,
        make: Callable[[], AbstractAsyncContextManager[T, bool | None]],
        wrap: Callable[[Session[Any], T], F],
        parent: Session[Any] | None = None,
    ) -> None:
        self._name = name
        self._make = make
        self._wrap = wrap
        self._parent = parent
        self._session: Session[T] | None = None

    async def __aenter__(self) -> F:
        require_asyncio(self._name)
        portal = self._parent.portal if self._parent else the_portal()
        session = Session(portal, self._make, self._parent)
        start = self._parent.start if self._parent else portal.start
        try:
            await wait_for(portal, start, session.open)
        except BaseException:
            session.leave()  # It may have been opened just then.
            raise
        self._session = session
        return self._wrap(session, session.value)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None, "it was not entered"
        try:
            await wait_for(self._session.portal, self._session.portal.start, self._session.close)
        except Exception:
            if error is None or isinstance(error, LinkClosed):
                raise
            # What the caller's block raised goes first, as it did not come of this.


def opening(
    opens: Callable[P, AbstractAsyncContextManager[T, bool | None]], wrap: Callable[[Session[Any], T], F]
) -> Callable[P, AbstractAsyncContextManager[F, None]]:
    """Forward a function of the trio face that opens something."""

    def forward(*args: P.args, **kwargs: P.kwargs) -> AbstractAsyncContextManager[F, None]:
        return Opening(f"gossipbook.aio.{opens.__name__}", partial(opens, *args, **kwargs), wrap)

    return like(forward, opens, GenericAlias(AbstractAsyncContextManager, (wrap,)))


def opened(
    method: Callable[Concatenate[Any, P], AbstractAsyncContextManager[T, bool | None]],
    wrap: Callable[[Session[Any], T], F],
) -> Callable[Concatenate[Any, P], AbstractAsyncContextManager[F, None]]:
    """Forward a method that opens a part of what is open."""

    def forward(face: Face[Any], /, *args: P.args, **kwargs: P.kwargs) -> AbstractAsyncContextManager[F, None]:
        name = f"{type(face).__name__}.{method.__name__}"
        return Opening(name, partial(of(face, method), *args, **kwargs), wrap, face._session)

    return like(forward, method, GenericAlias(AbstractAsyncContextManager, (wrap,)))
