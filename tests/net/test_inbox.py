"""The core's inbox: who came first goes first, a few messages of strangers a turn, and everybody else in between."""

from functools import partial

import pytest
import trio

from gossipbook.net.inbox import INBOX_CAP, STRANGERS_PER_TURN_CAP, Inbox
from gossipbook.peer.events import LinkDown

TRIES = 30


def batch(number: int) -> list[LinkDown]:
    return [LinkDown(number.to_bytes(4, "big"))]


def number_of(event: LinkDown) -> int:
    return int.from_bytes(event.link, "big")


@pytest.mark.parametrize("of_stranger", [False, True])
async def test_batches_keep_their_order_when_they_waited_for_room(autojump_clock, of_stranger):
    """A link's end that waits goes before its next beginning, which waits behind it."""
    for _ in range(TRIES):
        inbox = Inbox()
        for number in range(INBOX_CAP):
            await inbox.put(batch(number), of_stranger=of_stranger)
        async with trio.open_nursery() as nursery:
            for number in range(INBOX_CAP, INBOX_CAP + 10):
                nursery.start_soon(partial(inbox.put, batch(number), of_stranger=of_stranger))
                await trio.sleep(1)
            taken = []
            while len(taken) < INBOX_CAP + 10:
                taken += await inbox.take()
                await trio.sleep(1)
        assert [number_of(event) for event in taken] == list(range(INBOX_CAP + 10))


async def test_a_put_that_is_cancelled_leaves_nothing_and_takes_no_room(autojump_clock):
    inbox = Inbox()
    for number in range(INBOX_CAP):
        await inbox.put(batch(number))
    with trio.move_on_after(1):
        await inbox.put(batch(INBOX_CAP))
    assert len(await inbox.take()) == INBOX_CAP
    for number in range(INBOX_CAP):
        inbox.put_nowait(batch(number))
    with pytest.raises(trio.WouldBlock):
        inbox.put_nowait(batch(INBOX_CAP))


async def test_everybody_has_a_turn_between_two_with_messages_of_strangers(autojump_clock):
    inbox, steps = Inbox(), 0

    async def other():
        nonlocal steps
        while True:
            await trio.lowlevel.checkpoint()
            steps += 1

    for number in range(INBOX_CAP):
        await inbox.put(batch(number), of_stranger=True)
    turns = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        taken = 0
        while taken < INBOX_CAP:
            events = await inbox.take()
            assert len(events) <= STRANGERS_PER_TURN_CAP
            taken, turns = taken + len(events), turns + 1
        nursery.cancel_scope.cancel()
    assert steps >= turns // 2 > 0
