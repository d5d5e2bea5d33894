"""Follows an op on its way to a finalized block, for whoever submitted it."""

from collections.abc import Callable

import trio

from gossipbook.client_messages import AckLevel
from gossipbook.crdt.op import Op
from gossipbook.errors import GossipbookError, SubmitRefused
from gossipbook.loops import require_trio
from gossipbook.trade.numbers import seconds
from gossipbook.trade.outcome import Certified, OutcomeUnknown

CERTIFIED_S = 60.0
"""How long :meth:`Submission.certified` waits unless it is told otherwise; a guess at a committee's long outage."""


class Submission:
    """One op on its way. Await the level that matters; times are ``trio.current_time()`` in seconds.

    ``level`` is what the op's entry peer says, or what is proven, whichever is more; it goes back from PREPARED if the
    block is taken back. ``trouble`` is why it is not certified yet, in a peer's words, if one said so.
    """

    def __init__(self, op: Op) -> None:
        self.op = op
        self.submitted_s = trio.current_time()
        self.times_s: dict[AckLevel, float] = {}
        self.height = 0
        self.level = AckLevel.REFUSED
        self.trouble = ""
        self.outcome: Certified | None = None
        self.taken_back = 0  # how often it was prepared in vain
        self.on_prepared_wanted: Callable[[], None] | None = None
        self._closed = ""
        self._refused = ""
        self._changed = trio.Event()

    async def durable(self, *, within_s: float = CERTIFIED_S) -> None:
        """Wait until the entry peer has synced the op.

        Raises:
            OutcomeUnknown: not in time; the op is signed, and goes on being sent.
            SubmitRefused: the op was signed elsewhere, and every linked peer refused it for good.
        """
        await self._reach(AckLevel.DURABLE, within_s)

    async def relayed(self, *, within_s: float = CERTIFIED_S) -> None:
        """Wait until so many committee members say that they hold the op, synced, that it cannot be lost.

        Raises:
            OutcomeUnknown: not in time; the op is signed, and goes on being sent.
            SubmitRefused: the op was signed elsewhere, and every linked peer refused it for good.
        """
        await self._reach(AckLevel.RELAYED, within_s)

    async def prepared(self, *, within_s: float = CERTIFIED_S) -> None:
        """Wait until the op is in a block that a quorum prepared, one delay before it is final.

        That may be taken back, with :attr:`level`: act on it only where to be wrong now and then costs little.

        Raises:
            OutcomeUnknown: not in time; the op is signed, and goes on being sent.
            SubmitRefused: the op was signed elsewhere, and every linked peer refused it for good.
        """
        if self.on_prepared_wanted is not None:
            self.on_prepared_wanted()
        await self._reach(AckLevel.PREPARED, within_s)

    async def certified(self, *, within_s: float = CERTIFIED_S) -> Certified:
        """Wait until the op is proven to be in a finalized block; returns what its commands did there.

        Look at ``rejected``: a cancel of an unknown order is certified too, and did nothing.

        Raises:
            OutcomeUnknown: not in time; the op is signed, and goes on being sent.
            SubmitRefused: the op was signed elsewhere, and every linked peer refused it for good.
        """
        require_trio("Submission.certified")
        within_s = seconds("within_s", within_s)
        with trio.move_on_after(within_s):
            while self.outcome is None and not self._closed:
                await self._changed.wait()
        if self.outcome is None:
            raise self._error(within_s)
        return self.outcome

    def reach(self, level: AckLevel, height: int = 0) -> None:
        """Note a level that a peer, or a proof, says that the op has."""
        if level > self.level:
            self.level = level
            now_s = trio.current_time()
            for each in (AckLevel.DURABLE, AckLevel.RELAYED, level):
                if each <= level:
                    self.times_s.setdefault(each, now_s)
        self.height = height or self.height
        self._wake()

    def take_back(self) -> None:
        """Note that the block that the op was prepared in will not be final."""
        if self.level == AckLevel.PREPARED:
            self.level = AckLevel.RELAYED
            self.taken_back += 1
            self._wake()

    def certify(self, outcome: Certified) -> None:
        """Note that the op is proven to be certified, and what it did."""
        self.outcome = outcome
        self.reach(AckLevel.CERTIFIED, outcome.height)

    def refuse(self, reason: str) -> None:
        """Every peer at hand refused the op for good: it changed nothing."""
        self._refused = reason
        self.close(reason)

    def close(self, reason: str) -> None:
        """End the following of the op before it was certified; ``reason`` says why."""
        if self.outcome is None:
            self._closed = reason
            self._wake()

    async def _reach(self, level: AckLevel, within_s: float) -> None:
        require_trio("Submission")
        within_s = seconds("within_s", within_s)
        with trio.move_on_after(within_s):
            while self.level < level and not self._closed:
                await self._changed.wait()
        if self.level < level:
            raise self._error(within_s)

    def _error(self, within_s: float) -> GossipbookError:
        if self._refused:
            return SubmitRefused(self._refused)
        return OutcomeUnknown(self.op, self._closed or self.trouble or f"not within {within_s:g} s")

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
