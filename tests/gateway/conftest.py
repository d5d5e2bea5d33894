"""One network and gateway for the tests of a worker that leave it as it was."""

import os
import shutil
from collections.abc import Iterator

import pytest

from .live import Live, live_network


def need(*programs: str) -> None:
    """Skip, with the reason, what needs a program that is absent; in CI that is a failure."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        reason = f"{', '.join(missing)} is not installed"
        if os.environ.get("GOSSIPBOOK_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def network() -> Iterator[Live]:
    with live_network("--ops-per-s", "0") as live:
        yield live


@pytest.fixture
def live(network: Live) -> Live:
    """A network with an empty book, as far as the accounts go."""
    network.clear()
    return network
