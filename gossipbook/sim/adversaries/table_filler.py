"""A stranger who fills the author table with throwaway keys: nobody who is in it may lose anything by that."""

from typing import Any

from gossipbook.client_messages import Submit
from gossipbook.matching.commands import TimeInForce
from gossipbook.sim.adversaries.stranger import Stranger, small_order


class TableFiller(Stranger):
    """Places one order with each key, half of them such that they end at once."""

    gap_us = 20_000

    def act(self) -> Any:
        ends = TimeInForce.IOC if self._rng.random() < 0.5 else TimeInForce.GTC
        place = small_order(1, ends)
        return Submit(self.author(self._rng.randrange(2**32)).sign(place))
