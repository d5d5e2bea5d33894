"""Forwarders of the plain face: what is awaited in the trio face makes the caller's thread wait."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from types import GenericAlias, TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, get_args

from gossipbook.errors import LinkClosed
from gossipbook.faces.base import Face, leave_to, like, of, wait_for
from gossipbook.faces.portal import Session, the_portal
from gossipbook.loops import require_no_loop

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F")


def ask(face: Face[Any], name: str, work: Callable[[], Awaitable[T]]) -> T:
    """Have work done in a face's session, and wait for it.

    Raises:
        WrongLoop: an event loop runs in this thread.
    """
    require_no_loop(f"{type(face).__name__}.{name}")
    try:
        return wait_for(face._session.portal, face._session.start, work)
    except LinkClosed as error:
        raise face._when_closed(error) from error.__cause__


def asked(method: Callable[Concatenate[Any, P], Awaitable[T]]) -> Callable[Concatenate[Any, P], T]:
    """Forward a coroutine method."""

    def forward(face: Face[Any], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return ask(face, method.__name__, partial(of(face, method), *args, **kwargs))

    return like(forward, method)


def asked_as(
    method: Callable[Concatenate[Any, P], Awaitable[T]], make: Callable[[Session[Any], T], F]
) -> Callable[Concatenate[Any, P], F]:
    """Forward a coroutine method whose result has a wrapper in this face."""
    get = asked(method)

    def forward(face: Face[Any], /, *args: P.args, **kwargs: P.kwargs) -> F:
        return make(face._session, get(face, *args, **kwargs))

    return like(forward, method, make)


def iterated(method: Callable[Concatenate[Any, P], AsyncIterator[T]]) -> Callable[Concatenate[Any, P], Iterator[T]]:
    """Forward an async generator method of values that are not None."""

    def forward(face: Face[Any], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        source = of(face, method)(*args, **kwargs)
        try:
            while (item := ask(face, method.__name__, partial(_next, source))) is not None:
                yield item
        finally:
            leave_to(face._session.portal, source.aclose)  # type: ignore[attr-defined]

    return like(forward, method, GenericAlias(Iterator, get_args(inspect.signature(method).return_annotation)))


async def _next(source: AsyncIterator[T]) -> T | None:
    return await anext(source, None)


class Opening(AbstractContextManager[F, None], Generic[T, F]):
    """Holds something of the trio face open for the length of a ``with`` block."""

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

    def __enter__(self) -> F:
        require_no_loop(self._name)
        portal = self._parent.portal if self._parent else the_portal()
        session = Session(portal, self._make, self._parent)
        start = self._parent.start if self._parent else portal.start
        try:
            wait_for(portal, start, session.open)
        except BaseException:
            session.leave()  # It may have been opened just then.
            raise
        self._session = session
        return self._wrap(session, session.value)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None, "it was not entered"
        try:
            wait_for(self._session.portal, self._session.portal.start, self._session.close)
        except Exception:
            if error is None or isinstance(error, LinkClosed):
                raise
            # What the caller's block raised goes first, as it did not come of this.


def opening(
    opens: Callable[P, AbstractAsyncContextManager[T, bool | None]], wrap: Callable[[Session[Any], T], F]
) -> Callable[P, AbstractContextManager[F, None]]:
    """Forward a function of the trio face that opens something."""

    def forward(*args: P.args, **kwargs: P.kwargs) -> AbstractContextManager[F, None]:
        return Opening(f"gossipbook.sync.{opens.__name__}", partial(opens, *args, **kwargs), wrap)

    return like(forward, opens, GenericAlias(AbstractContextManager, (wrap,)))


def opened(
    method: Callable[Concatenate[Any, P], AbstractAsyncContextManager[T, bool | None]],
    wrap: Callable[[Session[Any], T], F],
) -> Callable[Concatenate[Any, P], AbstractContextManager[F, None]]:
    """Forward a method that opens a part of what is open."""

    def forward(face: Face[Any], /, *args: P.args, **kwargs: P.kwargs) -> AbstractContextManager[F, None]:
        name = f"{type(face).__name__}.{method.__name__}"
        return Opening(name, partial(of(face, method), *args, **kwargs), wrap, face._session)

    return like(forward, method, GenericAlias(AbstractContextManager, (wrap,)))
