from collections.abc import Callable, Iterator

import pytest

from .support import Network, Trader

PAIRS = ["ABC-USD:0.01:0.001", "BOOK-USD", "AMEND-USD", "WAIT-USD", "CHAIN-USD", "KEY-USD"]


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Four peers that certify. A test that stops some starts them again."""
    made = Network(tmp_path_factory.mktemp("cli") / "net", 4, PAIRS)
    try:
        for number in range(1, made.peers + 1):
            made.start(number)
        made.wait_for_all_links()
        yield made
    finally:
        made.stop_all()


@pytest.fixture
def new_trader(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Trader]:
    """Makes authors, each with a key of their own."""

    def make(peer: int = 1) -> Trader:
        return Trader(network, tmp_path_factory.mktemp("author") / "author.key", peer)

    return make
