"""A caller of a wallet who wants an op signed, and waits."""

import trio

from gossipbook.trade.author_events import Hold, MakeCommands, Sign, Withheld
from gossipbook.trade.outcome import NotSigned
from gossipbook.trade.submission import Submission

LOOP_BUSY_S = 0.05
"""How long an event loop may be held up by another program that has the wallet's file."""
BUSY = "the wallet was busy with other orders, or another program was signing with it"


class SignRequest:
    """A caller who wants an op signed."""

    def __init__(self, number: int, pair: str, make: MakeCommands, expiry_ms: int) -> None:
        self.event = Sign(number, pair, make, expiry_ms)
        self.submission: Submission | None = None
        self.error: Exception | None = None
        self.hold: Hold | None = None
        self.hold_text = ""
        self.taken = False  # it is signed, and on its way to the disk
        self.done = trio.Event()

    def fail(self, error: Exception) -> None:
        """Nothing will be signed, unless it was already and the caller had no turn yet to see it."""
        if not self.done.is_set():
            self.error = error
            self.done.set()

    def withhold(self, event: Withheld) -> None:
        """Note why it is not signed now; it is tried again when something changed, if that may help."""
        self.hold, self.hold_text = event.hold, event.text
        if event.hold is None:
            assert event.error is not None
            self.fail(event.error)
        elif not event.hold.passes:
            self.fail(NotSigned(event.hold.value, f"{event.text} Nothing was signed."))
