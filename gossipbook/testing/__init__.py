"""Tools for testing programs that embed gossipbook.

:class:`~gossipbook.testing.exchange.SimulatedExchange` is a whole exchange on virtual time; with pytest it is at
hand as the fixture ``simulated_exchange``, which needs no import and checks every invariant at the end of the test.
:class:`~gossipbook.testing.market.Market` is one pair without peers: blocks, and what the rules make of them.
"""

from gossipbook.testing.exchange import SimulatedExchange
from gossipbook.testing.market import Market

__all__ = ["Market", "SimulatedExchange"]
