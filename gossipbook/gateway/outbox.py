"""What waits to be sent to one subscriber: bounded, and honest about what was left out."""

from collections import deque
from dataclasses import dataclass

from gossipbook.gateway.settings import ANSWER_BYTES_CAP, OUTBOX_BYTES_CAP, OUTBOX_MESSAGES_CAP, SOCKET_ORDERS_CAP


@dataclass(frozen=True, slots=True)
class Lag:
    """So many messages were left out: whoever reads starts anew."""

    missed: int


class Outbox:
    """Messages of one socket, as text. Texts are shared between subscribers, so that each costs little more than once.

    Answers to the subscriber's own requests are never left out: while too many wait, no more requests are read.
    """

    def __init__(self, messages_cap: int = OUTBOX_MESSAGES_CAP, bytes_cap: int = OUTBOX_BYTES_CAP) -> None:
        self._messages_cap = messages_cap
        self._bytes_cap = bytes_cap
        self._waiting: deque[str] = deque()
        self._answers: deque[str] = deque()
        self._bytes = 0
        self._answer_bytes = 0
        self._missed = 0

    def put(self, text: str) -> None:
        """A message that may be left out if the subscriber is slow."""
        if self._missed:
            self._missed += 1
            return
        full = len(self._waiting) >= self._messages_cap or self._bytes + len(text) > self._bytes_cap
        if full and self._waiting:  # One message alone fits, however long it is.
            self._missed = len(self._waiting) + 1
            self._waiting.clear()
            self._bytes = 0
            return
        self._waiting.append(text)
        self._bytes += len(text)

    def answer(self, text: str) -> None:
        """A message that is never left out."""
        self._answers.append(text)
        self._answer_bytes += len(text)

    @property
    def is_crowded(self) -> bool:
        """Whether so many answers wait that no more are to be made."""
        return len(self._answers) >= SOCKET_ORDERS_CAP or self._answer_bytes >= ANSWER_BYTES_CAP

    def take(self) -> str | Lag | None:
        """What is to be sent next; None for nothing."""
        if self._answers:
            answer = self._answers.popleft()
            self._answer_bytes -= len(answer)
            return answer
        if self._missed:
            lag, self._missed = Lag(self._missed), 0
            return lag
        if not self._waiting:
            return None
        text = self._waiting.popleft()
        self._bytes -= len(text)
        return text

    def __len__(self) -> int:
        return len(self._waiting) + len(self._answers)
