"""One socket's sending side: takes what waits in its outbox to the socket, and gives up on one that is not read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.websockets import WebSocket, WebSocketDisconnect

from gossipbook.gateway.outbox import Lag, Outbox

GOING_AWAY, TOO_SLOW = 1001, 1008


class Sender:
    """``on_lag`` is told how many messages were left out, and sends what the subscriber starts anew from."""

    def __init__(self, socket: WebSocket, on_lag: Callable[[int], Awaitable[None]]) -> None:
        self.outbox = Outbox()
        self._socket = socket
        self._on_lag = on_lag
        self._wake = asyncio.Event()
        self._sent = asyncio.Event()
        self._ended = False
        self._reason = ""

    def put(self, text: str) -> None:
        """A message that may be left out if the subscriber is slow."""
        self.outbox.put(text)
        self._wake.set()

    def answer(self, text: str) -> None:
        """A message that is never left out."""
        self.outbox.answer(text)
        self._wake.set()

    async def room(self) -> None:
        """Wait until the subscriber has read enough answers to have more: who does not is not read either."""
        while not self._ended and self.outbox.is_crowded:
            self._sent.clear()
            await self._sent.wait()

    def end(self, reason: str) -> None:
        """Close the socket, whatever waits: what it is for has ended, and its program is to connect again."""
        self._reason = reason
        self._wake.set()

    async def send(self, text: str) -> None:
        """Send one message now. A subscriber that does not read is cut off, see ``serve``."""
        await self._socket.send_text(text)
        self._sent.set()

    async def run(self) -> None:
        """Send until cancelled, or until the socket is gone."""
        try:
            while not self._reason:
                item = self.outbox.take()
                if item is None:
                    self._wake.clear()
                    if not len(self.outbox) and not self._reason:
                        await self._wake.wait()
                elif isinstance(item, Lag):
                    await self._on_lag(item.missed)
                else:
                    await self.send(item)
            await self._socket.close(GOING_AWAY, self._reason)
        finally:
            self._ended = True
            self._sent.set()


@asynccontextmanager
async def sending(socket: WebSocket, on_lag: Callable[[int], Awaitable[None]]) -> AsyncIterator[Sender]:
    """A sender for the length of the block, which ends when the socket does."""
    sender = Sender(socket, on_lag)
    task = asyncio.create_task(sender.run())
    try:
        yield sender
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError, OSError):
            await task
