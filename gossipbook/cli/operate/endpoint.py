"""Where the peer of a folder listens: a file that it writes when it is ready, for the commands that talk to it."""

import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from gossipbook.errors import Unavailable

ENDPOINT_FILE = "endpoint.json"
STARTING_FILE = "starting.json"  # how far a start is; there as long as the other is not, for whoever waits for that

log = logging.getLogger(__name__)


def write_endpoint(folder: Path, endpoint: dict[str, Any]) -> None:
    """Note where a peer listens. Whoever reads the file meanwhile sees the old one or the new one, whole."""
    _write(folder, ENDPOINT_FILE, endpoint)
    with suppress(OSError):
        (folder / "data" / STARTING_FILE).unlink()


def write_starting(folder: Path, block: int, blocks: int) -> None:
    """Note how far the start of this process is: at block so many of so many."""
    _write(folder, STARTING_FILE, {"pid": os.getpid(), "block": block, "blocks": blocks})
    with suppress(OSError):
        (folder / "data" / ENDPOINT_FILE).unlink()


def _write(folder: Path, name: str, content: dict[str, Any]) -> None:
    file = folder / "data" / name
    partial = file.with_name(file.name + ".part")
    try:
        partial.write_text(json.dumps(content), encoding="utf-8")
        partial.replace(file)
    except OSError as error:  # A hint for commands of this machine; the peer serves without it.
        log.warning("%s cannot be written: %s; name the peer by --peer instead of --home", file, error.strerror)


def read_endpoint(folder: Path) -> dict[str, Any]:
    """Where the peer of a folder listens, as it said when it started.

    Raises:
        ConfigError: it was never started, or is starting.
    """
    _raise_if_starting(folder)
    try:
        endpoint = _read(folder, ENDPOINT_FILE)
        _ = endpoint["listen"], endpoint["pid"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise Unavailable(f"{folder} has no running peer; start it with: gossipbook start {folder}") from None
    return endpoint


def _raise_if_starting(folder: Path) -> None:
    try:
        starting = _read(folder, STARTING_FILE)
        pid, done, total = (int(starting[name]) for name in ("pid", "block", "blocks"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    if is_alive(pid):
        raise Unavailable(f"the peer of {folder} is starting, at block {done:,} of {total:,}; ask again")


def _read(folder: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "data" / name).read_text(encoding="utf-8"))
    return content


def is_alive(pid: int) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
