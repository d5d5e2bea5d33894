"""Where the peer of a folder listens: a file that it writes when it is ready, for the commands that talk to it."""

import json
from pathlib import Path
from typing import Any

from gossipbook.errors import ConfigError

ENDPOINT_FILE = "endpoint.json"


def write_endpoint(folder: Path, endpoint: dict[str, Any]) -> None:
    """Note where a peer listens. Whoever reads the file meanwhile sees the old one or the new one, whole."""
    file = folder / "data" / ENDPOINT_FILE
    partial = file.with_name(file.name + ".part")
    partial.write_text(json.dumps(endpoint))
    partial.replace(file)


def read_endpoint(folder: Path) -> dict[str, Any]:
    """Where the peer of a folder listens, as it said when it started.

    Raises:
        ConfigError: it was never started.
    """
    try:
        endpoint: dict[str, Any] = json.loads((folder / "data" / ENDPOINT_FILE).read_text())
        _ = endpoint["listen"], endpoint["pid"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(f"{folder} has no running peer; start it with: gossipbook start {folder}") from None
    return endpoint
