"""The DHT nodes that were of use, kept for the next start."""

import json
from pathlib import Path


def load_good_nodes(file: Path) -> list[tuple[str, int]]:
    """Hosts and ports from the last run; none if there is no file, or a damaged one, which is removed."""
    try:
        return [(str(host), int(port)) for host, port in json.loads(file.read_text())]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, OSError):
        file.unlink(missing_ok=True)  # A hint only: a damaged one is worth nothing.
        return []


def save_good_nodes(file: Path, nodes: list[tuple[str, int]]) -> None:
    """Replace the file in one step; it stays as it is if there are no nodes."""
    if nodes:
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps(nodes))
        temporary.replace(file)
