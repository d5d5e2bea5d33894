"""The wires between real peers: one for each direction, with its delay, its losses, its rate and its cuts.

A wire says when bytes that enter it now come out. What TCP does about trouble is part of it, since a proxy sees
streams, not packets:

*Loss.* A lost segment is sent again by the sender's kernel after its retransmission timer, and everything behind it
waits. So loss is a stall: 200 ms (Linux' shortest timer), doubled for each retransmission that is lost as well. That is
harder than the real thing, which often notices sooner.

*Cut.* Bytes are neither lost nor passed on, and no connection is closed: they wait in the wire, up to its cap, and
after that with the sender. When the cut is mended they come out, unless one of the ends gave its connection up
meanwhile. That is kinder than the real thing, where they wait on for the next retransmission.
"""

import random
from collections.abc import Iterable

import trio

from gossipbook.scenario.conditions import WireConditions

SEGMENT_BYTES = 1_448  # an Ethernet frame's worth of TCP
RETRANSMIT_S = 0.2
LOST_IN_A_ROW_CAP = 6  # bounds a stall at 12.6 s
BITS_PER_BYTE = 8
US_PER_S = 1_000_000


class Wire:
    """One direction between two peers, shared by all their connections."""

    def __init__(self, rng: random.Random, usual: WireConditions) -> None:
        assert usual.delay is not None
        self._rng = rng
        self._usual = usual
        self._added: list[WireConditions] = []
        self._cuts = 0
        self._mended = trio.Event()
        self._free_s = 0.0  # when a slow wire is through with what it has

    @property
    def is_cut(self) -> bool:
        return self._cuts > 0

    def cut(self) -> None:
        """Let nothing through until mended as often as cut."""
        self._cuts += 1

    def mend(self) -> None:
        assert self._cuts
        self._cuts -= 1
        if not self._cuts:
            self._mended.set()
            self._mended = trio.Event()

    async def passable(self) -> None:
        """Wait until nothing cuts the wire."""
        while self._cuts:
            await self._mended.wait()

    def add(self, conditions: WireConditions) -> None:
        """Add conditions on top of those that there are, until :meth:`remove`."""
        self._added.append(conditions)

    def remove(self, conditions: WireConditions) -> None:
        self._added.remove(conditions)

    def due_s(self, size: int, now_s: float) -> float:
        """Return when so many bytes that enter at ``now_s`` come out at the other end, cuts aside."""
        conditions = [self._usual, *self._added]
        rates = [one.kbit_s for one in conditions if one.kbit_s]
        leaves_s = now_s
        if rates:
            leaves_s = max(now_s, self._free_s) + size * BITS_PER_BYTE / (1_000 * min(rates))
            self._free_s = leaves_s
        delay = [one.delay for one in conditions if one.delay is not None][-1]
        return leaves_s + delay.draw(self._rng) / US_PER_S + self._stall_s(size, [one.loss for one in conditions])

    def _stall_s(self, size: int, losses: list[float]) -> float:
        kept = 1.0
        for loss in losses:
            kept *= 1 - loss
        if kept == 1.0:
            return 0.0
        stall_s, wait_s = 0.0, RETRANSMIT_S
        arrives = kept ** max(1, -(-size // SEGMENT_BYTES))  # At first all of it has to; then what is sent again.
        for _ in range(LOST_IN_A_ROW_CAP):
            if self._rng.random() < arrives:
                break
            stall_s += wait_s
            wait_s *= 2
            arrives = kept
        return stall_s


class Wires:
    """All wires of a network, by (sender, receiver), peers being numbered from 0."""

    def __init__(self, peers: int, rng: random.Random, usual: WireConditions) -> None:
        self.peers = peers
        self._wires = {
            (a, b): Wire(random.Random(rng.getrandbits(64)), usual)
            for a in range(peers)
            for b in range(peers)
            if a != b
        }

    def __getitem__(self, direction: tuple[int, int]) -> Wire:
        return self._wires[direction]

    def touching(self, who: Iterable[int]) -> list[Wire]:
        """Return the wires to and from some peers."""
        ends = set(who)
        return [wire for (a, b), wire in self._wires.items() if a in ends or b in ends]

    def heard_by(self, peer: int, up: Iterable[int]) -> set[int]:
        """Return the peers whose bytes can reach a peer now, itself included, over any number of others that are up."""
        living = set(up)
        heard, fresh = {peer}, [peer]
        while fresh:
            receiver = fresh.pop()
            for sender in living - heard:
                if not self._wires[sender, receiver].is_cut:
                    heard.add(sender)
                    fresh.append(sender)
        return heard
