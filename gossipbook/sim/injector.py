"""Apply a scenario's faults to a world at their times, and take them back.

When they are on and whom they hit is not decided here: see :mod:`gossipbook.scenario.schedule` and its neighbours.
"""

import math
import random
from collections.abc import Callable
from functools import partial

from gossipbook.errors import JournalError
from gossipbook.scenario.conditions import WireConditions
from gossipbook.scenario.parts import ADVERSARIES, FaultPart
from gossipbook.scenario.schedule import schedule
from gossipbook.sim.adversaries import lie
from gossipbook.sim.disk import SimDisk
from gossipbook.sim.host import Host
from gossipbook.sim.host_roles import HostRoles
from gossipbook.sim.injected import Injected, Undo
from gossipbook.sim.moments import FinalToOne, OnPrepared
from gossipbook.sim.network import Weather
from gossipbook.sim.traders import Trader

US_PER_S = 1_000_000
FUSE_EFFECTS = 40
FUSE_US = 400_000


class Injector:
    """All faults of a run, applied to a world."""

    def __init__(
        self, roles: HostRoles, faults: tuple[FaultPart, ...], seed: int, traders: dict[str, Trader], begin_us: int
    ) -> None:
        self.roles = roles
        self.world = roles.world
        self.traders = traders
        self.injected = [Injected(scheduled) for scheduled in schedule(faults)]
        self._seed = seed
        self._over = False
        self._waiting: list[OnPrepared] = []
        for injected in self.injected:
            at_us = begin_us + _us(injected.scheduled.begins_s)
            self.world.call(max(0, at_us - self.world.now_us), partial(self._begin, injected))

    def active(self) -> list[Injected]:
        return [injected for injected in self.injected if injected.active]

    def heal(self) -> None:
        """End all faults but the adversaries', and start every peer that is down."""
        self._over = True
        for moment in self._waiting:
            moment.end()
        for injected in self.injected:
            if injected.active and injected.scheduled.ends_at_heal:
                self._end(injected)
        for host in self.world.hosts.values():
            self.world.resume(host.address)
            host.fuse = None
            host.journal.trouble = ""
            self.restart(host)

    def restart(self, host: Host) -> None:
        """Start a peer as an operator would: if its journal is refused, as an observer with an empty one."""
        if host.peer is not None or host.journal.trouble:
            return
        try:
            self.world.start(host.address)
        except JournalError as error:
            host.journal = SimDisk()
            host.observer_reason = f"the journal was lost: {error}"
            self.world.start(host.address)

    # -- beginning and ending -----------------------------------------------------------------------

    def _begin(self, injected: Injected) -> None:
        if self._over:
            return
        rng = injected.scheduled.rng(self._seed)
        if injected.scheduled.waits_for_lock:
            self._waiting.append(OnPrepared(self.roles, partial(self._apply, injected, rng)))
        else:
            self._apply(injected, rng)

    def _apply(self, injected: Injected, rng: random.Random) -> None:
        if self._over:
            return
        injected.began_us = self.world.now_us
        injected.undo = self._put_on(injected, rng)
        if math.isfinite(injected.scheduled.lasts_s):
            self.world.call(_us(injected.scheduled.lasts_s), partial(self._end, injected))

    def _end(self, injected: Injected) -> None:
        if not injected.active:
            return
        injected.ended_us = self.world.now_us
        if injected.undo is not None:
            injected.undo()

    def _put_on(self, injected: Injected, rng: random.Random) -> Undo | None:
        kind = injected.fault.kind
        if kind in ADVERSARIES:
            return lie(kind, self.roles, injected.fault, rng, self.traders, injected.hosts)
        put: dict[str, Callable[[Injected, random.Random], Undo | None]] = {
            "partition": self._partition,
            "pause": self._pause,
            "crash": self._crash,
            "torn-write": self._crash,
            "rolling-restart": self._rolling,
            "disk": self._disk,
            "clock": self._clock,
            "final-to-one": self._final_to_one,
        }
        return put.get(kind, self._weather)(injected, rng)

    # -- wires --------------------------------------------------------------------------------------

    def _partition(self, injected: Injected, rng: random.Random) -> Undo:
        injected.cuts = self.roles.cuts(injected.fault, rng)
        injected.hosts = [host for host in self.roles.hosts if any(host.peer_id == a for a, _ in injected.cuts)]
        phases = injected.scheduled.cut_phases()
        cut = False

        def enter_next() -> None:
            nonlocal cut
            if injected.active:
                phase = next(phases)
                cut = phase.cut
                (self.world.links.cut if cut else self.world.links.mend)(injected.cuts)
                if math.isfinite(phase.lasts_s):
                    self.world.call(_us(phase.lasts_s), enter_next)

        enter_next()
        return lambda: self.world.links.mend(injected.cuts) if cut else None

    def _weather(self, injected: Injected, rng: random.Random) -> Undo:
        network = self.world.network
        injected.hosts = self.roles.hit(injected.fault, rng)
        hit = frozenset(host.peer_id for host in injected.hosts)
        weather = Weather(lambda a, b: a in hit or b in hit, WireConditions.of(injected.fault))
        network.weather.append(weather)
        return lambda: network.weather.remove(weather)

    # -- machines -----------------------------------------------------------------------------------

    def _pause(self, injected: Injected, rng: random.Random) -> Undo:
        injected.hosts = self.roles.hit(injected.fault, rng)
        for host in injected.hosts:
            self.world.pause(host.address)
        return lambda: self._each(injected, lambda host: self._resume(injected, host))

    def _resume(self, injected: Injected, host: Host) -> None:
        """Resume a host, unless another pause is still on."""
        others = [one for one in self.active() if one is not injected and one.fault.kind == "pause"]
        if not any(host in one.hosts for one in others):
            self.world.resume(host.address)

    def _crash(self, injected: Injected, rng: random.Random) -> Undo:
        injected.hosts = self.roles.hit(injected.fault, rng)
        for host in injected.hosts:
            self._crash_soon(host, rng, torn=injected.fault.kind == "torn-write")
        return lambda: self._each(injected, self.restart)

    def _each(self, injected: Injected, act: Callable[[Host], None]) -> None:
        for host in injected.hosts:
            act(host)

    def _crash_soon(self, host: Host, rng: random.Random, *, torn: bool) -> None:
        """Crash a host within a few effects, possibly inside a turn; if it has nothing to do, a little later."""
        if host.peer is None:
            return
        host.torn = torn
        life = host.life
        self.world.crash_within(host.address, rng.randrange(FUSE_EFFECTS))

        def kill() -> None:
            if host.peer is not None and host.life == life and not self._over:
                self.world.crash(host.address)

        self.world.call(FUSE_US, kill)

    def _rolling(self, injected: Injected, rng: random.Random) -> None:
        """Crash and restart the hosts one after another."""
        injected.hosts = self.roles.hit(injected.fault, rng)
        begin_us = 0
        for turn in injected.scheduled.restarts([host.index for host in injected.hosts]):
            host = self.roles.hosts[turn.peer]
            self.world.call(begin_us, partial(self._next_crash, injected, host, rng))
            self.world.call(begin_us + FUSE_US + _us(turn.down_s), partial(self.restart, host))
            begin_us += _us(turn.down_s) + _us(turn.back_s)

    def _next_crash(self, injected: Injected, host: Host, rng: random.Random) -> None:
        if injected.active:
            self._crash_soon(host, rng, torn=False)

    def _disk(self, injected: Injected, rng: random.Random) -> Undo:
        """Refuse writes until the fault ends, or flip bits and restart the peer at once."""
        injected.hosts = self.roles.hit(injected.fault, rng)
        for host in injected.hosts:
            if injected.fault.trouble == "flips":
                if host.peer is not None:
                    self.world.crash(host.address, "crashed, and its disk is damaged")
                host.journal.flip_bit(rng)
                self.restart(host)
            else:
                host.journal.trouble = "no space left" if injected.fault.trouble == "full" else "input/output error"

        def mend() -> None:
            for host in injected.hosts:
                host.journal.trouble = ""
                self.restart(host)

        return mend

    def _clock(self, injected: Injected, rng: random.Random) -> Undo:
        injected.hosts = self.roles.hit(injected.fault, rng)
        self._turn_clocks(injected, 1)
        return lambda: self._turn_clocks(injected, -1)

    def _turn_clocks(self, injected: Injected, sign: int) -> None:
        """Change clocks by what the fault says, or back by as much: several faults may be on one clock."""
        skew_ms, rate_ppm = sign * injected.fault.skew_ms, sign * injected.fault.rate_ppm
        for host in injected.hosts:
            clock = host.clock
            clock.change(self.world.now_us, skew_ms=clock.skew_ms + skew_ms, rate_ppm=clock.rate_ppm + rate_ppm)

    def _final_to_one(self, injected: Injected, rng: random.Random) -> Undo | None:
        honest = [host for host in self.roles.members if not host.faulty]
        if not honest:
            return None
        moment = FinalToOne(self.roles, rng.choice(honest))
        injected.hosts = [moment.lucky]
        return moment.end


def _us(seconds: float) -> int:
    return round(seconds * US_PER_S)
