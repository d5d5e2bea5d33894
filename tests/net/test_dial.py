"""Dialling something that accepts and then is no peer: it is known at once, not after the handshake's deadline."""

import pytest
import trio

from gossipbook.errors import LinkClosed, ungrouped
from gossipbook.net.address import Address
from gossipbook.net.transport import HANDSHAKE_S, dial


async def close(stream):
    await stream.aclose()


async def read_and_close(stream):
    await stream.receive_some()
    await stream.aclose()


async def say_eof(stream):
    await stream.send_eof()
    await trio.sleep_forever()


async def refuse(stream):
    await stream.receive_some()
    await stream.send_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await stream.aclose()


@pytest.mark.parametrize("ending", [close, read_and_close, say_eof, refuse], ids=lambda ending: ending.__name__)
async def test_a_listener_that_ends_before_the_upgrade_is_left_at_once(ending):
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, ending, listeners)
        address = Address("127.0.0.1", listeners[0].socket.getsockname()[1], tls=False)
        with trio.fail_after(HANDSHAKE_S / 2), pytest.raises(LinkClosed, match="no peer at"), ungrouped():
            async with dial(address):
                pass
        nursery.cancel_scope.cancel()
