"""For tests of programs that embed gossipbook.

:class:`~gossipbook.testing.exchange.SimulatedExchange` is a whole exchange on virtual time; with pytest it is at
hand as the fixture ``simulated_exchange``, which needs no import and checks every invariant at the end of the test.
"""

from gossipbook.testing.exchange import SimulatedExchange

__all__ = ["SimulatedExchange"]
