"""The faults that a demonstration can inject, and what must be true of each."""

from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import trio

from gossipbook.demo.monitor import CLOSE_POLL_S, POLL_S, Monitor
from gossipbook.demo.network import DemoNetwork, PeerProcess
from gossipbook.demo.traders import Floor
from gossipbook.peer.condition import PairCondition

Fault = Literal["none", "kill-leader", "kill-two", "kill-all"]

STRIKE_SHARE = 0.35  # of the commands, before the fault
RETURN_SHARE = 0.7  # the rest is traded once everybody is back
TAKEOVER_S = 20.0
STILL_S = 2.0  # how long nothing may be certified while there is no quorum
RESTART_S = 30.0
VOTES_HEARD_S = 5.0


@dataclass
class FaultReport:
    """What was observed; ``problems`` make the verdict invalid."""

    takeover_ms: float | None = None
    problems: list[str] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


class FaultInjector:
    """Injects one fault, once a share of the commands was submitted."""

    def __init__(self, network: DemoNetwork, floor: Floor, monitor: Monitor, fault: Fault, commands: int) -> None:
        self._network = network
        self._floor = floor
        self._monitor = monitor
        self._fault = fault
        self._strike_at = int(STRIKE_SHARE * commands)
        self._struck = trio.Event()
        self._done = trio.Event()
        self.gates: dict[int, trio.Event] = {}
        if fault != "none":
            self.gates = {self._strike_at: self._struck, int(RETURN_SHARE * commands): self._done}
        self.report = FaultReport()

    async def run(self) -> None:
        """Inject the fault and mend it; returns when every peer is up again."""
        if self._fault != "none":
            await self._inject()
        self._done.set()

    async def _inject(self) -> None:
        await self._floor.reached(self._strike_at)
        if self._fault == "kill-leader":
            await self._kill_leader()
        elif self._fault == "kill-two":
            await self._kill_two()
        else:
            await self._kill(self._network.peers)
            await self._restart(self._network.peers)
        await self._check_return()

    async def _kill_leader(self) -> None:
        """The leader of the first pair dies; within a few seconds another one's block is final."""
        symbol = self._network.manifest.symbols()[0]
        leader = self._monitor.leader(symbol)
        term = self._monitor.top_terms[symbol]
        await self._kill([self._network.named(leader)])
        killed_s = trio.current_time()
        survivors = [peer.name for peer in self._network.peers if peer.name != leader]

        def took_over(monitor: Monitor) -> bool:
            words = [monitor.pair(name, symbol) for name in survivors]
            return any(w is not None and (w["certified_term"] or 0) > term for w in words)

        self._monitor.poll_s = CLOSE_POLL_S
        if await self._monitor.until(took_over, TAKEOVER_S):
            self.report.takeover_ms = 1_000 * (trio.current_time() - killed_s)
            self._say(f"{symbol} certified under a new leader after {self.report.takeover_ms:.0f} ms")
        else:
            self.report.problems.append(f"{symbol}: nobody took over in {TAKEOVER_S:.0f} s after {leader} was killed")
        self._monitor.poll_s = POLL_S
        await self._restart([self._network.named(leader)])

    async def _kill_two(self) -> None:
        """Without a quorum nothing is certified, but ops are still accepted and the absent seats are named."""
        symbol = self._network.manifest.symbols()[0]
        leader = self._network.named(self._monitor.leader(symbol))
        other = next(peer for peer in self._network.peers if peer is not leader)
        await self._kill([leader, other])
        survivors = [peer.name for peer in self._network.peers if peer not in (leader, other)]

        def no_quorum(monitor: Monitor) -> bool:
            words = [monitor.pair(name, symbol) for name in survivors]
            return all(w is not None and w["state"] == PairCondition.NO_QUORUM for w in words)

        if not await self._monitor.until(no_quorum, TAKEOVER_S):
            self.report.problems.append("with two of four peers down, status does not say no-quorum")
        for name in survivors:
            word = self._monitor.pair(name, symbol)
            if word is not None and sorted(word["absent"]) != sorted(self.report.killed):
                self.report.problems.append(f"{name} names {word['absent']} as absent, not {self.report.killed}")
        before, accepted = dict(self._monitor.heights), self._floor.tally.durable_acks
        await trio.sleep(STILL_S)
        if self._monitor.heights != before:
            self.report.problems.append("a block became final while two of four peers were down")
        self._say(f"{self._floor.tally.durable_acks - accepted} ops accepted while nothing could be certified")
        await self._restart([leader, other])

    async def _kill(self, peers: list[PeerProcess]) -> None:
        for peer in peers:
            peer.kill()
        self.report.killed = [peer.name for peer in peers]
        self._struck.set()
        self._say(f"killed {', '.join(self.report.killed)} (SIGKILL)")

    async def _restart(self, peers: list[PeerProcess]) -> None:
        async with trio.open_nursery() as nursery:
            for peer in peers:
                nursery.start_soon(peer.start)
        self._say(f"restarted {', '.join(peer.name for peer in peers)}")

    async def _check_return(self) -> None:
        """The restarted peers link up with everybody, hold their seats, and vote again."""
        if not await self._monitor.until(lambda monitor: monitor.linked(), RESTART_S):
            self.report.problems.append(f"{', '.join(self.report.killed)}: not back in all seats after the restart")

    async def check_votes(self) -> None:
        """At the end: whoever was killed has voted since. What the monitor heard last may be from before that."""
        for name in self.report.killed:
            if not await self._monitor.until(partial(_has_voted, name), VOTES_HEARD_S):
                self.report.problems.append(f"{name} has not voted since its restart")

    def _say(self, line: str) -> None:
        self.report.log.append(line)


def _has_voted(name: str, monitor: Monitor) -> bool:
    status = monitor.status[name]
    return status is not None and any(pair["votes_cast"] for pair in status["pairs"])
