import pytest
import trio

from .support import Swarm, Wall


@pytest.fixture
def clock(autojump_clock):
    """Virtual time that jumps when nothing is left to do: a datagram on loopback is there once it is sent."""
    return autojump_clock


@pytest.fixture
def wall():
    return Wall()


@pytest.fixture
async def swarm(clock, wall):
    async with trio.open_nursery() as nursery:
        made = Swarm(nursery, wall)
        yield made
        for number in list(made.nodes):
            await made.kill(number)
