"""A scenario's faults, put on real peers and their wires at their times, and taken off again.

Each fault has its own source of chance, from the seed and its place in the scenario. A fault without an end lasts until
the heal, which ends them all and starts whoever is down.
"""

import random
from collections.abc import Callable, Coroutine
from typing import Any

import trio

from gossipbook.rig.cast import Cast, Cut
from gossipbook.rig.minority_check import Stillness
from gossipbook.rig.processes import RealNetwork, RealPeer, RigFailed
from gossipbook.rig.wires import Trouble, Wires, delay_of
from gossipbook.scenario.parts import FaultPart


class Strikes:
    """All faults of a run. ``log`` tells what was done, with seconds since the first order."""

    def __init__(self, network: RealNetwork, wires: Wires, cast: Cast, stillness: Stillness, seed: int) -> None:
        self.log: list[str] = []
        self.active: list[str] = []
        self._network = network
        self._wires = wires
        self._cast = cast
        self._stillness = stillness
        self._seed = seed
        self._start_s = 0.0
        self._healing = trio.Event()
        self._strike: dict[str, Callable[[FaultPart, random.Random], Coroutine[Any, Any, None]]] = {
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
        async with self._stillness.changing():
            pass  # From here on it is known who is up.
        async with trio.open_nursery() as nursery:
            for number, fault in enumerate(faults):
                nursery.start_soon(self._inject, number, fault)
            await trio.sleep_until(heal_s)
            self._say("heal")
            self._healing.set()

    async def _inject(self, number: int, fault: FaultPart) -> None:
        if await self._healed_within(self._start_s + fault.at_s - trio.current_time()):
            return
        line = fault.described()
        self.active.append(line)
        await self._strike[fault.kind](fault, random.Random(f"{self._seed} fault {number} {fault.kind}"))
        self.active.remove(line)

    async def _healed_within(self, seconds: float) -> bool:
        """Wait for so long, or until the heal; whether that is it."""
        with trio.move_on_after(max(0.0, seconds)):
            await self._healing.wait()
        return self._healing.is_set()

    async def _last(self, fault: FaultPart) -> None:
        await self._healed_within(fault.for_s or float("inf"))

    # -- wires --------------------------------------------------------------------------------------

    async def _partition(self, fault: FaultPart, rng: random.Random) -> None:
        cuts = self._cast.cuts(fault, rng)
        self._say(f"partition {fault.shape}: cut {', '.join(f'p{a}→p{b}' for a, b in cuts) or 'nobody'}")
        with trio.move_on_after(fault.for_s or float("inf")):
            await self._flap(cuts, fault.flap_s or float("inf"))
        self._say(f"partition {fault.shape} mended")

    async def _flap(self, cuts: list[Cut], period_s: float) -> None:
        """Cut and mend in turn until the heal; ends mended, cancelled or not."""
        while not self._healing.is_set():
            async with self._stillness.changing():
                for cut in cuts:
                    self._wires[cut].cut()
            try:
                await self._healed_within(period_s)
            finally:
                with trio.CancelScope(shield=True):
                    async with self._stillness.changing():
                        for cut in cuts:
                            self._wires[cut].mend()
            await self._healed_within(period_s)

    async def _weather(self, fault: FaultPart, rng: random.Random) -> None:
        trouble = Trouble(
            loss=fault.share if fault.kind == "loss" else 0.0,
            delay=delay_of("uniform", fault.delay_ms) if fault.kind == "delay" else None,
            kbit_s=fault.kbit_s if fault.kind == "bandwidth" else 0,
        )
        hit = self._cast.chosen(fault.who, rng, "everyone")
        wires = self._wires.touching(hit)
        self._say(f"{fault.described()}: {_names(hit)}")
        for wire in wires:
            wire.afflict(trouble)
        await self._last(fault)
        for wire in wires:
            wire.relieve(trouble)
        self._say(f"{fault.kind} over")

    # -- machines -----------------------------------------------------------------------------------

    async def _pause(self, fault: FaultPart, rng: random.Random) -> None:
        hit = self._cast.chosen(fault.who, rng, "leader")
        peers = [self._network.peers[index] for index in hit]
        self._say(f"pause {_names(hit)}")
        async with self._stillness.changing():
            for peer in peers:
                peer.pause()
        await self._last(fault)
        async with self._stillness.changing():
            for peer in peers:
                peer.resume()
        self._say(f"resume {_names(hit)}")

    async def _crash(self, fault: FaultPart, rng: random.Random) -> None:
        hit = self._cast.chosen(fault.who, rng, "member")
        peers = [self._network.peers[index] for index in hit]
        self._say(f"kill {_names(hit)}")
        async with self._stillness.changing():
            for peer in peers:
                peer.kill()
        await self._last(fault)
        await self._start(peers)

    async def _roll(self, fault: FaultPart, rng: random.Random) -> None:
        """Each in turn is stopped in peace, is down for the gap, and is back for the gap before the next one."""
        for index in self._cast.chosen(fault.who, rng, "members"):
            peer = self._network.peers[index]
            self._say(f"stop {peer.name}")
            async with self._stillness.in_doubt():
                await peer.stop()
            await self._healed_within(fault.gap_s)
            await self._start([peer])
            if await self._healed_within(fault.gap_s):
                return

    async def _start(self, peers: list[RealPeer]) -> None:
        async with self._stillness.in_doubt(), trio.open_nursery() as nursery:
            for peer in peers:
                nursery.start_soon(_start_again, peer)
        self._say(f"start {', '.join(peer.name for peer in peers)}")

    def _say(self, line: str) -> None:
        self.log.append(f"{trio.current_time() - self._start_s:.1f} s: {line}")


def _names(hit: list[int]) -> str:
    return ", ".join(f"p{index}" for index in hit)


async def _start_again(peer: RealPeer) -> None:
    """A peer that does not come back is a finding, where one that never came is no test."""
    try:
        await peer.start()
    except RigFailed as failure:
        peer.exits.append(str(failure))
