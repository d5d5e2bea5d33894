"""What the tests of the faces share."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

from gossipbook.manifest import Manifest, Matcher, Pair
from gossipbook.storage.keys import create_key

PAIR = "BTC-USD"
ENOUGH_S = 30.0


def network_of_one(folder: Path) -> Manifest:
    """A network whose one peer keeps its key and journal in a folder."""
    key = create_key(folder / "keys" / "peer.key")
    return Manifest("one", (Pair(PAIR),), (Matcher("solo", key.public_key, "solo"),), 1, "crash")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(condition: Callable[[], object], within_s: float = ENOUGH_S) -> None:
    """Look until something holds; a deadline decides, and every look waits for the portal."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "not in time"
