from collections.abc import Callable, Iterator

import pytest
from cli.support import Network, Trader

PAIR = "BTC-USD"


@pytest.fixture
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Four peers that certify, for one test to break."""
    made = Network(tmp_path_factory.mktemp("monitor") / "net", 4, [PAIR])
    try:
        for number in range(1, made.peers + 1):
            made.start(number)
        made.wait_for_all_links()
        yield made
    finally:
        made.stop_all()


@pytest.fixture
def traders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Network], tuple[Trader, Trader]]:
    """Two who trade with one another."""

    def make(network: Network) -> tuple[Trader, Trader]:
        folder = tmp_path_factory.mktemp("authors")
        return Trader(network, folder / "a.key"), Trader(network, folder / "b.key", 2)

    return make
