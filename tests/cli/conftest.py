from collections.abc import Callable, Iterator

import pytest

from .support import Network, Trader, answer

PAIRS = ["ABC-USD:0.01:0.001", "BOOK-USD", "AMEND-USD", "WAIT-USD", "CHAIN-USD", "KEY-USD"]
PAIRS += ["ICE-USD", "STOP-USD", "SLIDE-USD", "LEASE-USD", "HALT-USD", "GROUP-USD", "MASS-USD", "LOSS-USD", "TAPE-USD"]
PAIRS += ["ACCT-USD:0.01:0.001", "TEXT-USD"]


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Four peers that certify. A test that stops some starts them again."""
    folder = tmp_path_factory.mktemp("cli")
    answer("keys", "new", folder / "warden.key")
    made = Network(folder / "net", 4, PAIRS, "--warden", folder / "warden.key")
    try:
        for number in range(1, made.peers + 1):
            made.start(number)
        made.wait_for_all_links()
        yield made
    finally:
        made.stop_all()


@pytest.fixture
def warden(network: Network) -> Trader:
    """Who may set the state of this network's pairs."""
    return Trader(network, network.folder.parent / "warden.key")


@pytest.fixture
def new_trader(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Trader]:
    """Makes authors, each with a key of their own."""

    def make(peer: int = 1) -> Trader:
        return Trader(network, tmp_path_factory.mktemp("author") / "author.key", peer)

    return make
