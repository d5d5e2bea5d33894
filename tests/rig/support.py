"""A proxy on loopback with a listener behind each of its peers."""

import random
from contextlib import asynccontextmanager

import trio

from gossipbook.rig.proxy import HOST, Proxy
from gossipbook.rig.wires import Wires
from gossipbook.scenario.conditions import Delay, WireConditions

NO_DELAY = Delay("fixed", 0, 0)
ABSENCE_S = 0.15  # how long nothing has to come to be called nothing


class Bench:
    """``inbox`` holds the connections that got through to a listener, as (peer, stream)."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.wires = proxy.wires
        self.send_inbox, self.inbox = trio.open_memory_channel(64)

    async def dial(self, dialler, listener):
        return await trio.open_tcp_stream(HOST, self.proxy.ports[dialler, listener])

    async def connected(self, dialler, listener):
        """Both ends of a connection through the proxy."""
        here = await self.dial(dialler, listener)
        with trio.fail_after(5):
            peer, there = await self.inbox.receive()
        assert peer == listener
        return here, there


@asynccontextmanager
async def open_bench(peers=2, **usual):
    """A proxy in fair weather, or in what ``usual`` says."""
    usual.setdefault("delay", NO_DELAY)
    bench = Bench(Proxy(Wires(peers, random.Random(1), WireConditions(**usual))))
    async with trio.open_nursery() as nursery:
        await bench.proxy.open(nursery)
        for peer in range(peers):

            async def serve(stream, peer=peer):
                await bench.send_inbox.send((peer, stream))
                await trio.sleep_forever()

            listeners = await trio.open_tcp_listeners(0, host=HOST)
            bench.proxy.listeners[peer] = listeners[0].socket.getsockname()[1]
            nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield bench
        nursery.cancel_scope.cancel()


async def read(stream, size):
    """Exactly so many bytes."""
    raw = b""
    with trio.fail_after(5):
        while len(raw) < size:
            more = await stream.receive_some(size - len(raw))
            assert more, f"ended after {raw!r}"
            raw += more
    return raw


async def nothing_comes(stream):
    with trio.move_on_after(ABSENCE_S) as scope:
        raw = await stream.receive_some(1)
        raise AssertionError(f"got {raw!r}")
    return scope.cancelled_caught
