"""A peer with a planted bug: a turn's effects are performed before its records are committed."""

import trio

from gossipbook.cli import main
from gossipbook.effects import Persist
from gossipbook.net.driver import Driver


async def _perform(self: Driver) -> None:
    while True:
        if not self._turns:
            self._performing = False
            self._decided = trio.Event()
            await self._decided.wait()
        effects = [effect for turn in self._turns for effect in turn]
        self._turns.clear()
        self._performed.set()
        for effect in effects:
            self._perform_one(effect)
        records = [effect.record for effect in effects if isinstance(effect, Persist)]
        if records:
            await trio.to_thread.run_sync(self.journal.commit, records, limiter=self._writer_thread)
        await trio.lowlevel.checkpoint()


Driver._perform = _perform
main()
