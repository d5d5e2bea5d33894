"""Apply a scenario's faults to real peers and their wires at their times, and take them back.

When they are on and whom they hit is not decided here: see :mod:`gossipbook.scenario.schedule` and its neighbours.
"""

import random
from collections.abc import Callable, Coroutine
from typing import Any

import trio

from gossipbook.rig.minority_check import MinorityCheck
from gossipbook.rig.processes import RealNetwork, RealPeer, RigFailed
from gossipbook.rig.roles import RealRoles
from gossipbook.rig.wires import Wires
from gossipbook.scenario.conditions import WireConditions
from gossipbook.scenario.partitions import Cut, cuts
from gossipbook.scenario.parts import FaultPart
from gossipbook.scenario.schedule import ScheduledFault, schedule


class RealInjector:
    """All faults of a run. ``log`` tells what was done, with seconds since the first order."""

    def __init__(
        self, network: RealNetwork, wires: Wires, roles: RealRoles, minority_check: MinorityCheck, seed: int
    ) -> None:
        self.log: list[str] = []
        self.active: list[str] = []
        self._network = network
        self._wires = wires
        self._roles = roles
        self._minority_check = minority_check
        self._seed = seed
        self._start_s = 0.0
        self._healing = trio.Event()
        self._begin: dict[str, Callable[[ScheduledFault, random.Random], Coroutine[Any, Any, None]]] = {
            "partition": self._partition,
            "loss": self._weather,
            "delay": self._weather,
            "bandwidth": self._weather,
            "pause": self._pause,
            "crash": self._crash,
            "rolling-restart": self._roll,
        }

    async def run(self, faults: tuple[FaultPart, ...], start_s: float, heal_s: float) -> None:
        """Inject all faults; returns when they are over and everybody is up. Times are those of trio's clock."""
        self._start_s = start_s
        async with self._minority_check.changing():
            pass  # From here on it is known who is up.
        async with trio.open_nursery() as nursery:
            for scheduled in schedule(faults):
                nursery.start_soon(self._inject, scheduled)
            await trio.sleep_until(heal_s)
            self._say("heal")
            self._healing.set()

    async def _inject(self, scheduled: ScheduledFault) -> None:
        if await self._healed_within(self._start_s + scheduled.begins_s - trio.current_time()):
            return
        line = scheduled.fault.described()
        self.active.append(line)
        await self._begin[scheduled.fault.kind](scheduled, scheduled.rng(self._seed))
        self.active.remove(line)

    async def _healed_within(self, seconds: float) -> bool:
        """Wait for some time or until the heal; return whether the heal has come."""
        with trio.move_on_after(max(0.0, seconds)):
            await self._healing.wait()
        return self._healing.is_set()

    async def _last(self, scheduled: ScheduledFault) -> None:
        await self._healed_within(scheduled.lasts_s)

    def _hit(self, scheduled: ScheduledFault, rng: random.Random) -> list[int]:
        return self._roles.now().hit(scheduled.fault, rng)

    # -- wires --------------------------------------------------------------------------------------

    async def _partition(self, scheduled: ScheduledFault, rng: random.Random) -> None:
        shape = scheduled.fault.shape
        directions = cuts(scheduled.fault, self._roles.now(), rng)
        self._say(f"partition {shape}: cut {', '.join(f'p{a}→p{b}' for a, b in directions) or 'nobody'}")
        with trio.move_on_after(scheduled.lasts_s):
            for phase in scheduled.cut_phases():
                if phase.cut:
                    await self._cut(directions, phase.lasts_s)
                else:
                    await self._healed_within(phase.lasts_s)
                if self._healing.is_set():
                    break
        self._say(f"partition {shape} mended")

    async def _cut(self, directions: list[Cut], for_s: float) -> None:
        """Cut some directions until the time is over or the heal comes; ends mended, cancelled or not."""
        async with self._minority_check.changing():
            for direction in directions:
                self._wires[direction].cut()
        try:
            await self._healed_within(for_s)
        finally:
            with trio.CancelScope(shield=True):
                async with self._minority_check.changing():
                    for direction in directions:
                        self._wires[direction].mend()

    async def _weather(self, scheduled: ScheduledFault, rng: random.Random) -> None:
        fault = scheduled.fault
        conditions = WireConditions.of(fault)
        hit = self._hit(scheduled, rng)
        wires = self._wires.touching(hit)
        self._say(f"{fault.described()}: {_names(hit)}")
        for wire in wires:
            wire.add(conditions)
        await self._last(scheduled)
        for wire in wires:
            wire.remove(conditions)
        self._say(f"{fault.kind} over")

    # -- machines -----------------------------------------------------------------------------------

    async def _pause(self, scheduled: ScheduledFault, rng: random.Random) -> None:
        hit = self._hit(scheduled, rng)
        peers = [self._network.peers[index] for index in hit]
        self._say(f"pause {_names(hit)}")
        async with self._minority_check.changing():
            for peer in peers:
                peer.pause()
        await self._last(scheduled)
        async with self._minority_check.changing():
            for peer in peers:
                peer.resume()
        self._say(f"resume {_names(hit)}")

    async def _crash(self, scheduled: ScheduledFault, rng: random.Random) -> None:
        hit = self._hit(scheduled, rng)
        peers = [self._network.peers[index] for index in hit]
        self._say(f"kill {_names(hit)}")
        async with self._minority_check.changing():
            for peer in peers:
                peer.kill()
        await self._last(scheduled)
        await self._start(peers)

    async def _roll(self, scheduled: ScheduledFault, rng: random.Random) -> None:
        """Stop each peer in turn, let it be down, start it again, and let it be back before the next one."""
        for turn in scheduled.restarts(self._hit(scheduled, rng)):
            peer = self._network.peers[turn.peer]
            self._say(f"stop {peer.name}")
            async with self._minority_check.in_doubt():
                await peer.stop()
            await self._healed_within(turn.down_s)
            await self._start([peer])
            if await self._healed_within(turn.back_s):
                return

    async def _start(self, peers: list[RealPeer]) -> None:
        async with self._minority_check.in_doubt(), trio.open_nursery() as nursery:
            for peer in peers:
                nursery.start_soon(_start_again, peer)
        self._say(f"start {', '.join(peer.name for peer in peers)}")

    def _say(self, line: str) -> None:
        self.log.append(f"{trio.current_time() - self._start_s:.1f} s: {line}")


def _names(hit: list[int]) -> str:
    return ", ".join(f"p{index}" for index in hit)


async def _start_again(peer: RealPeer) -> None:
    """Start a peer; if it does not come back, note that as a finding of the run."""
    try:
        await peer.start()
    except RigFailed as failure:
        peer.exits.append(str(failure))
