"""Keeps the archive of events up with the chain, and answers out of it: receipts, and the past of one order.

Events are written on a thread, in batches, after they were told to subscribers; no vote or ack waits for that. An
archive that falls behind by :data:`BACKLOG_CAP` blocks, or whose disk refuses, is left as it is until the next start,
which adds what is missing.
"""

import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import trio

from gossipbook.consensus.records import Finalized
from gossipbook.errors import JournalError
from gossipbook.ids import PublicKey
from gossipbook.manifest import Manifest
from gossipbook.receipt.making import make_receipt
from gossipbook.receipt.verifying import verify_receipt
from gossipbook.storage.archive import ArchivedBlock, EventArchive, Past

log = logging.getLogger(__name__)

BACKLOG_CAP = 4_096  # blocks
BATCH_CAP = 256  # blocks a transaction
GATHER_S = 0.1  # blocks are written together, unless somebody asks
WAITING_CAP = 64  # readers in line

T = TypeVar("T")


class Archivist:
    """One peer's archive. ``take`` is its subscriber; ``run`` it in a nursery."""

    def __init__(self, manifest: Manifest, folder: Path) -> None:
        self._manifest = manifest
        self._folder = folder
        self._archive = EventArchive(folder, manifest.chain_id)
        self._past: Past | None = None
        self._backlog: deque[ArchivedBlock] = deque()
        self._taken = self._written = 0  # blocks
        self._moved = trio.Event()
        self._asking = 0  # how many wait for what is not written yet
        self._asked = trio.Event()
        self._writer_thread = trio.CapacityLimiter(1)
        self._reader_thread = trio.CapacityLimiter(1)
        self.trouble = ""

    # -- writing ------------------------------------------------------------------------------------

    def replayed(self, final: Finalized) -> None:
        """Take a block that is executed again at the start, and write now and then."""
        if final.block.height > self._archive.heights.get(final.pair, 0):
            self.take(final)
            if len(self._backlog) >= BATCH_CAP:
                self.catch_up()

    def catch_up(self) -> None:
        """Write what waits, on this thread: nothing else runs yet."""
        while self._backlog:
            self._wrote(*self._write(self._next_batch()))

    def take(self, event: object) -> None:
        """Take a block that is final."""
        if not isinstance(event, Finalized) or self.trouble:
            return
        if len(self._backlog) >= BACKLOG_CAP:
            self._give_up(f"it fell {BACKLOG_CAP} blocks behind")
            return
        self._backlog.append(ArchivedBlock.of(event))
        self._taken += 1
        self._wake()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            if self._backlog:
                if not self._asking:
                    with trio.move_on_after(GATHER_S):
                        await self._asked.wait()
                batch = self._next_batch()
                self._wrote(*await trio.to_thread.run_sync(self._write, batch, limiter=self._writer_thread))
            else:
                await self._moved.wait()

    def _next_batch(self) -> list[ArchivedBlock]:
        return [self._backlog.popleft() for _ in range(min(len(self._backlog), BATCH_CAP))]

    def _write(self, batch: list[ArchivedBlock]) -> tuple[int, str]:
        try:
            self._archive.add(batch)
        except sqlite3.Error as error:
            return 0, str(error)
        except Exception as error:  # noqa: BLE001 - told: whatever it is, what was taken out is not there
            return 0, f"{type(error).__name__}: {error}"
        return len(batch), ""

    def _wrote(self, blocks: int, trouble: str) -> None:
        self._written += blocks
        if trouble:
            self._give_up(trouble)
        self._wake()

    def _give_up(self, why: str) -> None:
        self.trouble = f"the archive of events is not complete: {why}; the next start of this peer completes it"
        log.warning("%s: %s", self._folder, self.trouble)
        self._backlog.clear()
        self._wake()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = trio.Event()

    def close(self) -> None:
        """Write what still waits, and let go of the files."""
        if not self.trouble:
            self.catch_up()
        if self._past is not None:
            self._past.close()
        self._archive.close()

    # -- reading ------------------------------------------------------------------------------------

    async def receipt(self, pair: str, author: PublicKey, client_id: int) -> bytes:
        """The receipt of an order, verified; with every block that was final when this was called.

        Raises:
            VerifyError: there is nothing to prove yet, or more than a receipt holds.
            JournalError: the archive is of no use.
        """

        def read(past: Past) -> bytes:
            raw = make_receipt(self._manifest, author, client_id, past.blocks(pair, author, client_id))
            verify_receipt(raw, self._manifest.chain_id)
            return raw

        return await self.ask(read)

    async def ask(self, question: Callable[[Past], T]) -> T:
        """Read the past on a thread, once what is final now is written.

        Raises:
            JournalError: the archive is of no use, or too many are asking.
        """
        if self._reader_thread.statistics().tasks_waiting >= WAITING_CAP:
            raise JournalError("too many questions about the past at one time; ask again")
        taken = self._taken
        self._asking += 1
        self._asked.set()
        try:
            while self._written < taken and not self.trouble:
                await self._moved.wait()
        finally:
            self._asking -= 1
            if not self._asking:
                self._asked = trio.Event()
        if self.trouble:
            raise JournalError(self.trouble)
        return await trio.to_thread.run_sync(self._read, question, limiter=self._reader_thread)

    def _read(self, question: Callable[[Past], T]) -> T:
        if self._past is None:
            self._past = Past(self._folder, self._manifest.epoch)
        try:
            return question(self._past)
        except sqlite3.Error as error:
            raise JournalError(f"the past cannot be read: {error}") from None
