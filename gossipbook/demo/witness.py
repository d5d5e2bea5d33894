"""Sees what a network makes of a recorded flow, to compare it with the recording."""

from collections.abc import Mapping

import trio

from gossipbook.client import Client
from gossipbook.flow import ReplayAudit


class Witness:
    """Tells a flow's audit the events of a pair, as one peer sends them.

    ``authors``: the flow's index of each key. Events of others do not count.
    """

    def __init__(self, client: Client, pair: str, audit: ReplayAudit, authors: Mapping[bytes, int]) -> None:
        self.audit = audit
        self._client, self._pair, self._authors = client, pair, authors
        self._height = 0
        self._changed = trio.Event()

    async def run(self) -> None:
        """Take events until the link ends or this is cancelled. The client watches the pair already."""
        async for part in self._client.events:
            if part.pair != self._pair:
                continue
            for event in part.events:
                self.audit.saw(event, self._authors)
            if part.last:
                self._height = part.height
                self._changed.set()
                self._changed = trio.Event()

    async def saw_all(self, height: int, patience_s: float) -> bool:
        """Wait for the events of a block; return whether they came, and all those before them."""
        with trio.move_on_after(patience_s):
            while self._height < height and not self._client.closed_reason:
                await self._changed.wait()
        return self._height >= height and not self._client.lagged
