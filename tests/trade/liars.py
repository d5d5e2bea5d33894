"""A peer that proves who it is, as every peer does, and then says what a test has it say."""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio

from gossipbook.errors import GossipbookError
from gossipbook.identity import Identity
from gossipbook.ids import ChainId
from gossipbook.net.transport import Channel, accept, shake_hands
from gossipbook.wire.codec import decode_message, encode_message
from gossipbook.wire.framing import join_frame, split_frame
from gossipbook.wire.handshake import Handshake, Role
from gossipbook.wire.link_messages import Ping, Pong

Says = Callable[[Any], Sequence[object]]
"""What is said upon a message; upon None, as soon as somebody is linked."""


async def _talk(channel: Channel, says: Says, mute: bool) -> None:
    async def say(messages: Sequence[object]) -> None:
        for message in messages:
            await channel.send(join_frame([message if isinstance(message, bytes) else encode_message(message)]))

    await say(says(None))
    while True:
        for raw in split_frame(await channel.receive()):
            message = decode_message(raw)
            if isinstance(message, Ping) and not mute:
                await say([Pong(message.number)])
            elif not isinstance(message, Ping | Pong):
                await say(says(message))


async def _serve(identity: Identity, chain_id: ChainId, says: Says, mute: bool, stream: trio.SocketStream) -> None:
    try:
        async with accept(stream, "a client", None, b"") as channel:
            nonce = os.urandom(32)
            await shake_hands(channel, Handshake(identity, chain_id, dialled=False, nonce=nonce, role=Role.PEER))
            await _talk(channel, says, mute)
    except* (GossipbookError, trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # The client has had enough.


@asynccontextmanager
async def liar(identity: Identity, chain_id: ChainId, says: Says, *, mute: bool = False) -> AsyncIterator[str]:
    """Listen on loopback for the length of the block; gives the address. ``mute``: not even pings are answered."""
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, partial(_serve, identity, chain_id, says, mute), 0, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        yield f"ws://127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()
