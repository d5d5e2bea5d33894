"""Keep the latest messages between members, so that those around an event can be shown once it is known."""

from collections import deque
from dataclasses import dataclass

from gossipbook.ordered import BoundedDict
from gossipbook.run_report.contents import Contents
from gossipbook.run_report.recording import Arrow, Slice

RING_CAP = 4_096
IN_FLIGHT_CAP = 8_192
SENDS_CAP = 8  # of the same bytes to the same member that have not arrived
SLICE_CAP = 60
AFTER = 8  # of a slice's messages, those sent after its event

FIRST_FILL, TERM_CHANGE, VIOLATION = "first fill", "first block after a term change", "first violation"
RANKS = (VIOLATION, TERM_CHANGE, FIRST_FILL)
"""What a report would rather show, best first."""


class MessageFlow:
    """A ring buffer of one pair's latest messages, and up to one slice for each kind of event."""

    def __init__(self) -> None:
        self._ring: deque[tuple[str, Arrow]] = deque(maxlen=RING_CAP)  # with their pairs
        self._in_flight: BoundedDict[tuple[str, str, bytes], list[Arrow]] = BoundedDict(IN_FLIGHT_CAP)
        self._open: dict[str, _Open] = {}
        self._moment: tuple[int, str] = (-1, "")
        self._just_sent: set[tuple[str, str]] = set()  # to whom and what, by one sender at one moment

    def sent(self, at_us: int, sender: str, receivers: dict[str, bool], contents: Contents, raw: bytes) -> None:
        """Note a message from a member to others, with whether the wire to each is whole."""
        for receiver, wired in receivers.items():
            if (receiver, contents.label) in self._now_sent(at_us, sender):
                continue  # Sent on a topic as well.
            self._just_sent.add((receiver, contents.label))
            arrow = Arrow(at_us, -1, sender, receiver, contents.label)
            self._ring.append((contents.pair, arrow))
            if wired:
                waiting = self._in_flight.get((sender, receiver, raw)) or []
                self._in_flight[sender, receiver, raw] = [*waiting[1 - SENDS_CAP :], arrow]
            for part in self._open.values():
                part.add(contents.pair, arrow)

    def _now_sent(self, at_us: int, sender: str) -> set[tuple[str, str]]:
        if self._moment != (at_us, sender):
            self._moment = (at_us, sender)
            self._just_sent = set()
        return self._just_sent

    def delivered(self, at_us: int, sender: str, receiver: str, raw: bytes) -> None:
        waiting = self._in_flight.get((sender, receiver, raw))
        if waiting:
            waiting.pop(0).arrived_us = at_us

    def mark(self, what: str, at_us: int, text: str, pair: str) -> None:
        """Keep the messages around an event; only the first event of each kind counts.

        Without a pair those of all pairs are.
        """
        if what in self._open:
            return
        part = self._open[what] = _Open(text, at_us, pair, [], AFTER)
        before = [arrow for of, arrow in self._ring if arrow.sent_us <= at_us and pair in ("", of)]
        part.arrows = before[-(SLICE_CAP - AFTER) :]
        for of, arrow in self._ring:
            if arrow.sent_us > at_us:
                part.add(of, arrow)

    def marked(self, what: str) -> bool:
        return what in self._open

    def best(self) -> Slice | None:
        """Return the most telling slice."""
        for what in RANKS:
            if what in self._open:
                part = self._open[what]
                return Slice(part.text, part.at_us, tuple(part.arrows))
        return None


@dataclass(slots=True)
class _Open:
    """A slice that still takes some messages."""

    text: str
    at_us: int
    pair: str
    arrows: list[Arrow]
    left: int

    def add(self, pair: str, arrow: Arrow) -> None:
        if self.left > 0 and self.pair in ("", pair):
            self.left -= 1
            self.arrows.append(arrow)
