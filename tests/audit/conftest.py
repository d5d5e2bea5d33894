from pathlib import Path

import pytest

from tests.audit.support import Network, network, write_all


@pytest.fixture(scope="session")
def net() -> Network:
    return network()


@pytest.fixture(scope="session")
def exports(net: Network, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """All peers' exports of all pairs, untouched."""
    return write_all(tmp_path_factory.mktemp("exports"), net.exports)
