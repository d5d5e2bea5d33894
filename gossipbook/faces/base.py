"""What the faces share: wrappers of what a session holds, and forwarders of the methods that wait for nobody."""

import functools
import inspect
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from gossipbook.errors import GossipbookError, LinkClosed, WrongLoop
from gossipbook.faces.portal import Call, Portal, Session
from gossipbook.loops import FACES

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F")
Starter = Callable[[Call[Any]], None]


class Face(Generic[T]):
    """Something of the trio face that lives in the portal's thread, as another thread uses it."""

    def __init__(self, session: Session[Any], inner: T) -> None:
        self._session = session
        self._inner = inner

    def _when_closed(self, error: LinkClosed) -> GossipbookError:
        """Return what is raised to who waits for something here while it is closed, or later."""
        return error

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} of {self._inner!r}>"


def wait_for(portal: Portal, start: Starter, work: Callable[[], Awaitable[T]]) -> T:
    """Have work done in the portal's thread, and wait for its end, or for a signal such as Ctrl-C's.

    A signal whose handler raises cancels the work and waits until that is done; a second one lets go at once.
    """
    if portal.is_here:
        raise WrongLoop(f"this runs in the thread that would have to answer: {FACES}")
    ended = threading.Event()
    call = Call(portal, work, ended.set)
    start(call)
    try:
        ended.wait()
    except BaseException:
        call.cancel()
        ended.wait()
        raise
    return call.result()


def leave_to(portal: Portal, work: Callable[[], Awaitable[None]]) -> None:
    """Have work done in the portal's thread, and do not wait for it."""
    with suppress(LinkClosed):
        portal.start(Call(portal, work, lambda: None))


def of(face: Face[Any], method: Callable[Concatenate[Any, P], T]) -> Callable[P, T]:
    """Return the method as the wrapped object has it, which may be that of a subclass."""
    bound: Callable[P, T] = getattr(face._inner, method.__name__)
    return bound


def like(forwarder: Callable[P, T], method: Callable[..., Any], returns: object = None) -> Callable[P, T]:
    """Give a forwarder the name, parameters and docstring of a method, and what it returns if that differs."""
    functools.update_wrapper(forwarder, method)
    signature = inspect.signature(method)
    if returns is not None:
        signature = signature.replace(return_annotation=returns)
    forwarder.__signature__ = signature  # type: ignore[attr-defined]
    return forwarder


def told(method: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], T]:
    """Forward a plain method: it is called in the portal's thread."""

    def forward(face: Face[Any], /, *args: P.args, **kwargs: P.kwargs) -> T:
        async def work() -> T:
            return of(face, method)(*args, **kwargs)

        return wait_for(face._session.portal, face._session.start, work)

    return like(forward, method)


def told_as(
    method: Callable[Concatenate[Any, P], T], make: Callable[[Session[Any], T], F]
) -> Callable[Concatenate[Any, P], F]:
    """Forward a plain method whose result has a wrapper in this face."""
    ask = told(method)

    def forward(face: Face[Any], /, *args: P.args, **kwargs: P.kwargs) -> F:
        return make(face._session, ask(face, *args, **kwargs))

    return like(forward, method, make)
