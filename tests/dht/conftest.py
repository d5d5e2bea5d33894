import pytest
import trio

from .support import Rogue, Swarm, Wall


@pytest.fixture
def wall():
    return Wall()


@pytest.fixture
async def swarm(wall):
    """Nodes on loopback. Tests also ask for ``autojump_clock``: virtual time that moves when nothing is left to do.

    A datagram on loopback is there once it is sent, so it takes no virtual time at all; timeouts take no real time.
    """
    async with trio.open_nursery() as nursery:
        made = Swarm(nursery, wall)
        yield made
        for number in list(made.nodes):
            await made.kill(number)
        while Rogue.opened:
            Rogue.opened.pop().close()
