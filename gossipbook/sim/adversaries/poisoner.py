"""A stranger whose orders are all good, and make as much work as orders can: no block may take for ever over them."""

import random
from typing import Any

from gossipbook.client_messages import Submit
from gossipbook.matching.commands import CancelAll, Command, Lease, OrderType, Place, PlaceSpecial, Side, TimeInForce
from gossipbook.scenario.orders import FIRST_PRICE_TICKS
from gossipbook.sim.adversaries.stranger import Stranger
from gossipbook.sim.host_roles import HostRoles

FAR_TICKS = 3 * FIRST_PRICE_TICKS
AT_ONCE = 60
SLICES = 100
LOTS = 10**8


class Poisoner(Stranger):
    """Rests icebergs, orders that lapse together and stops, far from the market, and takes them in one go."""

    def __init__(self, roles: HostRoles, rng: random.Random) -> None:
        super().__init__(roles, rng)
        self._maker, self._taker = self.author("maker"), self.author("taker")

    def act(self) -> Any:
        if self.number % 8 == 0:
            return Submit(self._taker.sign(*self._takes()))
        return Submit(self._maker.sign(*(self._rest() for _ in range(AT_ONCE)), *self._more()))

    def _rest(self) -> Command:
        client_id, draw = self._maker.next_id(), self._rng.random()
        if draw < 0.4:
            iceberg = PlaceSpecial(client_id, Side.SELL, OrderType.LIMIT, FAR_TICKS, SLICES, TimeInForce.GTC)
            return iceberg._replace(display_lots=1)
        if draw < 0.7:
            expires_ms = self._roles.world.now().wall_ms // 2_000 * 2_000 + 2_000
            return Place(client_id, Side.SELL, OrderType.LIMIT, FAR_TICKS, 1, TimeInForce.GTD, 0, 1, expires_ms)
        stop = PlaceSpecial(client_id, Side.BUY, OrderType.STOP_LIMIT, FAR_TICKS // 2, 1, TimeInForce.GTC)
        return stop._replace(stop_ticks=FAR_TICKS)

    def _more(self) -> tuple[Command, ...]:
        draw = self._rng.random()
        return (Lease(1_500),) if draw < 0.1 else (CancelAll(Side.SELL),) if draw < 0.15 else ()

    def _takes(self) -> tuple[Command, ...]:
        """All of it at once, and then again and again what cannot be had."""
        sweep = Place(self._taker.next_id(), Side.BUY, OrderType.LIMIT, FAR_TICKS, LOTS, TimeInForce.IOC)
        wishes = [
            Place(self._taker.next_id(), Side.BUY, OrderType.LIMIT, FAR_TICKS, LOTS, TimeInForce.FOK)
            for _ in range(AT_ONCE)
        ]
        return (sweep, *wishes)
