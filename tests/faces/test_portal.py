"""The thread that runs trio: sessions that break down, and calls that are cut short."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from gossipbook.errors import GossipbookError, LinkClosed, ungrouped
from gossipbook.faces import awaiting, blocking
from gossipbook.faces.base import Face, told
from gossipbook.faces.portal import CLOSED, Portal, Session

from .support import ENOUGH_S


class Fragile:
    """Something that is open until its background task breaks down."""

    def __init__(self) -> None:
        self.breaking = trio.Event()

    async def wait(self) -> None:
        """Wait for ever."""
        await trio.sleep_forever()

    def shatter(self) -> None:
        """Let the background task break down."""
        self.breaking.set()


@asynccontextmanager
async def open_fragile(word: str) -> AsyncIterator[Fragile]:
    """Open something fragile."""
    fragile = Fragile()

    async def run() -> None:
        await fragile.breaking.wait()
        raise GossipbookError(word)

    with ungrouped():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            yield fragile
            nursery.cancel_scope.cancel()


class Plain(Face[Fragile]):
    wait = blocking.asked(Fragile.wait)
    shatter = told(Fragile.shatter)


class Awaited(Face[Fragile]):
    wait = awaiting.asked(Fragile.wait)
    shatter = told(Fragile.shatter)


open_plain = blocking.opening(open_fragile, Plain)
open_awaited = awaiting.opening(open_fragile, Awaited)
CRACK = r"^crack$"


def test_whoever_waits_is_told_why_it_broke_down() -> None:
    told_to: list[BaseException] = []

    def wait(fragile: Plain) -> None:
        try:
            fragile.wait()
        except LinkClosed as error:
            told_to.append(error)

    with pytest.raises(GossipbookError, match=CRACK), open_plain("crack") as fragile:  # noqa: PT012 - what ends it is told
        thread = threading.Thread(target=wait, args=(fragile,))
        thread.start()
        fragile.shatter()
        with pytest.raises(LinkClosed, match="broke down: crack") as caught:
            fragile.wait()
        thread.join(ENOUGH_S)
        with pytest.raises(LinkClosed, match="broke down: crack"):
            fragile.shatter()
        assert str(caught.value.__cause__) == "crack"
    assert [str(error) for error in told_to] == ["the client or peer broke down: crack"]


def test_what_the_block_raises_goes_before_what_closing_raises() -> None:
    with pytest.raises(ZeroDivisionError), open_plain("crack") as fragile:  # noqa: PT012
        fragile.shatter()
        _ = 1 / 0
    with pytest.raises(GossipbookError, match=CRACK), open_plain("crack") as fragile:  # noqa: PT012
        fragile.shatter()
        fragile.wait()


def test_it_breaks_down_under_asyncio() -> None:
    async def main() -> None:
        async with open_awaited("crack") as fragile:
            waiting = asyncio.gather(fragile.wait(), fragile.wait(), return_exceptions=True)
            await asyncio.sleep(0)
            fragile.shatter()
            assert [str(error) for error in await waiting] == ["the client or peer broke down: crack"] * 2

    with pytest.raises(GossipbookError, match=CRACK):
        asyncio.run(main())


def test_the_end_of_the_portal_is_the_end_of_every_call() -> None:
    portal = Portal()
    session = Session(portal, lambda: open_fragile("crack"))
    blocking.wait_for(portal, portal.start, session.open)
    failures: list[str] = []
    begun = threading.Event()

    async def wait() -> None:
        begun.set()
        await trio.sleep_forever()

    def ask(place: Session[Fragile] | Portal) -> None:
        try:
            blocking.wait_for(portal, place.start, wait)
        except LinkClosed as error:
            failures.append(str(error))

    threads = []
    for place in (session, portal):
        begun.clear()
        threads.append(threading.Thread(target=ask, args=(place,)))
        threads[-1].start()
        assert begun.wait(ENOUGH_S)
    portal.stop()
    for thread in threads:
        thread.join(ENOUGH_S)
    ended = "the thread that runs trio for this program has ended"
    assert sorted(failures) == sorted([CLOSED, ended])
    assert portal.ended
    with pytest.raises(LinkClosed, match=ended):
        portal.start(None)  # type: ignore[arg-type]


def test_a_task_that_is_cancelled_while_it_opens_leaves_nothing_open() -> None:
    begun, gone, closed = threading.Event(), threading.Event(), threading.Event()

    @asynccontextmanager
    async def open_slowly() -> AsyncIterator[Fragile]:
        """Open something after the caller has gone."""
        try:
            begun.set()
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(gone.wait)
            yield Fragile()
        finally:
            closed.set()

    async def open_in_vain() -> None:
        async with awaiting.opening(open_slowly, Awaited)():
            raise AssertionError("it was opened though nobody waited")

    async def main() -> None:
        task = asyncio.create_task(open_in_vain())
        await asyncio.to_thread(begun.wait)
        task.cancel()
        await asyncio.sleep(0)
        gone.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert closed.wait(ENOUGH_S)
