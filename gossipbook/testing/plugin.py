"""The pytest plugin: it is installed with the package and defines one fixture."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gossipbook.testing.exchange import SimulatedExchange


@pytest.fixture
def simulated_exchange() -> "Iterator[Callable[..., SimulatedExchange]]":
    """Make simulated exchanges; each is brought to rest and checked when the test is over."""
    from gossipbook.testing.exchange import SimulatedExchange  # Only where it is asked for: it brings the whole peer.

    made: list[SimulatedExchange] = []

    def make(peers: int = 4, **options: object) -> SimulatedExchange:
        exchange = SimulatedExchange(peers, **options)  # type: ignore[arg-type]  # its own signature checks them
        made.append(exchange)
        return exchange

    yield make
    for exchange in made:
        exchange.finish()
