"""Four peers as processes on loopback, of which the fourth may be told to lie to clients."""

from collections.abc import Iterator

import pytest

from .network import PAIRS, RealNetwork


@pytest.fixture(scope="session")
def real_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNetwork]:
    """Four peers that certify. A test that stops one, or has it lie, undoes that."""
    made = RealNetwork(tmp_path_factory.mktemp("trade") / "net", 4, PAIRS)
    try:
        for number in range(1, made.peers + 1):
            made.start(number)
        made.wait_for_all_links()
        yield made
    finally:
        made.stop_all()
