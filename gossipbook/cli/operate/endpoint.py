"""Where the peer of a folder listens: a file that it writes when it is ready, for the commands that talk to it."""

import json
import logging
import os
from pathlib import Path
from typing import Any

from gossipbook.errors import Unavailable

ENDPOINT_FILE = "endpoint.json"

log = logging.getLogger(__name__)


def write_endpoint(folder: Path, endpoint: dict[str, Any]) -> None:
    """Note where a peer listens. Whoever reads the file meanwhile sees the old one or the new one, whole."""
    file = folder / "data" / ENDPOINT_FILE
    partial = file.with_name(file.name + ".part")
    try:
        partial.write_text(json.dumps(endpoint), encoding="utf-8")
        partial.replace(file)
    except OSError as error:  # A hint for commands of this machine; the peer serves without it.
        log.warning("%s cannot be written: %s; name the peer by --peer instead of --home", file, error.strerror)


def read_endpoint(folder: Path) -> dict[str, Any]:
    """Where the peer of a folder listens, as it said when it started.

    Raises:
        ConfigError: it was never started, or is starting.
    """
    try:
        endpoint: dict[str, Any] = json.loads((folder / "data" / ENDPOINT_FILE).read_text(encoding="utf-8"))
        if endpoint.get("starting") and is_alive(int(endpoint["pid"])):
            done, total = int(endpoint["block"]), int(endpoint["blocks"])
            raise Unavailable(f"the peer of {folder} is starting, at block {done:,} of {total:,}; ask again")
        _ = endpoint["listen"], endpoint["pid"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise Unavailable(f"{folder} has no running peer; start it with: gossipbook start {folder}") from None
    return endpoint


def is_alive(pid: int) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
