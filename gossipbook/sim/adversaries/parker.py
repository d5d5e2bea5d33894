"""A stranger whose ops follow ops that nobody has: they may not take the room of those that blocks can take."""

from typing import Any

from gossipbook.client_messages import Submit
from gossipbook.ids import digest
from gossipbook.sim.adversaries.stranger import Stranger, small_order


class Parker(Stranger):
    """Signs each op with another key, beyond a gap that is never filled."""

    gap_us = 10_000

    def act(self) -> Any:
        number = self._rng.randrange(2**32)
        place = small_order(1)
        return Submit(self.author(number).sign(place, seq=1 + number % 9, prev=digest(b"nowhere", b"%d" % number)))
